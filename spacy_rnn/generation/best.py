"""The most probable symbols of each sequence."""

from typing import Collection, NamedTuple

import numpy
from thinc.util import get_array_module

from .checks import as_symbols, require_count, require_numbers
from .filters import largest
from .interface import Array

# Log-probabilities that are worked on at a time.
_PIECE = 1 << 20
# Up to so many symbols are found one after the other, which is quicker than to take all apart.
_FEW = 64


class Best(NamedTuple):
    """The most probable symbols of R sequences, the most probable first, of equally probable ones the smaller first.

    symbols (numpy.ndarray): int64 [R, k], on the host; -1 where there are no more that can come.
    log_probabilities (numpy.ndarray): float [R, k], on the host, in nats; -inf there.
    """

    symbols: numpy.ndarray
    log_probabilities: numpy.ndarray


def find_best(log_probabilities: Array, k: int, forbidden: Collection[int] = ()) -> Best:
    """Find the most probable symbols of each sequence.

    log_probabilities (Array): float [R, V], in nats, on the host or a device. They stay as they are.
    k (int): How many symbols to find, 1 or more; there may be fewer.
    forbidden (Collection[int]): The symbols that never come.
    RETURNS (Best): The symbols and their log-probabilities, as they were given.
    RAISES (ValueError): If there is no such symbol, k is below 1, or a log-probability is NaN or +inf.
    """
    require_count("k", k, 1)
    xp = get_array_module(log_probabilities)
    n_rows, n_symbols = log_probabilities.shape
    excluded = as_symbols("forbidden symbols", forbidden, n_symbols)
    size, parts = max(1, _PIECE // n_symbols), []
    for first in range(0, n_rows, size):
        scores = xp.array(log_probabilities[first : first + size])
        if len(excluded):
            scores[:, xp.asarray(excluded)] = -numpy.inf
        parts.append(take_best(scores, k))
    if not parts:
        return Best(numpy.empty((0, k), "int64"), numpy.empty((0, k), str(log_probabilities.dtype)))
    return Best(*(numpy.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def take_best(scores: Array, k: int) -> Best:
    """Find the largest scores of each row, as `find_best` says.

    scores (Array): float [R, V], R >= 1, -inf where a symbol must not come; written to.
    k (int): How many to find.
    RETURNS (Best): The symbols and their scores.
    RAISES (ValueError): If a score is NaN or +inf.
    """
    xp = get_array_module(scores)
    n_found = min(k, scores.shape[1])
    if n_found <= _FEW:
        places, values = _one_by_one(xp, scores, n_found)
    else:
        places, values = _all_at_once(scores if xp is numpy else scores.get(), n_found)
    require_numbers(values)
    symbols = numpy.full((len(places), k), -1, dtype="int64")
    found = numpy.full((len(places), k), -numpy.inf, dtype=values.dtype)
    symbols[:, :n_found] = numpy.where(values == -numpy.inf, -1, places)
    found[:, :n_found] = values
    return Best(symbols, found)


def require_best(best: Best, n_rows: int, k: int, n_symbols: int) -> Best:
    """Check what a model gives that finds the best symbols itself.

    best (Best): The symbols and their log-probabilities.
    n_rows (int): R, the number of sequences.
    k (int): How many symbols were asked for.
    n_symbols (int): V, the number of symbols.
    RETURNS (Best): The same.
    RAISES (ValueError): If a shape does not fit, there is no such symbol, or a log-probability is NaN or +inf.
    """
    for name, array in zip(("symbols", "log-probabilities"), best, strict=True):
        if array.shape != (n_rows, k):
            raise ValueError(f"best {name} of a model: expected shape {(n_rows, k)}, got {tuple(array.shape)}")
    require_numbers(best.log_probabilities)
    least, most = best.symbols.min(initial=-1), best.symbols.max(initial=-1)
    if least < -1 or most >= n_symbols or ((best.symbols < 0) & (best.log_probabilities > -numpy.inf)).any():
        expected = f"0 to {n_symbols - 1}, or -1 with -inf where no more can come"
        raise ValueError(f"best symbols of a model: expected {expected}, got {least} to {most}")
    return best


def _one_by_one(xp: Array, scores: Array, k: int) -> Best:
    rows, places, values = xp.arange(len(scores)), [], []
    for _ in range(k):
        # The first of equal ones; a NaN before all numbers.
        place = scores.argmax(axis=1)
        places.append(place)
        values.append(scores[rows, place])
        scores[rows, place] = -numpy.inf
    stacked = xp.stack(places, axis=1), xp.stack(values, axis=1)
    return Best(*(array if xp is numpy else array.get() for array in stacked))


def _all_at_once(scores: numpy.ndarray, k: int) -> Best:
    require_numbers(scores)
    thresholds = numpy.partition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k]
    is_found = largest(scores, thresholds, numpy.full(len(scores), k))
    places = numpy.nonzero(is_found)[1].reshape((len(scores), k))
    order = numpy.argsort(-numpy.take_along_axis(scores, places, axis=1), axis=1, kind="stable")
    places = numpy.take_along_axis(places, order, axis=1)
    return Best(places, numpy.take_along_axis(scores, places, axis=1))
