"""Sweeps that look further than the state they hand on."""

from typing import Any, Dict, List, Sequence, Tuple

import numpy
from thinc.util import get_array_module

from ...recurrence import Batch, Result, Sweep, run_sweeps


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


def run_sweeps_ahead(ahead: numpy.ndarray, sweeps: Sequence[Sweep], is_train: bool, **settings: Any) -> Tuple[List[Result], None]:
    """Run the directions of one recurrent layer for inference. The final state of a forward direction is the one before the rows
    that are a look ahead.

    ahead (numpy.ndarray): int32 [B], how many rows at the end of each sequence these are.
    sweeps (Sequence[Sweep]): At least one, over the same rows and batch.
    is_train (bool): False.
    **settings (Any): As in `spacy_rnn.recurrence.run_sweeps`.
    RETURNS (Tuple[List[Result], None]): The result of each sweep, and no way back.
    RAISES (ValueError): If a shape does not fit, or if the engine cannot do the precision.
    """
    if not ahead.any():
        return run_sweeps(sweeps, False, **settings)[0], None
    return [_run(sweep, settings) if sweep.reverse else _run_in_two(sweep, ahead, settings) for sweep in sweeps], None


def _run(sweep: Sweep, settings: Dict[str, Any]) -> Result:
    return run_sweeps([sweep], False, **settings)[0][0]


def _run_in_two(sweep: Sweep, ahead: numpy.ndarray, settings: Dict[str, Any]) -> Result:
    """Run a forward sweep to the look ahead, and from there on."""
    xp: Any = get_array_module(sweep.X)
    lengths = sweep.batch.lengths
    is_ahead = xp.asarray(numpy.arange(sweep.batch.n_rows) >= numpy.repeat(numpy.cumsum(lengths) - ahead, lengths))
    before, after = xp.nonzero(~is_ahead)[0], xp.nonzero(is_ahead)[0]
    first = _run(_part(sweep, before, lengths - ahead, sweep.initial), settings)
    second = _run(_part(sweep, after, ahead, first.final), settings)
    Y = xp.empty((sweep.batch.n_rows, first.Y.shape[1]), dtype=first.Y.dtype) if sweep.out is None else sweep.out
    Y[before], Y[after] = first.Y, second.Y
    return Result(Y, first.final)


def _part(sweep: Sweep, rows: Any, lengths: numpy.ndarray, state: Any) -> Sweep:
    return sweep._replace(X=sweep.X[rows], batch=Batch(lengths, len(rows)), initial=state, out=None)
