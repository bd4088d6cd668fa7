"""A cache as a language model."""

from typing import Any, Callable, Tuple

from thinc.api import Model
from thinc.types import Floats1d

from ..backoff import CacheModel, check_cache
from ..layers.capabilities import LearnsVocabulary, PredictsSymbols, declare
from ..layers.saved import Saved, no_parameters
from ..text.symbols import SymbolBatch, Symbols
from .symbols import begin_symbols, count_symbols, end_symbols, take_symbols


def build_cache_lm(symbols: Symbols, *, size: int = 500, order: int = 1, share: float = 0.1) -> Model[SymbolBatch, Floats1d]:
    """Build a cache, for `spacy_rnn.MixtureLM.v1`: what a text has just used, it is likely to use again (Kuhn & De Mori 1990).

    symbols (Symbols): The symbols.
    size (int): How many symbols of the text itself are remembered.
    order (int): The order of the n-grams that are counted in them; 1 for single symbols.
    share (float): The share of an order's probability that is that of the next lower one, and at last that of all symbols alike;
        above 0 and up to 1.
    RETURNS (Model[SymbolBatch, Floats1d]): The model, from N inputs and targets to the log-probability of each target [N].
    RAISES (ValueError): If an argument is out of its range.
    """
    check_cache(size, order, share)
    attrs = {"symbols": symbols, "size": size, "order": order, "share": share}
    return Model("cache_lm", forward, init=init, attrs=attrs)


def init(model: Model[SymbolBatch, Floats1d], X: object = None, Y: object = None) -> None:
    count_symbols(model)


def forward(model: Model[SymbolBatch, Floats1d], X: SymbolBatch, is_train: bool) -> Tuple[Floats1d, Callable]:
    return begin(model).score(*X).log_probabilities, _no_backprop


def begin(model: Model[SymbolBatch, Floats1d]) -> CacheModel:
    """Give the cache of a language model.

    model (Model[SymbolBatch, Floats1d]): The model.
    RETURNS (CacheModel): The cache.
    RAISES (ValueError): If the symbols have not been learned.
    """
    attrs = model.attrs
    return CacheModel(count_symbols(model), attrs["size"], attrs["order"], attrs["share"])


def _no_backprop(dY: Floats1d) -> Any:
    raise ValueError("a cache has nothing to learn")


declare(
    forward,
    PredictsSymbols(begin),
    LearnsVocabulary(begin_symbols, end_symbols, take_symbols),
    Saved(no_parameters, learned=["symbols"]),
)
