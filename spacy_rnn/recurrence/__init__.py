"""The mathematics of one recurrent sweep over a ragged batch: arrays in, arrays out."""

from .cells import CELLS, Cell, get_cell
from .engine import select_engine, sweep
from .packing import as_lengths

__all__ = ["CELLS", "Cell", "as_lengths", "get_cell", "select_engine", "sweep"]
