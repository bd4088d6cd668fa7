"""A bounded cache of vectors."""

import os
import threading
from typing import Any, Optional, Sequence, Tuple
from weakref import WeakSet

import numpy
from thinc.types import Floats2d
from thinc.util import get_array_module

from ...recurrence import Table
from .row_table import RowTable
from .sources import Sources

_START_VECTORS = 1024


class VectorCache:
    """A cache of vectors by rows of keys, valid while what they are computed from stays the same.

    It holds at most `size` vectors; when more come, it starts again with these. A copy or a pickle of a cache is an empty one of
    the same size.

    What vectors are computed from is compared as `Sources` does.
    """

    def __init__(self, size: int) -> None:
        """Make an empty cache.

        size (int): The largest number of vectors.
        """
        self.size = size
        # Whether there may be a gradient that an optimizer is yet to use.
        self.in_training = True
        self._lock = threading.Lock()
        self._sources: Sources
        self._keys: Optional[RowTable]
        self._table: Optional[Table]
        self._reset(())
        _CACHES.add(self)

    def __reduce__(self) -> Tuple[Any, ...]:
        return VectorCache, (self.size,)

    def __len__(self) -> int:
        """RETURNS (int): The number of vectors."""
        return 0 if self._keys is None else len(self._keys)

    def clear(self) -> None:
        """Forget all vectors."""
        with self._lock:
            self._reset(())

    def begin_training(self) -> None:
        """Forget all vectors, since the arrays they were computed from are going to be written to."""
        self.in_training = True
        self.clear()

    def lookup(self, sources: Sequence[Any], keys: numpy.ndarray) -> Tuple[Optional[Table], numpy.ndarray]:
        """Find vectors. If they were computed from something else, they are forgotten.

        sources (Sequence[Any]): What vectors are computed from: arrays, other objects, and integers.
        keys (numpy.ndarray): uint64 [N, A], the rows.
        RETURNS (Tuple[Optional[Table], numpy.ndarray]): The table of the vectors, another one after vectors have been forgotten;
            None if there are no vectors. And int64 [N], the number of each, -1 where it is missing.
        """
        with self._lock:
            if not self._sources.are(sources):
                self._reset(())
            if self._keys is None:
                return None, numpy.full(len(keys), -1)
            return self._table, self._keys.lookup(keys).astype("int64")

    def add(self, sources: Sequence[Any], keys: numpy.ndarray, vectors: Floats2d) -> None:
        """Keep vectors, as many as there is room for.

        sources (Sequence[Any]): What they were computed from.
        keys (numpy.ndarray): uint64 [D, A], the rows, all different.
        vectors (Floats2d): [D, width], the vectors.
        """
        keys, vectors = keys[: self.size], vectors[: self.size]
        with self._lock:
            if not self._sources.are(sources):
                self._reset(sources)
            # Another thread may have added some of them.
            absent = numpy.arange(len(keys)) if self._keys is None else numpy.flatnonzero(self._keys.lookup(keys) < 0)
            if len(self) + len(absent) > self.size:
                self._reset(sources)
                absent = numpy.arange(len(keys))
            self._store(vectors[get_array_module(vectors).asarray(absent)])
            if self._keys is None:
                self._keys = RowTable(keys.shape[1])
            self._keys.insert(keys[absent])

    def _store(self, vectors: Floats2d) -> None:
        """Append the vectors of the rows that are inserted next."""
        n_old, n_new = len(self), len(self) + len(vectors)
        if self._table is None or n_new > len(self._table.rows):
            room = min(max(2 * n_new, _START_VECTORS), self.size)
            grown = get_array_module(vectors).empty((room, vectors.shape[1]), dtype=vectors.dtype)
            if self._table is None:
                self._table = Table(grown)
            else:
                grown[:n_old] = self._table.rows[:n_old]
                self._table.rows = grown
        self._table.rows[n_old:n_new] = vectors

    def _reset(self, sources: Sequence[Any]) -> None:
        self._sources = Sources(sources)
        self._keys = None
        self._table = None


def _after_fork() -> None:
    """Renew the locks of all caches in a forked process, and clear the caches that were locked.

    A lock that another thread held at the fork would never be released, and the cache may be half written. `Lock.locked` does not
    tell: a thread that has just been given a lock is not yet seen to have it."""
    for cache in list(_CACHES):
        is_free = cache._lock.acquire(blocking=False)
        cache._lock = threading.Lock()
        if not is_free:
            cache.clear()
        elif cache._table is not None:
            cache._table.renew()


_CACHES: "WeakSet[VectorCache]" = WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
