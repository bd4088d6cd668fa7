"""Time steps one after the other: the same as a sweep, on every engine."""

import numpy
import pytest
from emulated_cuda import EmulatedDevice
from many_threads import call_in_threads
from numpy.testing import assert_allclose, assert_array_equal
from problems import draw

from spacy_rnn.native import library
from spacy_rnn.recurrence import CELLS, Batch, Settings, reorder, session, sweep, use_engine
from spacy_rnn.recurrence.engines.cuda import CudaEngine

B, T, nI, nH, V = 5, 7, 6, 19, 11


@pytest.fixture(params=["auto", "reference"])
def engine(request):
    with use_engine(request.param):
        yield request.param


def make(name, seed=0):
    """A problem of B sequences of T rows, which are rows of a table."""
    p = draw(name, [T] * B, nI, nH, seed=seed)
    rng = numpy.random.default_rng(seed)
    table = rng.standard_normal((V, nI), "float32")
    symbols = rng.integers(0, V, (B, T))
    return p._replace(X=table[symbols.reshape(-1)]), table, symbols


def step_through(one, inputs, state):
    """Give the outputs [B, T, nH] and the last state."""
    outputs = []
    for x in inputs:
        state = one.step(x, state)
        outputs.append(state["h"])
    return numpy.stack(outputs, axis=1), state


@pytest.mark.parametrize("name", CELLS)
def test_steps_are_a_sweep(name, engine):
    p, table, symbols = make(name)
    Y, final, _ = sweep(p.cell, p.params, p.X, p.lengths, initial=p.initial)
    rows = p.X.reshape(B, T, nI).transpose(1, 0, 2)
    for one, inputs in (
        (session(p.cell, p.params), rows),
        (session(p.cell, p.params, table=table), symbols.T),
        (session(p.cell, p.params, table=table), symbols.T.astype("int32").tolist()),
    ):
        outputs, state = step_through(one, inputs, p.initial)
        assert_allclose(outputs.reshape(-1, nH), Y, rtol=0, atol=2e-6)
        assert set(state) == set(p.cell.states)
        for key, array in state.items():
            assert array.dtype == "float32"
            assert_allclose(array, final[key], rtol=0, atol=2e-6)


@pytest.mark.skipif(library is None, reason="the compiled engine is not built")
@pytest.mark.parametrize("n", [1, 2, 3, 6, 9])
@pytest.mark.parametrize("name", CELLS)
def test_compiled_steps_are_the_sweep_to_the_bit(name, n):
    """However many sequences there are beside one, so a beam does not depend on its neighbours."""
    p, table, symbols = make(name)
    outputs, _ = step_through(session(p.cell, p.params, table=table), symbols.T, p.initial)
    index = numpy.arange(n) % B
    alone, _ = step_through(session(p.cell, p.params), table[symbols.T[:, index]], reorder(p.initial, index))
    assert_array_equal(alone, outputs[index])
    assert_array_equal(outputs.reshape(-1, nH), sweep(p.cell, p.params, p.X, p.lengths, initial=p.initial)[0])


@pytest.mark.parametrize("name", CELLS)
def test_steps_on_a_device_are_a_sweep(name):
    p, table, symbols = make(name)
    Y, final, _ = sweep(p.cell, p.params, p.X, p.lengths, initial=p.initial)
    device = CudaEngine(EmulatedDevice())
    for inputs, rows in ((p.X.reshape(B, T, nI).transpose(1, 0, 2), None), (symbols.T, table)):
        outputs, state = step_through(device.session(p.cell, p.params, rows, Settings()), inputs, p.initial)
        assert_allclose(outputs.reshape(-1, nH), Y, rtol=0, atol=1e-5)
        for key, array in state.items():
            assert_allclose(array, final[key], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CELLS)
def test_a_session_begins_with_zeros(name, engine):
    p, _, _ = make(name)
    one = session(p.cell, p.params)
    start = one.start(B)
    assert set(start) == set(p.cell.states)
    for array in start.values():
        assert array.shape == (B, nH) and array.dtype == "float32" and not array.any()
    first = one.step(p.X[::T], start)
    assert_allclose(first["h"], sweep(p.cell, p.params, p.X[::T], [1] * B)[0], rtol=0, atol=2e-6)


def test_float64_steps_in_float64():
    p = draw("lstm", [T] * B, nI, nH).mapped(lambda array: array.astype("float64"))
    one = session(p.cell, p.params)
    outputs, _ = step_through(one, p.X.reshape(B, T, nI).transpose(1, 0, 2), one.start(B))
    assert outputs.dtype == "float64"
    assert_allclose(outputs.reshape(-1, nH), sweep(p.cell, p.params, p.X, p.lengths)[0], rtol=0, atol=1e-12)


def test_several_states_go_on_from_one(engine):
    """As hypotheses of a beam do: the state that they share is not written to."""
    p, table, symbols = make("lstm")
    one = session(p.cell, p.params, table=table)
    shared = one.step(symbols[:, 0], p.initial)
    copies = {key: array.copy() for key, array in shared.items()}
    expected = [one.step(symbols[:, t], shared) for t in (1, 2)]
    for key, array in shared.items():
        assert_array_equal(array, copies[key])
    index = numpy.asarray([3, 3, 0])
    beam = one.step(symbols[index, 1], reorder(shared, index))
    assert_array_equal(beam["h"], expected[0]["h"][index])
    left = one.step(symbols[[0, 2], 2], reorder(shared, numpy.asarray([True, False, True, False, False])))
    assert_array_equal(left["c"], expected[1]["c"][[0, 2]])


def test_none_of_the_sequences_may_be_left(engine):
    p, table, symbols = make("gru")
    one = session(p.cell, p.params, table=table)
    left = one.step(symbols[:0, 0], reorder(p.initial, numpy.zeros(B, bool)))
    assert left["h"].shape == (0, nH)


def test_a_session_sweeps_as_well(engine):
    p, table, _ = make("lstm_peephole")
    for reverse in (False, True):
        Y, final, _ = sweep(p.cell, p.params, p.X, p.lengths, initial=p.initial, reverse=reverse)
        result = session(p.cell, p.params, table=table).sweep(p.X, Batch(p.lengths, len(p.X)), p.initial, reverse)
        assert_array_equal(result.Y, Y)
        assert_array_equal(result.final["c"], final["c"])


@pytest.mark.skipif(library is None, reason="the compiled engine is not built")
def test_precision_is_that_of_a_sweep():
    p, table, symbols = make("lstm")
    one = session(p.cell, p.params, table=table, precision="bfloat16")
    exact, _ = step_through(session(p.cell, p.params, table=table), symbols.T, p.initial)
    rounded, _ = step_through(one, symbols.T, p.initial)
    assert_allclose(rounded, exact, rtol=0, atol=3e-2)
    assert numpy.abs(rounded - exact).max() > 1e-5
    with use_engine("reference"), pytest.raises(ValueError, match="bfloat16.*reference"):
        session(p.cell, p.params, precision="bfloat16")


@pytest.mark.skipif(library is None, reason="the compiled engine is not built")
def test_weights_are_those_of_the_beginning():
    p, table, symbols = make("gru")
    one = session(p.cell, p.params, table=table)
    before = one.step(symbols[:, 0], p.initial)["h"]
    for array in (*p.params.values(), table):
        array[:] = numpy.nan
    assert_array_equal(one.step(symbols[:, 0], p.initial)["h"], before)


BAD_INPUTS = {
    "wider rows": ("dense", lambda x, state: (numpy.ones((B, nI + 1), "float32"), state), f"{nI}"),
    "float64": ("dense", lambda x, state: (x.astype("float64"), state), "float32.*float64"),
    "a vector": ("dense", lambda x, state: (numpy.ones(nI, "float32"), state), f"float32.*{nI}"),
    "fewer rows than states": ("dense", lambda x, state: (x[:2], state), "2"),
    "a state of other units": ("dense", lambda x, state: (x, {key: array[:, 1:] for key, array in state.items()}), f"{nH}"),
    "a state without c": ("dense", lambda x, state: (x, {"h": state["h"]}), "c"),
    "a row behind the table": ("table", lambda x, state: (numpy.full(B, V), state), f"0 to {V - 1}.*{V}"),
    "a negative row": ("table", lambda x, state: (numpy.full(B, -1), state), f"0 to {V - 1}.*-1"),
    "a fraction": ("table", lambda x, state: (numpy.full(B, 1.5), state), "whole numbers"),
    "rows for a table": ("table", lambda x, state: (numpy.ones((B, nI), "float32"), state), "whole numbers"),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_what_does_not_fit_is_refused(case, engine):
    kind, spoil, match = BAD_INPUTS[case]
    p, table, symbols = make("lstm")
    one = session(p.cell, p.params, table=table if kind == "table" else None)
    inputs, state = spoil(symbols[:, 0] if kind == "table" else p.X[:B], p.initial)
    with pytest.raises(ValueError, match=match):
        one.step(inputs, state)


@pytest.mark.parametrize(
    "table", [numpy.ones((V, nI + 1), "float32"), numpy.ones(nI, "float32"), numpy.ones((V, nI))], ids=["width", "1d", "float64"]
)
def test_tables_that_do_not_fit_are_refused(table, engine):
    p, _, _ = make("gru")
    with pytest.raises(ValueError, match=f"a table: expected float32 .*{nI}"):
        session(p.cell, p.params, table=table)


def test_parameters_that_do_not_fit_are_refused(engine):
    p, _, _ = make("gru")
    with pytest.raises(ValueError, match="bR of gru"):
        session(p.cell, {key: array for key, array in p.params.items() if key != "bR"})


def test_threads_share_a_session(engine):
    p, table, symbols = make("lstm")
    one = session(p.cell, p.params, table=table)
    expected, _ = step_through(one, symbols.T, p.initial)
    found = {}

    def run(i):
        for _ in range(20):
            found[i] = step_through(one, symbols.T, p.initial)[0]

    call_in_threads(run, 4)
    assert len(found) == 4
    for outputs in found.values():
        assert_array_equal(outputs, expected)
