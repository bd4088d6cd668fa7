"""Run over look-ahead rows; return the state before them."""

from typing import Any, Callable, List, Optional, Sequence, Tuple

import numpy
from thinc.util import get_array_module

from ...recurrence import Backprop, Batch, Result, Sweep
from ...recurrence.tables import part, source

# From the number of a direction, counted through a stack of layers, and the sweeps of this one and of those after it to their
# results, and their backpropagation in training.
SweepRunner = Callable[[int, Sequence[Sweep]], Tuple[List[Result], Optional[Backprop]]]


def check_ahead(n_ahead: Sequence[int], batch: Batch) -> numpy.ndarray:
    """Check how far a batch looks ahead.

    n_ahead (Sequence[int]): How many rows at the end of each sequence are a look ahead.
    batch (Batch): The lengths of the sequences.
    RETURNS (numpy.ndarray): int32 [B].
    RAISES (ValueError): If there is not one number for each sequence, or if one is negative or larger than the length.
    """
    ahead = numpy.asarray(n_ahead)
    if ahead.shape != batch.lengths.shape or (ahead.size and ahead.dtype.kind not in "iu"):
        raise ValueError(f"n_ahead is a whole number for each of {len(batch)} sequences, got {n_ahead}")
    if ahead.size and (ahead.min() < 0 or (ahead > batch.lengths).any()):
        raise ValueError(f"a sequence of {batch.lengths.tolist()} rows cannot look ahead over {ahead.tolist()} of them")
    return ahead.astype("int32")


def run_sweeps_ahead(
    run: SweepRunner, n_ahead: Sequence[int], first: int, sweeps: Sequence[Sweep]
) -> Tuple[List[Result], Optional[Backprop]]:
    """Run the directions of one recurrent layer for inference, with rows of look ahead.

    The final state of a forward direction is the one before the look ahead.

    run (SweepRunner): What runs sweeps.
    n_ahead (Sequence[int]): [B], how many rows at the end of each sequence are a look ahead.
    first (int): The number of the first sweep's direction.
    sweeps (Sequence[Sweep]): At least one, over the same rows and batch.
    RETURNS (Tuple[List[Result], None]): The result of each sweep, and no backpropagation.
    RAISES (ValueError): If the numbers do not fit the batch, or as `run` does.
    """
    ahead = check_ahead(n_ahead, sweeps[0].batch)
    if not ahead.any():
        return run(first, sweeps)[0], None
    results = []
    for number, sweep in enumerate(sweeps, first):
        results.append(run(number, [sweep])[0][0] if sweep.reverse else _run_in_two(run, number, sweep, ahead))
    return results, None


def _run_in_two(run: SweepRunner, number: int, sweep: Sweep, ahead: numpy.ndarray) -> Result:
    """Run a forward sweep to the look ahead, and from there on."""
    xp: Any = get_array_module(source(sweep.X))
    lengths = sweep.batch.lengths
    is_ahead = xp.asarray(numpy.arange(sweep.batch.n_rows) >= numpy.repeat(numpy.cumsum(lengths) - ahead, lengths))
    before, after = xp.nonzero(~is_ahead)[0], xp.nonzero(is_ahead)[0]
    start = run(number, [_part(sweep, before, lengths - ahead, sweep.initial)])[0][0]
    rest = run(number, [_part(sweep, after, ahead, start.final)])[0][0]
    Y = xp.empty((sweep.batch.n_rows, start.Y.shape[1]), dtype=start.Y.dtype) if sweep.out is None else sweep.out
    Y[before], Y[after] = start.Y, rest.Y
    return Result(Y, start.final)


def _part(sweep: Sweep, rows: Any, lengths: numpy.ndarray, state: Any) -> Sweep:
    return sweep._replace(X=part(sweep.X, rows), batch=Batch(lengths, len(rows)), initial=state, out=None)
