"""Directions that know nothing of each other: from the second layer on each reads its own columns alone."""

from functools import partial
from typing import Dict, List, Optional, Sequence, Tuple

from ...recurrence import Backprop, Result, Sweep
from ...recurrence.cells import Array, Grads, State
from .look_ahead import SweepRunner


def run_sweeps_apart(
    run: SweepRunner, is_apart: bool, first: int, sweeps: Sequence[Sweep]
) -> Tuple[List[Result], Optional[Backprop]]:
    """Run the two directions of one recurrent layer, each on its half of the columns.

    Both read the same rows, so that the engine can run them side by side, but the other half of the columns of W is zero.

    run (SweepRunner): What runs sweeps.
    is_apart (bool): Whether the rows of the first layer have two halves; those of the others do.
    first (int): The number of the first sweep's direction.
    sweeps (Sequence[Sweep]): The forward sweep and the backward one, over the same rows and batch.
    RETURNS (Tuple[List[Result], Optional[Backprop]]): The result of each sweep, and in training their backpropagation, in which
        the gradient of the other half of W is zero.
    RAISES (ValueError): As `run` does.
    """
    if first == 0 and not is_apart:
        return run(first, sweeps)
    results, backprop = run(first, [_on_half(sweep) for sweep in sweeps])
    return results, None if backprop is None else partial(_backprop, backprop, [sweep.reverse for sweep in sweeps])


def _on_half(sweep: Sweep) -> Sweep:
    W = sweep.params["W"].copy()
    _clear_other_half(W, sweep.reverse)
    return sweep._replace(params={**sweep.params, "W": W})


def _backprop(
    backprop: Backprop, are_reverse: Sequence[bool], dYs: Sequence[Array], d_finals: Sequence[Optional[State]]
) -> Tuple[Array, List[Grads], List[Dict[str, Array]]]:
    dX, grads, d_initials = backprop(dYs, d_finals)
    for each, reverse in zip(grads, are_reverse, strict=True):
        _clear_other_half(each["W"], reverse)
    return dX, grads, d_initials


def _clear_other_half(W: Array, reverse: bool) -> None:
    """Set the columns of W [nG · nH, nI] to zero that read the other direction: forward ones come first."""
    half = W.shape[1] // 2
    other = W[:, :half] if reverse else W[:, half:]
    other[...] = 0
