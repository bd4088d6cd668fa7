"""A linear layer over the weighted n-grams of a text."""

from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Tuple, cast

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ...text.ngrams import NGramCounter, NGramVocabulary, hash_ngrams
from ..capabilities import Drops, LearnsVocabulary, declare
from ..learning import learn_vocabulary
from ..plain.dropout import check_rate
from ..saved import Saved, Shapes

# The length of a text's vector. Adam moves every weight by about its rate in an update, however small the features are: with
# vectors of this length scores grow in some hundred updates at a rate of 0.001.
_LENGTH = 8.0


def build_ngram_linear(
    ngram_size: int = 2, size: int = 262144, attr: str = "LOWER", dropout: float = 0.0, nO: Optional[int] = None
) -> Model[List[Doc], Floats2d]:
    """Score classes by the n-grams of a text: a linear function of their TF-IDF weights.

    A text's feature for an n-gram that occurs in it c times is (1 + log c) · idf, all of them scaled to a vector of length 8. The
    n-grams and their inverse document frequencies are learned when the model is initialized. One that was not in the training
    data says nothing; hashed to the weights of others, it would say something at random.

    ngram_size (int): The number of tokens of the longest n-grams; all shorter ones count as well.
    size (int): How many n-grams have weights at most: those in the most texts.
    attr (str): The token attribute that is compared, e.g. "LOWER".
    dropout (float): The share of a text's n-grams that is left out in training (Wager, Wang & Liang 2013, "Dropout training as
        adaptive regularization").
    nO (Optional[int]): The number of classes. Inferred from the data if None.
    RETURNS (Model[List[Doc], Floats2d]): The layer, from B texts to scores [B, nO]. It runs on the CPU.
    RAISES (ValueError): If an argument is out of its range.
    """
    for name, value in (("ngram_size", ngram_size), ("size", size)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    check_rate("dropout", dropout)
    return Model(
        "ngram_linear",
        forward,
        init=init,
        dims={"nO": nO, "nI": None},
        params={"W": None, "b": None},
        attrs={"ngram_size": ngram_size, "size": size, "attr": attr, "dropout": dropout, "vocabulary": NGramVocabulary()},
    )


class _Features(NamedTuple):
    """The features of a batch that are not 0.

    texts (numpy.ndarray): int64 [M], increasing, the text of each.
    columns (numpy.ndarray): int64 [M], its n-gram.
    values (numpy.ndarray): float32 [M].
    """

    texts: numpy.ndarray
    columns: numpy.ndarray
    values: numpy.ndarray


def init(model: Model[List[Doc], Floats2d], X: Optional[List[Doc]] = None, Y: Optional[Floats2d] = None) -> None:
    if Y is not None and model.has_dim("nO") is None:
        model.set_dim("nO", Y.shape[1])
    learn_vocabulary(model, X or [])


def forward(model: Model[List[Doc], Floats2d], docs: List[Doc], is_train: bool) -> Tuple[Floats2d, Callable]:
    # The layer runs on the CPU, so these are NumPy's.
    W, b = (cast(numpy.ndarray, model.get_param(name)) for name in ("W", "b"))
    features = _extract(model, docs)
    if is_train and model.attrs["dropout"]:
        mask = model.ops.get_dropout_mask(features.values.shape, model.attrs["dropout"])
        features = features._replace(values=features.values * mask)
    Y = numpy.zeros((len(docs), len(b)), dtype="float32")
    starts = numpy.flatnonzero(numpy.diff(features.texts, prepend=-1))
    if len(starts):
        products = W[:, features.columns] * features.values
        Y[features.texts[starts]] = numpy.add.reduceat(products, starts, axis=1).T
    Y += b

    def backprop(dY: Any) -> List[Doc]:
        dW: Any = numpy.zeros_like(W)
        for k in range(len(b)):
            weights = features.values * dY[features.texts, k]
            dW[k] = numpy.bincount(features.columns, weights=weights, minlength=W.shape[1])
        model.inc_grad("W", dW)
        model.inc_grad("b", dY.sum(axis=0))
        return []

    return cast(Floats2d, Y), backprop


def resize_ngram_linear(layer: Model[List[Doc], Floats2d], nO: int) -> Model[List[Doc], Floats2d]:
    """Make a layer of more classes, whose weights are those of a given one, and zeros.

    layer (Model[List[Doc], Floats2d]): A layer made by `build_ngram_linear`.
    nO (int): The number of classes.
    RETURNS (Model[List[Doc], Floats2d]): The new layer.
    """
    settings = {name: value for name, value in layer.attrs.items() if name != "vocabulary"}
    resized = build_ngram_linear(**settings, nO=nO)
    # On the CPU, whatever other layers are on.
    resized.ops = layer.ops
    resized.attrs["vocabulary"] = layer.attrs["vocabulary"]
    if layer.has_dim("nI"):
        resized.set_dim("nI", layer.get_dim("nI"))
    for name in layer.param_names if layer.has_param("W") else ():
        old: Any = layer.get_param(name)
        new: Any = numpy.zeros((nO, *old.shape[1:]), dtype="float32")
        new[: len(old)] = old
        resized.set_param(name, new)
    return resized


def _extract(model: Model, docs: List[Doc]) -> _Features:
    vocabulary: NGramVocabulary = model.attrs["vocabulary"]
    keys, texts = hash_ngrams(docs, model.attrs["attr"], model.attrs["ngram_size"])
    rows = vocabulary.rows(keys)
    known = rows >= 0
    places, counts = numpy.unique(texts[known] * len(vocabulary) + rows[known], return_counts=True)
    owners, columns = numpy.divmod(places, max(len(vocabulary), 1))
    values = (1 + numpy.log(counts)) * vocabulary.weights[columns]
    lengths = numpy.sqrt(numpy.bincount(owners, weights=values**2, minlength=len(docs)))
    return _Features(owners, columns, (values * (_LENGTH / lengths[owners])).astype("float32"))


def _begin_vocabulary(model: Model) -> NGramCounter:
    return NGramCounter(model.attrs["attr"], model.attrs["ngram_size"])


def _set_vocabulary(model: Model, counter: NGramCounter) -> None:
    vocabulary = counter.vocabulary(model.attrs["size"])
    model.attrs["vocabulary"] = vocabulary
    for name in model.param_names:
        # Thinc changes no dimension of a layer that has parameters.
        model.set_param(name, None)
    model.set_dim("nI", len(vocabulary), force=True)
    model.set_param("b", model.ops.alloc1f(model.get_dim("nO")))
    model.set_param("W", model.ops.alloc2f(model.get_dim("nO"), len(vocabulary)))
    for name in model.param_names:
        if model.has_grad(name):
            # What an update with another vocabulary has left behind.
            model.set_grad(name, cast(Any, numpy.zeros_like(model.get_param(name))))


def _shapes(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"W": (dims["nO"], dims["nI"]), "b": (dims["nO"],)}


def _check(model: Model) -> None:
    n_ngrams, width = len(model.attrs["vocabulary"]), model.maybe_get_dim("nI")
    if width is not None and n_ngrams != width:
        raise ValueError(f"its vocabulary has {n_ngrams} n-grams, but its matrix {width} columns")


declare(
    forward,
    LearnsVocabulary(_begin_vocabulary, _set_vocabulary),
    Drops(("dropout",)),
    Saved(_shapes, _check, learned=["vocabulary"]),
)
