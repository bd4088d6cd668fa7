"""What an engine that only runs sweeps can do besides."""

from typing import Any, Dict, Optional, Sequence, Union

import numpy
from thinc.util import get_array_module

from ..cells import Array, Cell, Params, State
from ..checks import check_directions, check_parameters, check_states
from ..interface import Engine, Result, Session, Settings, StackSession, Sweep, SymbolStack
from ..packing import Batch
from ..tables import TableRows


class BaseEngine(Engine):
    """An engine whose inference and sessions are made of sweeps."""

    reads_tables = False

    def infer(
        self, cell: Cell, params: Sequence[Params], X: Union[Array, TableRows], lengths: numpy.ndarray, settings: Settings
    ) -> Array:
        if isinstance(X, TableRows):
            X = X.take()
        for each in params:
            check_parameters(cell, each, X.shape[1])
        check_directions(params)
        batch, nH = Batch(lengths, X.shape[0]), params[0]["R"].shape[1]
        Y = get_array_module(X).empty((X.shape[0], len(params) * nH), dtype=X.dtype)
        columns = [Y[:, d * nH : (d + 1) * nH] for d in range(len(params))]
        sweeps = [Sweep(cell, each, X, batch, reverse=d == 1, out=columns[d]) for d, each in enumerate(params)]
        self.run(sweeps, False, settings)
        return Y

    def session(self, cell: Cell, params: Params, table: Optional[Array], settings: Settings) -> Session:
        return SweepSession(self, cell, params, table, settings)

    def stack_session(self, stack: SymbolStack, settings: Settings) -> Optional[StackSession]:
        return None


class SweepSession(Session):
    """A session whose steps are sweeps over sequences of one row."""

    def __init__(self, engine: Engine, cell: Cell, params: Params, table: Optional[Array], settings: Settings) -> None:
        """Begin.

        engine (Engine): What executes the steps.
        cell, params, table, settings: As `Engine.session` takes them.
        """
        self.engine, self.cell, self.params, self.table, self.settings = engine, cell, params, table, settings
        self.xp: Any = get_array_module(params["R"])
        self._batch = Batch([], 0)

    def start(self, n: int) -> Dict[str, Array]:
        shape = (n, self.params["R"].shape[1])
        return {name: self.xp.zeros(shape, dtype=self.params["R"].dtype) for name in self.cell.states}

    def step(self, inputs: Array, state: State) -> Dict[str, Array]:
        X = self.read(inputs, state)
        n = X.shape[0]
        if len(self._batch) != n:
            # Kept: engines keep with it what they have found out about it.
            self._batch = Batch(numpy.ones(n, dtype="int32"), n)
        return self.sweep(X, self._batch, state).final

    def sweep(self, X: Array, batch: Batch, state: Optional[State], reverse: bool = False, out: Optional[Array] = None) -> Result:
        sweep = Sweep(self.cell, self.params, X, batch, state, None, reverse, out)
        return self.engine.run([sweep], False, self.settings)[0][0]

    def read(self, inputs: Array, state: State) -> Array:
        """Give the rows that a step reads.

        inputs (Array): [B, nI], or integers [B] if there is a table.
        state (Mapping[str, Array]): The state before.
        RETURNS (Array): [B, nI].
        RAISES (ValueError): If they do not fit the session or the state.
        """
        X = inputs if self.table is None else self.table[self.xp.asarray(as_table_rows(inputs, self.table.shape[0]))]
        nI, nH, dtype = self.params["W"].shape[1], self.params["R"].shape[1], self.params["W"].dtype
        if X.ndim != 2 or X.shape[1] != nI or X.dtype != dtype:
            raise ValueError(f"the inputs of a time step are {dtype} [B, {nI}], got {X.dtype} {tuple(X.shape)}")
        check_states(self.cell, state, (X.shape[0], nH))
        return X


def as_whole_numbers(rows: Any) -> Any:
    """Check the type of numbers of rows.

    rows (Array): Integers [B].
    RETURNS (Array): int64 [B]; the array itself if it is one.
    RAISES (ValueError): If they are no integers.
    """
    rows = numpy.asarray(rows) if isinstance(rows, (list, tuple)) else rows
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise ValueError(f"rows of a table are whole numbers [B], got {rows.dtype} of shape {tuple(rows.shape)}")
    return rows if rows.dtype == numpy.int64 else rows.astype("int64")


def as_table_rows(rows: Any, n: int) -> Any:
    """Check numbers of rows of a table.

    rows (Array): Integers [B]. Those on a device are not looked at: that would wait for it.
    n (int): How many rows the table has.
    RETURNS (Array): int64 [B].
    RAISES (ValueError): If they are no integers, or the table has no such row.
    """
    # A copy: what is checked is what is read.
    rows = as_whole_numbers(rows).copy()
    if isinstance(rows, numpy.ndarray) and rows.size and not 0 <= rows.min() <= rows.max() < n:
        raise ValueError(f"the table has the rows 0 to {n - 1}, got rows from {int(rows.min())} to {int(rows.max())}")
    return rows
