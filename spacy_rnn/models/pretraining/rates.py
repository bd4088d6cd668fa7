"""Dropout rates that are others in pretraining."""

from contextlib import contextmanager
from typing import Iterator

from thinc.api import Model

from ...layers.capabilities import Drops, find


class Rates:
    """The dropout rates that belong to the layers of a model, multiplied by a factor.

    They are saved with the weights, and whoever loads these takes them over from there: `as_built` is for saving."""

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
        """Give the layers the multiplied rates, also where weights were loaded, which bring the rates that were saved."""
        self._multiply(self._factor)

    @contextmanager
    def as_built(self) -> Iterator[None]:
        """Give the layers their own rates for a while."""
        self._multiply(1.0)
        try:
            yield
        finally:
            self.reduce()

    def _multiply(self, factor: float) -> None:
        for attrs, name, rate in self._built:
            attrs[name] = rate * factor
