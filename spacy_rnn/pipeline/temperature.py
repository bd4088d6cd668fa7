"""Temperature: what scores are divided by before they become the probabilities that a component gives.

It is 1 in training. Above 1 a component is less sure of what it predicts, below 1 surer; the most probable label stays the same
(Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks", section 4.2).

Probabilities are all that is needed, so any model will do: their logarithms are scores that give them by a softmax, their
log-odds by sigmoids. What float32 has rounded to 0 or 1 counts as the nearest number that is neither.
"""

from typing import Any

import numpy
from thinc.api import to_numpy
from thinc.types import Floats2d

from .pipe import RNNPipe

# Beyond these, scores could leave the range of float32.
LOWEST, HIGHEST = 0.001, 1000.0
_SMALLEST = float(numpy.finfo("float32").tiny)
_LARGEST = 1 - 2.0**-24


class TemperedPipe(RNNPipe):
    """A component that gives probabilities at a temperature, which it saves with its settings."""

    # Whether exactly one label is true (softmax), or any number of them (sigmoids).
    is_exclusive = True

    @property
    def temperature(self) -> float:
        """What scores are divided by before they become probabilities, from `LOWEST` to `HIGHEST`; 1 until it is set.

        RETURNS (float): The temperature.
        """
        return self.cfg["temperature"]

    @temperature.setter
    def temperature(self, temperature: float) -> None:
        """Set it. Where classes do not exclude each other the threshold moves with the probabilities, so that decisions stay.

        temperature (float): The temperature.
        RAISES (ValueError): If it is no number from `LOWEST` to `HIGHEST`.
        """
        require_temperature(temperature)
        before, self.cfg["temperature"] = self.temperature, float(temperature)
        if not self.is_exclusive and 0 < self.cfg["threshold"] < 1:
            self.cfg["threshold"] = float(_sigmoid(log_odds(self.cfg["threshold"]) * (before / temperature)))

    def temper(self, probabilities: Floats2d) -> Floats2d:
        """Bring what the model predicts to the component's temperature.

        probabilities (Floats2d): [N, labels], at temperature 1.
        RETURNS (Floats2d): [N, labels].
        """
        if self.temperature == 1:
            return probabilities
        change = temper_exclusive if self.is_exclusive else temper_independent
        return self.model.ops.asarray2f(change(to_numpy(probabilities), self.temperature))

    def check_settings(self, settings: Any) -> None:
        """Refuse settings that do not go with the component.

        settings (Any): What its file holds.
        RAISES (ValueError): If they are not those of the component, or one of them has a value that it cannot have.
        """
        super().check_settings(settings)
        require_temperature(settings.get("temperature", 1.0))


def require_temperature(temperature: Any) -> None:
    """Refuse what is no temperature.

    temperature (Any): The temperature.
    RAISES (ValueError): If it is no number from `LOWEST` to `HIGHEST`.
    """
    is_number = isinstance(temperature, (int, float, numpy.number)) and not isinstance(temperature, bool)
    if not is_number or not LOWEST <= temperature <= HIGHEST:
        raise ValueError(
            f"a temperature is a number from {LOWEST:g} to {HIGHEST:g}, and 1 leaves probabilities as they are, got "
            f"{temperature!r}"
        )


def log_probabilities(probabilities: Any) -> numpy.ndarray:
    """Give scores that have these probabilities by a softmax.

    probabilities (Array): float32 or float64 of any shape, in [0, 1].
    RETURNS (numpy.ndarray): float64 of the same shape, finite.
    """
    return numpy.log(numpy.clip(numpy.asarray(probabilities, "float64"), _SMALLEST, 1))


def log_odds(probabilities: Any) -> numpy.ndarray:
    """Give scores that have these probabilities by sigmoids.

    probabilities (Array): float32 or float64 of any shape, in [0, 1].
    RETURNS (numpy.ndarray): float64 of the same shape, finite.
    """
    inside = numpy.clip(numpy.asarray(probabilities, "float64"), _SMALLEST, _LARGEST)
    return numpy.log(inside) - numpy.log1p(-inside)


def temper_exclusive(probabilities: numpy.ndarray, temperature: float) -> numpy.ndarray:
    """Change the temperature of labels that exclude each other.

    probabilities (numpy.ndarray): [N, labels], at temperature 1; those of a row sum to 1.
    temperature (float): The temperature, above 0.
    RETURNS (numpy.ndarray): [N, labels] of the same type. The most probable label of each row stays the same.
    """
    if temperature == 1 or not probabilities.size:
        return probabilities
    scores = log_probabilities(probabilities)
    scores -= scores.max(axis=1, keepdims=True)
    tempered = numpy.exp(scores / temperature)
    tempered /= tempered.sum(axis=1, keepdims=True)
    tempered = tempered.astype(probabilities.dtype)
    best = probabilities.argmax(axis=1)
    # Two that were next to each other may have become the same number.
    rows = numpy.flatnonzero(tempered.argmax(axis=1) != best)
    tempered[rows, best[rows]] = numpy.nextafter(tempered[rows].max(axis=1, initial=0), 1, dtype=tempered.dtype)
    return tempered


def temper_independent(probabilities: numpy.ndarray, temperature: float) -> numpy.ndarray:
    """Change the temperature of labels that do not exclude each other.

    probabilities (numpy.ndarray): Of any shape, at temperature 1.
    temperature (float): The temperature, above 0.
    RETURNS (numpy.ndarray): Of the same shape and type. What was below 0.5 stays below, what was not does not come below.
    """
    if temperature == 1:
        return probabilities
    tempered = _sigmoid(log_odds(probabilities) / temperature).astype(probabilities.dtype)
    below = numpy.nextafter(0.5, 0, dtype=tempered.dtype)
    return numpy.where(probabilities < 0.5, numpy.minimum(tempered, below), numpy.maximum(tempered, 0.5))


def _sigmoid(scores: Any) -> numpy.ndarray:
    return numpy.exp(-numpy.logaddexp(0, -scores))
