"""Sweeps with everything that belongs to them, for the tests of the engines."""

from typing import Any, Dict, List, NamedTuple, Optional

import numpy
from numpy.testing import assert_array_equal

from spacy_rnn.recurrence import CELLS, Batch, Cell, Settings, Sweep, sweep
from spacy_rnn.recurrence.engines.cuda import CudaEngine
from spacy_rnn.recurrence.engines.table import require_precision

# How far numbers may be off in each precision, of a thousand rows and fewer.
TOLERANCES = {"float32": 1e-5, "tf32": 3e-3, "bfloat16": 3e-2}


class Problem(NamedTuple):
    """The arguments of a sweep, and of the way back."""

    cell: Cell
    params: Dict[str, Any]
    X: Any
    lengths: List[int]
    initial: Optional[Dict[str, Any]]
    mask: Optional[Any]
    reverse: bool
    dY: Any
    d_final: Optional[Dict[str, Any]]

    def mapped(self, function):
        """Replace all arrays."""

        def replaced(value):
            if isinstance(value, dict):
                return {key: function(array) for key, array in value.items()}
            return function(value) if isinstance(value, numpy.ndarray) else value

        return Problem(*map(replaced, self))


def draw(name, lengths, nI, nH, reverse=False, seed=0):
    """Draw a problem whose states do not grow."""
    rng = numpy.random.default_rng(seed)
    cell, B, N = CELLS[name], len(lengths), sum(lengths)

    def normal(*shape):
        return rng.standard_normal(shape, "float32")

    def weights(*shape):
        return (rng.uniform(-1, 1, shape) / shape[-1] ** 0.5).astype("float32")

    return Problem(
        cell=cell,
        params={key: weights(*shape) for key, shape in cell.parameter_shapes(nI, nH).items()},
        X=normal(N, nI),
        lengths=lengths,
        initial={s: normal(B, nH) for s in cell.states},
        mask=numpy.where(rng.random((B, nH)) < 0.7, 0.9, 0).astype("float32"),
        reverse=reverse,
        dY=normal(N, nH),
        d_final={s: normal(B, nH) for s in cell.states},
    )


def draw_directions(name, lengths, nI, nH):
    """Draw the two directions of a layer: they read the same rows."""
    one, other = (draw(name, lengths, nI, nH, reverse, seed=int(reverse)) for reverse in (False, True))
    return [one, other._replace(X=one.X)]


def away_from_zero(problem):
    """Give a problem of a cell with rectified units, with all of them on and none near zero, where rounding turns them off."""
    params = problem.params
    return problem._replace(params={**params, "b": numpy.full_like(params["b"], 4), "R": params["R"] * numpy.float32(0.1)})


def solve_directions(name, lengths, nI, nH, is_rounded):
    """Draw the directions of a layer for an engine that rounds factors or does not; give them, and what the reference finds: the
    results of each, and dX of both."""
    problems = draw_directions(name, lengths, nI, nH)
    if name == "elman_relu" and is_rounded:
        # Near zero rounding turns units on or off, and with each of them whole terms of the gradients come or go.
        problems = [away_from_zero(p) for p in problems]
    expected = [run_reference(p) for p in problems]
    dX = sum(each.pop("dX") for each in expected)
    return problems, [*expected, {"dX": dX, "Y": expected[0]["Y"]}]


def find_tolerance(precision, n_rows):
    """Say how far numbers may be off: long sums of rounded numbers wander further."""
    return TOLERANCES[precision] * max(1, n_rows / 1000) ** 0.5


def run_directions(problems, device, is_train=True, precision="float32"):
    """Execute the directions of a layer by the CUDA engine and go back; give the results of each by name, and dX of both."""
    X, batch = problems[0].X, Batch(problems[0].lengths, len(problems[0].X))
    sweeps = [Sweep(p.cell, p.params, X, batch, p.initial, p.mask, p.reverse) for p in problems]
    engine = CudaEngine(device)
    require_precision(engine, precision, is_train)
    results, backprop = engine.run(sweeps, is_train, Settings(is_train, precision))
    found = [{"Y": Y, **{f"final {s}": array for s, array in final.items()}} for Y, final in results]
    if not is_train:
        return found, None
    dX, grads, d_initials = backprop([p.dY for p in problems], [p.d_final for p in problems])
    for each, arrays, d_initial in zip(found, grads, d_initials, strict=True):
        each.update({f"gradient {key}": array for key, array in arrays.items()})
        each.update({f"gradient of initial {s}": array for s, array in d_initial.items()})
    return found, dX


def run(p, **settings):
    """Execute a sweep and go back; give all results by name."""
    arguments = {"initial": p.initial, "mask": p.mask, "reverse": p.reverse, **settings}
    Y, final, backprop = sweep(p.cell, p.params, p.X, p.lengths, is_train=True, **arguments)
    dX, grads, d_initial = backprop(p.dY, p.d_final)
    results = {"Y": Y, "dX": dX}
    for prefix, arrays in (("final", final), ("gradient", grads), ("gradient of initial", d_initial)):
        results.update({f"{prefix} {key}": array for key, array in arrays.items()})
    return results


def run_reference(p, **settings):
    return run(p.mapped(lambda array: array.astype("float64")), **settings)


def infer(p):
    Y, final, _ = sweep(p.cell, p.params, p.X, p.lengths, initial=p.initial, mask=p.mask, reverse=p.reverse)
    return {"Y": Y, **{f"final {key}": array for key, array in final.items()}}


def slices(lengths):
    ends = numpy.cumsum(lengths, dtype="int64")
    return [slice(end - n, end) for n, end in zip(lengths, ends, strict=True)]


def limit(key, expected, tolerance):
    """Say how far numbers may be off, relative to the largest of the array. Gradients of parameters are sums over rows, which may
    cancel."""
    smallest = max(1, len(expected["Y"])) ** 0.5 if key.startswith("gradient") else 0.1
    return tolerance * max(smallest, numpy.abs(expected[key]).max())


def margins(found, expected, tolerance=1e-5):
    """Give the largest error of each array that is not empty, as a share of its limit: infinity if something is not a number."""
    shares = {}
    for key, array in found.items():
        if array.size:
            error = float(numpy.abs(array - expected[key]).max() / limit(key, expected, tolerance))
            shares[key] = error if error == error else float("inf")
    return shares


def assert_close(found, expected, tolerance=1e-5):
    """Every number."""
    assert set(found) <= set(expected)
    for key, array in found.items():
        assert array.dtype == "float32" and array.shape == expected[key].shape, key
    assert not {key: share for key, share in margins(found, expected, tolerance).items() if share > 1}


def assert_equal(found, expected):
    """Every bit."""
    assert set(found) == set(expected)
    for key, array in found.items():
        assert_array_equal(array, expected[key], err_msg=key)
