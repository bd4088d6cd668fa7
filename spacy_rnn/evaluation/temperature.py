"""Temperature scaling: the one number that scores are divided by so that probabilities are as often right as they say.

It is the temperature of the least negative log-likelihood on texts that the model was not trained on (Guo, Pleiss, Sun &
Weinberger 2017, "On calibration of modern neural networks", section 4.2). It is a convex function of the inverse temperature, so
its derivative changes its sign once.
"""

import math
from functools import partial
from typing import Any, Callable, NamedTuple, Tuple

import numpy

# Where the best temperature is looked for. Where every decision is right there is none, since the likelihood rises towards 0;
# where they are no better than chance it rises towards infinity.
LOWEST, HIGHEST = 0.1, 100.0
# The precision of the logarithm of a temperature.
_TOLERANCE = 1e-9
_MAX_STEPS = 100
# How far the logarithms of temperatures are apart until the best one is between two of them.
_STRIDE = math.log(2)

# From an inverse temperature to the loss, and its derivative by the inverse temperature.
Loss = Callable[[float], Tuple[float, float]]


class TemperatureFit(NamedTuple):
    """The temperature that fits a model's scores best.

    temperature (float): The temperature.
    before (float): The mean negative log-likelihood at temperature 1, nats.
    after (float): That at the temperature; not above the one before.
    at_bound (bool): Whether the temperature is the lowest or the highest that was looked at, and a better one lies beyond.
    """

    temperature: float
    before: float
    after: float
    at_bound: bool


def fit_temperature(scores: Any, truths: Any, *, lowest: float = LOWEST, highest: float = HIGHEST) -> TemperatureFit:
    """Fit the temperature of a model's scores.

    scores (Array): Of labels that exclude each other [N, K], the scores before the softmax, or log-probabilities; of labels each
        of which is true or not [N], the scores before the sigmoid, or log-odds. Finite.
    truths (Array): [N], the numbers of the right labels; or for scores [N] whether each label is true.
    lowest (float): The lowest temperature that is looked at, above 0 and at most 1.
    highest (float): The highest, at least 1.
    RETURNS (TemperatureFit): The temperature, and what it changes.
    RAISES (ValueError): If a shape, score, label or bound is not as described, or there are no scores.
    """
    scores, truths = _checked(scores, truths)
    return search_temperature(partial(softmax_loss, scores, truths), lowest=lowest, highest=highest)


def softmax_loss(scores: numpy.ndarray, truths: numpy.ndarray, inverse: float) -> Tuple[float, float]:
    """Find the mean negative log-likelihood of labels, and its derivative by the inverse temperature.

    scores (numpy.ndarray): float64 [N, K], finite.
    truths (numpy.ndarray): int [N], the numbers of the right labels.
    inverse (float): The inverse temperature, which scores are multiplied by.
    RETURNS (Tuple[float, float]): The loss and the derivative.
    """
    relative = scores - scores.max(axis=1, keepdims=True)
    shares = numpy.exp(relative * inverse)
    sums = shares.sum(axis=1)
    right = relative[numpy.arange(len(truths)), truths]
    expected = numpy.einsum("nk,nk->n", shares, relative) / sums
    return float((numpy.log(sums) - inverse * right).mean()), float((expected - right).mean())


def search_temperature(loss: Loss, *, lowest: float = LOWEST, highest: float = HIGHEST) -> TemperatureFit:
    """Search the temperature of the least loss.

    The root of the derivative by the logarithm of the temperature is bracketed in steps from 1 on, as far as the bounds, and
    found by the Illinois method (Dowell & Jarratt 1971, "A modified regula falsi method for computing the root of an equation").

    loss (Callable[[float], Tuple[float, float]]): From an inverse temperature to the loss, convex, and its derivative.
    lowest (float): The lowest temperature that is looked at, above 0 and at most 1.
    highest (float): The highest, at least 1.
    RETURNS (TemperatureFit): The temperature; 1 if none is better.
    RAISES (ValueError): If a bound is out of its range.
    """
    if not 0 < lowest <= 1 <= highest < math.inf:
        raise ValueError(f"temperatures are looked for from above 0 to 1, and from there on, got from {lowest} to {highest}")
    temperature, is_inside = _find_root(loss, lowest, highest)
    before, after = loss(1.0)[0], loss(1 / temperature)[0]
    if not after < before:
        return TemperatureFit(1.0, before, before, False)
    return TemperatureFit(temperature, before, after, not is_inside)


def _find_root(loss: Loss, lowest: float, highest: float) -> Tuple[float, bool]:
    """Find where the loss ceases to fall and begins to rise, and whether that is between the bounds."""

    def slope(log_temperature: float) -> float:
        inverse = math.exp(-log_temperature)
        return -inverse * loss(inverse)[1]

    found = slope(0.0)
    if found == 0:
        return 1.0, True
    # From 1 towards where the loss falls.
    sign = -1 if found > 0 else 1
    last = highest if sign > 0 else lowest
    bound = math.log(last)
    near, slope_near, far, slope_far = 0.0, found, 0.0, found
    # Where all is right, a slope rounded to 0 goes on falling.
    while slope_far * sign <= 0:
        if far == bound:
            return last, False
        near, slope_near, far = far, slope_far, sign * min(abs(far) + _STRIDE, abs(bound))
        slope_far = slope(far)
    low, high = sorted([(near, slope_near), (far, slope_far)])
    return math.exp(_illinois(slope, low, high)), True


def _illinois(slope: Callable[[float], float], low: Tuple[float, float], high: Tuple[float, float]) -> float:
    """Find a root between a point with a negative slope and one with a slope that is not, each given with its slope."""
    (a, slope_a), (b, slope_b) = low, high
    side = 0
    for _ in range(_MAX_STEPS):
        if b - a <= _TOLERANCE or slope_b == 0:
            break
        middle = a + (b - a) * slope_a / (slope_a - slope_b)
        if not a < middle < b:
            middle = (a + b) / 2
        found = slope(middle)
        if found < 0:
            a, slope_a, slope_b = middle, found, slope_b / (2 if side < 0 else 1)
        else:
            b, slope_b, slope_a = middle, found, slope_a / (2 if side > 0 else 1)
        side = -1 if found < 0 else 1
    return b if slope_b == 0 else (a + b) / 2


def _checked(scores: Any, truths: Any) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Give the scores as float64 [N, K], and the numbers of the right labels [N], if they are as they have to be."""
    scores, truths = numpy.asarray(scores, "float64"), numpy.asarray(truths)
    if scores.ndim not in (1, 2) or not scores.size or truths.shape != scores.shape[:1]:
        raise ValueError(
            "expected scores [N, K] of labels that exclude each other, or [N] of labels that do not, and as many truths [N], at "
            f"least one; got scores {scores.shape} and truths {truths.shape}"
        )
    if not numpy.isfinite(scores).all():
        raise ValueError("scores are finite numbers: give logarithms of 0 the value of the smallest number that is not 0")
    n_labels = 2 if scores.ndim == 1 else scores.shape[1]
    if truths.dtype.kind not in "biu" or truths.min() < 0 or truths.max() >= n_labels:
        raise ValueError(f"truths are the numbers of labels, from 0 to {n_labels - 1}, got {truths.dtype} {truths!r:.60}")
    if scores.ndim == 1:
        # A sigmoid is a softmax whose other score is 0.
        return numpy.stack([numpy.zeros_like(scores), scores], axis=1), truths.astype("int64")
    return scores, truths.astype("int64")
