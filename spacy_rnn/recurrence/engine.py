"""One recurrent sweep over a ragged batch, on whatever engine suits its arrays."""

from typing import Any, Callable, Dict, Iterable, Optional, Tuple

from thinc.util import get_array_module

from . import reference
from .cells import Array, Cell, Params, State
from .packing import as_lengths

Backprop = reference.Backprop
# Sequences that inference runs side by side: the gates of one time step are the memory it needs beside input and output.
MAX_SEQUENCES = 2048
Engine = Callable[..., Tuple[Array, Dict[str, Array], Optional[Backprop]]]


def select_engine(X: Array) -> Engine:
    """Pick the engine that executes a sweep over an array.

    X (Array): The rows of the batch.
    RETURNS (Callable): The engine's sweep.
    """
    return reference.sweep


def sweep(
    cell: Cell,
    params: Params,
    X: Array,
    lengths: Any,
    *,
    initial: Optional[State] = None,
    mask: Optional[Array] = None,
    reverse: bool = False,
    is_train: bool = False,
) -> Tuple[Array, Dict[str, Array], Optional[Backprop]]:
    """Run one direction of one recurrent layer over a ragged batch.

    cell (Cell): The cell.
    params (Mapping[str, Array]): The parameters, gate-major, shaped as `cell.parameter_shapes` says. float32 or float64.
    X (Array): [N, nI], the rows of all sequences, one sequence after the other.
    lengths (Sequence[int]): [B], the number of rows of each sequence, on the host.
    initial (Optional[Mapping[str, Array]]): The state before the first step, an array [B, nH] for each of `cell.states`;
        zeros if None.
    mask (Optional[Array]): [B, nH], multiplies the hidden state of each sequence where it enters a recurrent product.
    reverse (bool): Whether each sequence is read from its last row to its first.
    is_train (bool): Whether to keep what backpropagation needs.
    RETURNS (Tuple[Array, Dict[str, Array], Optional[Callable]]): The hidden state at every row [N, nH]; the state after the last
        step of each sequence, an array [B, nH] for each of `cell.states` (of a sequence with no rows: its initial state); and, if
        is_train, a function (dY [N, nH], gradient of the final state or None) -> (dX [N, nI], gradients of the parameters by
        name, gradients of the initial state by name).
    RAISES (ValueError): If a shape does not fit.
    """
    if X.ndim != 2:
        raise ValueError(f"the rows of a batch are a matrix [N, nI], got shape {tuple(X.shape)}")
    if X.dtype.name not in ("float32", "float64"):
        raise ValueError(f"the rows of a batch are float32 or float64, got {X.dtype}")
    lengths = as_lengths(lengths, X.shape[0])
    _check_shapes(cell, params, X, len(lengths), initial, mask)
    xp = get_array_module(X)
    nH = params["R"].shape[1]
    if initial is None:
        initial = {name: xp.zeros((len(lengths), nH), dtype=X.dtype) for name in cell.states}
    engine = select_engine(X)
    if is_train or len(lengths) <= MAX_SEQUENCES:
        return engine(xp, cell, params, X, lengths, initial, mask, reverse, is_train)
    return _infer_in_parts(engine, xp, cell, params, X, lengths, initial, mask, reverse)


def _infer_in_parts(
    engine: Engine,
    xp: Any,
    cell: Cell,
    params: Params,
    X: Array,
    lengths: Any,
    initial: State,
    mask: Optional[Array],
    reverse: bool,
) -> Tuple[Array, Dict[str, Array], None]:
    """Run a wide batch some sequences at a time, in bounded memory."""
    Y = xp.empty((X.shape[0], params["R"].shape[1]), dtype=X.dtype)
    final = {name: xp.empty_like(array) for name, array in initial.items()}
    ends = lengths.cumsum(dtype="int64")
    for first in range(0, len(lengths), MAX_SEQUENCES):
        part = slice(first, first + MAX_SEQUENCES)
        rows = slice(int(ends[first] - lengths[first]), int(ends[part][-1]))
        state = {name: array[part] for name, array in initial.items()}
        part_mask = None if mask is None else mask[part]
        Y[rows], part_final, _ = engine(xp, cell, params, X[rows], lengths[part], state, part_mask, reverse, False)
        for name, array in part_final.items():
            final[name][part] = array
    return Y, final, None


def _check_shapes(
    cell: Cell,
    params: Params,
    X: Array,
    n_sequences: int,
    initial: Optional[State],
    mask: Optional[Array],
) -> None:
    if "R" not in params or params["R"].ndim != 2:
        raise ValueError(f"the parameters of {cell.name} need a matrix R")
    nH = params["R"].shape[1]
    _refuse_unknown(f"parameters of {cell.name}", params, cell.parameter_shapes(1, 1))
    expected = {
        f"parameter {name} of {cell.name}": (params.get(name), shape)
        for name, shape in cell.parameter_shapes(X.shape[1], nH).items()
    }
    if initial is not None:
        _refuse_unknown(f"initial states of {cell.name}", initial, cell.states)
        for name in cell.states:
            expected[f"initial state {name} of {cell.name}"] = (
                initial.get(name),
                (n_sequences, nH),
            )
    if mask is not None:
        expected["recurrent dropout mask"] = (mask, (n_sequences, nH))
    for what, (array, shape) in expected.items():
        found = None if array is None else tuple(array.shape)
        if found != shape:
            raise ValueError(f"{what}: expected shape {shape}, got {found}")


def _refuse_unknown(what: str, arrays: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(arrays) - set(known))
    if unknown:
        raise ValueError(f"{what}: expected {', '.join(known)}, got also {', '.join(unknown)}")
