"""The mathematics of one recurrent sweep over a ragged batch: arrays in, arrays out."""

from .cells import CELLS, Cell, get_cell
from .checkpoint import Backpropagation
from .engine import infer_outputs, run_sweeps, select_engine, sweep, use_engine, use_threads
from .interface import Backprop, Result, Sweep
from .packing import Batch, as_lengths

__all__ = [
    "CELLS",
    "Backprop",
    "Backpropagation",
    "Batch",
    "Cell",
    "Result",
    "Sweep",
    "as_lengths",
    "get_cell",
    "infer_outputs",
    "run_sweeps",
    "select_engine",
    "sweep",
    "use_engine",
    "use_threads",
]
