"""Counting the n-grams of texts of any length in bounded memory."""

from typing import Iterator, NamedTuple, Optional

import numpy

from ..generation import END, START
from . import engine
from .packing import Packing
from .runs import Runs
from .trie import Trie

DEFAULT_MEMORY = 1 << 29


class NGramCounts(NamedTuple):
    """How often n-grams occur.

    trie (Trie): The n-grams of all orders.
    counts (numpy.ndarray): uint32 [n_nodes], how often each occurs.
    extensions (numpy.ndarray): uint32 [n_contexts], after how many different symbols each occurs that is of lower than the
        highest order.
    """

    trie: Trie
    counts: numpy.ndarray
    extensions: numpy.ndarray


class NGramCounter:
    """Count the n-grams of texts.

    In memory there are windows of symbols. When they fill it, they are sorted, and equal ones become one; if that does not make
    room, they go to a temporary file, and all files are merged in the end.
    """

    def __init__(self, order: int, n_symbols: int, *, max_memory: int = DEFAULT_MEMORY, folder: Optional[str] = None) -> None:
        """Begin to count.

        order (int): The highest order of n-grams, 1 to 16.
        n_symbols (int): V, how many symbols there are: unknown (0), start (1), end (2), and others.
        max_memory (int): Bytes that windows may take. The counts that are made of them take 16 to 20 bytes an n-gram on top.
        folder (Optional[str]): Where temporary files go; if None, where Python's `tempfile` puts them.
        RAISES (ValueError): If an argument is out of range.
        """
        if n_symbols <= END:
            raise ValueError(
                f"n_symbols counts what is unknown, start and end, so it must be at least {END + 1}, got {n_symbols}"
            )
        self._packing, self._n_symbols = Packing.of(order, n_symbols), n_symbols
        row = 8 * self._packing.width
        self._capacity = max_memory // row
        if self._capacity < 4:
            raise ValueError(f"max_memory must be at least {4 * row} bytes, got {max_memory}")
        self._rows = numpy.empty((0, self._packing.width), "uint64")
        self._n = 0
        self._runs = Runs(self._packing.width, self._capacity, folder)
        self._is_usable = True

    def add(self, numbers: numpy.ndarray) -> None:
        """Count the n-grams of a text.

        numbers (numpy.ndarray): Integers [n], its symbols; neither start nor end is among them.
        RAISES (ValueError): If there is no such symbol, or the counter cannot be used any more.
        RAISES (OSError): If a temporary file cannot be written.
        """
        self._require_usable()
        text = self._as_text(numbers)
        self._is_usable = False
        begin = 0
        while begin < len(text):
            n = min(self._make_room(len(text) - begin), len(text) - begin)
            # Windows begin at n symbols, but reach further.
            piece = text[begin : begin + n + self._packing.order - 1]
            if len(piece) == n:
                self._pack(piece, self._rows[self._n : self._n + n])
            else:
                rows = numpy.empty((len(piece), self._packing.width), "uint64")
                self._pack(piece, rows)
                self._rows[self._n : self._n + n] = rows[:n]
            self._n += n
            begin += n
        self._is_usable = True

    def finish(self) -> NGramCounts:
        """Sum up.

        RETURNS (NGramCounts): How often all n-grams of all texts occur. The counter cannot be used any more.
        RAISES (ValueError): If it was used up before.
        RAISES (OSError): If a temporary file cannot be written.
        """
        self._require_usable()
        self._is_usable = False
        try:
            self._compress()
            if self._runs.is_empty:
                return self._fill([self._rows[: self._n]])
            self._spill()
            self._rows = self._rows[:0].copy()
            self._runs.merge()
            return self._fill(None)
        finally:
            self._rows = self._rows[:0].copy()
            self._runs.close()

    def _require_usable(self) -> None:
        if not self._is_usable:
            raise ValueError("this counter has been used up, or was interrupted: begin with a new one")

    def _as_text(self, numbers: numpy.ndarray) -> numpy.ndarray:
        numbers = numpy.asarray(numbers)
        if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
            raise ValueError(f"expected integers [n], got {numbers.dtype} {list(numbers.shape)}")
        wrong = (numbers < 0) | (numbers >= self._n_symbols) | (numbers == START) | (numbers == END)
        if wrong.any():
            raise ValueError(f"symbol {numbers[wrong][0]} is start, end, or not one of {self._n_symbols}")
        return numpy.concatenate([[START], numbers, [END]]).astype("int32")

    def _pack(self, text: numpy.ndarray, rows: numpy.ndarray) -> None:
        engine.functions.pack_windows(text, self._packing.order, self._packing.bits, rows)

    def _make_room(self, wanted: int) -> int:
        """Give how many windows there is room for, one at least."""
        if self._n == self._capacity:
            self._compress()
            if self._n > self._capacity // 2:
                self._spill()
        if self._n + wanted > len(self._rows) < self._capacity:
            size = 2 * max(len(self._rows), self._n + wanted)
            # Rows and their copy must fit, so no size is between half of the capacity and all.
            size = size if size <= self._capacity // 2 else self._capacity
            grown = numpy.empty((size, self._packing.width), "uint64")
            grown[: self._n] = self._rows[: self._n]
            self._rows = grown
        return len(self._rows) - self._n

    def _compress(self) -> None:
        self._n = engine.functions.sort_rows(self._rows[: self._n])

    def _spill(self) -> None:
        self._runs.add(self._rows[: self._n])
        self._n = 0

    def _blocks(self, rows: Optional[list]) -> Iterator[numpy.ndarray]:
        return iter(rows) if rows is not None else self._runs.read()

    def _fill(self, rows: Optional[list]) -> NGramCounts:
        """Make a tree of rows in memory, or of those on the disk if None."""
        order, n_symbols = self._packing.order, self._n_symbols
        filler = engine.functions.TrieFiller(order, self._packing.bits, n_symbols)
        for block in self._blocks(rows):
            filler.count(block)
        sizes = tuple(filler.sizes())
        n_nodes = 1 + sum(sizes)
        if n_nodes >= 2**32:
            raise ValueError(f"there are {n_nodes - 1} n-grams, more than {2**32 - 2}: choose a lower order")
        n_contexts = n_nodes - sizes[-1]
        symbols, counts, first = (
            numpy.empty(n_nodes, "int32"),
            numpy.empty(n_nodes, "uint32"),
            numpy.empty(n_contexts + 1, "uint32"),
        )
        filler.begin(symbols, counts, first)
        for block in self._blocks(rows):
            filler.fill(block)
        filler.end()
        self._rows = self._rows[:0].copy()
        links, extensions = numpy.empty(n_nodes, "uint32"), numpy.empty(n_contexts, "uint32")
        engine.functions.find_links(n_symbols, symbols, first, links, extensions)
        return NGramCounts(Trie(order, sizes, symbols, first, links), counts, extensions)
