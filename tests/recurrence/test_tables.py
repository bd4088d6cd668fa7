"""Rows that are taken from a table: the same as rows by themselves, on every engine."""

import gc
import weakref

import numpy
import pytest
from many_threads import call_in_threads
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.native import library
from spacy_rnn.recurrence import CELLS, Table, TableRows, infer_outputs, use_engine, use_threads
from spacy_rnn.recurrence.engines import cpu

LENGTHS = [5, 0, 1, 120, 3, 3, 17, 1]
compiled = pytest.mark.skipif(library is None, reason="the compiled engine is not built")


def draw(name, n_directions=2, nI=6, nH=19, V=40, seed=0, dtype="float32"):
    """Give a cell, the parameters of its directions, and the rows of a table."""
    rng = numpy.random.default_rng(seed)
    cell = CELLS[name]
    params = [
        {key: rng.normal(scale=0.2, size=shape).astype(dtype) for key, shape in cell.parameter_shapes(nI, nH).items()}
        for _ in range(n_directions)
    ]
    return cell, params, rng.normal(size=(V, nI)).astype(dtype)


def take(rows, lengths, seed=0, highest=None):
    numbers = numpy.random.default_rng(seed).integers(0, highest or len(rows), sum(lengths))
    return numbers, numpy.asarray(lengths, dtype="int32")


def check(cell, params, table, numbers, lengths, **settings):
    Y = infer_outputs(cell, params, TableRows(table, numbers), lengths, **settings)
    assert_array_equal(Y, infer_outputs(cell, params, table.rows[numbers], lengths, **settings))
    return Y


@compiled
@pytest.mark.parametrize("nI, nH", [(6, 19), (1, 1), (33, 16), (0, 3)])
@pytest.mark.parametrize("n_directions", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_outputs_are_bit_for_bit_those_of_the_rows(isa, name, n_directions, nI, nH):
    cell, params, rows = draw(name, n_directions, nI, nH)
    table = Table(rows)
    for lengths in (LENGTHS, [1], [2, 7], [], [0, 0], LENGTHS):
        check(cell, params, table, *take(rows, lengths))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CELLS)
def test_engines_that_take_no_tables_are_given_rows(name, dtype):
    cell, params, rows = draw(name, dtype=dtype)
    numbers, lengths = take(rows, LENGTHS)
    with use_engine("reference"):
        Y = check(cell, params, Table(rows), numbers, lengths)
    assert_allclose(infer_outputs(cell, params, TableRows(Table(rows), numbers), lengths), Y, atol=1e-5)


@compiled
@pytest.mark.parametrize("most", [0, 7, 12, 10_000])
def test_rows_that_there_is_no_room_for(monkeypatch, most):
    cell, params, rows = draw("lstm")
    weights = cpu._packed.get(cell, params[0], False)
    monkeypatch.setattr(cpu, "MAX_PROJECTIONS", most * weights.projection_width)
    table = Table(rows)
    for highest in (5, 9, 40, 3):
        check(cell, params, table, *take(rows, LENGTHS, highest=highest))
        assert all(n <= min(most, 40) for _, n in table.kept.values())
        assert all(len(kept) <= max(most, 0) for kept, _ in table.kept.values())


@compiled
def test_memory_is_bounded_whatever_the_table_is(monkeypatch):
    """The projections of many rows that there is no room for are made piece by piece."""
    monkeypatch.setattr(cpu, "MAX_PROJECTIONS", 0)
    cell, params, rows = draw("lstm", nI=4, nH=64, V=100_000)
    pieces, run = [], cpu._run_all
    monkeypatch.setattr(cpu, "_run_all", lambda *args: pieces.append(len(args[1])) or run(*args))
    for n in (1000, 100_000):
        infer_outputs(cell, params, TableRows(Table(rows), numpy.arange(n)), numpy.full(n // 100, 100, dtype="int32"))
    assert pieces == [100_000]
    check(cell, params, Table(rows), numpy.arange(100_000), numpy.full(1000, 100, dtype="int32"))


@compiled
def test_a_table_that_grows():
    cell, params, rows = draw("gru", V=3000)
    table = Table(rows[:10].copy())
    for n in (5, 10, 11, 500, 3000):
        if n > len(table.rows):
            grown = numpy.full((n + 7, rows.shape[1]), numpy.nan, dtype="float32")
            grown[:n] = rows[:n]
            table.rows = grown
        numbers, lengths = take(rows, LENGTHS, seed=n, highest=n)
        Y = infer_outputs(cell, params, TableRows(table, numbers), lengths)
        assert_array_equal(Y, infer_outputs(cell, params, rows[numbers], lengths))


@compiled
def test_each_row_is_projected_once(monkeypatch):
    cell, params, rows = draw("lstm")
    table, counted = Table(rows), []
    project = cpu._project
    monkeypatch.setattr(cpu, "_project", lambda *args: counted.append(project(*args)) or counted[-1])
    numbers, lengths = take(rows, LENGTHS)
    for _ in range(3):
        check(cell, params, table, numbers, lengths)
    assert len({id(array.base) for array in counted}) == 2


@compiled
def test_projections_follow_the_parameters(isa):
    cell, params, rows = draw("lstm")
    table = Table(rows)
    numbers, lengths = take(rows, LENGTHS)
    before = check(cell, params, table, numbers, lengths)
    for name in ("W", "R", "b"):
        for each in params:
            each[name][...] *= 1.5
        after = check(cell, params, table, numbers, lengths)
        assert (after != before).any()
        before = after
    params[1]["b"] = params[1]["b"] + 1
    assert (check(cell, params, table, numbers, lengths) != before).any()
    # Other layers read the same table.
    _, others, _ = draw("lstm", nH=5, seed=3)
    check(cell, others, table, numbers, lengths)
    check(cell, params, table, numbers, lengths)


@compiled
def test_projections_follow_the_instruction_set():
    cell, params, rows = draw("lstm")
    table = Table(rows)
    before = library.selected()
    try:
        for _ in range(2):
            for name in library.instruction_sets():
                library.select(name)
                check(cell, params, table, *take(rows, LENGTHS))
    finally:
        library.select(before)


@compiled
def test_precisions_are_told_apart():
    cell, params, rows = draw("lstm")
    table = Table(rows)
    for precision in ("float32", "bfloat16", "float32"):
        check(cell, params, table, *take(rows, LENGTHS), precision=precision)


@compiled
def test_projections_go_with_the_parameters_and_with_the_table():
    cell, params, rows = draw("lstm")
    table = Table(rows)
    check(cell, params, table, *take(rows, LENGTHS))
    assert len(table.kept) == 2
    reference = weakref.ref(next(iter(table.kept.values()))[0])
    params.clear()
    gc.collect()
    assert len(table.kept) == 0
    assert reference() is None


@compiled
def test_while_another_thread_adds_projections():
    cell, params, rows = draw("lstm")
    table = Table(rows)
    numbers, lengths = take(rows, LENGTHS)
    with table.lock:
        check(cell, params, table, numbers, lengths)
        assert not table.kept
    check(cell, params, table, numbers, lengths)
    assert len(table.kept) == 2


@compiled
def test_threads_share_a_table():
    cell, params, rows = draw("lstm", V=2000)
    table = Table(rows)

    def run(seed):
        for n in range(30):
            check(cell, params, table, *take(rows, LENGTHS, seed=100 * seed + n, highest=60 * (n + 1)))

    call_in_threads(run, 4)


@compiled
def test_directions_side_by_side():
    cell, params, rows = draw("lstm", nI=64, nH=64, V=500)
    numbers, lengths = take(rows, [300] * 10)
    with use_threads(2):
        Y = check(cell, params, Table(rows), numbers, lengths)
    assert_array_equal(Y, infer_outputs(cell, params, rows[numbers], lengths))


@compiled
@pytest.mark.parametrize("number", [-1, 40, 2**40])
def test_rows_that_the_table_does_not_have_are_refused(number):
    cell, params, rows = draw("lstm")
    numbers, lengths = take(rows, [3, 2])
    for _ in range(2):
        wrong = numbers.copy()
        wrong[2] = number
        with pytest.raises(ValueError, match=f"rows 0 to 39, got row {number}"):
            infer_outputs(cell, params, TableRows(Table(rows), wrong), lengths)


@compiled
def test_shapes_are_checked():
    cell, params, rows = draw("lstm")
    numbers, lengths = take(rows, [3, 2])
    with pytest.raises(ValueError, match="add up to 5"):
        infer_outputs(cell, params, TableRows(Table(rows), numbers[:4]), lengths)
    with pytest.raises(ValueError, match=r"expected shape \[N, 6\]"):
        infer_outputs(cell, params, TableRows(Table(rows[:, :5]), numbers), lengths)


@compiled
def test_projections_of_another_size_are_refused():
    cell, params, rows = draw("lstm", n_directions=1)
    numbers, lengths = take(rows, [3, 2])
    weights = cpu._packed.get(cell, params[0], False)
    width = weights.projection_width
    Y = numpy.zeros((5, 19), "float32")
    for shape in [(3, width - 1), (41, width)]:
        with pytest.raises(ValueError, match="projections"):
            library.infer_rows((weights,), rows, numbers, (numpy.zeros(shape, "float32"),), lengths, Y, False)
    with pytest.raises(ValueError, match="1 directions"):
        library.infer_rows((weights,), rows, numbers, (), lengths, Y, False)
    with pytest.raises(ValueError, match="projections"):
        weights.project(rows, numpy.zeros((40, width + 1), "float32"))
