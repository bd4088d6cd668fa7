"""What the compiled engine does for n-grams, in plain array operations: the same functions, for where there is no compiler."""

from typing import List, Optional, Tuple

import numpy

from .packing import Packing

# Rows of `predict` and windows that are worked on at a time.
_PIECE = 4096


def pack_windows(symbols: numpy.ndarray, order: int, bits: int, rows: numpy.ndarray) -> None:
    """Pack the windows that begin at each symbol of a text.

    symbols (numpy.ndarray): int32 [n].
    order (int): How many symbols a window has.
    bits (int): Those of a symbol.
    rows (numpy.ndarray): uint64 [n, width], written.
    """
    packing, n = Packing(order, bits), len(symbols)
    rows[:] = 0
    rows[:, -1] = 1
    numbers = symbols.astype("uint64") + numpy.uint64(1)
    for place in range(min(order, n)):
        rows[: n - place, place // packing.in_word] |= numbers[place:] << packing.shift(place)


def sort_rows(rows: numpy.ndarray) -> int:
    """Sort rows, and make one of those that are equal but for their counts.

    rows (numpy.ndarray): uint64 [n, words + 1], written.
    RETURNS (int): How many rows are left, which are the first ones.
    """
    if not len(rows):
        return 0
    rows[:] = rows[numpy.lexsort(rows[:, -2::-1].T)]
    is_new = numpy.append(True, (rows[1:, :-1] != rows[:-1, :-1]).any(axis=1))
    starts = numpy.flatnonzero(is_new)
    counts = numpy.add.reduceat(rows[:, -1], starts)
    rows[: len(starts)] = rows[starts]
    rows[: len(starts), -1] = counts
    return len(starts)


class TrieFiller:
    """Make a tree of sorted rows, in pieces: all are counted, then all are filled in."""

    def __init__(self, order: int, bits: int, n_symbols: int) -> None:
        """Begin.

        order, bits (int): How the rows are packed.
        n_symbols (int): V.
        """
        self._packing, self._n_symbols = Packing(order, bits), n_symbols
        self._sizes = [n_symbols, *[0] * (order - 1)]
        self._last = numpy.full(order, -1, "int32")

    def _new(self, rows: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Unpack rows; tell which of their symbols are the last of n-grams that are not those of the row before."""
        symbols = self._packing.unpack(rows)
        before = numpy.vstack([self._last[None], symbols[:-1]])
        differs = numpy.logical_or.accumulate(symbols != before, axis=1)
        self._last = symbols[-1]
        return symbols, differs & (symbols >= 0)

    def count(self, rows: numpy.ndarray) -> None:
        """Count the nodes of rows.

        rows (numpy.ndarray): uint64 [n, width].
        """
        if len(rows):
            _, is_new = self._new(rows)
            for place in range(1, self._packing.order):
                self._sizes[place] += int(is_new[:, place].sum())

    def sizes(self) -> List[int]:
        """RETURNS (List[int]): The number of n-grams of each order."""
        return list(self._sizes)

    def begin(self, symbols: numpy.ndarray, counts: numpy.ndarray, first: numpy.ndarray) -> None:
        """Say where the nodes go.

        symbols, counts (numpy.ndarray): int32 and uint32 [n_nodes].
        first (numpy.ndarray): uint32 [n_contexts + 1].
        """
        self._symbols, self._counts, self._first = symbols, counts, first
        self._n_children = numpy.zeros(len(first) - 1, "int64")
        self._sums = numpy.zeros(len(symbols), "int64")
        self._last = numpy.full(self._packing.order, -1, "int32")
        self._next = [1 + self._n_symbols]
        for size in self._sizes[1:]:
            self._next.append(self._next[-1] + size)
        self._open = numpy.zeros(self._packing.order + 1, "int64")
        symbols[0], symbols[1 : self._n_symbols + 1] = -1, numpy.arange(self._n_symbols)
        self._n_children[0] = self._n_symbols

    def fill(self, rows: numpy.ndarray) -> None:
        """Fill nodes in.

        rows (numpy.ndarray): uint64 [n, width], those that were counted, in the same order.
        RAISES (ValueError): If a count is too high.
        """
        if not len(rows):
            return
        symbols, is_new = self._new(rows)
        parents = numpy.zeros(len(rows), "int64")
        for place in range(self._packing.order):
            reaches = symbols[:, place] >= 0
            if place == 0:
                nodes = symbols[:, 0].astype("int64") + 1
            else:
                begin = self._next[place - 1]
                new = is_new[:, place]
                nodes = begin + numpy.cumsum(new) - 1
                # Before the first one, the last one of the piece before goes on.
                nodes[nodes < begin] = self._open[place]
                self._symbols[nodes[new]] = symbols[new, place]
                numpy.add.at(self._n_children, parents[new], 1)
                self._next[place - 1] += int(new.sum())
            self._open[place] = nodes[-1]
            numpy.add.at(self._sums, nodes[reaches], rows[reaches, -1].astype("int64"))
            parents = nodes

    def end(self) -> None:
        """Complete the tree.

        RAISES (ValueError): If a count is too high.
        """
        if self._sums.max() > 0xFFFFFFFF:
            raise ValueError("an n-gram occurs more than 4294967295 times")
        self._counts[:] = self._sums
        self._first[0] = 1
        self._first[1:] = 1 + numpy.cumsum(self._n_children)


def find_links(
    n_symbols: int, symbols: numpy.ndarray, first: numpy.ndarray, links: numpy.ndarray, extensions: numpy.ndarray
) -> None:
    """Find the longest suffix of each node that is a node.

    n_symbols (int): V.
    symbols (numpy.ndarray): int32 [n_nodes].
    first (numpy.ndarray): uint32 [n_contexts + 1].
    links (numpy.ndarray): uint32 [n_nodes], written.
    extensions (numpy.ndarray): uint32 [n_contexts], written: of how many nodes each context is the longest suffix.
    """
    children = _Children(n_symbols, symbols, first)
    links[: n_symbols + 1] = 0
    begin, end = 1, n_symbols + 1
    while begin < min(end, len(first) - 1):
        # The children of an order's nodes are the nodes of the next one.
        begin, end, above = int(first[begin]), int(first[min(end, len(first) - 1)]), (begin, end)
        parents = numpy.repeat(numpy.arange(*above), numpy.diff(first[above[0] : above[1] + 1].astype("int64")))
        shorter, found = links[parents].astype("int64"), numpy.zeros(end - begin, "int64")
        left = numpy.arange(end - begin)
        while len(left):
            found[left] = children.find(shorter[left], symbols[begin + left])
            left = left[found[left] == 0]
            shorter[left] = links[shorter[left]]
        links[begin:end] = found
    extensions[:] = numpy.bincount(links[n_symbols + 1 :], minlength=len(extensions))


class _Children:
    """Look children up."""

    def __init__(self, n_symbols: int, symbols: numpy.ndarray, first: numpy.ndarray) -> None:
        n_children = numpy.diff(first.astype("int64"))
        self._n_symbols = n_symbols
        self._keys = numpy.repeat(numpy.arange(len(n_children)), n_children) * n_symbols + symbols[1:]

    def find(self, contexts: numpy.ndarray, symbols: numpy.ndarray) -> numpy.ndarray:
        """Give the children, int64 [n], or 0."""
        keys = contexts.astype("int64") * self._n_symbols + symbols
        at = numpy.minimum(numpy.searchsorted(self._keys, keys), len(self._keys) - 1)
        return numpy.where(self._keys[at] == keys, at + 1, 0)


class LineWriter:
    """Write n-grams as lines of an ARPA file."""

    def __init__(self, n_symbols: int, symbols: numpy.ndarray, first: numpy.ndarray, names: List[bytes]) -> None:
        """Take a tree.

        n_symbols (int): V.
        symbols, first (numpy.ndarray): See `find_links`.
        names (List[bytes]): How symbols are written.
        """
        self._symbols, self._first, self._names = symbols, first, names

    def format(self, order: int, begin: int, logarithms: numpy.ndarray, weights: Optional[numpy.ndarray]) -> bytes:
        """Write n-grams of an order that follow each other.

        order (int): Their order.
        begin (int): The first one.
        logarithms (numpy.ndarray): int64 [n], those of their probabilities, in 10^-7.
        weights (Optional[numpy.ndarray]): int64 [n], the logarithms of their back-off weights, if they have some.
        RETURNS (bytes): The lines.
        """
        ngrams = find_ngrams(self._symbols, self._first, order, begin, begin + len(logarithms)).tolist()
        fields = [[_decimal(number) for number in logarithms.tolist()]]
        fields.append([b" ".join([self._names[symbol] for symbol in ngram]) for ngram in ngrams])
        if weights is not None:
            fields.append([_decimal(number) for number in weights.tolist()])
        return b"".join([b"\t".join(line) + b"\n" for line in zip(*fields, strict=True)])


class BackoffQuery:
    """A back-off model, ready to be asked."""

    def __init__(
        self,
        order: int,
        n_symbols: int,
        symbols: numpy.ndarray,
        first: numpy.ndarray,
        links: numpy.ndarray,
        log_probabilities: numpy.ndarray,
        backoffs: numpy.ndarray,
    ) -> None:
        """Take a model.

        order (int): The highest order of its n-grams.
        n_symbols (int): V.
        symbols, first, links (numpy.ndarray): Its tree: see `find_links`.
        log_probabilities, backoffs (numpy.ndarray): float32 [n_nodes], [n_contexts].
        """
        self._n_symbols = n_symbols
        self._symbols, self._first, self._links = symbols, first, links
        self._log_probabilities, self._backoffs = log_probabilities, backoffs
        self._children = _Children(n_symbols, symbols, first)

    def _look_up(self, contexts: numpy.ndarray, symbols: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Look symbols up after contexts: their log-probabilities, float64 [n], and the contexts after them."""
        contexts, weights = contexts.copy(), numpy.zeros(len(contexts))
        nodes = self._children.find(contexts, symbols)
        left = numpy.flatnonzero(nodes == 0)
        while len(left):
            weights[left] += self._backoffs[contexts[left]]
            contexts[left] = self._links[contexts[left]]
            nodes[left] = self._children.find(contexts[left], symbols[left])
            left = left[nodes[left] == 0]
        contexts = numpy.where(nodes < len(self._backoffs), nodes, self._links[nodes])
        return weights + self._log_probabilities[nodes], contexts

    def _find_contexts(self, states: numpy.ndarray) -> numpy.ndarray:
        contexts = numpy.zeros(len(states), "int64")
        for column in states.T:
            contexts = numpy.where(column < 0, 0, self._look_up(contexts, numpy.maximum(column, 0))[1])
        return contexts

    def score(
        self,
        inputs: numpy.ndarray,
        targets: numpy.ndarray,
        lengths: numpy.ndarray,
        states: numpy.ndarray,
        log_probabilities: numpy.ndarray,
    ) -> None:
        """Score sequences.

        inputs, targets (numpy.ndarray): int32 [N].
        lengths (numpy.ndarray): int32 [B].
        states (numpy.ndarray): int32 [B, order - 1], the symbols before, written: those after.
        log_probabilities (numpy.ndarray): float32 [N], written.
        RAISES (ValueError): If there is no such symbol, or the lengths do not add up.
        """
        _require_symbols(self._n_symbols, inputs, targets)
        if not len(inputs) == len(targets) == lengths.sum():
            raise ValueError(f"lengths add up to {lengths.sum()}, but there are {len(inputs)} inputs and {len(targets)} targets")
        width = states.shape[1]
        last = 0
        for i, length in enumerate(lengths.tolist()):
            text = numpy.concatenate([states[i], inputs[last : last + length]])
            if length:
                windows = (
                    numpy.lib.stride_tricks.sliding_window_view(text, width)[1:] if width else numpy.zeros((length, 0), "int32")
                )
                for begin in range(0, length, _PIECE):
                    piece = slice(last + begin, last + min(begin + _PIECE, length))
                    contexts = self._find_contexts(windows[begin : begin + _PIECE])
                    log_probabilities[piece] = self._look_up(contexts, targets[piece])[0]
            states[i] = text[len(text) - width :]
            last += length

    def predict(self, states: numpy.ndarray, log_probabilities: numpy.ndarray) -> None:
        """Find the log-probabilities of what may come next.

        states (numpy.ndarray): int32 [B, order - 1], the symbols before.
        log_probabilities (numpy.ndarray): float32 [B, V], written.
        """
        symbols = numpy.arange(self._n_symbols)
        for row, context in zip(log_probabilities, self._find_contexts(states), strict=True):
            row[:] = self._look_up(numpy.full(self._n_symbols, context), symbols)[0]


def find_ngrams(symbols: numpy.ndarray, first: numpy.ndarray, order: int, begin: int, end: int) -> numpy.ndarray:
    """List the symbols of n-grams that follow each other.

    symbols, first (numpy.ndarray): See `find_links`.
    order (int): Their order.
    begin, end (int): The first one, and the one after the last one.
    RETURNS (numpy.ndarray): int32 [n, order].
    """
    found = numpy.empty((end - begin, order), "int32")
    nodes: numpy.ndarray = numpy.arange(begin, end)
    for place in reversed(range(order)):
        found[:, place] = symbols[nodes]
        # Contexts without children begin where the next one does.
        nodes = numpy.searchsorted(first, nodes.astype("uint32"), side="right") - 1
    return found


def _decimal(number: int) -> bytes:
    """Write a number of 10^-7, without zeros at its end."""
    whole, part = divmod(abs(number), 10**7)
    return (f"{'-' if number < 0 else ''}{whole}.{part:07d}".rstrip("0").rstrip(".")).encode("ascii")


def _require_symbols(n_symbols: int, *arrays: numpy.ndarray) -> None:
    for array in arrays:
        if array.size and (array.min() < 0 or array.max() >= n_symbols):
            wrong = array[(array < 0) | (array >= n_symbols)][0]
            raise ValueError(f"there is no symbol {wrong}: expected 0 to {n_symbols - 1}")
