"""What the shapes of the arrays of a sweep have to be."""

from typing import Iterable, Optional, Sequence, Tuple

from .cells import Array, Cell, Params, State
from .interface import Sweep
from .tables import Rows, TableRows


def check_parameters(cell: Cell, params: Params, nI: Optional[int] = None) -> None:
    """Refuse parameters that do not fit a cell, or each other.

    cell (Cell): The cell.
    params (Mapping[str, Array]): The parameters by name.
    nI (Optional[int]): The input width; that of W if None.
    RAISES (ValueError): If a parameter is missing, unknown or of another shape.
    """
    for name in ("W", "R"):
        if name not in params or params[name].ndim != 2:
            raise ValueError(f"the parameters of {cell.name} need a matrix {name}")
    if not params["R"].shape[1]:
        raise ValueError(f"{cell.name} needs one hidden unit at least")
    shapes = cell.parameter_shapes(params["W"].shape[1] if nI is None else nI, params["R"].shape[1])
    _refuse_unknown(f"parameters of {cell.name}", params, shapes)
    for name, shape in shapes.items():
        _check_shape(f"parameter {name} of {cell.name}", params.get(name), shape)


def check_directions(params: Sequence[Params]) -> None:
    """Refuse directions that cannot be those of one layer.

    params (Sequence[Mapping[str, Array]]): The parameters of each direction.
    RAISES (ValueError): If their matrices R differ in shape.
    """
    for d, each in enumerate(params[1:], 1):
        _check_shape(f"parameter R of direction {d}", each.get("R"), params[0]["R"].shape)


def check_sweep(sweep: Sweep) -> None:
    """Refuse a sweep whose arrays do not fit.

    sweep (Sweep): The sweep.
    RAISES (ValueError): If a shape or the type of the rows is wrong.
    """
    cell, params, X, batch, initial, mask, _, out = sweep
    if isinstance(X, TableRows) and (X.table.rows.ndim != 2 or X.numbers.ndim != 1):
        shapes = f"{tuple(X.table.rows.shape)} and {tuple(X.numbers.shape)}"
        raise ValueError(f"rows of a table are a matrix [V, nI] and numbers [N], got shapes {shapes}")
    if len(X.shape) != 2:
        raise ValueError(f"the rows of a batch are a matrix [N, nI], got shape {tuple(X.shape)}")
    if X.dtype.char not in "fd":
        raise ValueError(f"the rows of a batch are float32 or float64, got {X.dtype}")
    if X.shape[0] != batch.n_rows:
        raise ValueError(f"the batch was made for {batch.n_rows} rows, but there are {X.shape[0]}")
    if batch.starts is not None:
        raise ValueError("a batch has the rows of whole sequences, one after the other: it takes no starts")
    check_parameters(cell, params, X.shape[1])
    shape = (len(batch), params["R"].shape[1])
    if initial is not None:
        check_states(cell, initial, shape)
    if mask is not None:
        _check_shape("recurrent dropout mask", mask, shape)
    if out is not None:
        _check_output(out, X, shape[1])


def check_states(cell: Cell, state: State, shape: Tuple[int, int]) -> None:
    """Refuse a state that a sweep cannot begin in.

    cell (Cell): The cell.
    state (Mapping[str, Array]): The arrays by name.
    shape (Tuple[int, int]): The shape of each, [B, nH].
    RAISES (ValueError): If one is missing, unknown or of another shape.
    """
    # Looked at quickly first: a time step is a matter of microseconds.
    if len(state) == len(cell.states) and all(name in state and state[name].shape == shape for name in cell.states):
        return
    _refuse_unknown(f"initial states of {cell.name}", state, cell.states)
    for name in cell.states:
        _check_shape(f"initial state {name} of {cell.name}", state.get(name), shape)


def check_sweeps(sweeps: Sequence[Sweep]) -> None:
    """Refuse sweeps that cannot be the directions of one layer, or whose arrays do not fit.

    sweeps (Sequence[Sweep]): The sweeps.
    RAISES (ValueError): If there is not one or two, if they do not read the same rows, or as `check_sweep` and
        `check_directions` say.
    """
    if not 1 <= len(sweeps) <= 2:
        raise ValueError(f"a layer has one or two directions, got {len(sweeps)}")
    if any(each.X is not sweeps[0].X or each.batch is not sweeps[0].batch for each in sweeps):
        raise ValueError("the directions of a layer read the same rows: give them the same X and the same batch")
    for each in sweeps:
        check_sweep(each)
    check_directions([each.params for each in sweeps])


def check_gradients(sweeps: Sequence[Sweep], dYs: Sequence[Array], d_finals: Sequence[Optional[State]]) -> None:
    """Refuse gradients that are not those of what sweeps have given back.

    sweeps (Sequence[Sweep]): The sweeps.
    dYs (Sequence[Array]): The gradient of each one's output.
    d_finals (Sequence[Optional[Mapping[str, Array]]]): That of each one's final state.
    RAISES (ValueError): If a shape is wrong.
    """
    for (cell, params, X, batch, *_), dY, d_final in zip(sweeps, dYs, d_finals, strict=True):
        nH = params["R"].shape[1]
        _check_shape(f"gradient of the output of {cell.name}", dY, (X.shape[0], nH))
        if d_final is not None:
            _refuse_unknown(f"gradients of the final states of {cell.name}", d_final, cell.states)
            for name in cell.states:
                _check_shape(f"gradient of the final state {name} of {cell.name}", d_final.get(name), (len(batch), nH))


def _check_shape(what: str, array: Optional[Array], expected: Tuple[int, ...]) -> None:
    found = None if array is None else array.shape
    if found != expected:
        raise ValueError(f"{what}: expected shape {expected}, got {found}")


def _check_output(out: Array, X: Rows, nH: int) -> None:
    """Refuse an array that an engine cannot write rows into."""
    _check_shape("output", out, (X.shape[0], nH))
    if out.dtype != X.dtype:
        raise ValueError(f"the output has the type of the rows, {X.dtype}, got {out.dtype}")
    side_by_side = not out.size or nH == 1 or out.strides[1] == out.itemsize
    if not (side_by_side and getattr(out.flags, "writeable", True) and getattr(out.flags, "aligned", True)):
        raise ValueError("the output is an array that can be written to, with the numbers of a row side by side")


def _refuse_unknown(what: str, arrays: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(arrays) - set(known))
    if unknown:
        raise ValueError(f"{what}: expected {', '.join(known)}, got also {', '.join(unknown)}")
