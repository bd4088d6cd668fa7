"""Recurrent sweeps over a ragged batch, on whatever engine suits their arrays."""

from functools import cache, partial
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

from thinc.util import get_array_module

from . import checkpoint
from .cells import Array, Cell, Grads, Params, State
from .checkpoint import Backpropagation
from .checks import check_gradients, check_sweeps
from .engines.base import as_table_rows
from .engines.table import require_precision, select_engine
from .interface import Backprop, Result, Settings, Sweep
from .packing import Batch
from .tables import Rows, Table, TableRows, source, sum_by_number
from .threads import allowed_threads

DEFAULT_BACKPROPAGATION = Backpropagation()


def sweep(
    cell: Cell,
    params: Params,
    X: Rows,
    lengths: Any,
    *,
    initial: Optional[State] = None,
    mask: Optional[Array] = None,
    reverse: bool = False,
    is_train: bool = False,
    backpropagation: Backpropagation = DEFAULT_BACKPROPAGATION,
) -> Tuple[Array, Dict[str, Array], Optional[Callable]]:
    """Run one direction of one recurrent layer over a ragged batch.

    cell (Cell): The cell.
    params (Mapping[str, Array]): The parameters, gate-major, shaped as `cell.parameter_shapes` says. float32 or float64.
    X (Rows): [N, nI], the rows of all sequences, one sequence after the other; or rows of a table: see `run_sweeps`.
    lengths (Sequence[int]): [B], the number of rows of each sequence, on the host.
    initial (Optional[Mapping[str, Array]]): The state before the first step, an array [B, nH] for each of `cell.states`;
        zeros if None.
    mask (Optional[Array]): [B, nH], multiplies the hidden state of each sequence where it enters a recurrent product.
    reverse (bool): Whether each sequence is read from its last row to its first.
    is_train (bool): Whether backpropagation follows. Parameters, X and the output must then stay as they are until it.
    backpropagation (Backpropagation): How it goes.
    RETURNS (Tuple[Array, Dict[str, Array], Optional[Callable]]): The hidden state at every row [N, nH]; the state after the last
        step of each sequence, an array [B, nH] for each of `cell.states` (of a sequence with no rows: its initial state); and, if
        is_train, a function (dY [N, nH], gradient of the final state or None) -> (dX [N, nI] or that of the table [V, nI],
        gradients of the parameters by name, gradients of the initial state by name).
    RAISES (ValueError): If a shape does not fit, or a table has no such row.
    """
    one = Sweep(cell, params, X, Batch(lengths, X.shape[0]), initial, mask, reverse)
    results, run_backprop = run_sweeps([one], is_train, backpropagation=backpropagation)
    if run_backprop is None:
        return (*results[0], None)

    def backprop(dY: Array, d_final: Optional[State]) -> Tuple[Array, Grads, Dict[str, Array]]:
        dX, grads, d_initials = run_backprop([dY], [d_final])
        return dX, grads[0], d_initials[0]

    return (*results[0], backprop)


def run_sweeps(
    sweeps: Sequence[Sweep],
    is_train: bool,
    *,
    precision: str = "float32",
    backpropagation: Backpropagation = DEFAULT_BACKPROPAGATION,
) -> Tuple[List[Result], Optional[Backprop]]:
    """Run the directions of one recurrent layer.

    Where the rows are those of a table (`TableRows`), an engine may project each of the table's once, and go back through the
    product with W once for each: the gradients of equal rows are summed before it. The cost of these products is then that of the
    different rows of the batch.

    sweeps (Sequence[Sweep]): At least one, over the same rows and batch.
    is_train (bool): Whether backpropagation follows. Parameters, X and the outputs must then stay as they are until it.
    precision (str): "bfloat16" to round the factors of products, on the CPU in inference alone; or "tf32" to do it on a GPU.
    backpropagation (Backpropagation): How it goes.
    RETURNS (Tuple[List[Result], Optional[Backprop]]): The result of each sweep; and, if is_train, a function (the dY [N, nH]
        of each sweep, the gradient of the final state or None of each) -> (dX [N, nI]; or if the rows are those of a table, the
        gradient of that, [V, nI]; for each sweep the gradients of its parameters and those of its initial state by name).
    RAISES (ValueError): If a shape does not fit, the table has no such row, the sweeps are not those of one layer, or the engine
        cannot do the precision.
    """
    check_sweeps(sweeps)
    X, batch = _settled(sweeps[0].X), sweeps[0].batch
    engine = select_engine(sweeps[0].cell, source(X), sweeps[0].params)
    require_precision(engine, precision, is_train)
    settings = _settings(is_train, precision, allowed_threads())
    taken = X if isinstance(X, TableRows) and not engine.reads_tables else None
    if isinstance(X, TableRows):
        rows = X.take() if taken else X
        sweeps = [each._replace(X=rows) for each in sweeps]
    execute = partial(engine.run, settings=settings)
    if not is_train:
        return execute(sweeps, False)[0], None
    run_backprop: Optional[Backprop]
    piece_rows, truncate = backpropagation.piece_rows(batch.n_rows, engine.tape(sweeps)), backpropagation.truncate_gradient
    if piece_rows is None and not truncate:
        results, run_backprop = execute(sweeps, True)
    else:
        results, run_backprop = checkpoint.run(get_array_module(source(X)), execute, sweeps, piece_rows, truncate)
    assert run_backprop is not None

    def backprop(dYs: Sequence[Array], d_finals: Sequence[Optional[State]]) -> Tuple[Array, List[Grads], List[Dict[str, Array]]]:
        check_gradients(sweeps, dYs, d_finals)
        dX, grads, d_initials = run_backprop(dYs, d_finals)
        if taken is not None:
            dX = sum_by_number(dX, taken.numbers, len(taken.table.rows))
        return dX, grads, d_initials

    return results, backprop


def _settled(X: Rows) -> Rows:
    """Give rows of a table that stay those that were checked, however the table grows.

    RAISES (ValueError): If the table has no such row.
    """
    if not isinstance(X, TableRows):
        return X
    rows = X.table.rows
    return TableRows(Table(rows), as_table_rows(X.numbers, len(rows)))


def infer_outputs(
    cell: Cell, params: Sequence[Params], X: Union[Array, TableRows], lengths: Any, *, precision: str = "float32"
) -> Array:
    """Run the directions of one recurrent layer from a state of zeros, for their outputs alone.

    This is the fastest way for small batches.

    cell (Cell): The cell.
    params (Sequence[Mapping[str, Array]]): The parameters of the forward direction, and of the backward one if there is one.
    X (Union[Array, TableRows]): [N, nI], the rows of all sequences. Of rows of a table an engine may project each once only.
    lengths (numpy.ndarray): int32 [B], the number of rows of each sequence, on the host.
    precision (str): "bfloat16" to round the factors of products; or "tf32" to do it on a GPU.
    RETURNS (Array): [N, directions · nH], the hidden states of the directions side by side.
    RAISES (ValueError): If a shape does not fit, or if the engine cannot do the precision.
    """
    engine = select_engine(cell, source(X), params[0])
    require_precision(engine, precision, is_train=False)
    return engine.infer(cell, params, X, lengths, _settings(False, precision, allowed_threads()))


# Made once: making a tuple takes a tenth of a microsecond-long call.
_settings = cache(Settings)
