"""Time steps one after the other, as a model of the next symbol makes them."""

from typing import Any, Dict, Optional

from .cells import Array, Cell, Params, State
from .checks import check_parameters
from .engines.table import require_precision, select_engine
from .interface import Session, Settings
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


def reorder(state: State, index: Any) -> Dict[str, Array]:
    """Take some sequences of a state, in any order and any number of times: a beam's, or those that have not ended.

    state (Mapping[str, Array]): An array [B, nH] for each state of a cell.
    index (Array): Integers or bools, what NumPy takes as an index of the sequences.
    RETURNS (Dict[str, Array]): An array for each state, in memory of its own.
    """
    return {name: array[index] for name, array in state.items()}
