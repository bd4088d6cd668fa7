"""Sessions of layers that score symbols: the weights are packed once, and few of the scores leave the loop that finds them."""

from typing import Any, Collection, Protocol

import numpy
from thinc.api import Model, NumpyOps
from thinc.types import Floats2d

from ...generation.best import Best, find_best
from ...generation.checks import as_symbols, require_count
from ...native import library
from ...recurrence.engines.cpu import whole
from ..capabilities import ScoresSymbols, find
from ..ops import use_engine_products
from .symbol_rows import check_rows, require_weights

# Compiled code inserts each symbol that it finds among those before: up to so many.
_MANY = 256


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

    Compiled code takes layers with a weight vector for each symbol, on a CPU and in float32, whether the weights are their own or
    those of an embedding.

    model (Model[Floats2d, Floats2d]): A layer that declares `ScoresSymbols`, initialized.
    RETURNS (SymbolScorer): The session. Later changes to the weights may or may not show.
    RAISES (ValueError): If the layer scores no symbols, or has no weights yet.
    """
    scores = find(model, ScoresSymbols)
    if scores is None:
        raise ValueError(f"the layer {model.name!r} does not score symbols: expected one that declares `ScoresSymbols`")
    require_weights(model)
    use_engine_products(model)
    if scores.weights is not None and library is not None and isinstance(model.ops, NumpyOps):
        W, b = scores.weights(model)
        if W.dtype == b.dtype == numpy.float32:
            return _CompiledScorer(model, W, b)
    return _PlainScorer(model)


class _PlainScorer:
    """A session that runs the layer: on any device, in any type of floats."""

    def __init__(self, model: Model[Floats2d, Floats2d]) -> None:
        self._model = model
        self.n_symbols = model.get_dim("nV")

    def log_probabilities(self, H: Floats2d) -> Floats2d:
        check_rows(self._model, H)
        return self._model.predict(H)

    def best(self, H: Floats2d, k: int, forbidden: Collection[int] = ()) -> Best:
        return find_best(self.log_probabilities(H), k, forbidden)


class _CompiledScorer:
    """A session of compiled code."""

    def __init__(self, model: Model[Floats2d, Floats2d], W: Any, b: Any) -> None:
        self._name, self._width = model.name, model.get_dim("nI")
        self.n_symbols = len(b)
        self._native = library.SymbolScorer(whole(W), whole(b))

    def log_probabilities(self, H: Any) -> Floats2d:
        Y = numpy.empty((len(H), self.n_symbols), dtype="float32")
        self._native.score(self._rows(H), Y)
        return Y  # type: ignore[return-value]

    def best(self, H: Any, k: int, forbidden: Collection[int] = ()) -> Best:
        if k > _MANY:
            return find_best(self.log_probabilities(H), k, forbidden)
        require_count("k", k, 1)
        is_forbidden = numpy.zeros(self.n_symbols, dtype="uint8")
        is_forbidden[as_symbols("forbidden symbols", forbidden, self.n_symbols)] = 1
        best = Best(numpy.empty((len(H), k), dtype="int64"), numpy.empty((len(H), k), dtype="float32"))
        self._native.best(self._rows(H), k, is_forbidden, *best)
        return best

    def _rows(self, H: Any) -> numpy.ndarray:
        if not isinstance(H, numpy.ndarray) or H.ndim != 2 or H.dtype != numpy.float32 or H.shape[1] != self._width:
            found = f"{H.dtype} of shape {H.shape}" if hasattr(H, "dtype") else repr(type(H))
            raise ValueError(f"the layer {self._name!r} takes rows float32 [N, {self._width}] here, got {found}")
        return whole(H)
