"""A linear model of n-grams, the companion of a network."""

from typing import List, Optional

from spacy.tokens import Doc
from thinc.api import Model, get_current_ops
from thinc.types import Floats2d

from ..layers import build_ngram_linear, on_cpu, resize_ngram_linear

ATTRS = ("NORM", "ORTH", "LOWER", "SHAPE", "LEMMA")


def build_ngrams(
    ngram_size: int = 2, size: int = 262144, attr: str = "LOWER", dropout: float = 0.0, nO: Optional[int] = None
) -> Model[List[Doc], Floats2d]:
    """Score classes by the n-grams of a text, for `linear_model` of `spacy_rnn.TextCat.v1`.

    It is a logistic regression over TF-IDF weights: see `build_ngram_linear`.

    ngram_size (int): The number of tokens of the longest n-grams; all shorter ones count as well.
    size (int): How many n-grams have weights at most: those in the most texts.
    attr (str): What is compared of a token, one of NORM, ORTH, LOWER, SHAPE, LEMMA.
    dropout (float): The share of a text's n-grams that is left out in training.
    nO (Optional[int]): The number of classes. Inferred from the data if None.
    RETURNS (Model[List[Doc], Floats2d]): The model, from B texts to scores [B, nO], which are no probabilities.
    RAISES (ValueError): If an argument is out of its range.
    """
    if attr not in ATTRS:
        raise ValueError(f"attr must be one of {', '.join(ATTRS)}, got {attr!r}")
    linear = build_ngram_linear(ngram_size, size, attr, dropout, nO)
    # Sparse features have no form for GPUs.
    model = on_cpu(linear, get_current_ops())
    model.set_ref("output_layer", linear)
    model.attrs["resize_output"] = resize
    return model


def resize(model: Model[List[Doc], Floats2d], new_nO: int) -> Model[List[Doc], Floats2d]:
    """Add classes to a model of n-grams.

    model (Model[List[Doc], Floats2d]): A model made by `build_ngrams`.
    new_nO (int): The number of classes.
    RETURNS (Model[List[Doc], Floats2d]): The model.
    """
    resized = resize_ngram_linear(model.get_ref("output_layer"), new_nO)
    model.layers[0] = resized
    model.set_ref("output_layer", resized)
    model.set_dim("nO", new_nO, force=True)
    return model
