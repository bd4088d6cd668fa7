"""The mathematics of one recurrent sweep over a ragged batch: arrays in, arrays out."""

from .cells import CELLS, Cell, get_cell, register_cell
from .checkpoint import Backpropagation
from .engines.base import BaseEngine
from .engines.registry import Engines, use_engine
from .engines.table import ENGINES, known_precisions, select_engine
from .interface import Backprop, Engine, Generated, Result, Session, Settings, StackSession, Sweep, SymbolStack, Tape
from .packing import Batch, as_lengths
from .sessions import reorder, session, stack_session
from .sweeps import infer_outputs, run_sweeps, sweep
from .tables import Table, TableRows
from .threads import use_threads

__all__ = [
    "CELLS",
    "ENGINES",
    "Backprop",
    "Backpropagation",
    "BaseEngine",
    "Batch",
    "Cell",
    "Engine",
    "Engines",
    "Generated",
    "Result",
    "Session",
    "Settings",
    "StackSession",
    "Sweep",
    "SymbolStack",
    "Table",
    "TableRows",
    "Tape",
    "as_lengths",
    "get_cell",
    "infer_outputs",
    "known_precisions",
    "register_cell",
    "reorder",
    "run_sweeps",
    "select_engine",
    "session",
    "stack_session",
    "sweep",
    "use_engine",
    "use_threads",
]
