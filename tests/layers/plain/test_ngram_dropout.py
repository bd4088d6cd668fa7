"""Dropout of n-grams."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import set_dropout_rate

from spacy_rnn.layers import build_ngram_dropout

N = 5000
X = (numpy.arange(N, dtype="uint64"), numpy.full(N, 2.0, dtype="float32"), numpy.asarray([N - 7, 0, 7], dtype="int32"))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.9])
def test_a_share_of_the_ngrams_is_left_out_in_training_only(rate):
    model = build_ngram_dropout(rate)
    for given, read in zip(X, model.predict(X), strict=True):
        assert_array_equal(read, given)
    (keys, counts, lengths), _ = model.begin_update(X)
    assert_array_equal(keys, X[0])
    assert_array_equal(lengths, X[2])
    assert abs((counts == 0).mean() - rate) < 0.02
    assert_allclose(counts[counts != 0], 2.0 / (1.0 - rate), rtol=1e-5)
    assert (X[1] == 2.0).all()


def test_each_update_leaves_out_others():
    model = build_ngram_dropout(0.5)
    one, other = (model.begin_update(X)[0][1] for _ in range(2))
    assert (one != other).any()


def test_rate_is_not_changed_from_outside():
    model = build_ngram_dropout(0.5)
    set_dropout_rate(model, 0.0)
    assert (model.begin_update(X)[0][1] == 0).any()


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_rates_that_are_no_share_are_refused(rate):
    with pytest.raises(ValueError, match=f"rate must be at least 0 and below 1, got {rate}"):
        build_ngram_dropout(rate)
