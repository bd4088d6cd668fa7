"""The reference engine: a recurrent sweep in plain array operations, for NumPy and CuPy, float32 and float64.

It is the oracle of the other engines, so it is written to be read.
"""

from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy

from .cells import Array, Cell, Grads, Params, Saved, State
from .packing import Packing, pack

# Rows whose input projection is computed in one product: enough to keep a BLAS busy, few enough to bound the memory.
PIECE_ROWS = 4096

Backprop = Callable[[Array, Optional[State]], Tuple[Array, Grads, Dict[str, Array]]]


def sweep(
    xp: Any,
    cell: Cell,
    params: Params,
    X: Array,
    lengths: numpy.ndarray,
    initial: State,
    mask: Optional[Array],
    reverse: bool,
    is_train: bool,
) -> Tuple[Array, Dict[str, Array], Optional[Backprop]]:
    """Run one direction of one recurrent layer over a ragged batch; the arguments are those of `spacy_rnn.recurrence.sweep`,
    checked and completed."""
    packing = pack(lengths, reverse)
    order, index = xp.asarray(packing.order), xp.asarray(packing.index)
    current = {name: array[order] for name, array in initial.items()}
    ended = {name: array.copy() for name, array in current.items()}
    sorted_mask = None if mask is None else mask[order]
    packed = xp.empty((X.shape[0], current["h"].shape[1]), dtype=X.dtype)
    tape: List[Saved] = []
    for t, z in enumerate(_projections(params, X, index, packing)):
        n = z.shape[0]
        current = {name: array[:n] for name, array in current.items()}
        step_mask = None if sorted_mask is None else sorted_mask[:n]
        current, saved = cell.forward(xp, z, current, params, step_mask)
        if is_train:
            tape.append(saved)
        packed[packing.offsets[t] : packing.offsets[t + 1]] = current["h"]
        for name, array in current.items():
            ended[name][:n] = array
    Y = xp.empty_like(packed)
    Y[index] = packed
    if not is_train:
        return Y, _unsorted(xp, ended, order), None

    def backprop(dY: Array, d_final: Optional[State]) -> Tuple[Array, Grads, Dict[str, Array]]:
        grads = {name: xp.zeros_like(param) for name, param in params.items()}
        d_state = {name: xp.zeros_like(array) if d_final is None else d_final[name][order] for name, array in ended.items()}
        dY_packed = dY[index]
        dZ = xp.empty((X.shape[0], params["b"].shape[0]), dtype=X.dtype)
        for t in reversed(range(len(tape))):
            n = int(packing.sizes[t])
            rows = slice(packing.offsets[t], packing.offsets[t + 1])
            d_step = {name: array[:n] for name, array in d_state.items()}
            d_step["h"] = d_step["h"] + dY_packed[rows]
            step_mask = None if sorted_mask is None else sorted_mask[:n]
            dZ[rows], d_step = cell.backward(xp, d_step, tape[t], params, step_mask, grads)
            for name, array in d_step.items():
                d_state[name][:n] = array
        grads["W"] += dZ.T @ X[index]
        grads["b"] += dZ.sum(axis=0)
        dX = xp.empty_like(X)
        dX[index] = dZ @ params["W"]
        return dX, grads, _unsorted(xp, d_state, order)

    return Y, _unsorted(xp, ended, order), backprop


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
