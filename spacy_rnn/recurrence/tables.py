"""Rows that are taken from a table, where equal ones of a batch are one row of it."""

import threading
from typing import Any, NamedTuple, Tuple, Union
from weakref import WeakKeyDictionary

import numpy
from thinc.util import get_array_module

from ..cuda.segments import sum_segments
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

    @property
    def dtype(self) -> Any:
        """RETURNS (numpy.dtype): The type of the rows."""
        return self.table.rows.dtype

    def take(self) -> Array:
        """RETURNS (Array): [N, nI], the rows of the batch by themselves."""
        rows = self.table.rows
        xp = get_array_module(rows)
        return xp.take(rows, xp.asarray(self.numbers), axis=0)


# The rows of a batch, by themselves or of a table.
Rows = Union[Array, TableRows]


def source(X: Rows) -> Array:
    """Give the array that rows stand in.

    X (Rows): [N, nI].
    RETURNS (Array): X itself, or its table [V, nI].
    """
    return X.table.rows if isinstance(X, TableRows) else X


def part(X: Rows, index: Array) -> Rows:
    """Give some of the rows of a batch.

    X (Rows): [N, nI].
    index (Array): Integers [n], which ones.
    RETURNS (Rows): [n, nI], of the same table if X is.
    """
    if not isinstance(X, TableRows):
        return X[index]
    return X._replace(numbers=X.numbers[index.get() if hasattr(index, "get") else index])


def sum_by_number(rows: Array, numbers: numpy.ndarray, n: int) -> Array:
    """Sum rows that have the same number, in their order, so that the sums are the same in every run.

    This is the gradient of a table whose rows have been taken out.

    rows (Array): [N, width].
    numbers (numpy.ndarray): Integers from 0 to n - 1 [N], on the host.
    n (int): The number of sums.
    RETURNS (Array): [n, width], zeros where there is no row of that number.
    """
    xp: Any = get_array_module(rows)
    order = numpy.argsort(numbers, kind="stable")
    ends = numpy.cumsum(numpy.bincount(numbers, minlength=n))
    if xp is not numpy:
        return sum_segments(xp, rows, order, ends)
    sums = numpy.zeros((n, rows.shape[1]), dtype=rows.dtype)
    used = numpy.flatnonzero(numpy.diff(ends, prepend=0))
    if used.size:
        sums[used] = numpy.add.reduceat(rows[order], (ends - numpy.diff(ends, prepend=0))[used], axis=0)
    return sums
