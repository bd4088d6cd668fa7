"""Rows that are taken from a table, where equal ones of a batch are one row of it."""

import threading
from typing import Any, NamedTuple, Tuple
from weakref import WeakKeyDictionary

import numpy
from thinc.util import get_array_module

from .cells import Array


class Table:
    """Rows that batches take by their numbers. Rows may be added at the end, but they never change.

    rows (Array): [V, nI] or more, where those at the end may be yet to come. It may be replaced by a longer array.
    kept (WeakKeyDictionary): What engines compute from the rows, each by what it computes with; gone with that, or the table.
    lock (threading.Lock): Held while `kept` is changed.
    """

    __slots__ = ("rows", "kept", "lock")

    def __init__(self, rows: Array) -> None:
        """Make a table.

        rows (Array): [V, nI], the first rows.
        """
        self.rows = rows
        self.renew()

    def renew(self) -> None:
        """Forget what engines have kept, e.g. in a forked process, where a lock may never be released."""
        self.kept: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        self.lock = threading.Lock()


class TableRows(NamedTuple):
    """The rows of a batch, taken from a table.

    table (Table): The table.
    numbers (numpy.ndarray): int64 [N], which rows of it they are, on the host.
    """

    table: Table
    numbers: numpy.ndarray

    @property
    def shape(self) -> Tuple[int, int]:
        """RETURNS (Tuple[int, int]): That of the rows, [N, nI]."""
        return len(self.numbers), self.table.rows.shape[1]

    def take(self) -> Array:
        """RETURNS (Array): [N, nI], the rows of the batch by themselves."""
        rows = self.table.rows
        xp = get_array_module(rows)
        return xp.take(rows, xp.asarray(self.numbers), axis=0)
