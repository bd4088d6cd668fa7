"""Large batches, cut into parts of bounded size."""

from typing import List, NamedTuple

import numpy


class BatchPart(NamedTuple):
    """Some time steps of some sequences of a batch.

    sequences (slice): Which sequences.
    rows (numpy.ndarray): int64 [P], which rows of the batch.
    lengths (numpy.ndarray): int32 [sequences], how many of them each of these sequences has.
    is_whole (bool): Whether the sequences have no other rows.
    is_first (bool): Whether the sequences begin with it.
    """

    sequences: slice
    rows: numpy.ndarray
    lengths: numpy.ndarray
    is_whole: bool
    is_first: bool


def cut_batch(lengths: numpy.ndarray, n_rows: int) -> List[BatchPart]:
    """Cut a batch into parts: some whole sequences at a time, or some time steps of one that is longer.

    Whether a sequence is cut, and where, does not depend on the others. Its parts follow each other.

    lengths (numpy.ndarray): int32 [B].
    n_rows (int): How many rows a part has at most.
    RETURNS (List[BatchPart]): The parts.
    """
    ends = numpy.cumsum(lengths, dtype="int64")
    parts, first = [], 0
    while first < len(lengths):
        begin = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(numpy.searchsorted(ends, begin + n_rows, side="right")))
        end = int(ends[last - 1])
        sequences = slice(first, last)
        if end - begin <= n_rows:
            parts.append(BatchPart(sequences, numpy.arange(begin, end), lengths[sequences].astype("int32"), True, True))
        else:
            for start in range(begin, end, n_rows):
                rows = numpy.arange(start, min(start + n_rows, end))
                parts.append(BatchPart(sequences, rows, numpy.asarray([len(rows)], dtype="int32"), False, start == begin))
        first = last
    return parts
