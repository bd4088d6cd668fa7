"""From counts to a back-off model."""

from typing import Optional, Sequence, Tuple

import numpy

from ..generation import START
from .counting import NGramCounts
from .model import BackoffModel
from .smoothing import Smoothing, check_smoothing, make_smoothing
from .trie import Piece, Trie


def estimate(
    counts: NGramCounts,
    smoothing: str = "kneser_ney",
    *,
    k: float = 1.0,
    prune: Sequence[int] = (),
    discount_fallback: Optional[Sequence[float]] = None,
) -> BackoffModel:
    """Estimate a back-off model.

    counts (NGramCounts): How often n-grams occur.
    smoothing (str): "kneser_ney" (modified, interpolated: Chen & Goodman 1999), "witten_bell" (interpolated), "add_k" (Lidstone:
        k is added to the count of each symbol after each context of the highest order; after others all symbols are as probable),
        or "none" (maximum likelihood: n-grams that were not seen after a context that was have probability 0).
    k (float): What "add_k" adds.
    prune (Sequence[int]): By order, n-grams that occur so often or less are left out of the model: 0 for unigrams, and no number
        lower than the one before. The last one stands for all higher orders. The discounts of "kneser_ney" are those of all
        n-grams.
    discount_fallback (Optional[Sequence[float]]): The discounts of "kneser_ney", of counts 1, 2, and 3 or more, for orders where
        they cannot be estimated, e.g. (0.5, 1, 1.5).
    RETURNS (BackoffModel): The model.
    RAISES (ValueError): If an argument is out of range, or there are no discounts.
    """
    thresholds = check_prune(prune, counts.trie.order)
    check_smoothing(smoothing, k, discount_fallback)
    if not counts.counts[1:].any():
        raise ValueError("there is no text: no n-gram has been counted")
    log_probabilities, backoffs = _estimate(counts, make_smoothing(smoothing, counts, k, discount_fallback), thresholds)
    trie = counts.trie
    if any(thresholds):
        keep = _kept(counts, thresholds)
        trie = _prune(trie, keep)
        log_probabilities, backoffs = log_probabilities[keep], backoffs[keep[: len(backoffs)]]
    return BackoffModel(trie, log_probabilities, backoffs)


def check_prune(prune: Sequence[int], order: int) -> Tuple[int, ...]:
    """Check up to which counts n-grams are left out.

    prune (Sequence[int]): By order, the last one for all higher ones; nothing is left out if there are none.
    order (int): The highest order.
    RETURNS (Tuple[int, ...]): One for each order.
    RAISES (ValueError): If they are no such numbers.
    """
    thresholds = list(prune) or [0]
    are_counts = all(isinstance(each, (int, numpy.integer)) and not isinstance(each, bool) for each in thresholds)
    if not are_counts or sorted(thresholds) != thresholds or thresholds[0] != 0:
        raise ValueError(f"prune must be whole numbers that do not fall, the first of them 0, got {list(prune)}")
    if len(thresholds) > order:
        raise ValueError(f"prune has {len(thresholds)} numbers, but the model only orders 1 to {order}")
    return tuple(thresholds + thresholds[-1:] * (order - len(thresholds)))


def _estimate(counts: NGramCounts, smoothing: Smoothing, prune: Tuple[int, ...]) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Find the log-probability of each node and the log-weight of each context, float32."""
    trie = counts.trie
    probabilities = numpy.zeros(len(trie.symbols), "float32")
    backoffs = numpy.ones(trie.n_contexts, "float32")
    begins = trie.beginning_with(START)
    for order in range(1, trie.order + 1):
        for piece in trie.pieces(order):
            kept = counts.counts[piece.children] > prune[order - 1] if order > 1 else None
            seen, left = _estimate_piece(order, piece, smoothing, kept)
            lower = probabilities[trie.links[piece.children]] if order > 1 else 1 / (trie.n_symbols - 1)
            found = seen + piece.spread(left) * lower
            if smoothing.is_uniform(order):
                left, found = _as_if_unseen(order, piece, begins, left, found, trie.n_symbols)
            backoffs[piece.contexts] = left
            probabilities[piece.children] = found
    probabilities[START + 1] = 0
    # Of the root, which nothing is looked up after.
    backoffs[0] = 1
    with numpy.errstate(divide="ignore"):
        return numpy.log(probabilities, out=probabilities), numpy.log(backoffs, out=backoffs)


def _estimate_piece(
    order: int, piece: Piece, smoothing: Smoothing, kept: Optional[numpy.ndarray]
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Find the part of the probability that n-grams have because they were seen, and what is left for shorter contexts."""
    numerators, weights = smoothing.weigh(order, piece.children.start, piece.children.stop)
    if kept is not None:
        numerators = numpy.where(kept, numerators, 0)
        weights = numerators if smoothing.is_unsmoothed else weights
    denominators = piece.sum(weights) + smoothing.add_to_denominators(piece.sum(weights > 0))
    is_context = denominators > 0
    if smoothing.is_unsmoothed:
        left = numpy.where(is_context, 0.0, 1.0)
    else:
        left = numpy.ones(len(denominators))
        numpy.divide(denominators - piece.sum(numerators), denominators, out=left, where=is_context)
    shares = piece.spread(numpy.where(is_context, denominators, 1))
    return numerators / shares, left


def _as_if_unseen(
    order: int, piece: Piece, begins: list, left: numpy.ndarray, found: numpy.ndarray, n_symbols: int
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Make all symbols as probable after a context, unless it begins a text."""
    spans = [(0, 0), *begins] if order > 1 else [(0, 0)]
    contexts = numpy.arange(piece.contexts.start, piece.contexts.stop)
    is_begin = (contexts >= spans[order - 1][0]) & (contexts < spans[order - 1][1])
    return numpy.where(is_begin, left, 1), numpy.where(piece.spread(is_begin), found, 1 / (n_symbols - 1))


def _kept(counts: NGramCounts, prune: Tuple[int, ...]) -> numpy.ndarray:
    keep = numpy.ones(len(counts.counts), "bool")
    for order in range(2, counts.trie.order + 1):
        begin, end = counts.trie.level(order)
        keep[begin:end] = counts.counts[begin:end] > prune[order - 1]
    return keep


def _prune(trie: Trie, keep: numpy.ndarray) -> Trie:
    """Leave nodes out whose suffixes and contexts stay longer than they."""
    numbers = numpy.cumsum(keep, dtype="uint32") - numpy.uint32(1)
    sizes = tuple(int(keep[slice(*trie.level(order))].sum()) for order in range(1, trie.order + 1))
    n_before = numpy.append(numpy.uint32(0), numbers + numpy.uint32(1))
    first = numpy.append(n_before[trie.first[:-1]][keep[: trie.n_contexts]], n_before[-1])
    symbols, links = trie.symbols[keep], numbers[trie.links[keep]]
    return Trie(trie.order, sizes, symbols, first, links)
