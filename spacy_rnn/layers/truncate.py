"""Texts cut to a length."""

from typing import Callable, List, Optional, Tuple

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d


def build_truncate(tok2vec: Model[List[Doc], List[Floats2d]], max_length: int) -> Model[List[Doc], List[Floats2d]]:
    """Let a model see only the first tokens of every text. For a text categorizer; the output has a row less for each token that
    was cut, so a tagger cannot use it.

    tok2vec (Model[List[Doc], List[Floats2d]]): The model. It cannot be a listener, which is given whole texts.
    max_length (int): The number of tokens that is kept.
    RETURNS (Model[List[Doc], List[Floats2d]]): The layer.
    RAISES (ValueError): If max_length is below 1.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, got {max_length}")
    return Model(
        "truncate",
        forward,
        init=init,
        layers=[tok2vec],
        dims={"nO": tok2vec.maybe_get_dim("nO")},
        attrs={"max_length": max_length},
    )


def init(
    model: Model[List[Doc], List[Floats2d]],
    X: Optional[List[Doc]] = None,
    Y: Optional[List[Floats2d]] = None,
) -> None:
    cut = None if X is None else _cut(X, model.attrs["max_length"])
    model.layers[0].initialize(X=cut, Y=Y)
    if model.layers[0].has_dim("nO"):
        model.set_dim("nO", model.layers[0].get_dim("nO"))


def forward(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[List[Floats2d], Callable]:
    return model.layers[0](_cut(docs, model.attrs["max_length"]), is_train)


def _cut(docs: List[Doc], max_length: int) -> List:
    # A Span serves as well as a Doc wherever token attributes are read.
    return [doc if len(doc) <= max_length else doc[:max_length] for doc in docs]
