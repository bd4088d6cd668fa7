"""Sorting more rows than memory has room for."""

import tempfile
from typing import IO, Any, Iterator, List, Optional, Tuple

import numpy

from . import engine

# A block of a run that is merged has at least so many rows.
_LEAST = 256


class Runs:
    """Sorted rows on the disk, in runs that become one.

    A row is some words of 64 bits, by which it is sorted, and a count; rows that differ in that only become one.
    """

    def __init__(self, width: int, capacity: int, folder: Optional[str] = None) -> None:
        """Begin without any.

        width (int): The number of words of a row, its count included.
        capacity (int): How many rows may be in memory at a time.
        folder (Optional[str]): Where files go; if None, where Python's `tempfile` puts them.
        """
        self._width, self._capacity, self._folder = width, capacity, folder
        self._file: Optional[IO[bytes]] = None
        # Of each run where it begins and ends, in rows.
        self._spans: List[Tuple[int, int]] = []

    @property
    def is_empty(self) -> bool:
        """RETURNS (bool): Whether there are none."""
        return not self._spans

    def add(self, rows: numpy.ndarray) -> None:
        """Write a run.

        rows (numpy.ndarray): uint64 [n, width], sorted.
        RAISES (OSError): If the disk is full.
        """
        if self._file is None:
            self._file = self._open()
        begin = self._spans[-1][1] if self._spans else 0
        _write(self._file, rows)
        self._spans.append((begin, begin + len(rows)))

    def merge(self) -> None:
        """Make one run of all.

        RAISES (OSError): If the disk is full.
        """
        # Blocks take half of the memory, since what is taken from them is sorted beside them.
        most = max(2, self._capacity // (2 * _LEAST))
        while len(self._spans) > 1:
            merged, spans, end = self._open(), [], 0
            try:
                for i in range(0, len(self._spans), most):
                    begin = end
                    for rows in self._merge(self._spans[i : i + most]):
                        _write(merged, rows)
                        end += len(rows)
                    spans.append((begin, end))
            except BaseException:
                merged.close()
                raise
            self.close()
            self._file, self._spans = merged, spans

    def read(self) -> Iterator[numpy.ndarray]:
        """Read the one run, once all are merged.

        YIELDS (numpy.ndarray): uint64 [n, width], rows that follow each other.
        """
        for begin, end in self._spans:
            for at in range(begin, end, self._capacity):
                yield self._read(at, min(at + self._capacity, end))

    def close(self) -> None:
        """Delete what is on the disk."""
        if self._file is not None:
            self._file.close()
        self._file, self._spans = None, []

    def _merge(self, spans: List[Tuple[int, int]]) -> Iterator[numpy.ndarray]:
        size = max(self._capacity // (2 * len(spans)), 1)
        left = [[begin, end] for begin, end in spans]
        blocks = [numpy.empty((0, self._width), "uint64") for _ in spans]
        while True:
            for i, (begin, end) in enumerate(left):
                if not len(blocks[i]) and begin < end:
                    blocks[i] = self._read(begin, min(begin + size, end))
                    left[i][0] += len(blocks[i])
            # No row that is still on the disk comes before the last one of a block of its run.
            lasts = [_key(block[-1]) for block, (begin, end) in zip(blocks, left, strict=True) if len(block) and begin < end]
            taken = []
            for i, block in enumerate(blocks):
                n = _upper_bound(block, min(lasts)) if lasts else len(block)
                taken.append(block[:n])
                blocks[i] = block[n:]
            rows = numpy.concatenate(taken)
            if len(rows):
                yield rows[: engine.functions.sort_rows(rows)]
            elif not lasts:
                return

    def _open(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self._folder)

    def _read(self, begin: int, end: int) -> numpy.ndarray:
        rows: Any = numpy.empty((end - begin, self._width), "uint64")
        assert self._file is not None
        self._file.seek(begin * self._width * 8)
        if self._file.readinto(memoryview(rows).cast("B")) != rows.nbytes:  # type: ignore[attr-defined]
            raise OSError(f"a temporary file of n-grams has been cut off in {self._folder or tempfile.gettempdir()}")
        return rows


def _write(file: IO[bytes], rows: numpy.ndarray) -> None:
    if len(rows):
        file.write(numpy.ascontiguousarray(rows).data.cast("B"))


def _key(row: numpy.ndarray) -> Tuple[int, ...]:
    return tuple(row[:-1].tolist())


def _upper_bound(rows: numpy.ndarray, key: Tuple[int, ...]) -> int:
    """Count the rows that do not come after a key."""
    begin, end = 0, len(rows)
    while begin < end:
        middle = (begin + end) // 2
        if _key(rows[middle]) <= key:
            begin = middle + 1
        else:
            end = middle
    return begin
