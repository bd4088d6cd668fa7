"""Layers that cannot read empty texts."""

from typing import Callable, List, Optional, Tuple, cast

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats1d, Floats2d


def on_filled_texts(layer: Model[List[Doc], Floats2d]) -> Model[List[Doc], Floats2d]:
    """Run a layer only on texts with tokens; spaCy's n-grams fail on others.

    layer (Model[List[Doc], Floats2d]): The layer, from texts to vectors [B, nO].
    RETURNS (Model[List[Doc], Floats2d]): The layer, which gives a text without tokens the bias of its output layer.
    """
    return Model("filled_texts", forward, init=init, layers=[layer], dims={"nO": layer.maybe_get_dim("nO")})


def init(model: Model[List[Doc], Floats2d], X: Optional[List[Doc]] = None, Y: Optional[Floats2d] = None) -> None:
    filled = None if X is None else [doc for doc in X if len(doc)]
    model.layers[0].initialize(X=filled or None, Y=Y)


def forward(model: Model[List[Doc], Floats2d], docs: List[Doc], is_train: bool) -> Tuple[Floats2d, Callable]:
    xp = model.ops.xp
    filled = [i for i, doc in enumerate(docs) if len(doc)]
    bias = model.ops.asarray1f(cast(Floats1d, model.layers[0].get_ref("output_layer").get_param("b")))
    Y = xp.tile(bias, (len(docs), 1))
    if not filled:
        return Y, _backprop_nothing
    rows = xp.asarray(filled)
    Y[rows], layer_backprop = model.layers[0]([docs[i] for i in filled], is_train)

    def backprop(dY: Floats2d) -> List[Doc]:
        layer_backprop(model.ops.as_contig(dY[rows]))
        return []

    return Y, backprop


def _backprop_nothing(dY: Floats2d) -> List[Doc]:
    return []
