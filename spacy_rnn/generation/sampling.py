"""The distribution that symbols are drawn from, and drawing."""

from dataclasses import dataclass, fields
from typing import Any, Collection, Optional

import numpy

from .checks import as_forbidden, require_count, require_number, require_numbers
from .filters import keep_min_p, keep_top_k, keep_top_p, keep_typical
from .history import History
from .interface import Array

_FILTERS = ("temperature", "top_k", "top_p", "min_p", "typical_p")
# Log-probabilities that are worked on at a time, so that memory does not grow with the batch: 8 bytes each, a few times.
_PIECE = 1 << 20


@dataclass(frozen=True)
class Sampling:
    """How symbols are drawn; by default as the model says.

    Repetition penalty and blocked n-grams are applied first, then the temperature and the filters, in the order below. The
    symbols that a filter leaves keep their ratios, and the next filter takes what they have for the whole.

    repetition_penalty (float): θ, above 0: the probability of each symbol that the sequence has already, its prompt included, is
        raised to the power of θ, so that above 1 it comes less often; 1 is none (Keskar et al. 2019, "CTRL", section 4.1, on
        log-probabilities).
    no_repeat_ngram (int): n: no n symbols in a row come twice in a sequence, its prompt included; 0 is none (Paulus et al. 2018,
        "A deep reinforced model for abstractive summarization", section 2.5).
    temperature (float): τ, above 0: probabilities are raised to the power of 1/τ. Below 1 is safer, above 1 more diverse.
    top_k (int): Only the k most probable symbols (Fan et al. 2018, "Hierarchical neural story generation"); 0 is all. Of equally
        probable ones those of smaller numbers come first.
    top_p (float): Only the most probable symbols that together have this probability, in (0, 1]: the nucleus (Holtzman et al.
        2020, "The curious case of neural text degeneration").
    min_p (float): Only symbols that have this part of the probability of the most probable one, in [0, 1] (Nguyen et al. 2024,
        "Turning up the heat: min-p sampling").
    typical_p (float): Only the symbols whose surprisal is closest to the entropy, which together have this probability, in (0, 1]
        (Meister et al. 2023, "Locally typical sampling").
    greedy (bool): Always take the most probable symbol, of equally probable ones that of the smallest number.
    RAISES (ValueError): If a number is out of its range, or greedy stands beside a temperature or a filter.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    greedy: bool = False

    def __post_init__(self) -> None:
        require_number("temperature", self.temperature, lambda value: value > 0, "a number above 0 (for none, greedy=True)")
        require_count("top_k", self.top_k, 0, "0 being all symbols")
        for name in ("top_p", "typical_p"):
            require_number(name, getattr(self, name), lambda value: 0 < value <= 1, "a number in (0, 1], 1 being all symbols")
        require_number("min_p", self.min_p, lambda value: 0 <= value <= 1, "a number in [0, 1], 0 being all symbols")
        require_number("repetition_penalty", self.repetition_penalty, lambda value: value > 0, "a number above 0, 1 being none")
        require_count("no_repeat_ngram", self.no_repeat_ngram, 0, "0 being none")
        idle = [field.name for field in fields(self) if field.name in _FILTERS and getattr(self, field.name) != field.default]
        if self.greedy and idle:
            raise ValueError(
                f"greedy takes the most probable symbol, so it goes without {', '.join(idle)}: leave out the one or the other"
            )

    @property
    def needs_history(self) -> bool:
        """bool, whether what comes next depends on what a sequence has already."""
        return self.repetition_penalty != 1 or self.no_repeat_ngram > 0


def distribution(
    log_probabilities: Array,
    sampling: Sampling,
    forbidden: Collection[int] = (),
    history: Optional[History] = None,
) -> numpy.ndarray:
    """Find the distribution that symbols are drawn from.

    log_probabilities (Array): float [B, V], those of a model, in nats.
    sampling (Sampling): How symbols are drawn.
    forbidden (Collection[int]): Symbols that never come.
    history (Optional[History]): What the sequences have already, for penalties and blocked n-grams.
    RETURNS (numpy.ndarray): float64 [B, V], the probabilities, of a sum of 1 in each row, or all 0 where nothing is left. A row
        does not depend on the others.
    RAISES (ValueError): If there is no such symbol, all are forbidden, or log-probabilities are not numbers.
    """
    scores = as_scores(log_probabilities, as_forbidden(forbidden, log_probabilities.shape[1]), history)
    if sampling.greedy:
        return (numpy.arange(scores.shape[1]) == _most_probable(scores)[:, None]).astype("float64")
    weights = _as_weights(scores, sampling)
    totals = weights.cumsum(axis=1)[:, -1:]
    require_numbers(totals)
    return numpy.divide(weights, totals, out=weights, where=totals > 0)


def as_scores(log_probabilities: Array, forbidden: numpy.ndarray, history: Optional[History], first: int = 0) -> numpy.ndarray:
    """Apply what depends on symbols and not on their probabilities.

    log_probabilities (Array): float [B, V], in nats.
    forbidden (numpy.ndarray): Integers, the symbols that never come.
    history (Optional[History]): What the sequences have already.
    first (int): The sequence of the history that the first row belongs to.
    RETURNS (numpy.ndarray): float64 [B, V] on the host, -inf where a symbol must not come.
    """
    scores = numpy.array(to_host(log_probabilities), dtype="float64", order="C")
    if history is not None:
        history.discourage(scores, first)
    if len(forbidden):
        scores[:, forbidden] = -numpy.inf
    return scores


def choose(
    log_probabilities: Array, sampling: Sampling, forbidden: numpy.ndarray, history: Optional[History], uniforms: numpy.ndarray
) -> numpy.ndarray:
    """Choose the next symbol of each sequence.

    log_probabilities (Array): float [B, V], in nats.
    sampling (Sampling): How symbols are drawn.
    forbidden (numpy.ndarray): Integers, the symbols that never come.
    history (Optional[History]): What the sequences have already.
    uniforms (numpy.ndarray): float64 [B], in [0, 1).
    RETURNS (numpy.ndarray): int64 [B], the symbols, -1 where none may come.
    RAISES (ValueError): If log-probabilities are not numbers.
    """
    n_rows, n_symbols = log_probabilities.shape
    size = max(1, _PIECE // n_symbols)
    if n_rows > size:
        pieces = [slice(start, start + size) for start in range(0, n_rows, size)]
        return numpy.concatenate(
            [_choose(log_probabilities[p], sampling, forbidden, history, uniforms[p], p.start) for p in pieces]
        )
    return _choose(log_probabilities, sampling, forbidden, history, uniforms, 0)


def draw(weights: numpy.ndarray, uniforms: numpy.ndarray) -> numpy.ndarray:
    """Draw from distributions by the inverse of their sums, in the order of the numbers of symbols.

    It is the first symbol up to which the sum of weights is above the uniform number times the sum of all. Its weight is above 0,
    whatever is rounded.

    weights (numpy.ndarray): float64 [B, V], 0 or above; they need not sum to 1.
    uniforms (numpy.ndarray): float64 [B], in [0, 1).
    RETURNS (numpy.ndarray): int64 [B], the symbols, -1 where all weights are 0.
    RAISES (ValueError): If weights are not numbers.
    """
    sums = weights.cumsum(axis=1)
    totals = sums[:, -1]
    require_numbers(totals)
    limits = numpy.minimum(uniforms * totals, numpy.nextafter(totals, 0))
    symbols = (sums > limits[:, None]).argmax(axis=1)
    symbols[totals == 0] = -1
    return symbols


def to_host(array: Array) -> numpy.ndarray:
    """Give an array on the host.

    What follows the model is computed there in float64: no sum depends on the batch, and on a device symbols come out the same.

    array (Array): The array.
    RETURNS (numpy.ndarray): The array, or a copy of that on a device.
    """
    return array if isinstance(array, numpy.ndarray) else array.get()


def _choose(
    log_probabilities: Array, sampling: Sampling, forbidden: numpy.ndarray, history: Optional[History], uniforms: Any, first: int
) -> numpy.ndarray:
    scores = as_scores(log_probabilities, forbidden, history, first)
    return _most_probable(scores) if sampling.greedy else draw(_as_weights(scores, sampling), uniforms)


def _most_probable(scores: numpy.ndarray) -> numpy.ndarray:
    """Find the symbol [B] of the best score in each row, of equal ones the first; -1 where all are impossible."""
    symbols = scores.argmax(axis=1)
    best = scores[numpy.arange(len(scores)), symbols]
    require_numbers(best)
    symbols[best == -numpy.inf] = -1
    return symbols


def _as_weights(scores: numpy.ndarray, sampling: Sampling) -> numpy.ndarray:
    """Apply a temperature and filters to log-probabilities, in place: weights, the largest of which is 1."""
    # The bound is for rows where nothing is left: the difference of two infinities is not a number.
    scores -= numpy.maximum(scores.max(axis=1, keepdims=True), numpy.finfo("float64").min)
    if sampling.temperature != 1:
        # The largest is 0 by now, and so it stays, however small the temperature.
        with numpy.errstate(over="ignore"):
            scores /= sampling.temperature
    weights = numpy.exp(scores, out=scores)
    if 0 < sampling.top_k < weights.shape[1]:
        keep_top_k(weights, sampling.top_k)
    if sampling.top_p < 1:
        keep_top_p(weights, sampling.top_p)
    if sampling.min_p > 0:
        keep_min_p(weights, sampling.min_p)
    if sampling.typical_p < 1:
        keep_typical(weights, sampling.typical_p)
    return weights
