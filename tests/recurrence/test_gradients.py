"""Every gradient of every cell against central differences in float64."""

import numpy
import pytest

from spacy_rnn.recurrence import CELLS, sweep

LENGTHS = {
    "ragged": [3, 0, 1, 5, 2],
    "equal": [4, 4, 4],
    "one row": [1],
}
nI, nH = 3, 4


def make_problem(name, lengths, with_initial, with_mask, seed=0):
    rng = numpy.random.default_rng(seed)
    cell = CELLS[name]
    params = {key: rng.normal(scale=0.6, size=shape) for key, shape in cell.parameter_shapes(nI, nH).items()}
    X = rng.normal(size=(sum(lengths), nI))
    B = len(lengths)
    initial = None
    if with_initial:
        initial = {state: rng.normal(size=(B, nH)) for state in cell.states}
    mask = None
    if with_mask:
        mask = (rng.uniform(size=(B, nH)) > 0.4) / 0.6
    dY = rng.normal(size=(sum(lengths), nH))
    d_final = {state: rng.normal(size=(B, nH)) for state in cell.states}
    return cell, params, X, initial, mask, dY, d_final


def relative_error(analytic, numeric):
    scale = max(numpy.linalg.norm(analytic), numpy.linalg.norm(numeric))
    return 0.0 if scale == 0 else numpy.linalg.norm(analytic - numeric) / scale


def central_differences(loss, array, eps=1e-6):
    gradient = numpy.zeros_like(array)
    for i in numpy.ndindex(*array.shape):
        value = array[i]
        array[i] = value + eps
        above = loss()
        array[i] = value - eps
        below = loss()
        array[i] = value
        gradient[i] = (above - below) / (2 * eps)
    return gradient


@pytest.mark.parametrize("with_mask", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("with_initial", [False, True], ids=["zeros", "initial"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS.keys())
@pytest.mark.parametrize("name", CELLS)
def test_gradients_match_central_differences(name, lengths, reverse, with_initial, with_mask):
    cell, params, X, initial, mask, dY, d_final = make_problem(name, lengths, with_initial, with_mask)

    def run(is_train):
        return sweep(
            cell,
            params,
            X,
            lengths,
            initial=initial,
            mask=mask,
            reverse=reverse,
            is_train=is_train,
        )

    def loss():
        Y, final, _ = run(False)
        return (Y * dY).sum() + sum((final[s] * d_final[s]).sum() for s in cell.states)

    _, _, backprop = run(True)
    dX, grads, d_initial = backprop(dY, d_final)
    assert set(grads) == set(params)
    pairs = {"X": (dX, X)}
    pairs.update({key: (grads[key], params[key]) for key in params})
    if initial is not None:
        pairs.update({f"initial {s}": (d_initial[s], initial[s]) for s in cell.states})
    for key, (analytic, array) in pairs.items():
        numeric = central_differences(loss, array)
        assert relative_error(analytic, numeric) < 1e-6, key
