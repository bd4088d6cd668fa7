"""The CPU engine: recurrent sweeps in compiled code, for NumPy and float32."""

import warnings
import weakref
from typing import Any, Dict, FrozenSet, List, Optional, Sequence, Tuple, Union

import numpy

from ...native import library, problem
from ..cells import BUILT_IN, Array, Cell, Grads, Params, State
from ..checks import check_parameters, check_states, check_sweep
from ..interface import Engine, EngineBackprop, Result, Session, Settings, StackSession, Sweep, SymbolStack, Tape
from ..packing import Batch
from ..tables import Table, TableRows, source
from .base import as_whole_numbers
from .cpu_stack import CpuStackSession
from .registry import ENGINE_VARIABLE

# Multiply-adds of a direction from which on a thread of its own pays.
MIN_WORK_OF_A_THREAD = 4_000_000
# What training keeps at most: 256 MB of a batch, 16 MB of a piece, which a thread has at hand (src/buffer.cpp).
MAX_TAPE = 2**26
PIECE_TAPE = 2**22
# What is kept at most of the projections of a table by one direction: 64 MB. Those of further rows are computed batch by batch if
# they take 16 MB at most; otherwise the sweep projects piece by piece.
MAX_PROJECTIONS = 2**24
MAX_PROJECTED = 2**22
FLOAT32 = numpy.dtype("float32")
PRECISIONS = frozenset(("float32", "tf32", "bfloat16"))


class CpuEngine(Engine):
    """The engine of NumPy's float32 arrays, where it has been built."""

    name = "cpu"
    reads_tables = True

    def supports(self, cell: Cell, X: Array, params: Params) -> bool:
        # No calls in a loop: a small batch takes a few microseconds altogether.
        for array in (X, *params.values()):
            if type(array) is not numpy.ndarray or array.dtype != FLOAT32:
                return False
        return is_available() and BUILT_IN.get(cell.name) is cell and cell.name in library.CELLS

    def precisions(self, is_train: bool) -> FrozenSet[str]:
        # Training computes in float32, which is more exact than what was asked for.
        return PRECISIONS

    def run(self, sweeps: Sequence[Sweep], keeps: bool, settings: Settings) -> Tuple[List[Result], Optional[EngineBackprop]]:
        return _run(sweeps, keeps, _rounds(settings), settings.threads)

    def infer(
        self, cell: Cell, params: Sequence[Params], X: Union[Array, TableRows], lengths: numpy.ndarray, settings: Settings
    ) -> Array:
        return _infer(cell, params, X, lengths, _rounds(settings), settings.threads)

    def session(self, cell: Cell, params: Params, table: Optional[Array], settings: Settings) -> Session:
        return CpuSession(cell, params, table, _rounds(settings))

    def stack_session(self, stack: SymbolStack, settings: Settings) -> Optional[StackSession]:
        weights = [_packed.get(stack.cell, each, _rounds(settings)) for each in stack.params]
        native = library.SymbolStack(weights, _rows(stack.table), whole(stack.W), whole(stack.b))
        shape = len(weights), stack.W.shape[1]
        return CpuStackSession(stack.cell, native, len(stack.b), len(stack.table), shape)

    def tape(self, sweeps: Sequence[Sweep]) -> Tape:
        # Gates and one state; of a cell without gates nothing, since its gradient follows from the output.
        n_gates, nH = len(sweeps[0].cell.gates), sweeps[0].state_shape[1]
        return Tape(len(sweeps) * (n_gates + 1) * nH if n_gates > 1 else 0, MAX_TAPE, PIECE_TAPE)


class CpuSession(Session):
    """A session that holds the packed weights, and the projections of its table."""

    def __init__(self, cell: Cell, params: Params, table: Optional[Array], bfloat16: bool) -> None:
        """Begin.

        cell, params, table: As `Engine.session` takes them.
        bfloat16 (bool): Whether the factors of products are rounded to bfloat16.
        """
        self.cell, self.params, self._has_table = cell, params, table is not None
        self._weights = _packed.get(cell, params, bfloat16)
        self._native = library.Session(self._weights, None if table is None else _rows(table))
        self.nH = params["R"].shape[1]

    def start(self, n: int) -> Dict[str, Array]:
        return {name: numpy.zeros((n, self.nH), "float32") for name in self.cell.states}

    def step(self, inputs: Array, state: State) -> Dict[str, Array]:
        if self._has_table:
            inputs = as_whole_numbers(inputs)
        elif inputs.ndim != 2 or not is_float32(inputs):
            raise ValueError(f"the inputs of a time step are float32 [B, nI], got {inputs.dtype} {inputs.shape}")
        shape = (inputs.shape[0], self.nH)
        check_states(self.cell, state, shape)
        after = {name: numpy.empty(shape, "float32") for name in self.cell.states}
        c = _rows(state["c"]) if "c" in state else None
        if self._has_table:
            self._native.step_rows(inputs, _rows(state["h"]), c, after["h"], after.get("c"))
        else:
            self._native.step(_rows(inputs), _rows(state["h"]), c, after["h"], after.get("c"))
        return after

    def sweep(self, X: Array, batch: Batch, state: Optional[State], reverse: bool = False, out: Optional[Array] = None) -> Result:
        sweep = Sweep(self.cell, self.params, X, batch, state, None, reverse, out)
        check_sweep(sweep)
        if not is_float32(X):
            raise ValueError(f"a session of float32 weights reads float32 rows, got {X.dtype}")
        forward, result = _forward(sweep, self._weights, False)
        library.forward([forward], False)
        return result


_warned = False


def is_available() -> bool:
    """Tell whether the compiled code was built, and warn once if it was not.

    RETURNS (bool): Whether it was.
    """
    global _warned
    if library is None and not _warned:
        _warned = True
        warnings.warn(
            f"spacy-rnn runs without its compiled CPU engine, many times slower: {problem}. Install a wheel, or reinstall from "
            f"source with a C++17 compiler; set {ENGINE_VARIABLE}=reference to use the slow engine without this warning",
            RuntimeWarning,
            stacklevel=2,
        )
    return library is not None


def is_float32(array: Any) -> bool:
    """Tell whether compiled code takes an array.

    array (Any): The array.
    RETURNS (bool): Whether it is NumPy's, and float32.
    """
    return type(array) is numpy.ndarray and array.dtype == FLOAT32


def _rounds(settings: Settings) -> bool:
    return settings.precision == "bfloat16" and not settings.is_train


def _run(sweeps: Sequence[Sweep], is_train: bool, bfloat16: bool, threads: int) -> Tuple[List[Result], Optional[EngineBackprop]]:
    """Execute the sweeps of the directions of a layer."""
    packed = [_packed.get(sweep.cell, sweep.params, bfloat16 and not is_train) for sweep in sweeps]
    forwards, results = [], []
    for sweep, weights in zip(sweeps, packed, strict=True):
        forward, result = _forward(sweep, weights, is_train)
        forwards.append(forward)
        results.append(result)
    side_by_side = threads > 1 and len(sweeps) > 1 and _work(sweeps[0]) >= MIN_WORK_OF_A_THREAD
    library.forward(forwards, side_by_side)
    if not is_train:
        return results, None

    def backprop(
        dYs: Sequence[Array], d_finals: Sequence[Optional[State]], into: Optional[Array] = None
    ) -> Tuple[Array, List[Grads], List[Dict[str, Array]]]:
        grads = [{name: numpy.empty(param.shape, "float32") for name, param in sweep.params.items()} for sweep in sweeps]
        d_initials = [{name: numpy.empty(sweep.state_shape, "float32") for name in sweep.cell.states} for sweep in sweeps]
        table = sweeps[0].X.table.rows if isinstance(sweeps[0].X, TableRows) else None
        dXs: List[Array] = [] if into is None else [into]
        backwards = []
        # The last direction first: what it has kept may still be in the cache.
        for i in reversed(range(len(sweeps))):
            adds = into is not None or (bool(dXs) and not side_by_side)
            if not adds:
                # Not all rows of a table are read.
                dXs.append(numpy.empty(sweeps[i].X.shape, "float32") if table is None else numpy.zeros(table.shape, "float32"))
            backwards.append(_backward(sweeps[i], forwards[i], dYs[i], d_finals[i], dXs[-1], adds, grads[i], d_initials[i]))
        library.backward(backwards, side_by_side and (into is None or (table is None and _are_apart(sweeps))))
        return sum(dXs[1:], dXs[0]), grads, d_initials

    return results, backprop


def _infer(
    cell: Cell, params: Sequence[Params], X: Union[Array, TableRows], lengths: numpy.ndarray, bfloat16: bool, threads: int
) -> Array:
    """Execute the sweeps of the directions of a layer for their outputs alone, with little overhead."""
    kept = tuple([_packed.peek(cell, each, bfloat16) for each in params])
    if None in kept:
        kept = tuple([_packed.get(cell, each, bfloat16) for each in params])
    nI, nH = params[0]["W"].shape[1], params[0]["R"].shape[1]
    if len(X.shape) != 2 or X.shape[1] != nI:
        raise ValueError(f"the rows of a batch: expected shape [N, {nI}], got {X.shape}")
    Y = numpy.empty((X.shape[0], len(params) * nH), "float32")
    work = X.shape[0] * (params[0]["W"].size + params[0]["R"].size)
    side_by_side = threads > 1 and len(params) > 1 and work >= MIN_WORK_OF_A_THREAD
    run = _run_rows if isinstance(X, TableRows) else _run_all
    if not run(kept, X, lengths, Y, side_by_side):
        run(tuple([_packed.get(cell, each, bfloat16) for each in params]), X, lengths, Y, side_by_side)
    return Y


def _run_all(weights: Tuple[Any, ...], X: Array, lengths: numpy.ndarray, Y: Array, threads: bool) -> bool:
    return library.infer(weights, _rows(X), lengths, Y, threads)


def _run_rows(weights: Tuple[Any, ...], X: TableRows, lengths: numpy.ndarray, Y: Array, threads: bool) -> bool:
    """Execute sweeps over rows of a table, whose projections are kept with it."""
    rows = _rows(X.table.rows)
    n = min(int(X.numbers.max()) + 1, len(rows)) if len(X.numbers) else 0
    projections = tuple([_project(X.table, rows, n, each) for each in weights])
    n_kept = min(map(len, projections))
    if n_kept < n and numpy.count_nonzero(X.numbers >= n_kept) * weights[0].projection_width > MAX_PROJECTED:
        return _run_all(weights, X.take(), lengths, Y, threads)
    return library.infer_rows(weights, rows, X.numbers, projections, lengths, Y, threads)


def _project(table: Table, rows: Array, n: int, weights: Any) -> Array:
    """Give the projections of the first rows of a table by one direction, as many as there is room for.

    While another thread adds some, there may be fewer."""
    width = weights.projection_width
    n = min(n, MAX_PROJECTIONS // width)
    kept, n_kept = table.kept.get(weights, (None, 0))
    if n_kept < n and table.lock.acquire(blocking=False):
        try:
            kept, n_kept = table.kept.get(weights, (None, 0))
            if kept is None or len(kept) < n:
                grown = numpy.empty((min(max(n, 2 * n_kept), MAX_PROJECTIONS // width), width), "float32")
                if kept is not None:
                    grown[:n_kept] = kept[:n_kept]
                kept = grown
            if n_kept < n:
                weights.project(rows[n_kept:n], kept[n_kept:n])
                n_kept = n
            table.kept[weights] = (kept, n_kept)
        finally:
            table.lock.release()
    return numpy.empty((0, width), "float32") if kept is None else kept[:n_kept]


class _PackedWeights:
    """Packed copies of parameters, kept while the parameters live.

    Packing costs a good part of a small batch. Copies are compared with the parameters number by number before they are used, so
    they are never stale, however the parameters were changed."""

    def __init__(self) -> None:
        self._kept: Dict[Tuple, Tuple[List[weakref.ref], Any]] = {}

    def peek(self, cell: Cell, params: Params, bfloat16: bool) -> Any:
        """Give what is kept for these arrays, or None. Whether they have been written to since is yet to be found out."""
        found = self._kept.get((cell.name, bfloat16, *map(id, params.values())))
        return None if found is None else found[1]

    def get(self, cell: Cell, params: Params, bfloat16: bool) -> Any:
        """Give the packed parameters.

        RAISES (ValueError): If they do not fit the cell.
        """
        check_parameters(cell, params)
        in_order = {name: params[name] for name in cell.parameters}
        found = self.peek(cell, in_order, bfloat16)
        if found is not None and found.unchanged():
            return found
        arrays = [whole(array) for array in in_order.values()]
        are_originals = all(kept is array for kept, array in zip(arrays, in_order.values(), strict=True))
        weights = library.Weights(cell.name, arrays, bfloat16, are_originals)
        if are_originals:
            key = (cell.name, bfloat16, *map(id, arrays))
            # As soon as one of the arrays is gone, its identity may become that of another.
            refs = [weakref.ref(array, lambda _: self._kept.pop(key, None)) for array in arrays]
            self._kept[key] = (refs, weights)
        return weights


_packed = _PackedWeights()


def _forward(sweep: Sweep, weights: Any, is_train: bool) -> Tuple[Any, Result]:
    first = {} if sweep.initial is None else {name: _rows(sweep.initial[name]) for name in sweep.cell.states}
    mask = None if sweep.mask is None else whole(sweep.mask)
    Y = numpy.empty((sweep.X.shape[0], sweep.state_shape[1]), "float32") if sweep.out is None else sweep.out
    final = {name: numpy.empty(sweep.state_shape, "float32") for name in sweep.cell.states}
    forward = library.ForwardSweep(
        weights,
        _rows(source(sweep.X)),
        *_plan(sweep.batch),
        sweep.reverse,
        first.get("h"),
        first.get("c"),
        mask,
        Y,
        final["h"],
        final.get("c"),
        is_train,
        sweep.X.numbers if isinstance(sweep.X, TableRows) else None,
    )
    return forward, Result(Y, final)


def _backward(
    sweep: Sweep,
    forward: Any,
    dY: Array,
    d_final: Optional[State],
    dX: Array,
    adds: bool,
    grads: Grads,
    d_initial: Dict[str, Array],
) -> Any:
    ends = {} if d_final is None else {name: whole(d_final[name]) for name in sweep.cell.states}
    return library.BackwardSweep(
        forward,
        _rows(dY),
        ends.get("h"),
        ends.get("c"),
        dX,
        adds,
        grads["W"].reshape(-1),
        grads["R"].reshape(-1),
        grads["b"],
        grads.get("bR"),
        grads.get("p"),
        d_initial["h"],
        d_initial.get("c"),
    )


def _plan(batch: Batch) -> Tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Give where sequences start, their lengths, and their order by decreasing length."""
    plan = batch.plans.get("cpu")
    if plan is None:
        start, order = numpy.empty(len(batch), "int64"), numpy.empty(len(batch), "int32")
        library.by_length(batch.lengths, start, order)
        plan = batch.plans["cpu"] = (start if batch.starts is None else batch.starts, batch.lengths, order)
    return plan


def _are_apart(sweeps: Sequence[Sweep]) -> bool:
    """Tell whether two sweeps over parts of the same sequences have no row in common, so that both may add to its gradient."""
    one, other = (sweep.batch for sweep in sweeps)
    assert one.starts is not None and other.starts is not None
    return not ((one.starts < other.starts + other.lengths) & (other.starts < one.starts + one.lengths)).any()


def _work(sweep: Sweep) -> int:
    return sweep.batch.n_rows * (sweep.params["W"].size + sweep.params["R"].size)


def _rows(array: numpy.ndarray) -> numpy.ndarray:
    """Give rows whose numbers stand side by side; how far the rows are apart does not matter."""
    if array.dtype == FLOAT32 and array.strides[1] == 4 and array.strides[0] % 4 == 0 and array.flags.aligned:
        return array
    return whole(array)


def whole(array: numpy.ndarray) -> numpy.ndarray:
    """Give an array as compiled code reads it: in one piece, where a processor may read its numbers.

    array (numpy.ndarray): The array.
    RETURNS (numpy.ndarray): float32, in row-major order; itself if it is that.
    """
    flags = array.flags
    # Most are, and to ask NumPy takes longer than a small product.
    if is_float32(array) and flags.c_contiguous and flags.aligned:
        return array
    return numpy.require(array, "float32", ["C", "A"])
