"""The compiled CPU engine against the reference in float64, on every instruction set of this processor."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from problems import assert_close, assert_equal, draw, infer, run, run_reference, slices

from spacy_rnn.native import library
from spacy_rnn.recurrence import CELLS, Backpropagation, Batch, Sweep, infer_outputs, run_sweeps, sweep, use_engine, use_threads

if library is None:
    pytest.skip("the compiled engine is not built", allow_module_level=True)


# Lengths, input width, hidden units. Vectors hold 4, 8 or 16 units, products 192 rows, and 96 sequences run side by side.
SHAPES = {
    "no sequences": ([], 3, 4),
    "no rows": ([0, 0], 3, 4),
    "one row": ([1], 20, 17),
    "one unit": ([3, 0, 5, 1], 1, 1),
    "a few units": ([3, 0, 5, 1, 0], 7, 5),
    "17 units": ([4] * 7, 3, 17),
    "50 units": ([30, 1, 12, 0, 12], 33, 50),
    "64 units": ([6] * 13, 96, 64),
    "65 units": ([9, 2, 9], 64, 65),
    "a long sequence": ([450], 5, 6),
    "long and short": ([250, 1, 0, 90, 200], 18, 9),
    "one group": ([2] * 96, 4, 6),
    "more than one group": ([3, 1] * 48 + [4], 4, 6),
    "many sequences": ([i % 5 for i in range(431)], 6, 20),
}

every_cell = pytest.mark.parametrize("name", CELLS)
both_directions = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "backward"])


@cache
def problem_and_results(name, shape, reverse, with_state):
    p = draw(name, *SHAPES[shape], reverse)
    if not with_state:
        p = p._replace(initial=None, mask=None, d_final=None)
    return p, run_reference(p)


@pytest.mark.parametrize("with_state", [True, False], ids=["states and mask", "plain"])
@both_directions
@every_cell
@pytest.mark.parametrize("shape", SHAPES)
def test_results_are_those_of_the_reference(isa, shape, name, reverse, with_state):
    p, expected = problem_and_results(name, shape, reverse, with_state)
    with use_engine("auto"):
        assert_close(run(p), expected)
        assert_close(infer(p), expected)


MANY = [9, 1, 30, 0, 4, 200, 2] + [5, 1, 0, 3, 8, 2] * 18


@both_directions
@every_cell
def test_a_sequence_alone_is_that_of_a_batch_to_the_last_bit(isa, name, reverse):
    p = draw(name, MANY, 21, 37, reverse)
    whole = infer(p)
    for i, rows in enumerate(slices(MANY)):
        alone = infer(
            p._replace(
                X=p.X[rows],
                lengths=[MANY[i]],
                initial={s: array[i : i + 1] for s, array in p.initial.items()},
                mask=p.mask[i : i + 1],
            )
        )
        assert_array_equal(alone["Y"], whole["Y"][rows])
        for s in p.cell.states:
            assert_array_equal(alone[f"final {s}"][0], whole[f"final {s}"][i])


# Tiles have up to 8 rows of nearly the same number: each height, and two and three tiles.
@every_cell
@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7, 8, 9, 17])
def test_the_number_of_sequences_side_by_side_does_not_matter_to_the_last_bit(isa, name, n):
    p = draw(name, [3], 5, 33)._replace(initial=None, mask=None)
    Y = infer(p._replace(X=numpy.tile(p.X, (n, 1)), lengths=[3] * n))["Y"]
    assert_array_equal(Y, numpy.tile(infer(p)["Y"], (n, 1)))


@both_directions
@every_cell
def test_pieces_with_carried_state_are_the_whole_to_the_last_bit(isa, name, reverse):
    lengths = [230, 2, 0, 4, 1, 3, 17] + [3] * 100
    heads = [n // 2 for n in lengths]
    p = draw(name, lengths, 9, 19, reverse)
    in_head = numpy.concatenate([numpy.arange(n) < k for n, k in zip(lengths, heads, strict=True)])
    pieces = [(in_head, heads), (~in_head, [n - k for n, k in zip(lengths, heads, strict=True)])]
    whole = infer(p)
    state = p.initial
    for rows, piece_lengths in reversed(pieces) if reverse else pieces:
        piece = infer(p._replace(X=p.X[rows], lengths=piece_lengths, initial=state))
        state = {s: piece[f"final {s}"] for s in p.cell.states}
        assert_array_equal(piece["Y"], whole["Y"][rows])
    for s in p.cell.states:
        assert_array_equal(state[s], whole[f"final {s}"])


@every_cell
def test_training_computes_what_inference_does_to_the_last_bit(isa, name):
    p = draw(name, MANY, 21, 37)
    trained = run(p)
    assert_equal(infer(p), {key: trained[key] for key in infer(p)})


@both_directions
@every_cell
def test_backpropagation_can_be_repeated(isa, name, reverse):
    p = draw(name, [5, 0, 230, 1], 6, 21, reverse)
    arguments = {"initial": p.initial, "mask": p.mask, "reverse": reverse}
    _, _, backprop = sweep(p.cell, p.params, p.X, p.lengths, is_train=True, **arguments)
    for first, second in zip(backprop(p.dY, p.d_final), backprop(p.dY, p.d_final), strict=True):
        if isinstance(first, dict):
            assert_equal(first, second)
        else:
            assert_array_equal(first, second)


@every_cell
def test_outputs_alone_are_those_of_the_sweeps(isa, name):
    """The short way for small batches."""
    forward, backward = (draw(name, [7, 0, 3, 1], 6, 21, seed=seed) for seed in (0, 1))
    lengths = numpy.asarray(forward.lengths, dtype="int32")
    one = infer_outputs(forward.cell, [forward.params], forward.X, lengths)
    both = infer_outputs(forward.cell, [forward.params, backward.params], forward.X, lengths)
    expected = [
        sweep(forward.cell, each.params, forward.X, lengths, reverse=reverse)[0]
        for each, reverse in ((forward, False), (backward, True))
    ]
    assert_array_equal(one, expected[0])
    assert_array_equal(both, numpy.concatenate(expected, axis=1))


def test_outputs_alone_are_those_of_the_cell_asked_for(isa):
    """Also if the same arrays have just been another cell's."""
    p = draw("lstm_peephole", [7, 3], 6, 21)
    lengths = numpy.asarray(p.lengths, dtype="int32")
    infer_outputs(p.cell, [p.params], p.X, lengths)
    without = {key: array for key, array in p.params.items() if key != "p"}
    Y = infer_outputs(CELLS["lstm"], [without], p.X, lengths)
    assert_array_equal(Y, sweep(CELLS["lstm"], without, p.X, lengths)[0])
    p = draw("elman_tanh", [7, 3], 6, 21)
    infer_outputs(p.cell, [p.params], p.X, lengths)
    Y = infer_outputs(CELLS["elman_relu"], [p.params], p.X, lengths)
    assert_array_equal(Y, sweep(CELLS["elman_relu"], p.params, p.X, lengths)[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_two_threads_compute_what_one_does(isa, shape):
    lengths, nI, nH = SHAPES[shape]
    directions = [draw("lstm", lengths, nI, nH, reverse, seed=int(reverse)) for reverse in (False, True)]
    assert_two_threads_agree(directions)


@every_cell
def test_two_threads_compute_what_one_does_where_they_pay(isa, name):
    directions = [draw(name, [40] * 14, 64, 64, reverse, seed=int(reverse)) for reverse in (False, True)]
    assert_two_threads_agree(directions)


def assert_two_threads_agree(directions):
    X, batch = directions[0].X, Batch(directions[0].lengths, len(directions[0].X))
    sweeps = [Sweep(p.cell, p.params, X, batch, p.initial, p.mask, p.reverse) for p in directions]

    def run_both(threads):
        with use_threads(threads):
            results, backprop = run_sweeps(sweeps, is_train=True)
            dX, grads, d_initials = backprop([p.dY for p in directions], [p.d_final for p in directions])
        return results, dX, [*grads, *d_initials]

    (one, dX_one, arrays_one), (two, dX_two, arrays_two) = run_both(1), run_both(2)
    for a, b in zip(one, two, strict=True):
        assert_array_equal(a.Y, b.Y)
        assert_equal(a.final, b.final)
    for a, b in zip(arrays_one, arrays_two, strict=True):
        assert_equal(a, b)
    numpy.testing.assert_allclose(dX_two, dX_one, rtol=0, atol=1e-6 * max(1.0, numpy.abs(dX_one).max(initial=0.0)))


def test_many_python_threads_do_not_disturb_each_other(isa):
    problems = [draw(name, [20, 3, 0, 55], 16, 30 + i, bool(i % 2), seed=i) for i, name in enumerate([*CELLS] * 2)]
    expected = [run(p) for p in problems]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for found, results in zip(pool.map(run, problems), expected, strict=True):
                assert_equal(found, results)


def test_python_threads_share_parameters(isa):
    """All pack them at once, and the copy of one is used by the others."""
    with ThreadPoolExecutor(8) as pool:
        for seed in range(5):
            p = draw("gru", [5, 3], 16, 30, seed=seed)
            expected = run_reference(p)
            for found in pool.map(infer, [p] * 24):
                assert_close(found, expected)


NAN_LENGTHS = [6, 2, 9, 0, 4] + [3] * 20


@both_directions
@every_cell
def test_not_a_number_stays_in_its_sequence_and_shows(isa, name, reverse):
    p = draw(name, NAN_LENGTHS, 7, 18, reverse)
    rows = slices(NAN_LENGTHS)[2]
    clean = run(p)
    X = p.X.copy()
    X[rows.start + 4, 3] = numpy.nan
    found = run(p._replace(X=X))
    row, others = numpy.arange(len(X)), numpy.ones(len(X), dtype=bool)
    others[rows] = False
    read_after = ~others & ((row <= rows.start + 4) if reverse else (row >= rows.start + 4))
    assert numpy.isnan(found["Y"][read_after]).all()
    assert_array_equal(found["Y"][~read_after], clean["Y"][~read_after])
    assert_array_equal(found["dX"][others], clean["dX"][others])
    for s in p.cell.states:
        ended = numpy.isnan(found[f"final {s}"])
        assert ended[2].all() and not numpy.delete(ended, 2, axis=0).any()
    assert numpy.isnan(found["gradient W"]).any()


@every_cell
def test_gradient_that_is_not_a_number_stays_in_its_sequence_and_shows(isa, name):
    p = draw(name, NAN_LENGTHS, 7, 18)
    rows = slices(NAN_LENGTHS)[2]
    dY = p.dY.copy()
    dY[rows.start + 4] = numpy.nan
    clean, found = run(p), run(p._replace(dY=dY))
    others = numpy.ones(len(dY), dtype=bool)
    others[rows] = False
    assert_array_equal(found["dX"][others], clean["dX"][others])
    assert_array_equal(found["dX"][rows][5:], clean["dX"][rows][5:])
    for s in p.cell.states:
        key = f"gradient of initial {s}"
        assert_array_equal(numpy.delete(found[key], 2, axis=0), numpy.delete(clean[key], 2, axis=0))
    assert numpy.isnan(found["gradient W"]).any()


@both_directions
@every_cell
def test_huge_input_does_not_give_nan(isa, name, reverse):
    p = draw(name, [3, 0, 1, 5], 7, 18, reverse)
    p = p._replace(X=p.X * numpy.float32(1e30), mask=None)
    expected = run_reference(p)
    found = run(p)
    for key, array in found.items():
        assert numpy.isfinite(expected[key]).all(), key
        assert numpy.isfinite(array).all(), key
    if name != "elman_relu":
        assert_close({"Y": found["Y"]}, expected)


@pytest.mark.parametrize("value", [numpy.inf, -numpy.inf])
def test_infinite_gates_are_saturated(isa, value):
    """As of an input that says nothing but yes or no."""
    cell = CELLS["gru"]
    params = {key: numpy.zeros(shape, "float32") for key, shape in cell.parameter_shapes(1, 5).items()}
    params["b"][5:10] = value
    initial = {"h": numpy.full((1, 5), 0.5, "float32")}
    Y, _, _ = sweep(cell, params, numpy.ones((1, 1), "float32"), [1], initial=initial)
    numpy.testing.assert_allclose(Y, 0.5 if value > 0 else 0.0, rtol=0, atol=1e-7)


def activation_of(cell, gate, x, **initial):
    """What a cell of one unit makes of x in one gate, all else being 0."""
    params = {key: numpy.zeros(shape, "float32") for key, shape in CELLS[cell].parameter_shapes(1, 1).items()}
    params["W"][gate] = 1.0
    initial = {key: numpy.full((len(x), 1), value, "float32") for key, value in initial.items()}
    return sweep(CELLS[cell], params, x[:, None], [1] * len(x), initial=initial or None)[0][:, 0]


DENSE = numpy.concatenate([numpy.linspace(0, 12, 60001), numpy.linspace(12, 40, 2001), numpy.logspace(-30, 0, 20001), [1e30]])


def test_tanh_is_within_the_error_that_its_fit_states(isa):
    x = DENSE.astype("float32")
    y = activation_of("elman_tanh", 0, x)
    exact = numpy.tanh(x.astype("float64"))
    assert numpy.abs(y - exact).max() <= 3.5e-7
    assert (numpy.abs(y - exact) <= 3.5e-7 * exact).all()
    assert numpy.abs(y).max() <= 1
    assert_array_equal(activation_of("elman_tanh", 0, -x), -y)


def test_the_logistic_function_is_within_the_error_that_its_fit_states(isa):
    """Seen through the update gate of a GRU, whose state is 1 and whose candidate is 0."""
    x = numpy.concatenate([-DENSE, DENSE]).astype("float32")
    y = activation_of("gru", 1, x, h=1.0)
    exact = 0.5 * (1.0 + numpy.tanh(0.5 * x.astype("float64")))
    assert numpy.abs(y - exact).max() <= 2.5e-7
    assert y.min() >= 0 and y.max() <= 1


@settings(deadline=None, database=None)
@given(data=st.data())
def test_any_problem_gives_the_results_of_the_reference(data):
    """As many problems as the profile says: `--hypothesis-profile=thorough` draws 20,000."""
    p = data.draw(problems())
    checkpoint_rows = data.draw(st.sampled_from([0, 0, 1, 30, 200]))
    before = library.selected()
    library.select(data.draw(st.sampled_from(library.instruction_sets())))
    try:
        found = run(p, backpropagation=Backpropagation(checkpoint_rows))
        inferred = infer(p)
    finally:
        library.select(before)
    expected = run_reference(p)
    outputs = {key for key in expected if "gradient" not in key and key != "dX"}
    assert_close({key: found[key] for key in outputs}, expected)
    assert_close(inferred, expected)
    # The gradient of the rectifier depends on the side of 0, where rounding may put an output on the other one.
    assume(((found["Y"] > 0) == (expected["Y"] > 0)).all() or p.cell.name != "elman_relu")
    assert_close(found, expected)


few = st.lists(st.integers(0, 12), max_size=8)
long = st.lists(st.integers(0, 260), max_size=3)
wide = st.builds(lambda n, most: [(7 * i) % (most + 1) for i in range(n)], st.integers(90, 220), st.integers(1, 4))
widths = st.one_of(st.integers(1, 20), st.sampled_from([31, 32, 33, 48, 50, 63, 64, 65, 70]))


@st.composite
def problems(draw_one):
    """Any cell, batch, widths, layouts in memory and float types."""
    name, lengths = draw_one(st.sampled_from(list(CELLS))), draw_one(st.one_of(few, few, long, wide))
    seed = draw_one(st.integers(0, 2**32 - 1))
    p = draw(name, lengths, draw_one(widths), draw_one(widths), draw_one(st.booleans()), seed)
    for argument in ("initial", "mask", "d_final"):
        if draw_one(st.booleans()):
            p = p._replace(**{argument: None})
    p = p.mapped(lambda array: LAYOUTS[draw_one(st.sampled_from(list(LAYOUTS)))](array))
    if draw_one(st.booleans()):
        # A float64 array beside float32 parameters and rows is converted.
        p = p._replace(dY=p.dY.astype("float64"))
    return p


def _in_wider_array(array):
    wide = numpy.full((*array.shape[:-1], array.shape[-1] + 5), numpy.nan, "float32")
    wide[..., 2:-3] = array
    return wide[..., 2:-3]


def _misaligned(array):
    copy = numpy.empty(array.nbytes + 1, "uint8")[1:].view("float32").reshape(array.shape)
    copy[...] = array
    return copy


def _read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS = {
    "without gaps": numpy.ascontiguousarray,
    "columns of a wider array": _in_wider_array,
    "rows from the end": lambda array: array[::-1].copy()[::-1],
    "columns from the end": lambda array: array[..., ::-1].copy()[..., ::-1],
    "every second row": lambda array: array.repeat(2, axis=0)[::2],
    "every second column": lambda array: array.repeat(2, axis=-1)[..., ::2],
    "column after column": numpy.asfortranarray,
    "misaligned": _misaligned,
    "read-only": _read_only,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["gru", "gru_reset_before", "lstm_peephole"])
def test_layout_in_memory_does_not_matter_to_the_last_bit(isa, name, layout):
    p = draw(name, [5, 0, 1, 30], 9, 19)
    moved = p.mapped(LAYOUTS[layout])
    assert_equal(run(moved), run(p))
    assert_equal(infer(moved), infer(p))


def test_repeated_rows_and_columns_need_no_memory(isa):
    p = draw("lstm", [5, 0, 1, 30], 9, 19)
    for axis in (0, 1):
        X, dY = (numpy.broadcast_to(array.take([0], axis), array.shape) for array in (p.X, p.dY))
        assert 0 in X.strides and 0 in dY.strides
        assert_equal(run(p._replace(X=X, dY=dY)), run(p._replace(X=X.copy(), dY=dY.copy())))


def test_columns_of_a_wider_output_are_written_and_no_others(isa):
    p = draw("gru", [5, 0, 1, 30], 9, 19)
    wide = numpy.full((len(p.X), 40), 7.0, "float32")
    out = wide[:, 10:29]
    one = Sweep(p.cell, p.params, p.X, Batch(p.lengths, len(p.X)), p.initial, p.mask, out=out)
    results, _ = run_sweeps([one], is_train=False)
    assert results[0].Y is out
    assert_array_equal(out, infer(p)["Y"])
    assert (wide[:, :10] == 7.0).all() and (wide[:, 29:] == 7.0).all()
