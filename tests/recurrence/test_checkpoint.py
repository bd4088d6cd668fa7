"""Sweeps whose way back is computed again piece by piece, and gradients that are cut off: the results, and what is kept."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import assert_close, assert_equal, draw, run, run_reference, slices

from spacy_rnn.recurrence import (
    CELLS,
    ENGINES,
    Backpropagation,
    Batch,
    Sweep,
    run_sweeps,
    sweep,
    use_engine,
    use_threads,
)
from spacy_rnn.recurrence.checkpoint import cut
from spacy_rnn.recurrence.engines import reference
from spacy_rnn.recurrence.engines.cpu import CpuEngine
from spacy_rnn.recurrence.engines.reference import ReferenceEngine

LENGTHS = [3, 0, 41, 1, 12, 0, 12, 30]

every_cell = pytest.mark.parametrize("name", CELLS)
both_directions = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "backward"])


def pieces_of(rows):
    return Backpropagation(checkpoint_rows=rows)


def whole():
    return Backpropagation(checkpoint_rows=0)


def truncated_to(steps, rows=0):
    return Backpropagation(checkpoint_rows=rows, truncate_gradient=steps)


# Pieces


@settings(deadline=None, database=None)
@given(
    lengths=st.lists(st.one_of(st.just(0), st.integers(0, 9), st.integers(0, 100)), max_size=40),
    most=st.integers(1, 600),
    truncate=st.integers(0, 30),
)
def test_pieces_are_the_steps_of_each_sequence_in_the_order_in_which_they_are_read(lengths, most, truncate):
    ends = numpy.cumsum(lengths, dtype="int64")
    read = {False: [[] for _ in lengths], True: [[] for _ in lengths]}
    for piece in cut(numpy.asarray(lengths, dtype="int32"), most, truncate):
        assert piece.forward.n_rows <= most or piece.forward.lengths.max() == 1
        for reverse, batch in ((False, piece.forward), (True, piece.backward)):
            assert batch.n_rows == batch.lengths.sum() and batch.lengths.min() >= 1
            for i, start, n in zip(piece.sequences, batch.starts, batch.lengths, strict=True):
                steps = read[reverse][i]
                at_boundary = truncate > 0 and len(steps) > 0 and len(steps) % truncate == 0
                assert piece.truncated == at_boundary
                assert not truncate or len(steps) // truncate == (len(steps) + n - 1) // truncate
                rows = range(start, start + n)
                steps.extend(reversed(rows) if reverse else rows)
    for i, n in enumerate(lengths):
        rows = list(range(ends[i] - n, ends[i]))
        assert read[False][i] == rows and read[True][i] == rows[::-1]


def test_few_states_are_kept_of_many_short_sequences():
    """Not one state for each row, although a piece of all sequences would be a single step."""
    pieces = list(cut(numpy.full(1000, 64, dtype="int32"), 800, 0))
    assert sum(len(piece.sequences) for piece in pieces) <= 64_000 / 16


# Results


@both_directions
@every_cell
@pytest.mark.parametrize("rows", [1, 20, 70])
def test_reference_gives_the_same(name, reverse, rows):
    p = draw(name, LENGTHS, 5, 6, reverse)
    expected = run_reference(p, backpropagation=whole())
    found = run_reference(p, backpropagation=pieces_of(rows))
    for key, array in expected.items():
        assert_allclose(found[key], array, rtol=1e-9, atol=1e-12, err_msg=key)


@both_directions
@every_cell
@pytest.mark.parametrize("lengths", [LENGTHS, [450], [250, 1, 0, 90, 200], [3, 1, 0] * 50], ids=str)
def test_compiled_engine_gives_the_same(isa, name, reverse, lengths):
    p = draw(name, lengths, 9, 19, reverse)
    expected = run(p, backpropagation=whole())
    found = run(p, backpropagation=pieces_of(64))
    assert_equal({"Y": found["Y"]}, {"Y": expected["Y"]})
    assert_array_equal(found["dX"], expected["dX"])
    for s in p.cell.states:
        assert_array_equal(found[f"final {s}"], expected[f"final {s}"])
        assert_array_equal(found[f"gradient of initial {s}"], expected[f"gradient of initial {s}"])
    assert_close(found, run_reference(p))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("lengths", [[400] * 3, [900, 5, 0, 300]], ids=str)
@pytest.mark.parametrize("name", ["gru", "lstm_peephole"])
def test_both_directions_give_the_same(name, lengths, threads):
    """Where they meet they add to the gradient of the same rows."""
    problems = [draw(name, lengths, 48, 64, reverse, seed=int(reverse)) for reverse in (False, True)]
    X, batch = problems[0].X, Batch(lengths, sum(lengths))
    wide = numpy.zeros((len(X), 128), dtype="float32")

    def run_both(how):
        sweeps = [
            Sweep(p.cell, p.params, X, batch, p.initial, p.mask, p.reverse, wide[:, 64 * d : 64 * (d + 1)])
            for d, p in enumerate(problems)
        ]
        with use_threads(threads):
            results, backprop = run_sweeps(sweeps, True, backpropagation=how)
            dX, grads, d_initials = backprop([p.dY for p in problems], [p.d_final for p in problems])
        return [wide.copy(), dX, *(result.final for result in results), *d_initials], grads

    (Y, dX, *states), grads = run_both(whole())
    # A piece is enough work for a thread of its own.
    (Y_found, dX_found, *states_found), grads_found = run_both(pieces_of(600))
    assert_array_equal(Y_found, Y)
    assert_array_equal(dX_found, dX)
    for found, expected in zip(states_found, states, strict=True):
        assert_equal(found, expected)
    for found, expected in zip(grads_found, grads, strict=True):
        for key, array in expected.items():
            assert_allclose(found[key], array, rtol=0, atol=1e-5 * max(1.0, numpy.abs(array).max()), err_msg=key)


@both_directions
@every_cell
def test_gradients_match_central_differences(make_problem, difference_error, name, reverse):
    lengths = [5, 0, 1, 9]
    cell, params, X, initial, mask, dY, d_final = make_problem(name, lengths, with_mask=True)
    arguments = {"initial": initial, "mask": mask, "reverse": reverse}

    def loss():
        Y, final, _ = sweep(cell, params, X, lengths, **arguments)
        return (Y * dY).sum() + sum((final[s] * d_final[s]).sum() for s in cell.states)

    _, _, backprop = sweep(cell, params, X, lengths, is_train=True, backpropagation=pieces_of(3), **arguments)
    dX, grads, d_initial = backprop(dY, d_final)
    assert difference_error(loss, X, dX) < 1e-6
    for key, array in params.items():
        assert difference_error(loss, array, grads[key]) < 1e-6, key
    for s in cell.states:
        assert difference_error(loss, initial[s], d_initial[s]) < 1e-6, s


@every_cell
def test_without_states_and_mask(name):
    p = draw(name, LENGTHS, 5, 6)._replace(initial=None, mask=None, d_final=None)
    assert_close(run(p, backpropagation=pieces_of(20)), run_reference(p))


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]], ids=str)
@pytest.mark.parametrize("how", [pieces_of(1), truncated_to(2)], ids=["pieces", "truncated"])
def test_batches_without_rows(lengths, how):
    p = draw("lstm", lengths, 3, 4)
    assert_equal(run(p, backpropagation=how), run(p))


@pytest.mark.parametrize("how", [pieces_of(20), truncated_to(5)], ids=["pieces", "truncated"])
def test_backpropagation_can_be_repeated(how):
    p = draw("lstm", LENGTHS, 5, 6)
    _, _, backprop = sweep(p.cell, p.params, p.X, p.lengths, initial=p.initial, is_train=True, backpropagation=how)
    (dX, grads, d_initial), (dX_again, grads_again, d_initial_again) = (backprop(p.dY, p.d_final) for _ in range(2))
    assert_array_equal(dX_again, dX)
    assert_equal(grads_again, grads)
    assert_equal(d_initial_again, d_initial)


def test_what_was_given_is_left_as_it_is():
    p = draw("lstm", LENGTHS, 5, 6)
    kept = p.mapped(numpy.copy)
    run(p, backpropagation=pieces_of(20))
    for found, expected in zip(p, kept, strict=True):
        if isinstance(expected, dict):
            assert_equal(found, expected)
        else:
            assert_array_equal(found, expected)


MOVED = {
    "column after column": numpy.asfortranarray,
    "every second column": lambda array: array.repeat(2, axis=-1)[..., ::2],
    "rows from the end": lambda array: array[::-1].copy()[::-1],
    "columns of a wider array": lambda array: numpy.concatenate([array, array], axis=-1)[..., : array.shape[-1]],
    "read-only": lambda array: numpy.broadcast_to(array.copy(), array.shape),
}


@pytest.mark.parametrize("rows", [1, 20])
@pytest.mark.parametrize("move", MOVED.values(), ids=MOVED.keys())
def test_layout_in_memory_does_not_matter(move, rows):
    p = draw("gru", LENGTHS, 5, 6)
    assert_equal(run(p.mapped(move), backpropagation=pieces_of(rows)), run(p, backpropagation=pieces_of(rows)))


def test_precision_of_inference_does_not_enter_training():
    """Training on a CPU is float32 whatever the precision, also where it only runs to find the states."""
    p = draw("lstm", LENGTHS, 5, 6)
    one = Sweep(p.cell, p.params, p.X, Batch(LENGTHS, len(p.X)), p.initial, p.mask)
    ((Y, _),), _ = run_sweeps([one], True, precision="bfloat16", backpropagation=pieces_of(20))
    assert_array_equal(Y, sweep(p.cell, p.params, p.X, LENGTHS, initial=p.initial, mask=p.mask)[0])


# When


class Counted:
    """The reference engine, which counts the rows for which backpropagation keeps something at the same time."""

    def __init__(self, run):
        self.run, self.kept = run, []

    def __call__(self, sweeps, keeps, settings):
        self.kept.append(sweeps[0].batch.n_rows if keeps else 0)
        return self.run(sweeps, keeps, settings)


@pytest.fixture
def counted(monkeypatch):
    (engine,) = (engine for engine in ENGINES if engine.name == "reference")
    counted = Counted(engine.run)
    monkeypatch.setattr(engine, "run", counted)
    with use_engine("reference"):
        yield counted


def test_a_batch_within_the_limit_is_read_at_once(counted):
    p = draw("lstm", LENGTHS, 5, 6)
    run(p)
    run(p, backpropagation=pieces_of(len(p.X)))
    run(p, backpropagation=whole())
    assert counted.kept == [len(p.X)] * 3


def test_pieces_of_a_larger_one_are_kept_one_at_a_time(counted):
    p = draw("lstm", LENGTHS, 5, 6)
    run(p, backpropagation=pieces_of(40))
    kept = [n for n in counted.kept if n]
    assert len(kept) > 1 and max(kept) <= 40 and sum(kept) == len(p.X)


def test_what_is_kept_is_bounded_where_nothing_is_asked_for(counted, monkeypatch):
    p = draw("lstm", [700, 2000, 0, 1500], 5, 6)
    numbers = ReferenceEngine().tape([Sweep(p.cell, p.params, p.X, Batch(p.lengths, len(p.X)))]).row
    monkeypatch.setattr(reference, "MAX_TAPE", 4199 * numbers)
    run(p)
    assert max(counted.kept) < 4199
    counted.kept.clear()
    monkeypatch.setattr(reference, "MAX_TAPE", 4200 * numbers)
    run(p)
    assert counted.kept == [4200]


@pytest.mark.parametrize("name, again", [("elman_tanh", False), ("elman_relu", False), ("gru", True), ("lstm", True)])
def test_a_cell_of_which_the_compiled_engine_keeps_nothing_is_not_computed_again(name, again):
    p = draw(name, [1], 5, 200)
    rows = Backpropagation().piece_rows(10**7, CpuEngine().tape([Sweep(p.cell, p.params, p.X, Batch([1], 1))]))
    assert (rows is not None) == again


# Truncated gradients


def run_separately(p, steps):
    """Each piece of so many steps as a sweep of its own, from the state that the one before has left; gradients stay inside."""
    found = {key: numpy.zeros_like(array) for key, array in run(p).items()}
    for i, rows in enumerate(slices(p.lengths)):
        state = {s: array[i : i + 1] for s, array in p.initial.items()}
        found.update({f"gradient of initial {s}": found[f"gradient of initial {s}"] for s in state})
        bounds = range(0, p.lengths[i], steps)
        for begin in bounds:
            end = min(begin + steps, p.lengths[i])
            part = slice(rows.stop - end, rows.stop - begin) if p.reverse else slice(rows.start + begin, rows.start + end)
            last = end == p.lengths[i]
            piece = run(
                p._replace(
                    X=p.X[part],
                    lengths=[end - begin],
                    initial=state,
                    mask=p.mask[i : i + 1],
                    dY=p.dY[part],
                    d_final={s: array[i : i + 1] for s, array in p.d_final.items()} if last else None,
                )
            )
            found["Y"][part], found["dX"][part] = piece["Y"], piece["dX"]
            for key in p.params:
                found[f"gradient {key}"] += piece[f"gradient {key}"]
            state = {s: piece[f"final {s}"] for s in state}
            if begin == 0:
                for s in state:
                    found[f"gradient of initial {s}"][i] = piece[f"gradient of initial {s}"][0]
        for s in state:
            found[f"final {s}"][i] = state[s][0]
            if not bounds:
                found[f"gradient of initial {s}"][i] = p.d_final[s][i]
    return found


@both_directions
@every_cell
@pytest.mark.parametrize("steps", [1, 4, 12])
@pytest.mark.parametrize("rows", [0, 15], ids=["kept", "computed again"])
def test_truncated_gradients_are_those_of_pieces_run_separately(name, reverse, steps, rows):
    p = draw(name, LENGTHS, 5, 6, reverse).mapped(lambda array: array.astype("float64"))
    expected = run_separately(p, steps)
    found = run(p, backpropagation=truncated_to(steps, rows))
    assert set(found) == set(expected)
    for key, array in expected.items():
        assert_allclose(found[key], array, rtol=1e-9, atol=1e-12, err_msg=key)


@every_cell
def test_engines_truncate_alike(name):
    p = draw(name, [50, 3, 0, 200], 9, 19)
    for how in (truncated_to(16), truncated_to(16, rows=64)):
        assert_close(run(p, backpropagation=how), run_reference(p, backpropagation=how))


def test_gradients_that_reach_the_first_step_are_not_truncated():
    p = draw("lstm", LENGTHS, 5, 6)
    exact = run_reference(p)
    for steps in (max(LENGTHS), 1000):
        assert_allclose(run_reference(p, backpropagation=truncated_to(steps))["dX"], exact["dX"], rtol=1e-12)
    assert not numpy.allclose(run_reference(p, backpropagation=truncated_to(max(LENGTHS) - 1))["dX"], exact["dX"])


def test_truncated_gradients_keep_no_more_than_asked_for(counted):
    p = draw("lstm", LENGTHS, 5, 6)
    run(p, backpropagation=truncated_to(8, rows=30))
    assert max(counted.kept) <= 30


# What is refused


@pytest.mark.parametrize("name", ["checkpoint_rows", "truncate_gradient"])
@pytest.mark.parametrize("value", [-1, 1.5, "10"])
def test_numbers_that_are_none_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a whole number.*{value}"):
        Backpropagation(**{name: value})


def test_parts_of_sequences_are_for_engines_only():
    p = draw("gru", [3, 2], 5, 6)
    batch = Batch([3, 2], 5, numpy.asarray([2000, 3000]))
    with pytest.raises(ValueError, match="whole sequences"):
        run_sweeps([Sweep(p.cell, p.params, p.X, batch)], True)
