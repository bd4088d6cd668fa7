"""Sequences cut to a length."""

import numpy
import pytest
from numpy.testing import assert_array_equal
from thinc.api import chain, ragged2list

from spacy_rnn.layers import build_list2ragged, build_rnn, build_truncate

LENGTHS = [5, 0, 2, 3, 1]


def build_encoder(nI=None):
    return chain(build_list2ragged(), build_rnn(4, nI, cell="gru"), ragged2list())


def make_rows(dtype="float64", seed=0):
    rng = numpy.random.default_rng(seed)
    return [rng.normal(size=(n, 3)).astype(dtype) for n in LENGTHS]


def test_encoder_sees_the_first_rows_only():
    X = make_rows("float32")
    encoder = build_encoder()
    model = build_truncate(encoder, 2)
    model.initialize(X=X)
    Y = model.predict(X)
    assert [rows.shape for rows in Y] == [(min(n, 2), 4) for n in LENGTHS]
    for ours, theirs in zip(Y, encoder.predict([rows[:2] for rows in X]), strict=True):
        assert_array_equal(ours, theirs)


@pytest.mark.parametrize("max_length", [1, 2, 4, 100])
def test_gradients_match_central_differences(randomize, difference_error, check_parameter_gradients, max_length):
    X = make_rows()
    model = build_truncate(build_encoder(3), max_length)
    model.initialize()
    randomize(model)
    dY = [rows[:, :1] * numpy.ones(4) for rows in make_rows(seed=1)]
    dY = [rows[:max_length] for rows in dY]

    def loss():
        return sum((y * dy).sum() for y, dy in zip(model.predict(X), dY, strict=True))

    dX = model.begin_update(X)[1](dY)
    for rows, gradient in zip(X, dX, strict=True):
        assert difference_error(loss, rows, gradient) < 1e-6
        assert not gradient[max_length:].any()
    check_parameter_gradients(model, loss)


@pytest.mark.parametrize("max_length", [0, -1])
def test_lengths_below_one_are_refused(max_length):
    with pytest.raises(ValueError, match=f"max_length.*at least 1, got {max_length}"):
        build_truncate(build_encoder(), max_length)
