"""Sessions of layers that score symbols: the weights are packed once, and few of the scores leave the loop that finds them."""

from typing import Any, Collection, Protocol

import numpy
from thinc.api import Model
from thinc.types import Floats2d

from ...generation.best import Best, find_best
from .symbol_rows import check_rows


class SymbolScorer(Protocol):
    """What gives the log-probabilities of the symbols that follow, with the weights as they were when it was made.

    A row's result does not depend on the others, not even in its last bit.
    """

    n_symbols: int

    def log_probabilities(self, H: Floats2d) -> Floats2d:
        """Score all symbols.

        H (Floats2d): The rows [R, nI].
        RETURNS (Floats2d): [R, V], the log-probabilities, in nats.
        RAISES (ValueError): If a shape or type does not fit.
        """
        ...

    def best(self, H: Floats2d, k: int, forbidden: Collection[int] = ()) -> Best:
        """Find the most probable symbols, with the same log-probabilities.

        H (Floats2d): The rows [R, nI].
        k (int): How many symbols to find, 1 or more.
        forbidden (Collection[int]): Those that never come.
        RETURNS (Best): The symbols and their log-probabilities [R, k], on the host.
        RAISES (ValueError): If a shape or type does not fit, there is no such symbol, or a log-probability is no number.
        """
        ...


def begin_scoring(model: Model[Floats2d, Floats2d]) -> SymbolScorer:
    """Begin a session of a layer.

    model (Model[Floats2d, Floats2d]): A layer that declares `ScoresSymbols`, initialized.
    RETURNS (SymbolScorer): The session. Later changes to the weights may or may not show.
    RAISES (ValueError): If the layer has no weights yet.
    """
    return _PlainScorer(model)


class _PlainScorer:
    """A session that runs the layer: on any device, in any type of floats."""

    def __init__(self, model: Model[Floats2d, Floats2d]) -> None:
        self._model = model
        self.n_symbols = model.get_dim("nV")

    def log_probabilities(self, H: Floats2d) -> Floats2d:
        check_rows(self._model, H)
        return self._model.predict(H)

    def best(self, H: Any, k: int, forbidden: Collection[int] = ()) -> Best:
        return find_best(self.log_probabilities(H), k, numpy.asarray(forbidden, dtype="int64"))
