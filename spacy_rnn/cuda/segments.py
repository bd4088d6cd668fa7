"""Sums and maxima of rows, in kernels that wait for nothing: what segments they are over is known on the host."""

from functools import cache
from typing import Any, Tuple

import numpy

# Of each kernel what it reads and writes, its code, which runs once for number i of what it writes, and its name.
SUM = (
    "raw T rows, raw int32 index, raw int32 ends, int32 width",
    "T sums",
    """
    const int segment = i / width;
    const int column = i - (ptrdiff_t)segment * width;
    T sum = 0;
    #pragma unroll 4
    for (int k = segment ? ends[segment - 1] : 0; k < ends[segment]; ++k) sum += rows[(ptrdiff_t)index[k] * width + column];
    sums = sum;
    """,
    "spacy_rnn_sum_segments",
)
MAXIMUM = (
    "raw T rows, raw int32 ends, int32 width",
    "T maxima, int32 which",
    """
    const int segment = i / width;
    const int column = i - (ptrdiff_t)segment * width;
    const int start = segment ? ends[segment - 1] : 0;
    T best = rows[(ptrdiff_t)start * width + column];
    which = start;
    // What is not a number stays.
    for (int k = start + 1; k < ends[segment] && best == best; ++k) {
        const T value = rows[(ptrdiff_t)k * width + column];
        if (!(value <= best)) {
            best = value;
            which = k;
        }
    }
    maxima = best;
    """,
    "spacy_rnn_max_segments",
)


def sum_segments(xp: Any, rows: Any, index: numpy.ndarray, ends: numpy.ndarray) -> Any:
    """Sum the rows that the numbers of each segment of an index name, in their order, so that the sums are the same in every run.

    xp (Any): `cupy`.
    rows (cupy.ndarray): [N, width].
    index (numpy.ndarray): Integers from 0 to N - 1 [K].
    ends (numpy.ndarray): Integers [n], where in the index each segment ends; it begins where the one before it ends.
    RETURNS (cupy.ndarray): [n, width], the sums; zeros where a segment is empty.
    """
    sums = xp.empty((len(ends), rows.shape[1]), rows.dtype)
    given = (xp.ascontiguousarray(rows), xp.asarray(index, "int32"), xp.asarray(ends, "int32"), rows.shape[1])
    _kernel(xp, SUM)(*given, sums)
    return sums


def max_segments(xp: Any, rows: Any, ends: numpy.ndarray) -> Tuple[Any, Any]:
    """Find the maxima of rows that follow each other.

    xp (Any): `cupy`.
    rows (cupy.ndarray): [N, width].
    ends (numpy.ndarray): Integers [n], behind which row each segment ends. None is empty.
    RETURNS (Tuple[cupy.ndarray, cupy.ndarray]): [n, width], the maxima, NaN if there is one; and int32 [n, width], the first rows
        that have them.
    """
    shape = (len(ends), rows.shape[1])
    maxima, which = xp.empty(shape, rows.dtype), xp.empty(shape, "int32")
    _kernel(xp, MAXIMUM)(xp.ascontiguousarray(rows), xp.asarray(ends, "int32"), rows.shape[1], maxima, which)
    return maxima, which


@cache
def _kernel(xp: Any, description: Tuple[str, str, str, str]) -> Any:
    """Make a kernel. CuPy compiles it when it is first called."""
    return xp.ElementwiseKernel(*description)
