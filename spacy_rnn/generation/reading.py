"""Reading prompts, up to where generation begins."""

from typing import Any, Iterator, List, NamedTuple

import numpy

from .interface import LanguageModel, NextSymbol


class Reading(NamedTuple):
    """Prompts that have been read, but for their last symbols.

    prompts (numpy.ndarray): Integers [B], which prompts.
    symbols (numpy.ndarray): int64 [B], the last symbol of each, or the start of an empty one.
    state (Any): The state before these symbols.
    """

    prompts: numpy.ndarray
    symbols: numpy.ndarray
    state: Any


def read_prompts(model: NextSymbol, prompts: List[numpy.ndarray], start: int, context: Any = None) -> Iterator[Reading]:
    """Read prompts.

    A language model scores them as a whole: those that are not empty go on together. By single steps, those of the same length
    do.

    model (NextSymbol): The model.
    prompts (List[numpy.ndarray]): int64 [n], the symbols of each.
    start (int): The symbol of the start of a sequence.
    context (Any): What the model's `start` is given.
    YIELDS (Reading): Prompts that go on together.
    """
    if not prompts:
        return
    inputs = [numpy.concatenate([[start], prompt]) for prompt in prompts]
    state = model.start(len(prompts), context)
    if isinstance(model, LanguageModel):
        yield from _read_as_a_whole(model, prompts, inputs, state)
    else:
        yield from _read_by_steps(model, inputs, state)


def _read_as_a_whole(
    model: LanguageModel, prompts: List[numpy.ndarray], inputs: List[numpy.ndarray], state: Any
) -> Iterator[Reading]:
    lengths = numpy.asarray([len(prompt) for prompt in prompts], dtype="int32")
    empty, filled = numpy.flatnonzero(lengths == 0), numpy.flatnonzero(lengths)
    if len(empty):
        first = model.reorder(state, empty) if len(filled) else state
        yield Reading(empty, numpy.asarray([inputs[i][0] for i in empty]), first)
    if len(filled):
        if len(empty):
            state = model.reorder(state, filled)
        flat = numpy.concatenate([inputs[i][:-1] for i in filled])
        state = model.score(flat, numpy.concatenate([prompts[i] for i in filled]), lengths[filled], state).state
        yield Reading(filled, numpy.asarray([inputs[i][-1] for i in filled]), state)


def _read_by_steps(model: NextSymbol, inputs: List[numpy.ndarray], state: Any) -> Iterator[Reading]:
    lengths = numpy.asarray([len(symbols) for symbols in inputs])
    rows, n_read = numpy.arange(len(inputs)), 0
    for length in numpy.unique(lengths):
        while n_read < length - 1:
            _, state = model.step(numpy.asarray([inputs[row][n_read] for row in rows]), state)
            n_read += 1
        is_read = lengths[rows] == length
        if is_read.all():
            yield Reading(rows, numpy.asarray([inputs[row][-1] for row in rows]), state)
            return
        read, going_on = numpy.flatnonzero(is_read), numpy.flatnonzero(~is_read)
        yield Reading(rows[read], numpy.asarray([inputs[row][-1] for row in rows[read]]), model.reorder(state, read))
        rows, state = rows[going_on], model.reorder(state, going_on)
