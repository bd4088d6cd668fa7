"""Dropout rates that are others in pretraining."""

from contextlib import contextmanager
from typing import Iterator

from thinc.api import Model

from ...layers.capabilities import Drops, find


class Rates:
    """The dropout rates that belong to the layers of a model, multiplied by a factor.

    Thinc saves attributes with the weights, and whoever loads these takes them over from there: `left_out` is for saving, so that
    a training from the weights has the rates of its own config."""

    def __init__(self, model: Model, factor: float) -> None:
        """Multiply the rates.

        model (Model): The model.
        factor (float): The factor, from 0 to 1.
        """
        found = [(node, drops) for node in model.walk() if (drops := find(node, Drops)) is not None]
        self._built = [(node.attrs, name, node.attrs[name]) for node, drops in found for name in drops.rates]
        self._factor = factor
        self.reduce()

    def reduce(self) -> None:
        """Give the layers the multiplied rates, also where weights were loaded that bring rates of their own."""
        for attrs, name, rate in self._built:
            attrs[name] = rate * self._factor

    @contextmanager
    def left_out(self) -> Iterator[None]:
        """Leave the layers without rates for a while, in which they cannot be run."""
        for attrs, name, _ in self._built:
            del attrs[name]
        try:
            yield
        finally:
            self.reduce()
