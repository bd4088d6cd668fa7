"""Highway connections."""

import numpy
import pytest
from numpy.testing import assert_allclose

from spacy_rnn.layers import build_highway, build_rnn

LENGTHS = [3, 0, 1, 5]


@pytest.fixture
def model(randomize):
    model = build_highway(build_rnn(4, 4, bidirectional=True))
    model.initialize()
    return randomize(model)


def test_gate_mixes_input_and_output(model, make_batch):
    X = make_batch(LENGTHS, 4)
    inner = model.layers[0].predict(X).data
    for bias, expected in [(50.0, inner), (-50.0, X.data)]:
        model.get_param("u")[:] = bias
        assert_allclose(model.predict(X).data, expected, atol=1e-8)
    model.get_param("u")[:] = 0.0
    model.get_param("T")[:] = 0.0
    assert_allclose(model.predict(X).data, (inner + X.data) / 2)


def test_gradients_are_exact(model, make_batch, check_gradients):
    check_gradients(model, make_batch(LENGTHS, 4))


def test_at_first_the_input_is_mostly_carried_on(make_batch):
    model = build_highway(build_rnn(64, 64))
    model.initialize()
    X = make_batch([20], 64, dtype="float32")
    inner = model.layers[0].predict(X).data
    Y = model.predict(X).data
    assert numpy.abs(Y - X.data).mean() < 0.5 * numpy.abs(inner - X.data).mean()


def test_another_width_is_refused():
    with pytest.raises(ValueError, match="equally wide, got nI = 3 and nO = 4"):
        build_highway(build_rnn(4, 3)).initialize()
