"""Variational dropout."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged, set_dropout_rate

from spacy_rnn.layers import build_sequence_dropout

LENGTHS = numpy.asarray([7, 0, 1, 12] * 30, dtype="int32")
X = Ragged(numpy.full((int(LENGTHS.sum()), 40), 3.0, dtype="float32"), LENGTHS)


def sequences(rows):
    return [part for part in numpy.split(rows, numpy.cumsum(LENGTHS)[:-1]) if len(part)]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_same_columns_are_dropped_in_all_rows_of_a_sequence(rate):
    model = build_sequence_dropout(rate)
    assert_array_equal(model.predict(X).data, X.data)
    Y, backprop = model.begin_update(X)
    assert_array_equal(Y.lengths, LENGTHS)
    dropped = [part == 0 for part in sequences(Y.data)]
    for part in dropped:
        assert (part == part[0]).all()
    assert len({part[0].tobytes() for part in dropped}) > len(dropped) // 2
    assert abs(numpy.mean([part[0].mean() for part in dropped]) - rate) < 0.03
    assert_allclose(Y.data[Y.data != 0], 3.0 / (1.0 - rate), rtol=1e-5)
    d_rows = backprop(Ragged(numpy.ones_like(X.data), LENGTHS))
    assert_allclose(d_rows.data, Y.data / 3.0, rtol=1e-5)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_rate_is_not_changed_from_outside(rate):
    model = build_sequence_dropout(rate)
    set_dropout_rate(model, 0.5 - rate)
    assert (model.begin_update(X)[0].data == 0).any() == (rate > 0)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_rates_that_are_no_share_are_refused(rate):
    with pytest.raises(ValueError, match=f"rate must be at least 0 and below 1, got {rate}"):
        build_sequence_dropout(rate)
