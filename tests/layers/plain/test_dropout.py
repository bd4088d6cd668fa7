"""Dropout with a rate of its own."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import set_dropout_rate

from spacy_rnn.layers import build_dropout

X = numpy.full((200, 50), 3.0, dtype="float32")


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_share_of_values_is_dropped_in_training_and_the_rest_scaled(rate):
    model = build_dropout(rate)
    assert_array_equal(model.predict(X), X)
    Y, backprop = model.begin_update(X)
    dropped = Y == 0
    assert abs(dropped.mean() - rate) < 0.03
    assert_allclose(Y[~dropped], 3.0 / (1.0 - rate), rtol=1e-5)
    assert_allclose(backprop(numpy.ones_like(X)), Y / 3.0, rtol=1e-5)


def test_nothing_is_dropped_unless_asked_for():
    assert_array_equal(build_dropout().begin_update(X)[0], X)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_rate_is_not_changed_from_outside(rate):
    model = build_dropout(rate)
    set_dropout_rate(model, 0.5 - rate)
    assert (model.begin_update(X)[0] == 0).any() == (rate > 0)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2, float("nan")])
def test_rates_that_are_no_share_are_refused(rate):
    with pytest.raises(ValueError, match=f"rate must be at least 0 and below 1, got {rate}"):
        build_dropout(rate)
