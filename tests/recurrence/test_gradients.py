"""Every gradient of every cell against central differences in float64."""

import numpy
import pytest

from spacy_rnn.recurrence import CELLS, sweep

LENGTHS = {
    "ragged": [3, 0, 1, 5, 2],
    "equal": [4, 4, 4],
    "one row": [1],
    "no rows": [0, 0],
}
# A central difference of the rectifier is exact only if no step of 1e-6 crosses its kink.
DISTANCE_FROM_KINK = 1e-4
# float64 is for the reference, float32 for the compiled engine where it has been built.
both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


def smallest_preactivation(params, X, lengths, initial, mask, reverse, Y):
    """The distance of an Elman cell's activations from 0, before the activation."""
    smallest = numpy.inf
    start = 0
    for i, n in enumerate(lengths):
        h = numpy.zeros(Y.shape[1]) if initial is None else initial["h"][i]
        rows = range(start, start + n)
        for row in reversed(rows) if reverse else rows:
            h_in = h if mask is None else h * mask[i]
            activation = params["W"] @ X[row] + params["b"] + params["R"] @ h_in
            smallest = min(smallest, numpy.abs(activation).min())
            h = Y[row]
        start += n
    return smallest


# Of one batch every setting, of the others all at once.
SETTINGS = [
    *(("ragged", with_initial, with_mask) for with_initial in (False, True) for with_mask in (False, True)),
    *((batch, True, True) for batch in LENGTHS if batch != "ragged"),
]


@pytest.mark.parametrize("batch, with_initial, with_mask", SETTINGS)
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("name", CELLS)
def test_gradients_match_central_differences(make_problem, difference_error, name, batch, reverse, with_initial, with_mask):
    lengths = LENGTHS[batch]
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

    Y, _, backprop = run(True)
    if name == "elman_relu":
        assert smallest_preactivation(params, X, lengths, initial, mask, reverse, Y) > DISTANCE_FROM_KINK
    dX, grads, d_initial = backprop(dY, d_final)
    assert set(grads) == set(params)
    pairs = {"X": (dX, X)}
    pairs.update({key: (grads[key], params[key]) for key in params})
    if initial is not None:
        pairs.update({f"initial {s}": (d_initial[s], initial[s]) for s in cell.states})
    for key, (gradient, array) in pairs.items():
        assert difference_error(loss, array, gradient) < 1e-6, key


@both_dtypes
@pytest.mark.parametrize("name", CELLS)
def test_no_gradient_of_the_final_state_is_a_gradient_of_zero(make_problem, name, dtype):
    lengths = LENGTHS["ragged"]
    cell, params, X, initial, mask, dY, d_final = make_problem(name, lengths, with_mask=True, dtype=dtype)
    _, _, backprop = sweep(cell, params, X, lengths, initial=initial, mask=mask, is_train=True)
    dX, grads, d_initial = backprop(dY, None)
    zeros = {s: numpy.zeros_like(array) for s, array in d_final.items()}
    dX_zeros, grads_zeros, d_initial_zeros = backprop(dY, zeros)
    numpy.testing.assert_array_equal(dX, dX_zeros)
    for key in params:
        numpy.testing.assert_array_equal(grads[key], grads_zeros[key], err_msg=key)
    for s in cell.states:
        numpy.testing.assert_array_equal(d_initial[s], d_initial_zeros[s], err_msg=s)


@both_dtypes
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]], ids=["no sequences", "one empty", "all empty"])
@pytest.mark.parametrize("name", CELLS)
def test_batches_without_rows_have_gradients_of_the_right_shape(make_problem, name, lengths, reverse, dtype):
    cell, params, X, initial, _, dY, d_final = make_problem(name, lengths, dtype=dtype)
    Y, final, backprop = sweep(cell, params, X, lengths, initial=initial, reverse=reverse, is_train=True)
    dX, grads, d_initial = backprop(dY, d_final)
    assert Y.shape == dY.shape
    assert dX.shape == X.shape
    for key, param in params.items():
        numpy.testing.assert_array_equal(grads[key], numpy.zeros_like(param))
    for s in cell.states:
        numpy.testing.assert_array_equal(final[s], initial[s])
        numpy.testing.assert_array_equal(d_initial[s], d_final[s])
