"""The order in which a sweep visits the rows of a ragged batch."""

from dataclasses import dataclass
from typing import Any, Dict, Optional

import numpy


@dataclass(frozen=True)
class Packing:
    """A ragged batch seen time step by time step, sequences in decreasing length, so that those still running come first.

    order (numpy.ndarray): int64 [B], the sequences by decreasing length; equal lengths keep their order.
    sizes (numpy.ndarray): int64 [T], how many sequences are still running at each time step.
    offsets (numpy.ndarray): int64 [T + 1], where a time step's rows start in the packed order.
    index (numpy.ndarray): int64 [N], the row of the batch that stands at each packed position.
    """

    order: numpy.ndarray
    sizes: numpy.ndarray
    offsets: numpy.ndarray
    index: numpy.ndarray


class Batch:
    """A ragged batch: its lengths, and what engines find out about them, which directions and layers that sweep it share.

    lengths (numpy.ndarray): int32 [B], the number of rows of each sequence, on the host.
    n_rows (int): The number of rows of the batch.
    starts (Optional[numpy.ndarray]): int64 [B], the first row of each sequence, where they are parts of longer ones, in an array
        of more rows; None where sequences follow each other from row 0.
    plans (Dict[Any, Any]): What engines keep, each under a key of its own.
    """

    __slots__ = ("lengths", "n_rows", "starts", "plans")

    def __init__(self, lengths: Any, n_rows: int, starts: Optional[numpy.ndarray] = None) -> None:
        """Check the lengths.

        lengths (Sequence[int]): The number of rows of each sequence, on the host.
        n_rows (int): The number of rows of the batch.
        starts (Optional[numpy.ndarray]): int64 [B], the first row of each sequence, where they are parts of longer ones.
        RAISES (ValueError): As `as_lengths`.
        """
        self.lengths = as_lengths(lengths, n_rows)
        self.n_rows = n_rows
        self.starts = starts
        self.plans: Dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self) -> numpy.ndarray:
        """Say where the rows of the batch are, where it has `starts`.

        RETURNS (numpy.ndarray): int64 [N], one sequence after the other.
        """
        assert self.starts is not None
        before = self.lengths.cumsum(dtype="int64") - self.lengths
        return numpy.repeat(self.starts - before, self.lengths) + numpy.arange(self.n_rows)


def whole_lengths(lengths: Any) -> numpy.ndarray:
    """Give lengths as the engines take them.

    lengths (Sequence[int]): The number of rows of each sequence, on the host.
    RETURNS (numpy.ndarray): int32 [B]; the array itself if it is one.
    RAISES (ValueError): If a length is no whole number, or too large a one.
    """
    lengths = numpy.asarray(lengths)
    if lengths.ndim != 1 or (lengths.size and lengths.dtype.kind not in "iu"):
        raise ValueError(f"lengths are whole numbers [B], got {lengths.dtype} of shape {lengths.shape}")
    if lengths.dtype == numpy.int32:
        return lengths
    limits = numpy.iinfo("int32")
    if lengths.size and not (limits.min <= lengths.min() and lengths.max() <= limits.max):
        raise ValueError(f"a length is at most {limits.max}, got {int(lengths.max())}")
    return lengths.astype("int32")


def as_lengths(lengths: Any, n_rows: int) -> numpy.ndarray:
    """Check the lengths of a ragged batch.

    lengths (Sequence[int]): The number of rows of each sequence, on the host.
    n_rows (int): The number of rows of the batch.
    RETURNS (numpy.ndarray): int32 [B].
    RAISES (ValueError): As `whole_lengths`, or if the lengths do not add up to the rows.
    """
    # A copy: what was checked is not to change.
    lengths = whole_lengths(lengths).copy()
    if lengths.size and lengths.min() < 0:
        raise ValueError(f"lengths must not be negative, got {int(lengths.min())}")
    total = int(lengths.sum(dtype="int64"))
    if total != n_rows:
        raise ValueError(f"lengths add up to {total}, but the batch has {n_rows} rows")
    return lengths


def pack(batch: Batch, reverse: bool) -> Packing:
    """Plan a sweep over a ragged batch.

    batch (Batch): The batch.
    reverse (bool): Whether each sequence is read from its last row to its first.
    RETURNS (Packing): The plan.
    """
    lengths = batch.lengths.astype("int64")
    starts = numpy.cumsum(lengths) - lengths if batch.starts is None else batch.starts
    order = numpy.argsort(-lengths, kind="stable")
    n_steps = int(lengths.max()) if lengths.size else 0
    # Sequences still running at step t are those with more than t rows.
    ended = numpy.bincount(lengths, minlength=n_steps + 1)[:n_steps].cumsum()
    sizes = lengths.size - ended
    offsets = numpy.concatenate(([0], numpy.cumsum(sizes))).astype("int64")
    step = numpy.repeat(numpy.arange(n_steps), sizes)
    sequence = order[numpy.arange(offsets[-1]) - offsets[step]]
    position = lengths[sequence] - 1 - step if reverse else step
    return Packing(order, sizes, offsets, starts[sequence] + position)
