"""Sweeps in pieces of time steps: the states between them are kept, and the rest is recomputed in backpropagation."""

from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy

from .cells import Array, Grads, State
from .interface import Backprop, EngineBackprop, Result, Sweep, Tape
from .packing import Batch
from .tables import Table, TableRows, source

# Rows of a piece, at least, where it is not asked for fewer: each piece reads all weights.
MIN_PIECE_ROWS = 2048
# Time steps of a piece, at least: for so many rows one state is kept.
MIN_STEPS = 16

Engine = Callable[[Sequence[Sweep], bool], Tuple[List[Result], Optional[EngineBackprop]]]


@dataclass(frozen=True)
class Backpropagation:
    """How training goes back through a sweep.

    checkpoint_rows (Optional[int]): The most rows of a batch for which all is kept that backpropagation needs. A larger batch
        is read in pieces of time steps of so many rows at most; the states between them are kept, and each piece is computed
        again in backpropagation (Chen et al. 2016, "Training deep nets with sublinear memory cost"; Gruslys et al. 2016,
        "Memory-efficient backpropagation through time"). The gradients are the same. As the engine suggests if None; of any
        number of rows if 0.
    truncate_gradient (int): The time steps that a gradient goes back through (Williams & Peng 1990): sequences are read in pieces
        of so many steps, the first one from where reading begins; the state goes from one piece to the next, its gradient does
        not go back. All steps if 0.
    """

    checkpoint_rows: Optional[int] = None
    truncate_gradient: int = 0

    def __post_init__(self) -> None:
        """RAISES (ValueError): If a number is negative or not whole."""
        for name, value in (("checkpoint_rows", self.checkpoint_rows or 0), ("truncate_gradient", self.truncate_gradient)):
            if not isinstance(value, int) or value < 0:
                raise ValueError(f"{name} must be a whole number, at least 0, got {value!r}")

    def piece_rows(self, n_rows: int, tape: Tape) -> Optional[int]:
        """Say how many rows pieces have, if pieces are computed again.

        n_rows (int): The rows of the batch.
        tape (Tape): How much the engine keeps.
        RETURNS (Optional[int]): The rows of a piece at most; None if all is kept that backpropagation needs.
        """
        if self.checkpoint_rows == 0 or (self.checkpoint_rows is None and not tape.row):
            return None
        most = self.checkpoint_rows or tape.most // tape.row
        return None if n_rows <= most else min(most, max(MIN_PIECE_ROWS, tape.piece // max(1, tape.row)))


class Piece(NamedTuple):
    """Some time steps of the sequences that have so many.

    sequences (numpy.ndarray): int64 [n], which sequences.
    forward (Batch): Their rows where they are read from their first one on.
    backward (Batch): And where they are read from their last one.
    truncated (bool): Whether the gradient of the state it begins in goes no further.
    """

    sequences: numpy.ndarray
    forward: Batch
    backward: Batch
    truncated: bool


def cut(lengths: numpy.ndarray, most: int, truncate: int) -> Iterator[Piece]:
    """Cut a batch into pieces, in the order in which they are read.

    lengths (numpy.ndarray): int32 [B], the rows of each sequence.
    most (int): The rows of a piece at most, where that is at least one time step.
    truncate (int): Steps from which on a new piece begins that gradients do not leave; 0 if there are none.
    YIELDS (Piece): The pieces: all steps of some sequences, then those of others.
    """
    lengths = lengths.astype("int64")
    ends = lengths.cumsum()
    side = max(1, most // MIN_STEPS)
    for first in range(0, len(lengths), side):
        sequences = first + numpy.flatnonzero(lengths[first : first + side])
        begin = 0
        while len(sequences):
            n, stops = lengths[sequences], ends[sequences]
            end = begin + max(1, most // len(sequences))
            if truncate:
                end = min(end, begin - begin % truncate + truncate)
            n_rows = numpy.minimum(n, end) - begin
            total = int(n_rows.sum())
            forward, backward = Batch(n_rows, total, stops - n + begin), Batch(n_rows, total, stops - begin - n_rows)
            yield Piece(sequences, forward, backward, truncate > 0 and begin > 0 and begin % truncate == 0)
            sequences, begin = sequences[n > end], end


class _Visit(NamedTuple):
    """A piece that has been read.

    piece (Piece): The piece.
    index (Array): int64 [n], its sequences, on the device.
    sweeps (List[Sweep]): Each direction's part, with the state it began in.
    backprop (Optional[EngineBackprop]): The backpropagation, if it has been kept.
    """

    piece: Piece
    index: Array
    sweeps: List[Sweep]
    backprop: Optional[EngineBackprop]


def run(
    xp: Any, engine: Engine, sweeps: Sequence[Sweep], piece_rows: Optional[int], truncate: int
) -> Tuple[List[Result], Backprop]:
    """Execute the sweeps of the directions of a layer for training, in pieces.

    xp (Any): The array module.
    engine (Callable): What executes sweeps over parts of sequences; given them, and whether to keep what backpropagation needs.
    sweeps (Sequence[Sweep]): The sweeps, over the same rows.
    piece_rows (Optional[int]): The rows of a piece at most, each of which is recomputed in backpropagation; None to keep all.
    truncate (int): The time steps that gradients go back through; all if 0.
    RETURNS (Tuple[List[Result], Backprop]): The results, and backpropagation, as `spacy_rnn.recurrence.run_sweeps` says.
    """
    sweeps = [_completed(xp, sweep) for sweep in sweeps]
    states = [_states(xp, sweep, sweep.initial) for sweep in sweeps]
    visits: List[_Visit] = []
    batch = sweeps[0].batch
    for piece in cut(batch.lengths, piece_rows or MIN_STEPS * max(batch.n_rows, len(batch)), truncate):
        index = xp.asarray(piece.sequences)
        parts = [_part(*each, piece, index) for each in zip(sweeps, states, strict=True)]
        results, piece_backprop = engine(parts, piece_rows is None)
        for state, result in zip(states, results, strict=True):
            _put(state, index, result.final)
        visits.append(_Visit(piece, index, parts, piece_backprop))

    def backprop(dYs: Sequence[Array], d_finals: Sequence[Optional[State]]) -> Tuple[Array, List[Grads], List[Dict[str, Array]]]:
        dX = xp.zeros(source(sweeps[0].X).shape, dtype=sweeps[0].X.dtype)
        dYs = [_rows(xp, dY, dX.dtype) for dY in dYs]
        d_states = [_states(xp, *each) for each in zip(sweeps, d_finals, strict=True)]
        grads = [{name: xp.zeros_like(param) for name, param in sweep.params.items()} for sweep in sweeps]
        for visit in reversed(visits):
            piece_backprop = visit.backprop or engine(visit.sweeps, True)[1]
            assert piece_backprop is not None
            _, piece_grads, d_befores = piece_backprop(dYs, [_take(each, visit.index) for each in d_states], dX)
            for d_state, d_before in zip(d_states, d_befores, strict=True):
                _put(d_state, visit.index, dict.fromkeys(d_before, 0) if visit.piece.truncated else d_before)
            for grad, piece_grad in zip(grads, piece_grads, strict=True):
                for name, array in piece_grad.items():
                    grad[name] += array
            # What a piece has kept is free before the next one is computed.
            del piece_backprop
        return dX, grads, d_states

    return [Result(sweep.out, state) for sweep, state in zip(sweeps, states, strict=True)], backprop


def _completed(xp: Any, sweep: Sweep) -> Sweep:
    X, nH = sweep.X, sweep.params["R"].shape[1]
    out = xp.empty((X.shape[0], nH), dtype=X.dtype) if sweep.out is None else sweep.out
    rows = _rows(xp, source(X), X.dtype)
    return sweep._replace(X=TableRows(Table(rows), X.numbers) if isinstance(X, TableRows) else rows, out=out)


def _part(sweep: Sweep, state: State, piece: Piece, index: Array) -> Sweep:
    return sweep._replace(
        batch=piece.backward if sweep.reverse else piece.forward,
        initial=_take(state, index),
        mask=None if sweep.mask is None else sweep.mask[index],
    )


def _states(xp: Any, sweep: Sweep, states: Optional[State]) -> Dict[str, Array]:
    """Give states that can be written to: copies, or zeros."""
    shape, dtype = (len(sweep.batch), sweep.params["R"].shape[1]), sweep.X.dtype
    if states is None:
        return {name: xp.zeros(shape, dtype=dtype) for name in sweep.cell.states}
    return {name: xp.array(states[name], dtype=dtype) for name in sweep.cell.states}


def _take(states: State, index: Array) -> Dict[str, Array]:
    return {name: array[index] for name, array in states.items()}


def _put(states: Dict[str, Array], index: Array, values: State) -> None:
    for name, value in values.items():
        states[name][index] = value


def _rows(xp: Any, array: Array, dtype: Any) -> Array:
    """Give rows whose numbers stand side by side, so that no engine copies all of them for each piece."""
    array = xp.asarray(array, dtype=dtype)
    return array if array.strides[1] == array.itemsize else xp.ascontiguousarray(array)
