"""How windows of symbols are packed into rows that sort as they do."""

from typing import NamedTuple

import numpy

MAX_ORDER = 16


class Packing(NamedTuple):
    """How the symbols of a window stand in a row of 64-bit words.

    A symbol is its number and one more, the first in the highest bits; 0 stands where the text has ended. The last word of a row
    is its count.

    order (int): The number of symbols of a window, at most 16.
    bits (int): Those of a symbol.
    """

    order: int
    bits: int

    @classmethod
    def of(cls, order: int, n_symbols: int) -> "Packing":
        """Find out how many bits symbols need.

        order (int): The number of symbols of a window.
        n_symbols (int): V, how many symbols there are.
        RETURNS (Packing): The packing.
        RAISES (ValueError): If there can be no such windows.
        """
        check_order(order)
        if not 1 <= n_symbols < 2**31 - 1:
            raise ValueError(f"n_symbols must be from 1 to {2**31 - 2}, got {n_symbols}")
        return cls(order, n_symbols.bit_length())

    @property
    def in_word(self) -> int:
        """RETURNS (int): How many symbols a word has room for."""
        return 64 // self.bits

    @property
    def words(self) -> int:
        """RETURNS (int): How many words the symbols take."""
        return -(-self.order // self.in_word)

    @property
    def width(self) -> int:
        """RETURNS (int): How many words a row has, its count included."""
        return self.words + 1

    def shift(self, place: int) -> numpy.uint64:
        """Say where in its word a symbol stands.

        place (int): Its place in the window.
        RETURNS (numpy.uint64): How many bits there are below it.
        """
        return numpy.uint64(64 - self.bits * (place % self.in_word + 1))

    def unpack(self, rows: numpy.ndarray) -> numpy.ndarray:
        """Take the symbols out of rows.

        rows (numpy.ndarray): uint64 [n, width].
        RETURNS (numpy.ndarray): int32 [n, order]; -1 where the text has ended.
        """
        mask = numpy.uint64((1 << self.bits) - 1)
        symbols = numpy.empty((len(rows), self.order), "int32")
        for place in range(self.order):
            symbols[:, place] = ((rows[:, place // self.in_word] >> self.shift(place)) & mask).astype("int64") - 1
        return symbols


def check_order(order: int) -> None:
    """Check the order of a model.

    order (int): The highest order of its n-grams.
    RAISES (ValueError): If it is out of range.
    """
    if not isinstance(order, (int, numpy.integer)) or not 1 <= order <= MAX_ORDER:
        raise ValueError(f"order must be a whole number from 1 to {MAX_ORDER}, got {order!r}")
