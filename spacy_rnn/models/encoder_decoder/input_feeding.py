"""Input feeding: a decoder that reads at each step what it has found at the step before (Luong et al. 2015, section 3.3)."""

from typing import Any, Callable, List, NamedTuple, Optional, Tuple, cast

import numpy
from thinc.types import Floats2d, Ints1d, Ragged

from ...layers.attention.cross_attention import MemoryGradient, own_sequences
from ...layers.attention.ragged import list_pairs
from ...layers.capabilities import State
from .sweeping import Decoder, Source, SweepBackprop, Swept, SweptGradient, look, run_layers


def sweep_by_steps(
    decoder: Decoder, X: Floats2d, lengths: numpy.ndarray, state: State, source: Optional[Source], is_train: bool
) -> Tuple[Swept, SweepBackprop]:
    """Compute hidden states step by step, each of which reads the attentional row of the step before.

    decoder, X, lengths, state, source, is_train: As `sweep` takes them; the attentional rows stand beside X where they are read.
    RETURNS (Tuple[Swept, Callable]): What was computed, and how to go back.
    """
    xp, width = decoder.rnn.ops.xp, X.shape[1]
    nH = decoder.rnn.get_dim("nO")
    starts = numpy.cumsum(lengths, dtype="int64") - lengths
    fed = xp.zeros((len(lengths), nH), dtype=X.dtype)
    before, steps = {name: xp.array(array) for name, array in state.items()}, []
    for t in range(int(lengths.max(initial=0))):
        active = numpy.flatnonzero(lengths > t)
        index, at = xp.asarray(active), starts[active] + t
        rows = xp.concatenate([X[xp.asarray(at)], fed[index]], axis=1)
        ones = cast(Ints1d, numpy.ones(len(active), dtype="int32"))
        own = {name: xp.ascontiguousarray(array[:, index]) for name, array in before.items()}
        (Y, after), rnn_backprop = run_layers(decoder, Ragged(rows, ones), own, is_train)
        one, look_backprop = look(decoder, rows, cast(Floats2d, Y.dataXd), source, active)
        for name, array in after.items():
            before[name][:, index] = array
        fed[index] = one.A
        steps.append(_Step(active, at, one, rnn_backprop, look_backprop))
    sizes = lengths * 0 if source is None else source.memory.lengths
    place = _Places(xp, sizes[own_sequences(lengths)].astype("int64"))

    def backprop(gradient: SweptGradient) -> Tuple[Floats2d, State, Optional[MemoryGradient]]:
        dX, d_fed = xp.zeros_like(X), xp.zeros_like(fed)
        d_before = {name: xp.zeros_like(array) for name, array in state.items()}
        d_memory: Optional[MemoryGradient] = None
        for step in reversed(steps):
            index, at = xp.asarray(step.active), xp.asarray(step.at)
            own = place.part(gradient, step)
            dH, d_own = step.look_backprop(own._replace(dA=own.dA + d_fed[index]))
            if d_own is not None:
                d_memory = d_own if d_memory is None else MemoryGradient(*(a + b for a, b in zip(d_memory, d_own, strict=True)))
            d_after = {name: xp.ascontiguousarray(array[:, index]) for name, array in d_before.items()}
            d_read, d_state = step.rnn_backprop(Ragged(dH, cast(Ints1d, numpy.ones(len(step.at), dtype="int32"))), d_after)
            d_rows = d_read.dataXd if own.dX is None else d_read.dataXd + own.dX
            dX[at], d_fed[index] = d_rows[:, :width], d_rows[:, width:]
            for name, array in d_state.items():
                d_before[name][:, index] = array
        return dX, d_before, d_memory

    return place.join(steps), backprop


class _Step(NamedTuple):
    """A step of `sweep_by_steps`: the sequences that make it, their rows, what was computed, and how to go back."""

    active: numpy.ndarray
    at: numpy.ndarray
    swept: Swept
    rnn_backprop: Callable
    look_backprop: Callable


class _Places:
    """Where what steps have computed stands among the rows of a batch, and their attention among that of the batch."""

    def __init__(self, xp: Any, n_looked_at: numpy.ndarray) -> None:
        """n_looked_at (numpy.ndarray): int64 [M], how many weights each row has."""
        self._xp, self._sizes = xp, n_looked_at

    def join(self, steps: List[_Step]) -> Swept:
        """Put together what steps have computed."""
        joined: List[Any] = []
        for name in Swept._fields:
            parts = [getattr(step.swept, name) for step in steps]
            if not parts or parts[0] is None:
                joined.append(None)
                continue
            n = len(self._sizes) if name != "weights" else int(self._sizes.sum())
            whole = self._xp.empty((n, *parts[0].shape[1:]), dtype=parts[0].dtype)
            for step, part in zip(steps, parts, strict=True):
                whole[self._index(name, step)] = part
            joined.append(whole)
        return Swept(*joined)

    def part(self, gradient: SweptGradient, step: _Step) -> SweptGradient:
        """Take the gradient of what a step has computed."""
        named: List[Tuple[str, Any]] = list(zip(SweptGradient._fields, gradient, strict=True))
        parts: List[Any] = [None if array is None else array[self._index(name, step)] for name, array in named]
        return SweptGradient(*parts)

    def _index(self, name: str, step: _Step) -> Any:
        if not name.endswith("weights"):
            return self._xp.asarray(step.at)
        return self._xp.asarray(list_pairs(self._sizes, step.at)[1])
