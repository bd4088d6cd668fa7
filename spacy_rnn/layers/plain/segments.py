"""Sums, means and maxima over the rows of each sequence."""

from functools import cached_property
from typing import Any, Callable, Tuple

import numpy
from thinc.api import NumpyOps, Ops
from thinc.types import Floats2d

from ...cuda.segments import max_segments, sum_segments

Reduced = Tuple[Floats2d, Callable[[Floats2d], Floats2d]]


class Segments:
    """The rows of sequences, none of which is empty, by Thinc's operations."""

    def __init__(self, ops: Ops, lengths: numpy.ndarray) -> None:
        """Say where the sequences are.

        ops (Ops): The backend of the rows.
        lengths (numpy.ndarray): int32 [B], on the host, the number of rows of each sequence, at least 1.
        """
        self.ops = ops
        self.lengths: Any = lengths

    @cached_property
    def sequence(self) -> Any:
        """RETURNS (Ints1d): [N], the sequence of each row, where the rows are."""
        return self.ops.xp.asarray(numpy.repeat(numpy.arange(len(self.lengths)), self.lengths))

    def spread(self, vectors: Floats2d) -> Floats2d:
        """Give each row what belongs to its sequence.

        vectors (Floats2d): [B, width].
        RETURNS (Floats2d): [N, width].
        """
        return vectors[self.sequence]

    def sum(self, X: Floats2d) -> Floats2d:
        """Sum the rows of each sequence.

        X (Floats2d): [N, width].
        RETURNS (Floats2d): [B, width].
        """
        return self.ops.reduce_sum(X, self.lengths)

    def mean(self, X: Floats2d) -> Reduced:
        """Find the mean of the rows of each sequence.

        X (Floats2d): [N, width].
        RETURNS (Tuple[Floats2d, Callable]): [B, width], and its backpropagation.
        """
        return self.ops.reduce_mean(X, self.lengths), lambda dY: self.ops.backprop_reduce_mean(dY, self.lengths)

    def max(self, X: Floats2d) -> Reduced:
        """Find the maximum of the rows of each sequence.

        X (Floats2d): [N, width].
        RETURNS (Tuple[Floats2d, Callable]): [B, width], and its backpropagation.
        """
        Y, which = self.ops.reduce_max(X, self.lengths)
        return Y, lambda dY: self.ops.backprop_reduce_max(dY, which, self.lengths)


class DeviceSegments(Segments):
    """The same on a device. Thinc's operations would wait until it has checked the lengths, at every call."""

    def __init__(self, ops: Ops, lengths: numpy.ndarray) -> None:
        super().__init__(ops, lengths)
        self.ends = numpy.cumsum(lengths)

    def sum(self, X: Floats2d) -> Floats2d:
        return sum_segments(self.ops.xp, X, numpy.arange(X.shape[0]), self.ends)

    def mean(self, X: Floats2d) -> Reduced:
        lengths: Any = self.ops.xp.asarray(self.lengths[:, numpy.newaxis], dtype=X.dtype)
        return self.sum(X) / lengths, lambda dY: self.spread(dY / lengths)

    def max(self, X: Floats2d) -> Reduced:
        xp = self.ops.xp
        Y, which = max_segments(xp, X, self.ends)

        def backprop(dY: Floats2d) -> Floats2d:
            dX = xp.zeros_like(X)
            dX[which, xp.arange(X.shape[1])] = dY
            return dX

        return Y, backprop


def make_segments(ops: Ops, lengths: numpy.ndarray) -> Segments:
    """Choose how rows are reduced.

    ops (Ops): The backend of the rows.
    lengths (numpy.ndarray): int32 [B], on the host, the number of rows of each sequence, at least 1.
    RETURNS (Segments): The sequences.
    """
    return Segments(ops, lengths) if isinstance(ops, NumpyOps) else DeviceSegments(ops, lengths)
