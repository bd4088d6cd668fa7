"""Sequences drawn by a model that makes many steps in one call."""

from typing import Any, Iterator, NamedTuple, Optional

import numpy

from .history import History
from .interface import Block, MakesManySteps, ManySteps, NextSymbol
from .sampling import Sampling
from .stopping import Stopping
from .uniforms import Uniforms

# Symbols of each sequence in the first call and in later ones: a few, so that those who read a stream need not wait.
FIRST, MOST = 4, 64
_SETTINGS = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "greedy")


class Drawn(NamedTuple):
    """What steps have added, step after step.

    sequences (numpy.ndarray): int64 [n], to which sequences.
    symbols (numpy.ndarray): int64 [n], -1 where none could come.
    log_probabilities (numpy.ndarray): float32 [n], those of the symbols by the model.
    counts (numpy.ndarray): int64 [n], how many of its last symbols make a sequence stop.
    """

    sequences: numpy.ndarray
    symbols: numpy.ndarray
    log_probabilities: numpy.ndarray
    counts: numpy.ndarray


def many_steps_of(model: NextSymbol, sampling: Sampling) -> Optional[ManySteps]:
    """Give what draws symbols in blocks.

    model (NextSymbol): The model.
    sampling (Sampling): How symbols are drawn.
    RETURNS (Optional[ManySteps]): What the model has for it; None if it has nothing, or not for this sampling.
    """
    if sampling.typical_p < 1 or sampling.no_repeat_ngram or not isinstance(model, MakesManySteps):
        return None
    return model.many_steps()


def draw_blocks(
    model: NextSymbol,
    steps: ManySteps,
    sequences: numpy.ndarray,
    symbols: numpy.ndarray,
    state: Any,
    uniforms: Uniforms,
    sampling: Sampling,
    stopping: Stopping,
    forbidden: numpy.ndarray,
    history: Optional[History],
) -> Iterator[Drawn]:
    """Go on with sequences until they end.

    model (NextSymbol): The model.
    steps (ManySteps): What draws symbols for it.
    sequences (numpy.ndarray): int64 [B], their numbers.
    symbols (numpy.ndarray): int64 [B], the last symbol of each.
    state (Any): The state before these.
    uniforms (Uniforms): What they are drawn by.
    sampling (Sampling): How.
    stopping (Stopping): When they end.
    forbidden (numpy.ndarray): int64 [n], the symbols that never come.
    history (Optional[History]): What they have already, if the sampling needs it.
    YIELDS (Drawn): Some symbols.
    """
    settings = {name: getattr(sampling, name) for name in _SETTINGS}
    longest = max(map(len, stopping.sequences), default=1)
    before = numpy.full((len(sequences), longest - 1), -1)
    left, size = stopping.max_symbols, FIRST
    while left and len(sequences):
        n_steps = min(left, size)
        block = steps.generate(
            symbols,
            state,
            uniforms.take(n_steps),
            **settings,
            forbidden=forbidden,
            stops=stopping.symbols,
            stop_sequences=stopping.sequences,
            before=before,
            seen=None if history is None else history.is_seen,
        )
        yield _in_order(block, sequences)
        left, size = left - n_steps, min(2 * size, MOST)
        goes_on = numpy.flatnonzero(block.counts == 0)
        before = numpy.concatenate([before, block.symbols], axis=1)[goes_on, n_steps:]
        symbols, state = block.symbols[goes_on, -1], block.state
        if len(goes_on) < len(sequences):
            sequences, state = sequences[goes_on], model.reorder(state, goes_on)
            uniforms.keep(goes_on)
            if history is not None:
                history.keep(goes_on)


def _in_order(block: Block, sequences: numpy.ndarray) -> Drawn:
    """Give symbols step by step. Where none could come, -1 stands behind the last one."""
    lengths = block.lengths + (block.counts < 0)
    steps, rows = numpy.nonzero(numpy.arange(block.symbols.shape[1])[:, None] < lengths)
    is_last = steps == lengths[rows] - 1
    counts = numpy.where(is_last, numpy.maximum(block.counts[rows], 0), 0)
    return Drawn(sequences[rows], block.symbols[rows, steps], block.log_probabilities[rows, steps], counts)
