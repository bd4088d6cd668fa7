"""Feed-forward language models."""

from typing import Any, Callable, Optional, Tuple, cast

import numpy
from thinc.api import Model, glorot_uniform_init, zero_init
from thinc.types import Floats1d, Floats2d, Ints1d

from ..generation import Scores
from ..generation.checks import refuse_context
from ..layers.capabilities import LearnsVocabulary, PredictsSymbols, declare
from ..layers.embedding.symbol_embed import build_symbol_embed
from ..layers.ops import multiply, use_engine_products
from ..layers.plain.dropout import build_dropout, check_rate
from ..layers.saved import Saved, Shapes
from ..text.symbols import START, SymbolBatch, Symbols
from .symbols import (
    as_symbols,
    begin_symbols,
    build_head,
    check_batch,
    check_network,
    count_symbols,
    end_symbols,
    forget_gradients,
    head_of,
    no_backprop,
    take_symbols,
)

# Rows that are scored at a time.
_SCORED_ROWS = 16384


def build_feedforward_lm(
    symbols: Symbols,
    *,
    window: int = 5,
    width: int = 64,
    hidden_width: int = 256,
    direct: bool = False,
    output: str = "full",
    cutoffs: Optional[Any] = None,
    n_samples: int = 1024,
    dropout: float = 0.0,
    symbol_dropout: float = 0.0,
) -> Model[SymbolBatch, Floats1d]:
    """Build a feed-forward language model (Bengio et al. 2003): the next symbol from the `window` symbols before it.

    Their embeddings side by side, a layer of tanh units, and a softmax over the symbols. Symbols before the beginning of a text
    count as its start.

    symbols (Symbols): The symbols: `spacy_rnn.Characters.v1`, `spacy_rnn.Words.v1` or `spacy_rnn.Subwords.v1`.
    window (int): How many symbols are seen.
    width (int): The width of the embedding.
    hidden_width (int): The number of hidden units.
    direct (bool): Whether the softmax sees the embeddings too, beside the hidden units.
    output, cutoffs, n_samples: As in `spacy_rnn.RNNLM.v1`.
    dropout (float): The share of what the softmax sees that is dropped.
    symbol_dropout (float): The share of symbols whose embeddings are dropped in a batch.
    RETURNS (Model[SymbolBatch, Floats1d]): The model, from N inputs and targets to the log-probability of each target [N].
    RAISES (ValueError): If an argument is out of its range.
    """
    for name, value in (("window", window), ("hidden_width", hidden_width)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    check_rate("dropout", dropout)
    head_width = hidden_width + (window * width if direct else 0)
    return Model(
        "feedforward_lm",
        forward,
        init=init,
        layers=[
            build_symbol_embed(width, symbol_dropout=symbol_dropout),
            build_dropout(dropout),
            build_head(output, head_width, cutoffs, n_samples),
        ],
        dims={"nV": None, "nI": window * width, "nO": hidden_width},
        params={"W": None, "b": None},
        attrs={"symbols": symbols, "window": window, "direct": direct},
    )


def init(model: Model[SymbolBatch, Floats1d], X: object = None, Y: object = None) -> None:
    n_symbols = count_symbols(model)
    embed, _, head = model.layers
    for node in (model, embed, head):
        node.set_dim("nV", n_symbols, force=True)
    embed.initialize()
    head.initialize()
    model.set_param("W", glorot_uniform_init(model.ops, (model.get_dim("nO"), model.get_dim("nI"))))
    model.set_param("b", zero_init(model.ops, (model.get_dim("nO"),)))
    forget_gradients(model)


def forward(model: Model[SymbolBatch, Floats1d], X: SymbolBatch, is_train: bool) -> Tuple[Floats1d, Callable]:
    if not is_train:
        return FeedForwardLanguageModel(model).score(*X).log_probabilities, no_backprop
    inputs, targets, lengths = check_batch(X, model.get_dim("nV"))
    H, hidden_backprop = _hidden(model, _contexts(model, inputs, lengths, None)[0], True)
    log_probabilities = head_of(model).score(model.layers[2], H, targets)

    def backprop(dY: Floats1d) -> SymbolBatch:
        _, head_backprop = head_of(model).begin_update(model.layers[2], H, targets, -dY)
        hidden_backprop(head_backprop())
        return X

    return log_probabilities, backprop


def begin_update(
    model: Model[SymbolBatch, Floats1d],
    batch: SymbolBatch,
    state: Optional[numpy.ndarray] = None,
    weights: Optional[Floats1d] = None,
) -> Tuple[Scores, Callable[[], None]]:
    """Score a batch for training, as `PredictsSymbols` says.

    model (Model[SymbolBatch, Floats1d]): The model.
    batch (SymbolBatch): The batch.
    state (Optional[numpy.ndarray]): int64 [B, window - 1], the symbols before the first inputs; the start of a text if None.
    weights (Optional[Floats1d]): [N], what each target's loss counts; 1 if None.
    RETURNS (Tuple[Scores, Callable]): The scores, and a function that adds the gradients.
    RAISES (ValueError): If the batch or the state does not fit.
    """
    inputs, targets, lengths = check_batch(batch, model.get_dim("nV"))
    contexts, after = _contexts(model, inputs, lengths, state)
    H, hidden_backprop = _hidden(model, contexts, True)
    log_probabilities, head_backprop = head_of(model).begin_update(model.layers[2], H, targets, weights)
    return Scores(log_probabilities, after), lambda: hidden_backprop(head_backprop())


def carry(
    model: Model[SymbolBatch, Floats1d],
    state: Optional[numpy.ndarray],
    index: numpy.ndarray,
    into: Optional[numpy.ndarray] = None,
) -> numpy.ndarray:
    """Give the state in which sequences go on, as `PredictsSymbols` says.

    model (Model[SymbolBatch, Floats1d]): The model.
    state (Optional[numpy.ndarray]): A state.
    index (numpy.ndarray): int64 [B], which of its sequences each goes on from; -1 for others.
    into (Optional[numpy.ndarray]): What others go on in, written to; as at the beginning of a text if None.
    RETURNS (numpy.ndarray): int64 [B, window - 1].
    """
    before = _start(model, len(index)) if into is None else into
    if state is not None:
        before[index >= 0] = state[index[index >= 0]]
    return before


def _start(model: Model, n: int) -> numpy.ndarray:
    return numpy.full((n, model.attrs["window"] - 1), START, dtype="int64")


def _contexts(
    model: Model, inputs: numpy.ndarray, lengths: numpy.ndarray, state: Optional[numpy.ndarray]
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Give the symbols [N, window] that each target follows, oldest first, and the state after the last input."""
    state = _start(model, len(lengths)) if state is None else state
    n_before, n = model.attrs["window"] - 1, len(inputs)
    if state.shape != (len(lengths), n_before):
        raise ValueError(f"the state of {len(lengths)} sequences: expected shape {(len(lengths), n_before)}, got {state.shape}")
    # Each sequence with its state in front of it, sequence after sequence.
    ends = numpy.cumsum(lengths, dtype="int64")
    index = numpy.arange(n) + n_before * (numpy.repeat(numpy.arange(len(lengths)), lengths) + 1)
    joined = numpy.empty(n + state.size, dtype="int64")
    joined[index] = inputs
    firsts = ends - lengths + n_before * numpy.arange(len(lengths))
    joined[firsts[:, numpy.newaxis] + numpy.arange(n_before)] = state
    contexts = joined[index[:, numpy.newaxis] + numpy.arange(-n_before, 1)]
    # What stands before the beginning of a text is none of its business.
    for column in range(n_before - 1, -1, -1):
        contexts[contexts[:, column + 1] == START, column] = START
    after = joined[(firsts + lengths)[:, numpy.newaxis] + numpy.arange(n_before)]
    return contexts, after


def _hidden(model: Model, contexts: numpy.ndarray, is_train: bool) -> Tuple[Floats2d, Callable[[Floats2d], None]]:
    """Compute what the softmax sees."""
    embed, dropout, _ = model.layers
    use_engine_products(model)
    ops, W, nO = model.ops, cast(Floats2d, model.get_param("W")), model.get_dim("nO")
    rows, embed_backprop = embed(cast(Ints1d, contexts.reshape(-1)), is_train)
    X = cast(Floats2d, rows.reshape(len(contexts), -1))
    Z = multiply(ops, X, W, trans2=True)
    Z += model.get_param("b")
    hidden = ops.xp.tanh(Z, out=Z)
    seen = ops.xp.hstack([hidden, X]) if model.attrs["direct"] else hidden
    H, dropout_backprop = dropout(seen, is_train)

    def backprop(dH: Floats2d) -> None:
        d_seen = dropout_backprop(dH)
        dZ = d_seen[:, :nO] * (1 - hidden * hidden)
        model.inc_grad("W", multiply(ops, dZ, X, trans1=True))
        model.inc_grad("b", dZ.sum(axis=0))
        dX = multiply(ops, dZ, W)
        if model.attrs["direct"]:
            dX = dX + d_seen[:, nO:]
        embed_backprop(ops.as_contig(dX.reshape(-1, embed.get_dim("nO"))))

    return H, backprop


class FeedForwardLanguageModel:
    """A feed-forward language model with the weights as they are: see `spacy_rnn.generation.LanguageModel`.

    A state is int64 [B, window - 1]: the last symbols, on the host."""

    def __init__(self, model: Model[SymbolBatch, Floats1d]) -> None:
        """Begin.

        model (Model[SymbolBatch, Floats1d]): The model, initialized.
        """
        self.n_symbols = model.get_dim("nV")
        self._model = model

    def start(self, n: int, context: Any = None) -> numpy.ndarray:
        """Give the state before the first symbol, as `NextSymbol.start` says."""
        refuse_context(context, "a feed-forward language model")
        return _start(self._model, n)

    def step(self, symbols: Any, state: numpy.ndarray) -> Tuple[Floats2d, numpy.ndarray]:
        """Read one symbol of each sequence, as `NextSymbol.step` says."""
        inputs = as_symbols(symbols, self.n_symbols)
        contexts, after = _contexts(self._model, inputs, numpy.ones(len(inputs), dtype="int32"), state)
        return self._model.layers[2].predict(_hidden(self._model, contexts, False)[0]), after

    def reorder(self, state: numpy.ndarray, index: Any) -> numpy.ndarray:
        """Take some sequences of a state, as `NextSymbol.reorder` says."""
        return state[index]

    def score(self, inputs: Any, targets: Any, lengths: numpy.ndarray, state: Optional[numpy.ndarray] = None) -> Scores:
        """Score sequences, as `LanguageModel.score` says."""
        inputs, targets, lengths = check_batch(SymbolBatch(inputs, targets, lengths), self.n_symbols)
        contexts, after = _contexts(self._model, inputs, lengths, state)
        head, xp = self._model.layers[2], self._model.ops.xp
        log_probabilities = cast(Floats1d, xp.zeros(len(inputs), dtype="float32"))
        for first in range(0, len(inputs), _SCORED_ROWS):
            rows = slice(first, first + _SCORED_ROWS)
            H = _hidden(self._model, contexts[rows], False)[0]
            log_probabilities[rows] = head_of(self._model).score(head, H, cast(Ints1d, targets[rows]))
        return Scores(log_probabilities, after)


def _shapes(dims: Any, attrs: Any) -> Shapes:
    return {"W": (dims["nO"], dims["nI"]), "b": (dims["nO"],)}


declare(
    forward,
    PredictsSymbols(FeedForwardLanguageModel, carry, begin_update),
    LearnsVocabulary(begin_symbols, end_symbols, take_symbols),
    Saved(_shapes, check_network, learned=["symbols"]),
)
