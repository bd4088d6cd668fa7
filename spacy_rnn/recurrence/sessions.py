"""Time steps one after the other, as a model of the next symbol makes them."""

from typing import Any, Dict, Optional, Sequence

from .cells import Array, Cell, Params, State
from .checks import check_parameters
from .engines.table import require_precision, select_engine
from .interface import Session, Settings, StackSession, SymbolStack
from .threads import allowed_threads


def session(cell: Cell, params: Params, *, table: Optional[Array] = None, precision: str = "float32") -> Session:
    """Begin a session of single time steps, whose results are those of a sweep.

    The weights are packed, or compared with what was packed before, once: a step then costs the step.

    cell (Cell): The cell.
    params (Mapping[str, Array]): The parameters, gate-major, shaped as `cell.parameter_shapes` says. The session may or may not
        see later changes of them.
    table (Optional[Array]): [V, nI], e.g. an embedding: steps then take numbers of its rows. On a CPU their projections
        [V, nG·nH] are computed here, so that a step has no input product.
    precision (str): The numbers whose products are summed, as in `run_sweeps`.
    RETURNS (Session): The session.
    RAISES (ValueError): If a shape or a type does not fit, or if the engine does not have the precision.
    """
    check_parameters(cell, params)
    if table is not None:
        nI = params["W"].shape[1]
        if table.ndim != 2 or table.shape[1] != nI or table.dtype != params["W"].dtype:
            raise ValueError(f"a table: expected {params['W'].dtype} [V, {nI}], got {table.dtype} {tuple(table.shape)}")
    engine = select_engine(cell, params["W"] if table is None else table, params)
    require_precision(engine, precision, is_train=False)
    return engine.session(cell, params, table, Settings(False, precision, allowed_threads()))


def stack_session(
    cell: Cell, params: Sequence[Params], table: Array, W: Array, b: Array, *, precision: str = "float32"
) -> Optional[StackSession]:
    """Begin a session of layers over symbols and the softmax over the symbol that follows, which generates in one call.

    cell, params, table, W, b: As `SymbolStack` says. The session may or may not see later changes of them.
    precision (str): The numbers whose products are summed in the layers, as in `run_sweeps`; those of the softmax are float32.
    RETURNS (Optional[StackSession]): The session; None if the engine of these arrays has none, as all have but the CPU engine.
    RAISES (ValueError): If a shape or type does not fit, or if the engine does not have the precision.
    """
    if not params:
        raise ValueError("a stack of layers has one at least, got none")
    nH = params[0]["R"].shape[1]
    for k, each in enumerate(params):
        check_parameters(cell, each, table.shape[1] if k == 0 else nH)
        if each["R"].shape[1] != nH:
            raise ValueError(f"layer {k} of a stack: expected {nH} units, as below, got {each['R'].shape[1]}")
    for name, array, shape in (("W", W, (len(b), nH)), ("b", b, (len(b),))):
        if array.shape != shape or array.dtype != table.dtype:
            raise ValueError(f"{name} of symbols: expected {table.dtype} {shape}, got {array.dtype} {tuple(array.shape)}")
    if not 0 < len(b) <= table.shape[0]:
        raise ValueError(f"a stack reads what it gives: expected 1 to {table.shape[0]} symbols, rows of its table, got {len(b)}")
    engine = select_engine(cell, table, {f"{k} {name}": array for k, each in enumerate(params) for name, array in each.items()})
    require_precision(engine, precision, is_train=False)
    return engine.stack_session(SymbolStack(cell, params, table, W, b), Settings(False, precision, allowed_threads()))


def reorder(state: State, index: Any) -> Dict[str, Array]:
    """Take some sequences of a state, in any order and any number of times: a beam's, or those that have not ended.

    state (Mapping[str, Array]): An array [B, nH] for each state of a cell.
    index (Array): Integers or bools, what NumPy takes as an index of the sequences.
    RETURNS (Dict[str, Array]): An array for each state, in memory of its own.
    """
    return {name: array[index] for name, array in state.items()}
