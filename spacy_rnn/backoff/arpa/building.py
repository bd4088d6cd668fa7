"""Trees made of lists of n-grams."""

from typing import List, NamedTuple, Optional, Tuple

import numpy

from ..model import BackoffModel, make_trie


class NGramList(NamedTuple):
    """All n-grams of an order, in any order.

    symbols (numpy.ndarray): int32 [n, order].
    log_probabilities (numpy.ndarray): float32 [n], in nats.
    backoffs (numpy.ndarray): float32 [n], the logarithms of weights; not used of the highest order.
    """

    symbols: numpy.ndarray
    log_probabilities: numpy.ndarray
    backoffs: numpy.ndarray


class BadNGram(ValueError):
    """What is wrong with one of the n-grams."""

    def __init__(self, order: int, index: int, what: str) -> None:
        """Make the error.

        order (int): The n-gram's order.
        index (int): Its place in the list.
        what (str): What is wrong.
        """
        super().__init__(what)
        self.order, self.index = order, index


def build_model(n_symbols: int, lists: List[NGramList]) -> BackoffModel:
    """Make a back-off model of lists of n-grams.

    n_symbols (int): V.
    lists (List[NGramList]): Those of each order; of order 1 all symbols, by number.
    RETURNS (BackoffModel): The model.
    RAISES (BadNGram): If an n-gram is there twice, or its context is missing.
    """
    keys: List[numpy.ndarray] = []
    numbers, n_children, log_probabilities, backoffs = [], [], [numpy.zeros(1)], [numpy.zeros(1)]
    begins = [0, 1]
    for order, ngrams in enumerate(lists, 1):
        parents, missing = _find_contexts(ngrams.symbols, keys, begins, n_symbols)
        if missing is not None:
            raise BadNGram(order, missing, f"its context of {order - 1} symbols is missing")
        found = parents * n_symbols + ngrams.symbols[:, -1]
        rank = numpy.argsort(found, kind="stable")
        keys.append(found[rank])
        twice = numpy.flatnonzero(keys[-1][1:] == keys[-1][:-1])
        if len(twice):
            raise BadNGram(order, int(rank[twice[0] + 1]), "this n-gram is there twice")
        numbers.append(ngrams.symbols[rank, -1])
        n_children.append(numpy.bincount(parents - begins[-2], minlength=begins[-1] - begins[-2]))
        log_probabilities.append(ngrams.log_probabilities[rank])
        backoffs.append(ngrams.backoffs[rank])
        begins.append(begins[-1] + len(rank))
    symbols = numpy.concatenate([[-1], *numbers]).astype("int32")
    first = 1 + numpy.append(0, numpy.cumsum(numpy.concatenate(n_children)))
    trie = make_trie(tuple(len(ngrams.symbols) for ngrams in lists), symbols, first.astype("uint32"))
    return BackoffModel(trie, numpy.concatenate(log_probabilities), numpy.concatenate(backoffs[:-1]))


def _find_contexts(
    symbols: numpy.ndarray, keys: List[numpy.ndarray], begins: List[int], n_symbols: int
) -> Tuple[numpy.ndarray, Optional[int]]:
    """Find the nodes of all symbols but the last ones, int64 [n]; and one that has none, if there are any."""
    nodes = numpy.zeros(len(symbols), "int64")
    for place in range(symbols.shape[1] - 1):
        wanted = nodes * n_symbols + symbols[:, place]
        at = numpy.searchsorted(keys[place], wanted)
        is_missing = numpy.append(keys[place], -1)[at] != wanted
        if is_missing.any():
            return nodes, int(numpy.flatnonzero(is_missing)[0])
        nodes = begins[place + 1] + at
    return nodes, None
