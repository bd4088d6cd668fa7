"""Filters of distributions: each sets the weights of some symbols to 0, in place.

Weights are float64 [B, V], 0 or above, and need not sum to 1. A row does not depend on the others. The symbol of the largest
weight stays, except by `keep_typical`.
"""

import numpy

# Of more symbols than this, a part is tried first where all would have to be sorted.
_MANY = 1024


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
    targets = p * weights.cumsum(axis=1)[:, -1:]
    n_symbols = weights.shape[1]
    for size in (n_symbols // 16 if n_symbols > _MANY else n_symbols, n_symbols):
        most = numpy.partition(weights, n_symbols - size, axis=1)[:, n_symbols - size :] if size < n_symbols else weights
        descending = numpy.sort(most, axis=1)[:, ::-1]
        sums = descending.cumsum(axis=1)
        if size == n_symbols or (sums[:, -1:] >= targets).all():
            break
    counts = 1 + (sums[:, :-1] < targets).sum(axis=1)
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
    sums = numpy.take_along_axis(probabilities, order, axis=1).cumsum(axis=1)
    counts = 1 + (sums[:, :-1] < p * sums[:, -1:]).sum(axis=1)
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
    is_found = values >= thresholds[:, None]
    is_more = numpy.count_nonzero(is_found, axis=1) > counts
    if is_more.any():
        is_above, is_equal = values[is_more] > thresholds[is_more, None], values[is_more] == thresholds[is_more, None]
        n_equal = counts[is_more] - numpy.count_nonzero(is_above, axis=1)
        is_found[is_more] = is_above | (is_equal & (is_equal.cumsum(axis=1) <= n_equal[:, None]))
    return is_found
