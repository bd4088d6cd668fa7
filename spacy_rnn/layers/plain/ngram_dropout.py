"""Dropout of a text's n-grams."""

from typing import Callable, Tuple

from thinc.api import Model
from thinc.types import Floats1d, Ints1d

from ..capabilities import Drops, declare
from .dropout import check_rate

# What `spacy.extract_ngrams` gives and `SparseLinear` reads: keys and counts of all distinct n-grams of all texts, one text after
# the other, and how many of them each text has.
NGrams = Tuple[Ints1d, Floats1d, Ints1d]


def build_ngram_dropout(rate: float = 0.0) -> Model[NGrams, NGrams]:
    """Leave n-grams out during training, at a rate that belongs to the architecture (Srivastava et al. 2014).

    rate (float): The share of a text's distinct n-grams that is left out; the counts of the others are multiplied by
        1 / (1 - rate).
    RETURNS (Model[NGrams, NGrams]): The layer.
    RAISES (ValueError): If the rate is not in [0, 1).
    """
    check_rate("rate", rate)
    return Model("ngram_dropout", forward, attrs={"rate": rate})


def forward(model: Model[NGrams, NGrams], X: NGrams, is_train: bool) -> Tuple[NGrams, Callable]:
    rate = model.attrs["rate"]
    keys, counts, lengths = X
    if is_train and rate > 0.0:
        counts = counts * model.ops.get_dropout_mask(counts.shape, rate)
    # Keys and counts have no gradient.
    return (keys, counts, lengths), lambda dY: dY


declare(forward, Drops(("rate",)))
