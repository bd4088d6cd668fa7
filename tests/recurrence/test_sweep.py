"""What holds for a sweep of any cell, over any batch."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.recurrence import CELLS, as_lengths, get_cell, infer_outputs, sweep
from spacy_rnn.recurrence.engines import reference

LENGTHS = [3, 0, 1, 5, 2, 0, 5]

every_cell = pytest.mark.parametrize("name", CELLS)
both_directions = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "backward"])
# float64 is for the reference, float32 for the compiled engine where it has been built.
both_engines = pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 2e-6)], ids=["float64", "float32"])
both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


def as_type(dtype, *values):
    """Convert arrays, and mappings of arrays."""
    return [{key: array.astype(dtype) for key, array in v.items()} if isinstance(v, dict) else v.astype(dtype) for v in values]


def slices(lengths):
    ends = numpy.cumsum(lengths, dtype="int64")
    return [slice(end - n, end) for n, end in zip(lengths, ends, strict=True)]


def pick(state, i):
    return {key: array[i : i + 1] for key, array in state.items()}


def sigmoid(x):
    return 1.0 / (1.0 + numpy.exp(-x))


def one_step(name, params, x, state, mask):
    """The equations of a cell for one row of one sequence."""
    W, R, b = params["W"], params["R"], params["b"]
    h = state["h"]
    h_in = h * mask
    z = W @ x + b
    if name == "elman_tanh":
        return {"h": numpy.tanh(z + R @ h_in)}
    if name == "elman_relu":
        return {"h": numpy.maximum(0.0, z + R @ h_in)}
    if name in ("gru", "gru_reset_before"):
        z_r, z_z, z_n = numpy.split(z, 3)
        R_r, R_z, R_n = numpy.split(R, 3)
        r = sigmoid(z_r + R_r @ h_in)
        u = sigmoid(z_z + R_z @ h_in)
        n = numpy.tanh(z_n + (r * (R_n @ h_in + params["bR"]) if name == "gru" else R_n @ (r * h_in)))
        return {"h": (1.0 - u) * n + u * h}
    c = state["c"]
    z_i, z_f, z_g, z_o = numpy.split(z + R @ h_in, 4)
    p_i, p_f, p_o = numpy.split(params["p"], 3) if name == "lstm_peephole" else (0.0, 0.0, 0.0)
    new_c = sigmoid(z_f + p_f * c) * c + sigmoid(z_i + p_i * c) * numpy.tanh(z_g)
    return {"h": sigmoid(z_o + p_o * new_c) * numpy.tanh(new_c), "c": new_c}


def sweep_by_rows(name, params, X, lengths, initial, mask, reverse):
    """A sweep as a loop over sequences and rows."""
    Y = numpy.zeros((len(X), params["R"].shape[1]))
    final = {key: array.copy() for key, array in initial.items()}
    for i, rows in enumerate(slices(lengths)):
        state = {key: array[i] for key, array in initial.items()}
        indices = range(rows.start, rows.stop)
        for row in reversed(indices) if reverse else indices:
            state = one_step(name, params, X[row], state, mask[i])
            Y[row] = state["h"]
        for key in final:
            final[key][i] = state[key]
    return Y, final


def test_table_has_the_cells_these_tests_know():
    assert list(CELLS) == ["elman_tanh", "elman_relu", "gru", "gru_reset_before", "lstm", "lstm_peephole"]


@settings(deadline=None, database=None, max_examples=200)
@given(
    name=st.sampled_from(list(CELLS)),
    lengths=st.lists(st.integers(0, 7), max_size=6),
    widths=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    reverse=st.booleans(),
    with_initial=st.booleans(),
    with_mask=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_sweep_is_the_equations_row_by_row(name, lengths, widths, reverse, with_initial, with_mask, seed):
    rng = numpy.random.default_rng(seed)
    cell = get_cell(name)
    nI, nH = widths
    params = {key: rng.normal(scale=0.6, size=shape) for key, shape in cell.parameter_shapes(nI, nH).items()}
    X = rng.normal(size=(sum(lengths), nI))
    shape = (len(lengths), nH)
    initial = {s: rng.normal(size=shape) if with_initial else numpy.zeros(shape) for s in cell.states}
    mask = rng.uniform(size=shape) * 2 if with_mask else numpy.ones(shape)
    Y, final, _ = sweep(
        cell,
        params,
        X,
        lengths,
        initial=initial if with_initial else None,
        mask=mask if with_mask else None,
        reverse=reverse,
    )
    expected_Y, expected_final = sweep_by_rows(name, params, X, lengths, initial, mask, reverse)
    assert_allclose(Y, expected_Y, rtol=1e-12, atol=1e-12)
    assert set(final) == set(cell.states)
    for s in cell.states:
        assert_allclose(final[s], expected_final[s], rtol=1e-12, atol=1e-12)


@both_directions
@every_cell
def test_sequence_alone_is_the_sequence_in_a_batch(make_problem, name, reverse):
    cell, *arrays = make_problem(name, LENGTHS, with_mask=True)
    params, X, initial, mask, dY, d_final = as_type("float32", *arrays)
    Y, final, backprop = sweep(cell, params, X, LENGTHS, initial=initial, mask=mask, reverse=reverse, is_train=True)
    dX, grads, d_initial = backprop(dY, d_final)
    sums = {key: numpy.zeros_like(param) for key, param in params.items()}
    for i, rows in enumerate(slices(LENGTHS)):
        Y_i, final_i, backprop_i = sweep(
            cell,
            params,
            X[rows],
            [LENGTHS[i]],
            initial=pick(initial, i),
            mask=mask[i : i + 1],
            reverse=reverse,
            is_train=True,
        )
        dX_i, grads_i, d_initial_i = backprop_i(dY[rows], pick(d_final, i))
        assert_allclose(Y[rows], Y_i, rtol=0, atol=1e-5)
        assert_allclose(dX[rows], dX_i, rtol=0, atol=1e-5)
        for s in cell.states:
            assert_allclose(pick(final, i)[s], final_i[s], rtol=0, atol=1e-5)
            assert_allclose(pick(d_initial, i)[s], d_initial_i[s], rtol=0, atol=1e-5)
        for key in sums:
            sums[key] += grads_i[key]
    for key, total in sums.items():
        assert_allclose(grads[key], total, rtol=1e-4, atol=1e-4, err_msg=key)


@both_engines
@both_directions
@every_cell
def test_order_of_sequences_does_not_matter(make_problem, name, reverse, dtype, tolerance):
    cell, params, X, initial, _, _, _ = make_problem(name, LENGTHS, dtype=dtype)
    Y, final, _ = sweep(cell, params, X, LENGTHS, initial=initial, reverse=reverse)
    order = [4, 0, 6, 2, 5, 3, 1]
    where = slices(LENGTHS)
    X_moved = numpy.concatenate([X[where[i]] for i in order])
    moved = {s: array[order] for s, array in initial.items()}
    Y_moved, final_moved, _ = sweep(cell, params, X_moved, [LENGTHS[i] for i in order], initial=moved, reverse=reverse)
    assert_allclose(Y_moved, numpy.concatenate([Y[where[i]] for i in order]), rtol=0, atol=tolerance)
    for s in cell.states:
        assert_allclose(final_moved[s], final[s][order], rtol=0, atol=tolerance)


@both_dtypes
@both_directions
@every_cell
def test_sequence_without_rows_passes_its_state_and_gradient_through(make_problem, name, reverse, dtype):
    cell, params, X, initial, _, dY, d_final = make_problem(name, LENGTHS, dtype=dtype)
    _, final, backprop = sweep(cell, params, X, LENGTHS, initial=initial, reverse=reverse, is_train=True)
    _, _, d_initial = backprop(dY, d_final)
    for i, n in enumerate(LENGTHS):
        for s in cell.states:
            assert numpy.array_equal(final[s][i], initial[s][i]) == (n == 0)
            assert numpy.array_equal(d_initial[s][i], d_final[s][i]) == (n == 0)


@both_dtypes
@both_directions
@every_cell
def test_final_hidden_state_is_the_output_at_the_last_step(make_problem, name, reverse, dtype):
    cell, params, X, initial, _, _, _ = make_problem(name, LENGTHS, dtype=dtype)
    Y, final, _ = sweep(cell, params, X, LENGTHS, initial=initial, reverse=reverse)
    for i, rows in enumerate(slices(LENGTHS)):
        if LENGTHS[i]:
            assert_array_equal(final["h"][i], Y[rows.start if reverse else rows.stop - 1])


@both_engines
@both_directions
@every_cell
def test_pieces_with_carried_state_are_the_whole(make_problem, name, reverse, dtype, tolerance):
    """Outputs, final state and every gradient."""
    lengths, heads = [5, 2, 0, 4, 1, 3], [2, 2, 0, 0, 1, 1]
    cell, params, X, initial, mask, dY, d_final = make_problem(name, lengths, with_mask=True, dtype=dtype)
    in_head = numpy.concatenate([numpy.arange(n) < k for n, k in zip(lengths, heads, strict=True)])
    tails = [n - k for n, k in zip(lengths, heads, strict=True)]
    pieces = [(in_head, heads), (~in_head, tails)]
    if reverse:
        pieces.reverse()

    def run(rows, lengths, state):
        return sweep(cell, params, X[rows], lengths, initial=state, mask=mask, reverse=reverse, is_train=True)

    Y, final, backprop = run(slice(None), lengths, initial)
    dX, grads, d_initial = backprop(dY, d_final)

    (rows_1, lengths_1), (rows_2, lengths_2) = pieces
    Y_1, carried, backprop_1 = run(rows_1, lengths_1, initial)
    Y_2, final_2, backprop_2 = run(rows_2, lengths_2, carried)
    dX_2, grads_2, d_carried = backprop_2(dY[rows_2], d_final)
    dX_1, grads_1, d_initial_1 = backprop_1(dY[rows_1], d_carried)
    for rows, Y_piece, dX_piece in ((rows_1, Y_1, dX_1), (rows_2, Y_2, dX_2)):
        assert_allclose(Y[rows], Y_piece, rtol=tolerance, atol=tolerance)
        assert_allclose(dX[rows], dX_piece, rtol=10 * tolerance, atol=10 * tolerance)
    for s in cell.states:
        assert_allclose(final[s], final_2[s], rtol=tolerance, atol=tolerance)
        assert_allclose(d_initial[s], d_initial_1[s], rtol=10 * tolerance, atol=10 * tolerance)
    for key in params:
        assert_allclose(grads[key], grads_1[key] + grads_2[key], rtol=10 * tolerance, atol=10 * tolerance)


@both_engines
@every_cell
def test_backward_direction_is_the_forward_one_over_reversed_sequences(make_problem, name, dtype, tolerance):
    cell, params, X, initial, mask, dY, d_final = make_problem(name, LENGTHS, with_mask=True, dtype=dtype)
    turned = numpy.concatenate([numpy.arange(len(X))[rows][::-1] for rows in slices(LENGTHS)])

    def run(X, dY, reverse):
        Y, final, backprop = sweep(cell, params, X, LENGTHS, initial=initial, mask=mask, reverse=reverse, is_train=True)
        return (Y, final, *backprop(dY, d_final))

    Y, final, dX, grads, d_initial = run(X, dY, True)
    Y_turned, final_turned, dX_turned, grads_turned, d_initial_turned = run(X[turned], dY[turned], False)
    assert_allclose(Y[turned], Y_turned, rtol=tolerance, atol=tolerance)
    assert_allclose(dX[turned], dX_turned, rtol=10 * tolerance, atol=10 * tolerance)
    for s in cell.states:
        assert_allclose(final[s], final_turned[s], rtol=tolerance, atol=tolerance)
        assert_allclose(d_initial[s], d_initial_turned[s], rtol=10 * tolerance, atol=10 * tolerance)
    for key in params:
        assert_allclose(grads[key], grads_turned[key], rtol=10 * tolerance, atol=10 * tolerance)


@both_directions
@every_cell
def test_float32_agrees_with_float64_and_stays_float32(make_problem, name, reverse):
    cell, *arrays = make_problem(name, LENGTHS, with_mask=True)

    def run(params, X, initial, mask, dY, d_final):
        Y, final, backprop = sweep(cell, params, X, LENGTHS, initial=initial, mask=mask, reverse=reverse, is_train=True)
        dX, grads, d_initial = backprop(dY, d_final)
        named = {"Y": Y, "dX": dX}
        for prefix, group in (("final", final), ("gradient", grads), ("initial", d_initial)):
            named.update({f"{prefix} {key}": array for key, array in group.items()})
        return named

    single = run(*as_type("float32", *arrays))
    for key, array in run(*arrays).items():
        assert array.dtype == "float64", key
        assert single[key].dtype == "float32", key
        assert_allclose(single[key], array, rtol=1e-4, atol=1e-4, err_msg=key)


@both_dtypes
@every_cell
def test_arguments_are_left_as_they_are(make_problem, name, dtype):
    cell, *arrays = make_problem(name, LENGTHS, with_mask=True, dtype=dtype)
    params, X, initial, mask, dY, d_final = arrays
    copies = as_type(dtype, *arrays)
    _, _, backprop = sweep(cell, params, X, LENGTHS, initial=initial, mask=mask, is_train=True)
    backprop(dY, d_final)
    for array, copy in zip(arrays, copies, strict=True):
        for key in array if isinstance(array, dict) else [...]:
            assert_array_equal(array[key], copy[key])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_cell
def test_huge_input_neither_overflows_nor_gives_nan(make_problem, name, dtype):
    cell, *arrays = make_problem(name, LENGTHS)
    arrays[3] = numpy.ones((len(LENGTHS), 4))
    params, X, initial, _, dY, d_final = as_type(dtype, *arrays)
    with numpy.errstate(over="raise", invalid="raise", divide="raise"):
        Y, final, backprop = sweep(cell, params, X * X.dtype.type(1e30), LENGTHS, initial=initial, is_train=True)
        dX, grads, d_initial = backprop(dY, d_final)
    for array in (Y, dX, *final.values(), *grads.values(), *d_initial.values()):
        assert numpy.isfinite(array).all()


@pytest.mark.parametrize("piece_rows", [1, 2, 7, 10**6])
@both_directions
def test_size_of_the_projected_pieces_does_not_matter(make_problem, monkeypatch, reverse, piece_rows):
    lengths = [300, 1, 0, 250, 40]
    cell, params, X, initial, mask, dY, d_final = make_problem("lstm", lengths, with_mask=True)

    def run():
        Y, final, backprop = sweep(cell, params, X, lengths, initial=initial, mask=mask, reverse=reverse, is_train=True)
        dX, grads, d_initial = backprop(dY, d_final)
        return [Y, dX, *final.values(), *grads.values(), *d_initial.values()]

    expected = run()
    monkeypatch.setattr(reference, "PIECE_ROWS", piece_rows)
    for array, other in zip(run(), expected, strict=True):
        assert_allclose(array, other, rtol=1e-10, atol=1e-10)


def test_batch_longer_than_a_piece_is_the_equations_row_by_row(make_problem):
    lengths = [9003, 100]
    assert sum(lengths) > reference.PIECE_ROWS
    cell, params, X, initial, mask, _, _ = make_problem("elman_tanh", lengths, with_mask=True, nI=2, nH=2)
    Y, final, _ = sweep(cell, params, X, lengths, initial=initial, mask=mask)
    expected_Y, expected_final = sweep_by_rows("elman_tanh", params, X, lengths, initial, mask, False)
    assert_allclose(Y, expected_Y, rtol=0, atol=1e-10)
    assert_allclose(final["h"], expected_final["h"], rtol=0, atol=1e-10)


def test_no_backpropagation_is_kept_unless_asked_for(make_problem):
    cell, params, X, *_ = make_problem("gru", LENGTHS)
    assert sweep(cell, params, X, LENGTHS)[2] is None


@pytest.mark.parametrize(
    "lengths, message",
    [
        ([3, -1, 3], "negative.*-1"),
        ([3, 1], "add up to 4.*5 rows"),
        ([6], "add up to 6.*5 rows"),
        ([], "add up to 0.*5 rows"),
    ],
)
def test_bad_lengths_are_refused(make_problem, lengths, message):
    cell, params, X, *_ = make_problem("lstm", [5])
    with pytest.raises(ValueError, match=message):
        sweep(cell, params, X, lengths)
    with pytest.raises(ValueError, match=message):
        as_lengths(lengths, 5)


BAD_SHAPES = {
    "W of another input width": ("lstm", "params", "W", (16, 5), r"parameter W of lstm.*\(16, 3\).*\(16, 5\)"),
    "W of too few gates": ("lstm", "params", "W", (12, 3), r"parameter W of lstm.*\(16, 3\).*\(12, 3\)"),
    "R of too few gates": ("gru", "params", "R", (8, 4), r"parameter R of gru.*\(12, 4\).*\(8, 4\)"),
    "R a vector": ("gru", "params", "R", (12,), "gru.*matrix R"),
    "R missing": ("gru", "params", "R", None, "gru.*matrix R"),
    "b missing": ("elman_tanh", "params", "b", None, r"parameter b of elman_tanh.*\(4,\).*None"),
    "b a matrix": ("elman_tanh", "params", "b", (4, 1), r"parameter b of elman_tanh.*\(4,\).*\(4, 1\)"),
    "bR missing": ("gru", "params", "bR", None, r"parameter bR of gru.*\(4,\).*None"),
    "bR of all gates": ("gru", "params", "bR", (12,), r"parameter bR of gru.*\(4,\).*\(12,\)"),
    "p missing": ("lstm_peephole", "params", "p", None, r"parameter p of lstm_peephole.*\(12,\).*None"),
    "p of too few gates": ("lstm_peephole", "params", "p", (8,), r"parameter p of lstm_peephole.*\(12,\).*\(8,\)"),
    "initial c missing": ("lstm", "initial", "c", None, r"initial state c of lstm.*\(2, 4\).*None"),
    "initial h of too many sequences": ("lstm", "initial", "h", (3, 4), r"initial state h of lstm.*\(2, 4\).*\(3, 4\)"),
    "initial h of another width": ("gru", "initial", "h", (2, 5), r"initial state h of gru.*\(2, 4\).*\(2, 5\)"),
    "mask of one sequence": ("gru", "mask", None, (1, 4), r"mask.*\(2, 4\).*\(1, 4\)"),
    "mask of another width": ("gru", "mask", None, (2, 3), r"mask.*\(2, 4\).*\(2, 3\)"),
}


@both_dtypes
@pytest.mark.parametrize("name, argument, key, shape, message", BAD_SHAPES.values(), ids=BAD_SHAPES.keys())
def test_bad_shapes_are_refused(make_problem, name, argument, key, shape, message, dtype):
    cell, params, X, initial, mask, _, _ = make_problem(name, [3, 2], with_mask=True, dtype=dtype)
    arguments = {"params": params, "initial": initial, "mask": mask}
    if key is None:
        arguments[argument] = numpy.ones(shape, dtype)
    elif shape is None:
        del arguments[argument][key]
    else:
        arguments[argument][key] = numpy.ones(shape, dtype)
    with pytest.raises(ValueError, match=message):
        sweep(cell, arguments["params"], X, [3, 2], initial=arguments["initial"], mask=arguments["mask"])


BAD_PARAMETERS = {
    what: (name, key, shape) for what, (name, argument, key, shape, _) in BAD_SHAPES.items() if argument == "params"
}


@both_dtypes
@pytest.mark.parametrize("name, key, shape", BAD_PARAMETERS.values(), ids=BAD_PARAMETERS.keys())
def test_bad_shapes_of_parameters_are_refused_where_only_outputs_are_wanted(make_problem, name, key, shape, dtype):
    """Also if the other parameters were right just before."""
    cell, params, X, *_ = make_problem(name, [3, 2], dtype=dtype)
    lengths = numpy.asarray([3, 2], dtype="int32")
    infer_outputs(cell, [params], X, lengths)
    del params[key]
    if shape is not None:
        params[key] = numpy.ones(shape, dtype)
    with pytest.raises(ValueError, match="expected|matrix"):
        infer_outputs(cell, [params], X, lengths)


@both_dtypes
@pytest.mark.parametrize("nI, nH", [(2, 4), (3, 2)], ids=["another input width", "another number of units"])
def test_directions_that_do_not_fit_each_other_are_refused(make_problem, nI, nH, dtype):
    cell, params, X, *_ = make_problem("lstm", [3, 2], dtype=dtype)
    other = make_problem("lstm", [3, 2], nI=nI, nH=nH, dtype=dtype)[1]
    with pytest.raises(ValueError, match="expected"):
        infer_outputs(cell, [params, other], X, numpy.asarray([3, 2], dtype="int32"))


BAD_GRADIENTS = {
    "output of too few rows": ((4, 4), {}),
    "output of too many rows": ((6, 4), {}),
    "output of one row": ((1, 4), {}),
    "output of too few units": ((5, 3), {}),
    "output of too many units": ((5, 5), {}),
    "output a vector": ((20,), {}),
    "final state of too few sequences": ((5, 4), {"h": (1, 4)}),
    "final state of too few units": ((5, 4), {"h": (2, 3)}),
    "final state of too many units": ((5, 4), {"c": (2, 5)}),
    "final state a vector": ((5, 4), {"c": (8,)}),
    "final cell state missing": ((5, 4), {"c": None}),
}


@both_dtypes
@pytest.mark.parametrize("output, final", BAD_GRADIENTS.values(), ids=BAD_GRADIENTS.keys())
def test_gradients_of_bad_shapes_are_refused(make_problem, output, final, dtype):
    cell, params, X, *_ = make_problem("lstm", [3, 2], dtype=dtype)
    _, _, backprop = sweep(cell, params, X, [3, 2], is_train=True)
    shapes = {"h": (2, 4), "c": (2, 4), **final}
    d_final = {key: numpy.ones(shape, dtype) for key, shape in shapes.items() if shape is not None}
    with pytest.raises(ValueError, match="gradient"):
        backprop(numpy.ones(output, dtype), d_final)


@pytest.mark.parametrize(
    "name, argument, key, shape",
    [("gru", "initial", "c", (2, 4)), ("lstm", "params", "p", (12,)), ("elman_tanh", "params", "bR", (4,))],
)
def test_arrays_a_cell_does_not_have_are_refused(make_problem, name, argument, key, shape):
    """An lstm with peepholes would be another cell."""
    cell, params, X, initial, *_ = make_problem(name, [3, 2])
    {"params": params, "initial": initial}[argument][key] = numpy.ones(shape)
    with pytest.raises(ValueError, match=f"{name}.*{key}|{key}.*{name}"):
        sweep(cell, params, X, [3, 2], initial=initial)


@pytest.mark.parametrize("shape", [(5,), (5, 3, 1)], ids=str)
def test_rows_that_are_no_matrix_are_refused(make_problem, shape):
    cell, params, *_ = make_problem("lstm", [5])
    with pytest.raises(ValueError, match="matrix|two dim|shape"):
        sweep(cell, params, numpy.ones(shape), [5])


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool", "float16"])
def test_rows_that_are_no_real_numbers_are_refused(make_problem, dtype):
    cell, params, X, *_ = make_problem("lstm", [5])
    with pytest.raises(ValueError, match=f"float.*{dtype}"):
        sweep(cell, params, X.astype(dtype), [5])


@pytest.mark.parametrize("lengths", [[2.5, 2.5], [[2, 3]]], ids=str)
def test_lengths_that_are_no_list_of_whole_numbers_are_refused(make_problem, lengths):
    cell, params, X, *_ = make_problem("lstm", [5])
    with pytest.raises(ValueError, match="whole numbers"):
        sweep(cell, params, X, lengths)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_wide_batch_is_run_in_parts(make_problem, monkeypatch, reverse):
    """Inference runs so many sequences at a time; training runs them all together."""
    cell, params, X, initial, mask, *_ = make_problem("lstm", [3, 0, 1, 4, 2, 0, 5])
    arguments = {"initial": initial, "mask": mask, "reverse": reverse}
    Y, final, _ = sweep(cell, params, X, [3, 0, 1, 4, 2, 0, 5], is_train=True, **arguments)
    monkeypatch.setattr("spacy_rnn.recurrence.engines.reference.MAX_SEQUENCES", 3)
    Y_parts, final_parts, _ = sweep(cell, params, X, [3, 0, 1, 4, 2, 0, 5], **arguments)
    assert_allclose(Y_parts, Y, atol=1e-12)
    for name, array in final.items():
        assert_allclose(final_parts[name], array, atol=1e-12)


def test_unknown_cell_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'transformer'") as error:
        get_cell("transformer")
    assert all(name in str(error.value) for name in CELLS)
