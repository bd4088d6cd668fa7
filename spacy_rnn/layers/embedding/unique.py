"""The distinct rows of a batch."""

from typing import Tuple

import numpy

from ...text.hashing import hash_rows


def distinct_rows(keys: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Find the distinct rows, in the order in which they first appear.

    keys (numpy.ndarray): uint64 [N, A], A >= 1.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): int64 [D], where each distinct row first appears; and int64 [N], which of
        the distinct rows each row is, so that `keys[first][inverse]` is `keys`.
    """
    _, first, inverse = numpy.unique(hash_rows(keys), return_index=True, return_inverse=True)
    if not numpy.array_equal(keys.take(first.take(inverse), axis=0), keys):
        # Different rows have the same hash.
        _, first, inverse = numpy.unique(keys, axis=0, return_index=True, return_inverse=True)
        inverse = inverse.reshape(-1)
    order = numpy.argsort(first)
    rank = numpy.empty_like(order)
    rank[order] = numpy.arange(len(order))
    return first[order].astype("int64", copy=False), rank.take(inverse).astype("int64", copy=False)
