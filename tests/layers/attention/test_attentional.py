"""Hidden rows joined with contexts."""

import numpy
import pytest
from differences import assert_is_gradient, to_float64
from numpy.testing import assert_allclose
from thinc.api import fix_random_seed

from spacy_rnn.layers.attention.attentional import build_attentional


@pytest.fixture
def model():
    fix_random_seed(0)
    model = build_attentional(4, 3, 5)
    model.initialize()
    to_float64(model)
    return model


@pytest.fixture
def rows():
    random = numpy.random.default_rng(0)
    return random.normal(size=(6, 3)), random.normal(size=(6, 5))


def test_it_is_luongs_equation(model, rows):
    H, C = rows
    W = numpy.concatenate([model.get_param("Wh"), model.get_param("Wc")], axis=1)
    assert_allclose(model.predict(rows), numpy.tanh(numpy.concatenate([H, C], axis=1) @ W.T))


def test_gradients(model, rows):
    dY = numpy.random.default_rng(1).normal(size=(6, 4))
    _, backprop = model.begin_update(rows)
    dH, dC = backprop(dY)
    arrays = {"H": rows[0], "C": rows[1], "Wh": model.get_param("Wh"), "Wc": model.get_param("Wc")}
    gradients = {"H": dH, "C": dC, "Wh": model.get_grad("Wh"), "Wc": model.get_grad("Wc")}
    assert_is_gradient(lambda: float((model.predict(rows) * dY).sum()), arrays, gradients)


@pytest.mark.parametrize("widths, message", [((0, 3, 5), "nO"), ((4, -1, 5), "nH"), ((4, 3, 0), "nC")])
def test_widths(widths, message):
    with pytest.raises(ValueError, match=f"{message} must be at least 1"):
        build_attentional(*widths)
