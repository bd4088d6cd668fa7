"""A linear model of n-grams, the companion of a network."""

from functools import partial
from typing import List, Optional

from spacy.attrs import IDS
from spacy.ml.extract_ngrams import extract_ngrams
from spacy.ml.models.textcat import resize_and_set_ref
from spacy.tokens import Doc
from thinc.api import Model, SparseLinear_v2, chain, resizable
from thinc.layers.resizable import resize_linear_weighted
from thinc.types import Floats2d

from ..layers import build_ngram_dropout, check_rate, on_cpu

ATTRS = ("NORM", "ORTH", "LOWER", "SHAPE", "LEMMA")


def build_ngrams(
    ngram_size: int = 2, length: int = 262144, attr: str = "LOWER", dropout: float = 0.0, nO: Optional[int] = None
) -> Model[List[Doc], Floats2d]:
    """Score classes by the n-grams of a text, for `linear_model` of `spacy_rnn.TextCat.v1`.

    It is `spacy.TextCatBOW.v3` without its output layer, with dropout.

    Without dropout, rare n-grams soon tell all training texts apart, and the network beside them has nothing left to learn.
    Dropout of a linear model's features has the effect of a penalty that leaves rare features alone which say much (Wager, Wang &
    Liang 2013, "Dropout training as adaptive regularization").

    ngram_size (int): The number of tokens of the longest n-grams; all shorter ones count as well.
    length (int): The number of weights for each class, to which n-grams are hashed; rounded up to a power of two.
    attr (str): What is compared of a token, one of NORM, ORTH, LOWER, SHAPE, LEMMA.
    dropout (float): The share of a text's n-grams that is left out in training.
    nO (Optional[int]): The number of classes. Inferred from the data if None.
    RETURNS (Model[List[Doc], Floats2d]): The model, from B texts to scores [B, nO], which are no probabilities. Texts without
        tokens do not get this far in `spacy_rnn.TextCat.v1`; here they are refused, as by `spacy.extract_ngrams`.
    RAISES (ValueError): If an argument is out of its range.
    """
    for name, value in (("ngram_size", ngram_size), ("length", length)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    check_rate("dropout", dropout)
    if attr not in ATTRS:
        raise ValueError(f"attr must be one of {', '.join(ATTRS)}, got {attr!r}")
    sparse_linear = SparseLinear_v2(nO=nO, length=2 ** (length - 1).bit_length())
    linear: Model = resizable(sparse_linear, resize_layer=partial(resize_linear_weighted, fill_defaults={"W": 0, "b": 0}))
    ngrams: Model = chain(extract_ngrams(ngram_size, attr=IDS[attr]), build_ngram_dropout(dropout), linear)
    # Thinc's sparse layer has no form for GPUs.
    model = on_cpu(ngrams, ngrams.ops)
    if nO is not None:
        model.set_dim("nO", nO)
    model.set_ref("output_layer", sparse_linear)
    model.attrs["resize_output"] = partial(resize_and_set_ref, resizable_layer=linear)
    return model
