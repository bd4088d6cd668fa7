"""From vectors to the state that a recurrent layer begins in."""

import numpy
import pytest
from differences import assert_is_gradient, to_float64
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import fix_random_seed

from spacy_rnn.layers.recurrent.bridge import build_bridge, join_states
from spacy_rnn.recurrence import CELLS, get_cell


def make(cell, depth):
    fix_random_seed(0)
    model = build_bridge(cell, depth, 3)
    X = numpy.random.default_rng(0).normal(size=(5, 4))
    model.initialize(X=X)
    to_float64(model)
    return model, X


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_states_and_their_gradients(cell, depth):
    model, X = make(cell, depth)
    names = list(get_cell(cell).states)
    random = numpy.random.default_rng(1)
    d_state = {name: random.normal(size=(depth, 5, 3)) for name in names}
    state, backprop = model.begin_update(X)
    rows = numpy.tanh(X @ model.get_param("W").T + model.get_param("b"))
    for i, name in enumerate(names):
        for layer in range(depth):
            first = (i * depth + layer) * 3
            assert_allclose(state[name][layer], rows[:, first : first + 3])
    dX = backprop(d_state)
    arrays = {"X": X, "W": model.get_param("W"), "b": model.get_param("b")}
    gradients = {"X": dX, "W": model.get_grad("W"), "b": model.get_grad("b")}

    def value():
        return sum(float((array * d_state[name]).sum()) for name, array in model.predict(X).items())

    assert_is_gradient(value, arrays, gradients)


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_has_its_states(cell):
    model, X = make(cell, 2)
    assert {name: array.shape for name, array in model.predict(X).items()} == dict.fromkeys(get_cell(cell).states, (2, 5, 3))


def test_states_side_by_side():
    model, _ = make("lstm", 2)
    state = {name: numpy.random.default_rng(i).normal(size=(4, 5, 3)) for i, name in enumerate(("h", "c"))}
    joined, backprop = join_states(model, state)
    assert joined.shape == (5, 24)
    for b in range(5):
        assert_array_equal(joined[b], numpy.concatenate([array[:, b].ravel() for array in state.values()]))
    for name, array in backprop(joined).items():
        assert_array_equal(array, state[name])


def test_an_unknown_cell():
    with pytest.raises(ValueError, match="other"):
        build_bridge("other", 1, 3)
