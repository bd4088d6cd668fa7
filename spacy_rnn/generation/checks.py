"""What generation refuses."""

from math import isfinite
from numbers import Integral, Real
from typing import Any, Collection, List, Optional, Sequence

import numpy

from .interface import Array


def require_number(name: str, value: Any, holds: Any, expected: str) -> None:
    """Check a setting that is a number.

    name (str): Its name.
    value (Any): Its value.
    holds (Callable[[Any], bool]): Whether the value is allowed. What is not a number is not, nor are NaN and infinity.
    expected (str): What is allowed, and what to do.
    RAISES (ValueError): If it is not.
    """
    if isinstance(value, (bool, numpy.bool_)) or not isinstance(value, Real) or not isfinite(value) or not holds(value):
        raise ValueError(f"{name}: expected {expected}, got {value!r}")


def require_count(name: str, value: Any, least: int, advice: str = "") -> None:
    """Check a setting that is a whole number.

    name (str): Its name.
    value (Any): Its value.
    least (int): The smallest that is allowed.
    advice (str): What to do.
    RAISES (ValueError): If it is not a whole number, or a smaller one.
    """
    if isinstance(value, (bool, numpy.bool_)) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name}: expected a whole number of at least {least}{advice and ', ' + advice}, got {value!r}")


def refuse_context(context: Any, kind: str) -> None:
    """Refuse what a model that knows only symbols cannot be about.

    context (Any): What `NextSymbol.start` was given.
    kind (str): What the model is, e.g. "a cache".
    RAISES (ValueError): If it is anything.
    """
    if context is not None:
        raise ValueError(f"{kind} knows no context but the symbols before, got {type(context).__name__}: leave it out")


def as_symbols(what: str, numbers: Any, n_symbols: Optional[int] = None) -> numpy.ndarray:
    """Give symbols as an array.

    what (str): What they are, e.g. "prompt 3".
    numbers (Sequence[int]): The symbols.
    n_symbols (Optional[int]): V, how many there are; not checked if None.
    RETURNS (numpy.ndarray): int64 [n], on the host.
    RAISES (ValueError): If they are not a sequence of whole numbers, or there is no such symbol.
    """
    if isinstance(numbers, (str, bytes)):
        raise ValueError(f"{what}: expected the numbers of symbols, got text: encode it first")
    values = numbers if isinstance(numbers, numpy.ndarray) or not isinstance(numbers, Collection) else list(numbers)
    try:
        array = numpy.asarray(values)
    except ValueError:
        # Sequences of several lengths.
        array = numpy.empty((0, 0))
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{what}: expected a sequence of the numbers of symbols, got {numbers!r}")
    array = array.astype("int64")
    wrong = (array < 0) | (array >= n_symbols if n_symbols is not None else False)
    if wrong.any():
        known = "0 or above" if n_symbols is None else f"from 0 to {n_symbols - 1}, which the model has"
        raise ValueError(f"{what}: expected symbols {known}, got {array[wrong][0]} at position {wrong.argmax()}")
    return array


def as_prompts(prompts: Sequence[Sequence[int]], n_symbols: int) -> List[numpy.ndarray]:
    """Give prompts as arrays.

    prompts (Sequence[Sequence[int]]): The prompts.
    n_symbols (int): V, how many symbols there are.
    RETURNS (List[numpy.ndarray]): int64 [n], the symbols of each.
    RAISES (ValueError): If one is not a sequence of whole numbers, or there is no such symbol.
    """
    if isinstance(prompts, (str, bytes)):
        raise ValueError("prompts: expected a list of prompts, each the numbers of its symbols, got text: encode it first")
    return [as_symbols(f"prompt {i}", prompt, n_symbols) for i, prompt in enumerate(prompts)]


def as_forbidden(forbidden: Collection[int], n_symbols: int) -> numpy.ndarray:
    """Give the symbols that never come as an array.

    forbidden (Collection[int]): The symbols.
    n_symbols (int): V, how many symbols there are.
    RETURNS (numpy.ndarray): int64 [n], in ascending order, each once.
    RAISES (ValueError): If there is no such symbol, or no symbol is left.
    """
    array = numpy.unique(as_symbols("forbidden symbols", forbidden, n_symbols))
    if len(array) == n_symbols:
        raise ValueError(f"forbidden symbols: all {n_symbols} symbols of the model are forbidden; allow one at least")
    return array


def require_scores(scores: Array, n_rows: int, n_symbols: int) -> None:
    """Check what a model gives.

    scores (Array): The log-probabilities.
    n_rows (int): B, the number of sequences.
    n_symbols (int): V, the number of symbols.
    RAISES (ValueError): If the array is of another shape.
    """
    if scores.shape != (n_rows, n_symbols):
        raise ValueError(f"log-probabilities of a model: expected shape {(n_rows, n_symbols)}, got {tuple(scores.shape)}")


def require_coverage(coverage: numpy.ndarray, n_rows: int) -> None:
    """Check what a model says of its attention.

    coverage (numpy.ndarray): float64, sums of logarithms of what is at most 1.
    n_rows (int): R, the number of sequences.
    RAISES (ValueError): If the array is of another shape, or a number is above 0 or NaN.
    """
    if coverage.shape != (n_rows,):
        raise ValueError(f"coverage of a model: expected shape {(n_rows,)}, got {coverage.shape}")
    if not (coverage <= 0).all():
        raise ValueError("coverage of a model: expected numbers of 0 or below, got NaN or one above 0")


def require_numbers(values: numpy.ndarray) -> None:
    """Check log-probabilities of a model, or what was made of them.

    values (numpy.ndarray): The values, on the host.
    RAISES (ValueError): If one is NaN or +inf.
    """
    if not (values < numpy.inf).all():
        raise ValueError("log-probabilities of a model: expected numbers, or -inf for what cannot come, got NaN or +inf")
