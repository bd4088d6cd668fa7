"""Filters of distributions: each sets the weights of some symbols to 0, in place.

Weights are float64 [B, V], 0 or above, and need not sum to 1. A row does not depend on the others. The symbol of the largest
weight stays, except by `keep_typical`.
"""

import numpy


def keep_top_k(weights: numpy.ndarray, k: int) -> None:
    """Keep the k most probable symbols (Fan et al. 2018).

    weights (numpy.ndarray): float64 [B, V], changed in place.
    k (int): How many, from 1 to V. Of equally probable ones those of smaller numbers come first.
    """
    position = weights.shape[1] - k
    thresholds = numpy.partition(weights, position, axis=1)[:, position]
    weights *= largest(weights, thresholds, numpy.full(len(weights), k))


def keep_top_p(weights: numpy.ndarray, p: float) -> None:
    """Keep the most probable symbols that together have a probability (Holtzman et al. 2020).

    weights (numpy.ndarray): float64 [B, V], changed in place.
    p (float): The probability, in (0, 1). Of equally probable symbols those of smaller numbers come first.
    """
    descending = numpy.sort(weights, axis=1)[:, ::-1]
    counts = _count(descending, p)
    weights *= largest(weights, descending[numpy.arange(len(weights)), counts - 1], counts)


def keep_min_p(weights: numpy.ndarray, p: float) -> None:
    """Keep the symbols that have a part of the probability of the most probable one (Nguyen et al. 2024).

    weights (numpy.ndarray): float64 [B, V], changed in place.
    p (float): The part, in (0, 1].
    """
    weights *= weights >= p * weights.max(axis=1, keepdims=True)


def keep_typical(weights: numpy.ndarray, p: float) -> None:
    """Keep the symbols whose surprisal is closest to the entropy, which together have a probability (Meister et al. 2023).

    weights (numpy.ndarray): float64 [B, V], changed in place.
    p (float): The probability, in (0, 1). Of equally typical symbols those of smaller numbers come first.
    """
    totals = weights.cumsum(axis=1)[:, -1:]
    probabilities = numpy.divide(weights, totals, out=numpy.zeros_like(weights), where=totals > 0)
    surprisals = -numpy.log(probabilities, out=numpy.full_like(weights, -numpy.inf), where=probabilities > 0)
    products = numpy.multiply(probabilities, surprisals, out=numpy.zeros_like(weights), where=probabilities > 0)
    order = numpy.argsort(abs(surprisals - products.cumsum(axis=1)[:, -1:]), axis=1, kind="stable")
    counts = _count(numpy.take_along_axis(probabilities, order, axis=1), p)
    is_kept = numpy.empty(weights.shape, dtype=bool)
    numpy.put_along_axis(is_kept, order, numpy.arange(weights.shape[1]) < counts[:, None], axis=1)
    weights *= is_kept


def largest(values: numpy.ndarray, thresholds: numpy.ndarray, counts: numpy.ndarray) -> numpy.ndarray:
    """Find the largest values of each row.

    values (numpy.ndarray): [B, V].
    thresholds (numpy.ndarray): [B], the smallest of those that are to be found.
    counts (numpy.ndarray): Integers [B], how many. Of equal ones the first are taken.
    RETURNS (numpy.ndarray): bool [B, V].
    """
    is_above, is_equal = values > thresholds[:, None], values == thresholds[:, None]
    n_equal = counts - is_above.sum(axis=1)
    return is_above | (is_equal & (is_equal.cumsum(axis=1) <= n_equal[:, None]))


def _count(ordered: numpy.ndarray, p: float) -> numpy.ndarray:
    """Count how many of the first weights of a row are needed for a part p of their sum: one at least."""
    sums = ordered.cumsum(axis=1)
    return 1 + (sums[:, :-1] < p * sums[:, -1:]).sum(axis=1)
