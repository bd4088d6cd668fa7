"""Scoring by single steps."""

from typing import Any, Callable, List, Optional, Tuple

import numpy
from thinc.util import get_array_module

from .checks import as_symbols, require_count, require_scores
from .interface import Array, NextSymbol, Scores
from .sampling import to_host


def score_stepwise(
    model: NextSymbol,
    inputs: Array,
    targets: Array,
    lengths: numpy.ndarray,
    state: Any = None,
    *,
    join: Optional[Callable[[List[Any]], Any]] = None,
) -> Scores:
    """Score sequences by a model that only makes single steps, as `LanguageModel.score` does.

    Sequences that have ended leave the batch.

    model (NextSymbol): The model.
    inputs (Array): Integers [N], what is read, sequence after sequence.
    targets (Array): Integers [N], the symbols that are to be scored.
    lengths (numpy.ndarray): int32 [B], the number of inputs of each sequence, on the host; it may be 0.
    state (Any): The state before the first input; that of `start` if None.
    join (Optional[Callable[[List[Any]], Any]]): Gives the state of all sequences of several states, one after the other.
    RETURNS (Scores): The scores and the state after the last input; None for the state where lengths differ and there is no
        `join`.
    RAISES (ValueError): If there is no such symbol, or a shape does not fit.
    """
    sizes = _checked(lengths)
    read, scored = (
        as_symbols(name, to_host(array), model.n_symbols) for name, array in (("inputs", inputs), ("targets", targets))
    )
    if not len(read) == len(scored) == sizes.sum():
        raise ValueError(f"lengths: expected a sum of {len(read)} inputs and {len(scored)} targets, got {sizes.sum()}")
    state = model.start(len(sizes)) if state is None else state
    starts = numpy.cumsum(sizes) - sizes
    rows = numpy.arange(len(sizes))
    places, parts = [], []
    ended: List[Tuple[numpy.ndarray, Any]] = []
    for t in range(int(sizes.max(initial=0)) + 1):
        is_over = sizes[rows] == t
        if is_over.any():
            rows, state = _leave(model, rows, is_over, state, ended)
        if not len(rows):
            break
        at = starts[rows] + t
        scores, state = model.step(read[at], state)
        require_scores(scores, len(rows), model.n_symbols)
        places.append(at)
        parts.append(scores[numpy.arange(len(rows)), scored[at]])
    if not parts:
        return Scores(numpy.empty(0, dtype="float32"), _joined(model, ended, state, join))
    xp = get_array_module(parts[0])
    log_probabilities = xp.empty(len(read), dtype=parts[0].dtype)
    log_probabilities[xp.asarray(numpy.concatenate(places))] = xp.concatenate(parts)
    return Scores(log_probabilities, _joined(model, ended, state, join))


def _checked(lengths: Any) -> numpy.ndarray:
    sizes = numpy.asarray(lengths)
    if sizes.ndim != 1:
        raise ValueError(f"lengths: expected a number for each sequence, got shape {sizes.shape}")
    for i, size in enumerate(sizes.tolist()):
        require_count(f"length of sequence {i}", size, 0)
    return sizes.astype("int64")


def _leave(
    model: NextSymbol, rows: numpy.ndarray, is_over: numpy.ndarray, state: Any, ended: List[Tuple[numpy.ndarray, Any]]
) -> Tuple[numpy.ndarray, Any]:
    """Put away the sequences that are over, with their states; give those that go on, and theirs."""
    if is_over.all():
        ended.append((rows, state))
        return rows[:0], state
    over, going_on = numpy.flatnonzero(is_over), numpy.flatnonzero(~is_over)
    ended.append((rows[over], model.reorder(state, over)))
    return rows[going_on], model.reorder(state, going_on)


def _joined(
    model: NextSymbol, ended: List[Tuple[numpy.ndarray, Any]], state: Any, join: Optional[Callable[[List[Any]], Any]]
) -> Any:
    """Give the state of all sequences in their order."""
    if len(ended) < 2:
        return ended[0][1] if ended else state
    if join is None:
        return None
    order = numpy.argsort(numpy.concatenate([rows for rows, _ in ended]))
    return model.reorder(join([part for _, part in ended]), order)
