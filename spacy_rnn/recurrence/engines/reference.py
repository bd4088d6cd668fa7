"""The reference engine: a recurrent sweep in plain array operations, for NumPy and CuPy, float32 and float64.

It is the oracle of the other engines, so it is written to be read.
"""

from typing import Any, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple

from thinc.util import get_array_module

from ..cells import Array, Cell, Grads, Params, Saved, State
from ..interface import EngineBackprop, Result, Session, Settings, Sweep, Tape
from ..packing import Batch, Packing, pack
from .base import BaseEngine, SweepSession

# Rows whose input projection is computed in one product: enough to keep a BLAS busy, few enough to bound the memory.
PIECE_ROWS = 4096
# Sequences that inference runs side by side: the gates of one time step are the memory it needs beside input and output.
MAX_SEQUENCES = 2048
# Numbers that training keeps at most, of a batch and of a piece.
MAX_TAPE = 2**26
PIECE_TAPE = 2**22
PRECISIONS = frozenset(("float32", "tf32"))
TRAINING_PRECISIONS = PRECISIONS | {"bfloat16"}


class ReferenceEngine(BaseEngine):
    """The engine that executes every cell on every array."""

    name = "reference"

    def supports(self, cell: Cell, X: Array, params: Params) -> bool:
        return True

    def precisions(self, is_train: bool) -> FrozenSet[str]:
        # It computes with the numbers it is given, so "bfloat16" in inference would be a promise that it does not keep.
        return TRAINING_PRECISIONS if is_train else PRECISIONS

    def run(self, sweeps: Sequence[Sweep], keeps: bool, settings: Settings) -> Tuple[List[Result], Optional[EngineBackprop]]:
        return _run(get_array_module(sweeps[0].X), sweeps, keeps)

    def session(self, cell: Cell, params: Params, table: Optional[Array], settings: Settings) -> Session:
        return ReferenceSession(self, cell, params, table, settings)

    def tape(self, sweeps: Sequence[Sweep]) -> Tape:
        # Gates, states and, in backpropagation, the gradients of the gates.
        cell, nH = sweeps[0].cell, sweeps[0].params["R"].shape[1]
        return Tape(len(sweeps) * (2 * len(cell.gates) + len(cell.states) + 2) * nH, MAX_TAPE, PIECE_TAPE)


class ReferenceSession(SweepSession):
    """A session that calls the cell's step."""

    def step(self, inputs: Array, state: State) -> Dict[str, Array]:
        z = self.read(inputs, state) @ self.params["W"].T + self.params["b"]
        return self.cell.forward(self.xp, z, state, self.params, None)[0]


def _run(xp: Any, sweeps: Sequence[Sweep], is_train: bool) -> Tuple[List[Result], Optional[EngineBackprop]]:
    """Execute sweeps over the same rows, one after the other."""
    completed = [_completed(xp, sweep) for sweep in sweeps]
    if not is_train:
        return [_infer(xp, sweep) for sweep in completed], None
    results, tapes = [], []
    for sweep in completed:
        result, tape = _forward(xp, sweep, is_train=True)
        results.append(result)
        tapes.append(tape)

    def backprop(
        dYs: Sequence[Array], d_finals: Sequence[Optional[State]], into: Optional[Array] = None
    ) -> Tuple[Array, List[Grads], List[Dict[str, Array]]]:
        dX = xp.zeros_like(sweeps[0].X) if into is None else into
        gradients = [_backward(xp, *args, dX) for args in zip(completed, tapes, dYs, d_finals, strict=True)]
        grads, d_initials = zip(*gradients, strict=True)
        return dX, list(grads), list(d_initials)

    return results, backprop


def _completed(xp: Any, sweep: Sweep) -> Sweep:
    shape = (len(sweep.batch), sweep.params["R"].shape[1])
    initial, out = sweep.initial, sweep.out
    if initial is None:
        initial = {name: xp.zeros(shape, dtype=sweep.X.dtype) for name in sweep.cell.states}
    if out is None:
        out = xp.empty((sweep.X.shape[0], shape[1]), dtype=sweep.X.dtype)
    return sweep._replace(initial=initial, out=out)


def _infer(xp: Any, sweep: Sweep) -> Result:
    """Run a wide batch some sequences at a time, in bounded memory."""
    batch, initial, out = sweep.batch, sweep.initial, sweep.out
    assert initial is not None and out is not None
    if len(batch) <= MAX_SEQUENCES or batch.starts is not None:
        return _forward(xp, sweep, is_train=False)[0]
    final = {name: xp.empty_like(array) for name, array in initial.items()}
    ends = batch.lengths.cumsum(dtype="int64")
    for first in range(0, len(batch), MAX_SEQUENCES):
        part = slice(first, first + MAX_SEQUENCES)
        rows = slice(int(ends[first] - batch.lengths[first]), int(ends[part][-1]))
        part_sweep = sweep._replace(
            X=sweep.X[rows],
            batch=Batch(batch.lengths[part], rows.stop - rows.start),
            initial={name: array[part] for name, array in initial.items()},
            mask=None if sweep.mask is None else sweep.mask[part],
            out=out[rows],
        )
        for name, array in _forward(xp, part_sweep, is_train=False)[0].final.items():
            final[name][part] = array
    return Result(out, final)


class _Tape(NamedTuple):
    """What backpropagation needs: the order of the rows, on the host and on the device, and what each time step saved."""

    packing: Packing
    order: Array
    index: Array
    mask: Optional[Array]
    steps: List[Saved]


def _forward(xp: Any, sweep: Sweep, is_train: bool) -> Tuple[Result, _Tape]:
    cell, params, X, initial, Y = sweep.cell, sweep.params, sweep.X, sweep.initial, sweep.out
    assert initial is not None and Y is not None
    packing = pack(sweep.batch, sweep.reverse)
    order, index = xp.asarray(packing.order), xp.asarray(packing.index)
    mask = None if sweep.mask is None else sweep.mask[order]
    tape = _Tape(packing, order, index, mask, [])
    current = {name: array[order] for name, array in initial.items()}
    ended = {name: array.copy() for name, array in current.items()}
    packed = xp.empty((sweep.batch.n_rows, current[cell.output].shape[1]), dtype=X.dtype)
    for t, z in enumerate(_projections(params, X, index, packing)):
        n = z.shape[0]
        current = {name: array[:n] for name, array in current.items()}
        current, saved = cell.forward(xp, z, current, params, None if mask is None else mask[:n])
        if is_train:
            tape.steps.append(saved)
        packed[packing.offsets[t] : packing.offsets[t + 1]] = current[cell.output]
        for name, array in current.items():
            ended[name][:n] = array
    Y[index] = packed
    return Result(Y, _unsorted(xp, ended, order)), tape


def _backward(
    xp: Any, sweep: Sweep, tape: _Tape, dY: Array, d_final: Optional[State], dX: Array
) -> Tuple[Grads, Dict[str, Array]]:
    """Go back through a sweep, and add the gradient of its rows to dX."""
    cell, params, X, initial = sweep.cell, sweep.params, sweep.X, sweep.initial
    assert initial is not None
    packing, order, index, mask, steps = tape
    grads = {name: xp.zeros_like(param) for name, param in params.items()}
    d_state = {name: xp.zeros_like(array) if d_final is None else d_final[name][order] for name, array in initial.items()}
    dY_packed = dY[index]
    dZ = xp.empty((sweep.batch.n_rows, params["b"].shape[0]), dtype=X.dtype)
    for t in reversed(range(len(steps))):
        n = int(packing.sizes[t])
        rows = slice(packing.offsets[t], packing.offsets[t + 1])
        d_step = {name: array[:n] for name, array in d_state.items()}
        d_step[cell.output] = d_step[cell.output] + dY_packed[rows]
        dZ[rows], d_step = cell.backward(xp, d_step, steps[t], params, None if mask is None else mask[:n], grads)
        for name, array in d_step.items():
            d_state[name][:n] = array
    grads["W"] += dZ.T @ X[index]
    grads["b"] += dZ.sum(axis=0)
    dX[index] += dZ @ params["W"]
    return grads, _unsorted(xp, d_state, order)


def _projections(params: Params, X: Array, index: Array, packing: Packing) -> Any:
    """Yield x Wᵀ + b [n, nG·nH] of one time step after the other, computed for many steps at once."""
    n_steps = len(packing.sizes)
    start = 0
    while start < n_steps:
        end = start + 1
        while end < n_steps and packing.offsets[end + 1] - packing.offsets[start] <= PIECE_ROWS:
            end += 1
        base = packing.offsets[start]
        Z = X[index[base : packing.offsets[end]]] @ params["W"].T + params["b"]
        for t in range(start, end):
            yield Z[packing.offsets[t] - base : packing.offsets[t + 1] - base]
        start = end


def _unsorted(xp: Any, arrays: Dict[str, Array], order: Array) -> Dict[str, Array]:
    """Put arrays sorted by decreasing length back into the order of the batch."""
    result = {}
    for name, array in arrays.items():
        result[name] = xp.empty_like(array)
        result[name][order] = array
    return result
