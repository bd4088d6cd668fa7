"""Learning rates."""

from itertools import count, repeat
from math import inf
from typing import Iterator


def build_warmup_linear(
    initial_rate: float, warmup_steps: int, total_steps: int = 0, constant_share: float = 0.0
) -> Iterator[float]:
    """Let a learning rate rise linearly, stay, and then fall linearly to zero.

    It is `warmup_linear.v1` but for two things. It may stay at its highest for a share of the steps. And the rate of the first
    step is the highest one: in a loop around `nlp.update` in which nobody calls `optimizer.step_schedules` it is the rate of all
    steps, and with a rate of zero nothing would be learned.

    initial_rate (float): The highest rate.
    warmup_steps (int): The number of steps in which the rate rises, but a tenth of all steps at most.
    total_steps (int): The step at which the rate is zero. With 0 it does not fall; `spacy_rnn.fit_to_corpus.v1` finds the number.
    constant_share (float): The share of the steps after the rise in which the rate does not fall yet, from 0 to 1.
    RETURNS (Iterator[float]): The rate of each step, without an end.
    RAISES (ValueError): If an argument is negative, or constant_share above 1.
    """
    for name, value in (("initial_rate", initial_rate), ("warmup_steps", warmup_steps), ("total_steps", total_steps)):
        if not 0 <= value < inf:
            raise ValueError(f"{name} must be a number of at least 0, got {value}")
    if not 0 <= constant_share <= 1:
        raise ValueError(f"constant_share must be from 0 to 1, got {constant_share}")
    warmup = min(warmup_steps, total_steps // 10) if total_steps else warmup_steps
    return _rates(initial_rate, warmup, total_steps, warmup + round(constant_share * (total_steps - warmup)))


def _rates(highest: float, warmup: int, total: int, falls_from: int) -> Iterator[float]:
    yield highest
    for step in count(1):
        if step < warmup:
            yield highest * step / warmup
        elif not total or step < falls_from:
            yield highest
        else:
            yield highest * max(0.0, (total - step) / max(1, total - falls_from))


def build_slanted_triangular(
    initial_rate: float, total_steps: int = 0, cut_frac: float = 0.1, ratio: float = 32.0
) -> Iterator[float]:
    """Let a learning rate rise linearly for a short time and then fall linearly, between a low and the highest one.

    It is for trainings that begin with weights that are not to be lost: the first step, where an optimizer such as Adam knows
    least about gradients and changes every weight by the whole rate, has the lowest one, if there are at least 1 / cut_frac
    steps. (Howard & Ruder 2018, "Universal language model fine-tuning for text classification", equation 3.)

    initial_rate (float): The highest rate.
    total_steps (int): The step at which the rate is the lowest again. With 0 the rate is the highest one throughout;
        `spacy_rnn.fit_to_corpus.v1` finds the number.
    cut_frac (float): The share of the steps in which the rate rises, above 0 and below 1.
    ratio (float): How many times as high as the lowest rate the highest one is.
    RETURNS (Iterator[float]): The rate of each step, without an end.
    RAISES (ValueError): If an argument is out of its range.
    """
    for name, value in (("initial_rate", initial_rate), ("total_steps", total_steps)):
        if not 0 <= value < inf:
            raise ValueError(f"{name} must be a number of at least 0, got {value}")
    if not 0 < cut_frac < 1:
        raise ValueError(f"cut_frac must be above 0 and below 1, got {cut_frac}")
    if not 1 <= ratio < inf:
        raise ValueError(f"ratio must be a number of at least 1, got {ratio}")
    cut = int(total_steps * cut_frac)
    shares = (_share(step, cut, total_steps) for step in count()) if total_steps else repeat(1.0)
    return (initial_rate * (1 + share * (ratio - 1)) / ratio for share in shares)


def _share(step: int, cut: int, total: int) -> float:
    """Say how high a rate is at a step, from 0, the lowest, to 1."""
    return step / cut if step < cut else max(0.0, (total - step) / (total - cut))


def build_plateau(initial_rate: float, patience: int = 1, scale: float = 0.5, lowest_rate: float = 0.0) -> "Plateau":
    """Lower a learning rate whenever the score on the development texts stops rising.

    The component `rnn_lm` reports its score to it, after each evaluation in `spacy train`. Others of spaCy's and of this
    package don't: under them the rate stays.

    initial_rate (float): The rate at the beginning.
    patience (int): How many evaluations in a row may fail to beat the best score before the rate is lowered.
    scale (float): What the rate is multiplied by then.
    lowest_rate (float): The rate does not fall below it.
    RETURNS (Plateau): The rate of each step, without an end.
    RAISES (ValueError): If an argument is out of its range.
    """
    return Plateau(initial_rate, patience, scale, lowest_rate)


class Plateau:
    """A learning rate that falls when scores no longer rise."""

    def __init__(self, initial_rate: float, patience: int, scale: float, lowest_rate: float) -> None:
        """Begin with the highest rate.

        initial_rate (float): The rate at the beginning.
        patience (int): How many evaluations in a row may fail to beat the best score before the rate is lowered.
        scale (float): What the rate is multiplied by then.
        lowest_rate (float): The rate does not fall below it.
        RAISES (ValueError): If an argument is out of its range.
        """
        if patience < 1:
            raise ValueError(f"patience must be at least 1, got {patience}")
        if not 0 < scale < 1:
            raise ValueError(f"scale must be greater than 0 and less than 1, got {scale}")
        if not 0 <= lowest_rate <= initial_rate < inf:
            raise ValueError(f"rates must be numbers 0 <= lowest_rate <= initial_rate, got {lowest_rate} and {initial_rate}")
        self._rate, self._patience, self._scale, self._lowest = initial_rate, patience, scale, lowest_rate
        self._best = float("-inf")
        self._n_failed = 0

    def __iter__(self) -> "Plateau":
        """RETURNS (Plateau): Itself."""
        return self

    def __next__(self) -> float:
        """RETURNS (float): The rate of the next step."""
        return self._rate

    def report(self, score: float) -> None:
        """Take the score of an evaluation.

        score (float): The score, higher is better. One that is not a number counts as no better.
        """
        if score > self._best:
            self._best, self._n_failed = score, 0
            return
        self._n_failed += 1
        if self._n_failed == self._patience:
            self._rate, self._n_failed = max(self._rate * self._scale, self._lowest), 0
