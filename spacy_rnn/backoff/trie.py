"""The n-grams of all orders as a tree."""

from typing import Iterator, List, NamedTuple, Tuple

import numpy

from .reference import find_ngrams

# Nodes that are worked on at a time.
_PIECE = 1 << 18


class Trie(NamedTuple):
    """The n-grams of all orders as a tree: the children of a context are the symbols that follow it.

    Nodes are numbered from the root, 0, order by order, within an order as their symbols sort. So the children of a node follow
    each other, and those of the next node follow them. All symbols are children of the root: symbol s is node s + 1.

    order (int): The highest order.
    sizes (Tuple[int, ...]): The number of n-grams of each order.
    symbols (numpy.ndarray): int32 [n_nodes], the last symbol of each n-gram; -1 of the root.
    first (numpy.ndarray): uint32 [n_contexts + 1], the first child of each node of lower than the highest order; then the number
        of nodes.
    links (numpy.ndarray): uint32 [n_nodes], the longest suffix of each n-gram, except itself, that is a node.
    """

    order: int
    sizes: Tuple[int, ...]
    symbols: numpy.ndarray
    first: numpy.ndarray
    links: numpy.ndarray

    @property
    def n_symbols(self) -> int:
        """RETURNS (int): V."""
        return self.sizes[0]

    @property
    def n_contexts(self) -> int:
        """RETURNS (int): The number of nodes of lower than the highest order."""
        return len(self.first) - 1

    def level(self, order: int) -> Tuple[int, int]:
        """Find the nodes of an order.

        order (int): The order; 0 is that of the root.
        RETURNS (Tuple[int, int]): The first one, and the one after the last one.
        """
        begin = 0 if order == 0 else 1 + sum(self.sizes[: order - 1])
        return begin, begin + (1 if order == 0 else self.sizes[order - 1])

    def pieces(self, order: int) -> Iterator["Piece"]:
        """Go through the nodes of an order, context by context, a bounded number at a time unless one context has more children.

        order (int): The order, from 1.
        YIELDS (Piece): Contexts that follow each other, and their children.
        """
        begin, end = self.level(order - 1)
        while begin < end:
            # As many contexts as have so many children.
            ends = self.first[begin + 1 : end + 1]
            limit = numpy.uint32(min(int(self.first[begin]) + _PIECE, 0xFFFFFFFF))
            after = begin + min(max(1, int(numpy.searchsorted(ends, limit, side="right"))), _PIECE)
            yield Piece(self.first, begin, after)
            begin = after

    def ngrams(self, order: int, nodes: slice) -> numpy.ndarray:
        """List the symbols of n-grams.

        order (int): Their order, from 1.
        nodes (slice): Which they are.
        RETURNS (numpy.ndarray): int32 [n, order].
        """
        return find_ngrams(self.symbols, self.first, order, nodes.start, nodes.stop)

    def beginning_with(self, symbol: int) -> List[Tuple[int, int]]:
        """Find the n-grams that begin with a symbol.

        symbol (int): The symbol.
        RETURNS (List[Tuple[int, int]]): Of each order, the first one, and the one after the last one.
        """
        spans = [(symbol + 1, symbol + 2)]
        for _ in range(self.order - 1):
            begin, end = spans[-1]
            spans.append((int(self.first[begin]), int(self.first[end])))
        return spans


class Piece:
    """Contexts that follow each other, and their children."""

    def __init__(self, first: numpy.ndarray, begin: int, end: int) -> None:
        """Take contexts.

        first (numpy.ndarray): uint32 [n_contexts + 1], the first child of each.
        begin, end (int): The first one, and the one after the last one.
        """
        bounds = first[begin : end + 1].astype("int64")
        self.contexts = slice(begin, end)
        self.children = slice(int(bounds[0]), int(bounds[-1]))
        self._starts = bounds[:-1] - bounds[0]
        self._n_children = numpy.diff(bounds)

    def parents(self) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): int64 [n children], the context of each child, counted from the first one."""
        return numpy.repeat(numpy.arange(len(self._n_children)), self._n_children)

    def spread(self, values: numpy.ndarray) -> numpy.ndarray:
        """Give each child what belongs to its context.

        values (numpy.ndarray): [n contexts].
        RETURNS (numpy.ndarray): [n children].
        """
        return numpy.repeat(values, self._n_children)

    def sum(self, values: numpy.ndarray) -> numpy.ndarray:
        """Add up what belongs to the children of each context.

        values (numpy.ndarray): [n children].
        RETURNS (numpy.ndarray): float64 [n contexts].
        """
        sums = numpy.zeros(len(self._n_children))
        has = self._n_children > 0
        if has.any():
            sums[has] = numpy.add.reduceat(values.astype("float64", copy=False), self._starts[has])
        return sums
