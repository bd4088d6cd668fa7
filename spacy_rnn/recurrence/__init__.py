"""The mathematics of one recurrent sweep over a ragged batch: arrays in, arrays out."""

from .cells import CELLS, Cell, get_cell
from .packing import as_lengths
from .sweep import select_engine, sweep

__all__ = ["CELLS", "Cell", "as_lengths", "get_cell", "select_engine", "sweep"]
