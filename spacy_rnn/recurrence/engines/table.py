"""The engines of recurrences, and which of them executes what."""

from typing import FrozenSet, Optional

from ..cells import Array, Cell, Params
from ..interface import Engine
from .cpu import CpuEngine
from .cuda import CudaEngine
from .reference import ReferenceEngine
from .registry import Engines

ENGINES: Engines[Engine] = Engines(CudaEngine(), CpuEngine(), ReferenceEngine())


def select_engine(cell: Cell, X: Array, params: Optional[Params] = None) -> Engine:
    """Pick the engine that executes a recurrence.

    cell (Cell): The cell.
    X (Array): The rows of the batch.
    params (Optional[Mapping[str, Array]]): The parameters; taken to be like X if None.
    RETURNS (Engine): The engine.
    RAISES (ValueError): If the one that `use_engine` or the environment names cannot execute it.
    """
    return ENGINES.select(cell, X, params or {})


def known_precisions() -> FrozenSet[str]:
    """List the precisions that some engine has, on other devices perhaps.

    RETURNS (FrozenSet[str]): Their names.
    """
    return frozenset().union(*(engine.precisions(is_train=True) for engine in ENGINES))


def require_precision(engine: Engine, precision: str, is_train: bool) -> None:
    """Refuse a precision that an engine does not have.

    engine (Engine): The engine.
    precision (str): The precision.
    is_train (bool): Whether in training.
    RAISES (ValueError): If it does not have it, or if none has.
    """
    if precision in engine.precisions(is_train):
        return
    if precision not in known_precisions():
        raise ValueError(f"unknown precision {precision!r}: expected one of {', '.join(sorted(known_precisions()))}")
    own = ", ".join(sorted(engine.precisions(is_train)))
    raise ValueError(
        f"precision {precision!r} is none of the engine {engine.name!r}, which has {own}: "
        "use 'float32', the default; or float32 arrays and the compiled CPU engine, or a GPU of compute capability 8.0 or more"
    )
