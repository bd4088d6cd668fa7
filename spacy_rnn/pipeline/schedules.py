"""Learning rates."""

from itertools import count
from typing import Iterator


def build_warmup_linear(initial_rate: float, warmup_steps: int, total_steps: int = 0) -> Iterator[float]:
    """Let a learning rate rise linearly, and then fall linearly to zero.

    It is `warmup_linear.v1` but for the first step, whose rate is the highest one: in a loop around `nlp.update` in which nobody
    calls `optimizer.step_schedules` it is the rate of all steps, and with a rate of zero nothing would be learned.

    initial_rate (float): The highest rate.
    warmup_steps (int): The number of steps in which the rate rises, but a tenth of all steps at most.
    total_steps (int): The step at which the rate is zero. With 0 it does not fall; `spacy_rnn.fit_to_corpus.v1` finds the number.
    RETURNS (Iterator[float]): The rate of each step, without an end.
    RAISES (ValueError): If an argument is negative.
    """
    for name, value in (("initial_rate", initial_rate), ("warmup_steps", warmup_steps), ("total_steps", total_steps)):
        if value < 0:
            raise ValueError(f"{name} must be at least 0, got {value}")
    return _rates(initial_rate, min(warmup_steps, total_steps // 10) if total_steps else warmup_steps, total_steps)


def _rates(highest: float, warmup: int, total: int) -> Iterator[float]:
    yield highest
    for step in count(1):
        if step < warmup:
            yield highest * step / warmup
        else:
            yield highest * max(0.0, (total - step) / (total - warmup)) if total else highest
