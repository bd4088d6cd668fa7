"""Sums of rows, the same in every run, without a word from a device."""

import numpy
from thinc.api import NumpyOps, Ops
from thinc.types import Floats2d

from ...cuda.segments import sum_segments


def sum_rows(ops: Ops, rows: Floats2d, index: numpy.ndarray, n: int) -> Floats2d:
    """Add each row to those rows of an array of zeros that its index names: the gradient of taking rows out of a table.

    The additions have an order of their own: atomic ones, as of Thinc's `scatter_add` on a GPU, come in any order, and the last
    bits of their sums with them.

    ops (Ops): The backend of the rows.
    rows (Floats2d): [N, width], the rows.
    index (numpy.ndarray): Integers from 0 to n - 1, on the host: [N], or [N, k] where a row is added to k rows.
    n (int): The number of rows of the result.
    RETURNS (Floats2d): [n, width], the sums.
    """
    index = index if index.ndim == 2 else index[:, numpy.newaxis]
    if not isinstance(ops, NumpyOps):
        targets = index.reshape(-1)
        order = numpy.argsort(targets, kind="stable")
        return sum_segments(ops.xp, rows, order // index.shape[1], numpy.cumsum(numpy.bincount(targets, minlength=n)))
    sums = ops.xp.zeros((n, rows.shape[1]), dtype=rows.dtype)
    for column in numpy.ascontiguousarray(index.T, dtype="int32"):
        ops.scatter_add(sums, column, rows)
    return sums


def take_sums(ops: Ops, table: Floats2d, index: numpy.ndarray) -> Floats2d:
    """Take rows out of a table, and sum those that belong together.

    Thinc's `gather_add` on a GPU waits until the device has checked the index.

    ops (Ops): The backend of the table.
    table (Floats2d): [n, width].
    index (numpy.ndarray): Integers from 0 to n - 1, on the host: [N, k].
    RETURNS (Floats2d): [N, width], the sums of k rows.
    """
    if isinstance(ops, NumpyOps):
        return ops.gather_add(table, index)
    return sum_segments(ops.xp, table, index.reshape(-1), numpy.arange(1, len(index) + 1) * index.shape[1])
