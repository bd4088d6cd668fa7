"""Smoothing: how much of a context's probability goes to the n-grams that were seen, and how much to shorter contexts."""

import math
from numbers import Real
from typing import Any, List, Optional, Protocol, Sequence, Tuple

import numpy

from ..generation import START
from .counting import NGramCounts

SMOOTHINGS = ("kneser_ney", "witten_bell", "add_k", "none")
DISCOUNT_FALLBACK = (0.5, 1.0, 1.5)


class Smoothing(Protocol):
    """A rule by which counts become probabilities.

    The probability of symbol w after context c is numerator(cw) / denominator(c), plus what is left times the probability after
    the context without its first symbol.
    """

    # Whether what is left of a context's probability is not given away, but shared out among its n-grams.
    is_unsmoothed: bool

    def weigh(self, order: int, begin: int, end: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Weigh n-grams.

        order (int): Their order.
        begin, end (int): The first one, and the one after the last one.
        RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): Their numerators, and what each adds to the denominator of its context,
            float64 [end - begin].
        """
        ...

    def add_to_denominators(self, n_seen: numpy.ndarray) -> numpy.ndarray:
        """Say what else is in the denominators.

        n_seen (numpy.ndarray): float64 [n contexts], how many symbols were seen after each.
        RETURNS (numpy.ndarray): float64 [n contexts], or something that is broadcast to it.
        """
        ...

    def is_uniform(self, order: int) -> bool:
        """Tell whether n-grams count as if nothing had been seen, unless they begin a text.

        order (int): Their order.
        RETURNS (bool): Whether they do.
        """
        ...


def make_smoothing(
    name: str, counts: NGramCounts, k: float = 1.0, discount_fallback: Optional[Sequence[float]] = None
) -> Smoothing:
    """Make a smoothing by its name.

    name (str): "kneser_ney", "witten_bell", "add_k" or "none".
    counts (NGramCounts): The counts.
    k (float): What "add_k" adds to each count.
    discount_fallback (Optional[Sequence[float]]): The discounts of "kneser_ney", of counts 1, 2, and 3 or more, for orders where
        they cannot be estimated.
    RETURNS (Smoothing): The smoothing.
    RAISES (ValueError): If an argument is out of range, or discounts cannot be estimated.
    """
    check_smoothing(name, k, discount_fallback)
    if name == "kneser_ney":
        return KneserNey(counts, discount_fallback)
    if name == "witten_bell":
        return WittenBell(counts)
    return AddK(counts, k) if name == "add_k" else Unsmoothed(counts)


def check_smoothing(name: str, k: float, discount_fallback: Optional[Sequence[float]]) -> None:
    """Check the arguments of a smoothing.

    name (str): Its name.
    k (float): What is added to counts.
    discount_fallback (Optional[Sequence[float]]): Discounts, if there are any.
    RAISES (ValueError): If one is out of range.
    """
    if name not in SMOOTHINGS:
        raise ValueError(f"smoothing must be one of {', '.join(SMOOTHINGS)}, got {name!r}")
    if not (_is_number(k) and k > 0):
        raise ValueError(f'k must be a number above 0, got {k!r}; without anything added the smoothing is "none"')
    if discount_fallback is not None and not (
        len(discount_fallback) == 3
        and all(_is_number(discount) and 0 <= discount <= i for i, discount in enumerate(discount_fallback, 1))
    ):
        raise ValueError(f"discount_fallback must be three numbers in [0, 1], [0, 2] and [0, 3], got {discount_fallback!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


class _Counted:
    """What smoothings by plain counts have in common."""

    is_unsmoothed = False

    def __init__(self, counts: NGramCounts) -> None:
        self._counts = counts

    def weigh(self, order: int, begin: int, end: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
        counts = self._counts.counts[begin:end].astype("float64")
        if begin <= START + 1 < end:
            # Nothing is followed by the start of a text.
            counts[START + 1 - begin] = 0
        return counts, counts

    def add_to_denominators(self, n_seen: numpy.ndarray) -> numpy.ndarray:
        return numpy.zeros(1)

    def is_uniform(self, order: int) -> bool:
        return False


class Unsmoothed(_Counted):
    """Maximum likelihood: an n-gram that was not seen after a context that was has probability 0."""

    is_unsmoothed = True


class WittenBell(_Counted):
    """What is left grows with the number of different symbols seen (Witten & Bell 1991; interpolated, Chen & Goodman 1999)."""

    def add_to_denominators(self, n_seen: numpy.ndarray) -> numpy.ndarray:
        return n_seen


class AddK(_Counted):
    """Add k to the count of every symbol after every context of the highest order (Lidstone 1920, Laplace with k = 1)."""

    def __init__(self, counts: NGramCounts, k: float) -> None:
        super().__init__(counts)
        # No text goes on with its start.
        self._added = k * (counts.trie.n_symbols - 1)

    def add_to_denominators(self, n_seen: numpy.ndarray) -> numpy.ndarray:
        return numpy.full(1, self._added)

    def is_uniform(self, order: int) -> bool:
        return order < self._counts.trie.order


class KneserNey:
    """Modified Kneser-Ney, interpolated (Chen & Goodman 1999): of lower orders it counts after how many symbols n-grams occur.

    N-grams that begin a text occur after none, so their own counts are taken, as KenLM does (Heafield et al. 2013).
    """

    is_unsmoothed = False

    def __init__(self, counts: NGramCounts, discount_fallback: Optional[Sequence[float]]) -> None:
        """Estimate the discounts.

        counts (NGramCounts): The counts.
        discount_fallback (Optional[Sequence[float]]): The discounts where they cannot be estimated.
        RAISES (ValueError): If that is so and there are none.
        """
        trie = counts.trie
        self._adjusted = counts.counts.copy()
        spans = trie.beginning_with(START)
        for order in range(1, trie.order):
            (begin, end), (first, last) = trie.level(order), spans[order - 1]
            for span in (slice(begin, first), slice(last, end)):
                self._adjusted[span] = counts.extensions[span]
        self._adjusted[START + 1] = 0
        # By order and count; nothing is taken from 0, and 3 stands for all that are higher.
        self.discounts: List[numpy.ndarray] = []
        for order in range(1, trie.order + 1):
            begin, end = trie.level(order)
            try:
                self.discounts.append(estimate_discounts(self._adjusted[begin:end]))
            except ValueError as error:
                if discount_fallback is None:
                    raise ValueError(
                        f"Kneser-Ney smoothing cannot estimate the discounts of order {order}: {error}. That is so with little "
                        "or artificial text: take more text, a lower order, witten_bell, or discount_fallback = "
                        f"{list(DISCOUNT_FALLBACK)}"
                    ) from None
                self.discounts.append(numpy.array([0.0, *discount_fallback]))

    def weigh(self, order: int, begin: int, end: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Weigh n-grams: see `Smoothing`."""
        adjusted = self._adjusted[begin:end]
        discounts = self.discounts[order - 1][numpy.minimum(adjusted, 3)]
        return adjusted - discounts, adjusted.astype("float64")

    def add_to_denominators(self, n_seen: numpy.ndarray) -> numpy.ndarray:
        """Say what else is in the denominators: see `Smoothing`."""
        return numpy.zeros(1)

    def is_uniform(self, order: int) -> bool:
        """Tell whether n-grams count as if nothing had been seen: see `Smoothing`."""
        return False


def estimate_discounts(adjusted: numpy.ndarray) -> numpy.ndarray:
    """Estimate the discounts of an order (Chen & Goodman 1999, equation 26).

    adjusted (numpy.ndarray): Integers [n], the counts of its n-grams.
    RETURNS (numpy.ndarray): float64 [4], the discounts of counts 0, 1, 2, and 3 or more; zeros if there are no n-grams.
    RAISES (ValueError): If there are too few n-grams that occur once, twice or three times.
    """
    if not len(adjusted):
        return numpy.zeros(4)
    n = [int((adjusted == count).sum()) for count in range(5)]
    for count in (1, 2, 3):
        if n[count] == 0:
            raise ValueError(f"no n-gram has the count {count}")
    y = n[1] / (n[1] + 2 * n[2])
    discounts = numpy.array([0.0, *(count - (count + 1) * y * n[count + 1] / n[count] for count in (1, 2, 3))])
    for count in (1, 2, 3):
        if not 0 <= discounts[count] <= count:
            raise ValueError(f"that of count {count} would be {discounts[count]:.3f}, which is not from 0 to {count}")
    return discounts
