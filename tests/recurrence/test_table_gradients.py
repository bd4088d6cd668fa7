"""Training over rows of a table: results are those of the rows taken out, and gradients are sums over equal rows."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import assert_close, assert_equal, draw, draw_directions

from spacy_rnn.native import library
from spacy_rnn.recurrence import (
    CELLS,
    Backpropagation,
    Batch,
    Sweep,
    Table,
    TableRows,
    run_sweeps,
    sweep,
    use_engine,
    use_threads,
)

LENGTHS = [3, 0, 41, 1, 12, 0, 12, 130]
V = 23
every_cell = pytest.mark.parametrize("name", CELLS)
compiled = pytest.mark.skipif(library is None, reason="the compiled engine is not built")
HOW = {
    "whole": Backpropagation(checkpoint_rows=0),
    "pieces": Backpropagation(checkpoint_rows=20),
    "truncated": Backpropagation(checkpoint_rows=0, truncate_gradient=7),
    "truncated pieces": Backpropagation(checkpoint_rows=20, truncate_gradient=7),
}


def draw_table(nI, n_rows, seed=0, highest=V - 3):
    """Some rows of the table are not read."""
    rng = numpy.random.default_rng(seed)
    return rng.standard_normal((V, nI), "float32"), rng.integers(0, highest, n_rows)


def sums(dX, numbers, n=V):
    """Sum the gradients of equal rows, one by one."""
    total = numpy.zeros((n, dX.shape[1]), dX.dtype)
    for number, row in zip(numbers, dX, strict=True):
        total[number] += row
    return total


def train(problems, X, how=HOW["whole"]):
    """Run the directions of a layer and go back; give the results of each by name, and the gradient of what they read."""
    batch = Batch(problems[0].lengths, sum(problems[0].lengths))
    sweeps = [Sweep(p.cell, p.params, X, batch, p.initial, p.mask, p.reverse) for p in problems]
    results, backprop = run_sweeps(sweeps, True, backpropagation=how)
    dX, grads, d_initials = backprop([p.dY for p in problems], [p.d_final for p in problems])
    found = [{"Y": Y, **{f"final {s}": array for s, array in final.items()}} for Y, final in results]
    for each, arrays, d_initial in zip(found, grads, d_initials, strict=True):
        each.update({f"gradient {key}": array for key, array in arrays.items()})
        each.update({f"gradient of initial {s}": array for s, array in d_initial.items()})
    return found, dX


def in_float64(problems):
    return [p.mapped(lambda array: array.astype("float64")) for p in problems]


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
@pytest.mark.parametrize("nI, nH", [(5, 19), (1, 1), (33, 16), (0, 3)])
@pytest.mark.parametrize("n_directions", [1, 2])
@every_cell
def test_gradients_are_those_of_the_reference(name, n_directions, nI, nH, how):
    problems = draw_directions(name, LENGTHS, nI, nH)[:n_directions]
    rows, numbers = draw_table(nI, sum(LENGTHS))
    with use_engine("reference"):
        expected, dX = train(in_float64(problems), rows[numbers].astype("float64"), how)
    found, d_table = train(problems, TableRows(Table(rows), numbers), how)
    for each, right in zip(found, expected, strict=True):
        assert_close(each, right, 2e-5)
    assert d_table.dtype == "float32"
    assert_close({"gradient of table": d_table}, {"gradient of table": sums(dX, numbers), "Y": expected[0]["Y"]}, 2e-5)


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
@every_cell
def test_the_reference_sums_the_gradients_of_rows(name, how):
    problems = in_float64(draw_directions(name, LENGTHS, 5, 6))
    rows, numbers = draw_table(5, sum(LENGTHS))
    with use_engine("reference"):
        expected, dX = train(problems, rows[numbers].astype("float64"), how)
        found, d_table = train(problems, TableRows(Table(rows.astype("float64")), numbers), how)
    for each, right in zip(found, expected, strict=True):
        assert_equal(each, right)
    assert_allclose(d_table, sums(dX, numbers), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "backward"])
@every_cell
def test_the_gradient_of_a_table_matches_central_differences(make_problem, difference_error, name, reverse):
    lengths = [5, 0, 1, 9]
    cell, params, X, initial, mask, dY, d_final = make_problem(name, lengths, with_mask=True)
    table, numbers = X[:4].copy(), numpy.arange(15) * 7 % 3
    arguments = {"initial": initial, "mask": mask, "reverse": reverse}

    def loss():
        Y, final, _ = sweep(cell, params, TableRows(Table(table), numbers), lengths, **arguments)
        return (Y * dY).sum() + sum((final[s] * d_final[s]).sum() for s in cell.states)

    _, _, backprop = sweep(cell, params, TableRows(Table(table), numbers), lengths, is_train=True, **arguments)
    d_table, grads, _ = backprop(dY, d_final)
    assert_array_equal(d_table[3], 0)
    assert difference_error(loss, table, d_table) < 1e-6
    for key, array in params.items():
        assert difference_error(loss, array, grads[key]) < 1e-6, key


@compiled
@pytest.mark.parametrize("n_directions", [1, 2])
@every_cell
def test_outputs_are_bit_for_bit_those_of_the_rows(isa, name, n_directions):
    problems = draw_directions(name, LENGTHS, 6, 19)[:n_directions]
    rows, numbers = draw_table(6, sum(LENGTHS))
    batch = Batch(LENGTHS, sum(LENGTHS))
    for is_train in (False, True):
        one, other = (
            run_sweeps([Sweep(p.cell, p.params, X, batch, p.initial, p.mask, p.reverse) for p in problems], is_train)[0]
            for X in (rows[numbers], TableRows(Table(rows), numbers))
        )
        for right, found in zip(one, other, strict=True):
            assert_array_equal(found.Y, right.Y)
            for s, array in right.final.items():
                assert_array_equal(found.final[s], array)


@pytest.mark.parametrize("how", [HOW["whole"], HOW["pieces"]], ids=["whole", "pieces"])
def test_results_are_the_same_in_every_run_and_on_two_threads(how):
    problems = draw_directions("lstm", [400] * 8, 24, 96)
    rows, numbers = draw_table(24, 3200)
    runs = []
    for threads in (1, 1, 2):
        with use_threads(threads):
            found, d_table = train(problems, TableRows(Table(rows), numbers), how)
        runs.append([*found, {"table": d_table}])
    for other in runs[1:]:
        for found, expected in zip(other, runs[0], strict=True):
            for key, array in expected.items():
                assert_array_equal(found[key], array, err_msg=key)


def test_backpropagation_can_be_repeated():
    p = draw("lstm", LENGTHS, 5, 6)
    rows, numbers = draw_table(5, sum(LENGTHS))
    _, _, backprop = sweep(p.cell, p.params, TableRows(Table(rows), numbers), LENGTHS, initial=p.initial, is_train=True)
    (d_table, grads, _), (again, grads_again, _) = (backprop(p.dY, p.d_final) for _ in range(2))
    assert_array_equal(again, d_table)
    assert_equal(grads_again, grads)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]], ids=str)
@pytest.mark.parametrize("n", [0, V], ids=["no table", "a table"])
def test_batches_without_rows(lengths, n):
    p = draw("lstm", lengths, 3, 4)
    table = Table(numpy.zeros((n, 3), "float32"))
    _, _, backprop = sweep(p.cell, p.params, TableRows(table, numpy.zeros(0, "int64")), lengths, is_train=True)
    d_table, grads, _ = backprop(p.dY, p.d_final)
    assert_array_equal(d_table, numpy.zeros((n, 3)))
    for array in grads.values():
        assert_array_equal(array, numpy.zeros_like(array))


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_a_table_may_grow_and_numbers_may_change_until_backpropagation(engine):
    p = draw("gru", [4, 3], 5, 6)
    rows, numbers = draw_table(5, 7)
    with use_engine(engine):
        X = TableRows(Table(rows.copy()), numbers.copy())
        _, _, expected = sweep(p.cell, p.params, X, [4, 3], is_train=True)
        _, _, backprop = sweep(p.cell, p.params, X, [4, 3], is_train=True)
        right = expected(p.dY, None)[0]
        X.table.rows = numpy.concatenate([rows, rows])
        X.numbers[...] = 0
        assert_array_equal(backprop(p.dY, None)[0], right)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_types_of_numbers(engine, dtype):
    p = draw("lstm", [4, 3], 5, 6)
    rows, numbers = draw_table(5, 7)
    with use_engine(engine):
        (Y, *_), (expected, *_) = (
            sweep(p.cell, p.params, X, [4, 3], is_train=True)
            for X in (TableRows(Table(rows), numbers.astype(dtype)), rows[numbers])
        )
    assert_array_equal(Y, expected)


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("is_train", [False, True])
@pytest.mark.parametrize(
    "wrong, message",
    [
        (lambda rows, numbers: (rows, numpy.append(numbers[:-1], V)), "the table has the rows 0 to 22, got rows from"),
        (lambda rows, numbers: (rows, numpy.append(-1, numbers[1:])), "the table has the rows 0 to 22, got rows from -1"),
        (lambda rows, numbers: (rows[:0], numbers), "the table has the rows"),
        (lambda rows, numbers: (rows, numbers.astype("float32")), "whole numbers"),
        (lambda rows, numbers: (rows, numbers[:-1]), "made for 7 rows, but there are 6"),
        (lambda rows, numbers: (rows, numbers[:, None]), "a matrix .* and numbers"),
        (lambda rows, numbers: (rows[0], numbers), "a matrix .* and numbers"),
        (lambda rows, numbers: (rows[:, :-1], numbers), "parameter W of lstm: expected shape"),
        (lambda rows, numbers: (rows.astype("int64"), numbers), "float32 or float64"),
    ],
    ids=["too high", "negative", "no rows", "no whole numbers", "too few", "a matrix of numbers", "no matrix", "width", "type"],
)
def test_tables_that_do_not_fit(engine, is_train, wrong, message):
    p = draw("lstm", [4, 3], 5, 6)
    rows, numbers = wrong(*draw_table(5, 7))
    one = Sweep(p.cell, p.params, TableRows(Table(rows), numbers), Batch([4, 3], 7))
    with use_engine("reference" if rows.dtype == "int64" else engine), pytest.raises(ValueError, match=message):
        run_sweeps([one], is_train)
