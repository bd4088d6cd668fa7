"""Sums of rows, the same in every run."""

import numpy
from thinc.api import NumpyOps, Ops
from thinc.types import Floats2d


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
    sums = ops.xp.zeros((n, rows.shape[1]), dtype=rows.dtype)
    if isinstance(ops, NumpyOps):
        for targets in numpy.ascontiguousarray(index.T, dtype="int32"):
            ops.scatter_add(sums, targets, rows)
    elif len(rows):
        order = numpy.argsort(index.reshape(-1), kind="stable")
        targets, counts = numpy.unique(index, return_counts=True)
        sorted_rows = rows[ops.xp.asarray(order // index.shape[1])]
        sums[ops.xp.asarray(targets)] = ops.reduce_sum(sorted_rows, ops.asarray1i(counts.tolist()))
    return sums
