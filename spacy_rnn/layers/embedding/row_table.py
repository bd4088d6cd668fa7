"""A table of rows."""

import numpy

from ...text.hashing import hash_rows

_START_ROWS = 1024
# At most a quarter of the positions holds a row, so that few rows have to be looked for further on.
_POSITIONS_PER_ROW = 4
_ABSENT = -1


class RowTable:
    """Distinct rows, numbered in the order in which they were inserted.

    A hash table with linear probing (Knuth 1998, "The art of computer programming" 3, section 6.4, algorithm L) that takes many
    rows at a time. Rows are compared in full, so that those with the same hash are told apart."""

    def __init__(self, width: int) -> None:
        """Make an empty table.

        width (int): The number of columns of a row, at least 1.
        """
        self._width = width
        self._size = 0
        self._rows = numpy.zeros((_START_ROWS, width), dtype="uint64")
        self._place_all()

    def __len__(self) -> int:
        """RETURNS (int): The number of rows."""
        return self._size

    def lookup(self, keys: numpy.ndarray) -> numpy.ndarray:
        """Find rows.

        keys (numpy.ndarray): uint64 [N, width], the rows.
        RETURNS (numpy.ndarray): int32 [N], the number of each row, -1 if it is not in the table.
        """
        wanted, rows = _as_items(keys), _as_items(self._rows)
        positions = self._home(keys)
        found = self._numbers.take(positions)
        # The number -1 of an empty position takes the last row, whatever it is; the search has ended there.
        others = numpy.flatnonzero((rows.take(found) != wanted) & (found >= 0))
        positions = positions.take(others)
        while others.size:
            positions = (positions + 1) & self._last
            numbers = self._numbers.take(positions)
            found[others] = numbers
            again = (rows.take(numbers) != wanted.take(others)) & (numbers >= 0)
            others, positions = others[again], positions[again]
        return found

    def insert(self, keys: numpy.ndarray) -> numpy.ndarray:
        """Add rows.

        keys (numpy.ndarray): uint64 [N, width], the rows: distinct, and none of them in the table.
        RETURNS (numpy.ndarray): int32 [N], the number of each row: those after the rows that were there.
        """
        numbers = numpy.arange(self._size, self._size + len(keys), dtype="int32")
        self._size += len(keys)
        if self._size > len(self._rows):
            grown = numpy.zeros((max(self._size, 2 * len(self._rows)), self._width), dtype="uint64")
            grown[: numbers[0]] = self._rows[: numbers[0]]
            grown[numbers] = keys
            self._rows = grown
            self._place_all()
        else:
            self._rows[numbers] = keys
            self._place(keys, numbers)
        return numbers

    def _place_all(self) -> None:
        bits = (_POSITIONS_PER_ROW * len(self._rows) - 1).bit_length()
        self._last = (1 << bits) - 1
        self._shift = numpy.asarray(64 - bits, dtype="uint64")
        self._numbers = numpy.full(1 << bits, _ABSENT, dtype="int32")
        self._place(self._rows[: self._size], numpy.arange(self._size, dtype="int32"))

    def _place(self, keys: numpy.ndarray, numbers: numpy.ndarray) -> None:
        positions = self._home(keys)
        while numbers.size:
            free = self._numbers.take(positions) == _ABSENT
            self._numbers[positions[free]] = numbers[free]
            # Of several rows that came to one free position, one has it now.
            lost = self._numbers.take(positions) != numbers
            positions, numbers = (positions[lost] + 1) & self._last, numbers[lost]

    def _home(self, keys: numpy.ndarray) -> numpy.ndarray:
        """Give the position where the search for each row begins."""
        return (hash_rows(keys) >> self._shift).astype("int64")


def _as_items(keys: numpy.ndarray) -> numpy.ndarray:
    """Give each row as one item, which NumPy compares as a whole."""
    return numpy.ascontiguousarray(keys).view(f"V{8 * keys.shape[1]}").reshape(-1)
