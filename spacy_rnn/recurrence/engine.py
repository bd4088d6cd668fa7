"""Recurrent sweeps over a ragged batch, on whatever engine suits their arrays."""

import os
import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from thinc.util import get_array_module

from ..native import problem
from . import checkpoint, cpu, cuda, reference
from .cells import Array, Cell, Grads, Params, State
from .checkpoint import Backpropagation
from .checks import check_directions, check_gradients, check_parameters, check_sweeps
from .interface import Backprop, EngineBackprop, Result, Sweep
from .packing import Batch

# "auto" takes the fastest engine that can execute a sweep, "reference" the one that is written to be read.
ENGINES = ("auto", "reference")
ENGINE_VARIABLE = "SPACY_RNN_ENGINE"

PRECISIONS = ("float32", "tf32", "bfloat16")

THREADS_VARIABLE = "SPACY_RNN_THREADS"

DEFAULT_BACKPROPAGATION = Backpropagation()

_engine: ContextVar[Optional[str]] = ContextVar("spacy_rnn_engine", default=None)
_threads: ContextVar[Optional[int]] = ContextVar("spacy_rnn_threads", default=None)


@contextmanager
def use_engine(name: str) -> Iterator[None]:
    """Execute sweeps on an engine inside a `with` block, whatever the environment variable SPACY_RNN_ENGINE says. It holds for
    the thread that enters it, not for those that this one starts.

    name (str): "auto" for the fastest engine that can execute a sweep, or "reference".
    RAISES (ValueError): If there is no such engine.
    """
    token = _engine.set(_known_engine(name))
    try:
        yield
    finally:
        _engine.reset(token)


@contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Allow sweeps some threads inside a `with` block, whatever the environment variable SPACY_RNN_THREADS says. With two, the
    directions of a bidirectional layer run side by side where the batch is large enough. It holds for the thread that enters it.

    n (int): The number of threads.
    RAISES (ValueError): If it is less than 1.
    """
    token = _threads.set(_positive(n))
    try:
        yield
    finally:
        _threads.reset(token)


def select_engine(X: Array, params: Optional[Params] = None) -> Any:
    """Pick the engine that executes a sweep over an array.

    X (Array): The rows of the batch.
    params (Optional[Mapping[str, Array]]): The parameters.
    RETURNS (Any): The engine's module.
    """
    if (_engine.get() or _default_engine) == "auto":
        if cuda.supports(X, params or {}):
            return cuda
        if cpu.supports(X, params or {}):
            if cpu.library is not None:
                return cpu
            _warn_of_missing_engine()
    return reference


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
    backpropagation: Backpropagation = DEFAULT_BACKPROPAGATION,
) -> Tuple[Array, Dict[str, Array], Optional[Callable]]:
    """Run one direction of one recurrent layer over a ragged batch.

    cell (Cell): The cell.
    params (Mapping[str, Array]): The parameters, gate-major, shaped as `cell.parameter_shapes` says. float32 or float64.
    X (Array): [N, nI], the rows of all sequences, one sequence after the other.
    lengths (Sequence[int]): [B], the number of rows of each sequence, on the host.
    initial (Optional[Mapping[str, Array]]): The state before the first step, an array [B, nH] for each of `cell.states`;
        zeros if None.
    mask (Optional[Array]): [B, nH], multiplies the hidden state of each sequence where it enters a recurrent product.
    reverse (bool): Whether each sequence is read from its last row to its first.
    is_train (bool): Whether backpropagation follows. Parameters, X and the output must then stay as they are until it.
    backpropagation (Backpropagation): How it goes.
    RETURNS (Tuple[Array, Dict[str, Array], Optional[Callable]]): The hidden state at every row [N, nH]; the state after the last
        step of each sequence, an array [B, nH] for each of `cell.states` (of a sequence with no rows: its initial state); and, if
        is_train, a function (dY [N, nH], gradient of the final state or None) -> (dX [N, nI], gradients of the parameters by
        name, gradients of the initial state by name).
    RAISES (ValueError): If a shape does not fit.
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

    sweeps (Sequence[Sweep]): At least one, over the same rows and batch.
    is_train (bool): Whether backpropagation follows. Parameters, X and the outputs must then stay as they are until it.
    precision (str): "bfloat16" to round the factors of products, on the CPU in inference alone; or "tf32" to do it on a GPU.
    backpropagation (Backpropagation): How it goes.
    RETURNS (Tuple[List[Result], Optional[Backprop]]): The result of each sweep; and, if is_train, a function (the dY [N, nH]
        of each sweep, the gradient of the final state or None of each) -> (dX [N, nI], for each sweep the gradients of its
        parameters and those of its initial state by name).
    RAISES (ValueError): If a shape does not fit, if the sweeps are not those of one layer, or if the engine cannot do the
        precision.
    """
    check_sweeps(sweeps)
    _check_precision(precision)
    X, batch = sweeps[0].X, sweeps[0].batch
    engine, xp = select_engine(X, sweeps[0].params), get_array_module(X)
    if engine is reference:
        _refuse_bfloat16(precision, is_train)
    execute = partial(_execute, engine, xp, precision, is_train)
    if not is_train:
        return execute(sweeps, False)[0], None
    run_backprop: Optional[Backprop]
    piece_rows, truncate = backpropagation.piece_rows(batch.n_rows, engine.tape(sweeps)), backpropagation.truncate_gradient
    if piece_rows is None and not truncate:
        results, run_backprop = execute(sweeps, True)
    else:
        results, run_backprop = checkpoint.run(xp, execute, sweeps, piece_rows, truncate)
    assert run_backprop is not None

    def backprop(dYs: Sequence[Array], d_finals: Sequence[Optional[State]]) -> Tuple[Array, List[Grads], List[Dict[str, Array]]]:
        check_gradients(sweeps, dYs, d_finals)
        return run_backprop(dYs, d_finals)

    return results, backprop


def _execute(
    engine: Any, xp: Any, precision: str, is_train: bool, sweeps: Sequence[Sweep], keeps: bool
) -> Tuple[List[Result], Optional[EngineBackprop]]:
    """Let an engine run sweeps.

    engine (Any): The engine's module.
    xp (Any): The array module.
    precision (str): The precision.
    is_train (bool): Whether backpropagation follows, at once or when the sweeps have been run again.
    sweeps (Sequence[Sweep]): The sweeps.
    keeps (bool): Whether to keep what backpropagation needs.
    RETURNS (Tuple[List[Result], Optional[EngineBackprop]]): The results, and the way back if it is kept.
    """
    if engine is cpu:
        return cpu.run(sweeps, keeps, precision == "bfloat16" and not is_train, _n_threads())
    if engine is cuda:
        return cuda.run(sweeps, keeps, precision)
    return reference.run(xp, sweeps, keeps)


def infer_outputs(cell: Cell, params: Sequence[Params], X: Array, lengths: Any, *, precision: str = "float32") -> Array:
    """Run the directions of one recurrent layer from a state of zeros, for their outputs alone: the quickest way for small
    batches.

    cell (Cell): The cell.
    params (Sequence[Mapping[str, Array]]): The parameters of the forward direction, and of the backward one if there is one.
    X (Array): [N, nI], the rows of all sequences.
    lengths (numpy.ndarray): int32 [B], the number of rows of each sequence, on the host.
    precision (str): "bfloat16" to round the factors of products; or "tf32" to do it on a GPU.
    RETURNS (Array): [N, directions · nH], the hidden states of the directions side by side.
    RAISES (ValueError): If a shape does not fit, or if the engine cannot do the precision.
    """
    _check_precision(precision)
    if select_engine(X, params[0]) is cpu:
        return cpu.infer(cell, params, X, lengths, precision == "bfloat16", _n_threads())
    for each in params:
        check_parameters(cell, each)
    check_directions(params)
    batch, nH = Batch(lengths, X.shape[0]), params[0]["R"].shape[1]
    Y = get_array_module(X).empty((X.shape[0], len(params) * nH), dtype=X.dtype)
    columns = [Y[:, d * nH : (d + 1) * nH] for d in range(len(params))]
    sweeps = [Sweep(cell, each, X, batch, reverse=d == 1, out=columns[d]) for d, each in enumerate(params)]
    run_sweeps(sweeps, is_train=False, precision=precision)
    return Y


def _n_threads() -> int:
    return _threads.get() or _default_threads


def _known_engine(name: str) -> str:
    if name not in ENGINES:
        raise ValueError(f"unknown engine {name!r}: expected one of {', '.join(ENGINES)}")
    return name


def _engine_of(setting: str) -> str:
    try:
        return _known_engine(setting)
    except ValueError as error:
        raise ValueError(f"{ENGINE_VARIABLE}: {error}") from error


def _check_precision(precision: str) -> None:
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: expected one of {', '.join(PRECISIONS)}")


def _positive(n: int) -> int:
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"the number of threads must be a whole number, at least 1, got {n!r}")
    return n


def _threads_of(setting: str) -> int:
    try:
        return _positive(int(setting))
    except ValueError as error:
        raise ValueError(f"{THREADS_VARIABLE} is a number of threads, at least 1, got {setting!r}") from error


_default_engine = _engine_of(os.environ.get(ENGINE_VARIABLE) or "auto")
_default_threads = _threads_of(os.environ.get(THREADS_VARIABLE) or "1")


def _refuse_bfloat16(precision: str, is_train: bool) -> None:
    if precision == "bfloat16" and not is_train:
        raise ValueError(
            "precision 'bfloat16' needs float32 arrays, and the compiled CPU engine or a GPU; use 'float32', the default"
        )


_warned = False


def _warn_of_missing_engine() -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            f"spacy-rnn runs without its compiled CPU engine, many times slower: {problem}. Install a wheel, or reinstall from "
            f"source with a C++17 compiler; set {ENGINE_VARIABLE}=reference to use the slow engine without this warning",
            RuntimeWarning,
            stacklevel=2,
        )
