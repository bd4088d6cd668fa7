"""Recurrent language models."""

from typing import Any, Callable, Optional, Sequence, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ints1d, Ragged

from ..generation import Scores
from ..generation.checks import refuse_context
from ..layers.capabilities import Drops, LearnsVocabulary, PredictsSymbols, State, declare
from ..layers.embedding.symbol_embed import build_symbol_embed
from ..layers.plain.dropout import check_rate
from ..layers.plain.sequence_dropout import draw_sequence_mask
from ..layers.ragged.cut import cut_batch
from ..layers.ragged.taken import TakenRows
from ..layers.recurrent.rnn import build_rnn
from ..layers.recurrent.scanning import begin_scan, initial_state, scan
from ..layers.recurrent.session import RnnSession, begin_stack_session
from ..layers.saved import Saved, no_parameters
from ..recurrence import StackSession, Table, TableRows
from ..text.symbols import SymbolBatch, Symbols
from .symbols import (
    as_symbols,
    begin_symbols,
    build_head,
    check_batch,
    check_network,
    count_symbols,
    distinct_symbols,
    end_symbols,
    forget_gradients,
    head_of,
    no_backprop,
    take_symbols,
)

# Rows that are scored at a time, about: their hidden states are what takes memory.
_SCORED_ROWS = 32768


def build_rnn_lm(
    symbols: Symbols,
    *,
    width: int = 64,
    hidden_width: int = 256,
    cell: str = "lstm",
    depth: int = 1,
    output: str = "full",
    cutoffs: Optional[Sequence[int]] = None,
    n_samples: int = 1024,
    tied: bool = False,
    input_dropout: float = 0.0,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    weight_dropout: float = 0.0,
    symbol_dropout: float = 0.0,
    precision: str = "float32",
) -> Model[SymbolBatch, Floats1d]:
    """Build a recurrent language model (Mikolov et al. 2010): an embedding, recurrent layers, and a softmax over the symbols.

    symbols (Symbols): The symbols: `spacy_rnn.Characters.v1`, `spacy_rnn.Words.v1` or `spacy_rnn.Subwords.v1`.
    width (int): The width of the embedding.
    hidden_width (int): The number of hidden units of a layer.
    cell (str): The cell, as in `spacy_rnn.RNNEncoder.v1`.
    depth (int): The number of recurrent layers.
    output (str): "full"; "adaptive", which spends less on rare symbols (Grave et al. 2017); or "sampled", which learns from some
        symbols in place of all (Jean et al. 2015).
    cutoffs (Optional[Sequence[int]]): With "adaptive": how many of the most frequent symbols come before each cluster; found by
        itself if None.
    n_samples (int): With "sampled": how many symbols are drawn for a batch.
    tied (bool): Whether the output's weights are those of the embedding (Press & Wolf 2017; Inan et al. 2017). If their widths
        differ, a projection stands between them.
    input_dropout (float): The share of the embedding's columns that is dropped, the same ones at all steps of a sequence.
    dropout (float): The same of the outputs of recurrent layers (locked dropout, Merity et al. 2018).
    recurrent_dropout (float): The share of hidden units that is dropped from recurrent products (Gal & Ghahramani 2016).
    weight_dropout (float): The share of recurrent weights that is dropped (Merity et al. 2018).
    symbol_dropout (float): The share of symbols whose embeddings are dropped in a batch (Gal & Ghahramani 2016).
    precision (str): As in `spacy_rnn.RNNEncoder.v1`.
    RETURNS (Model[SymbolBatch, Floats1d]): The model, from N inputs and targets to the log-probability of each target [N].
    RAISES (ValueError): If an argument is out of its range.
    """
    check_rate("input_dropout", input_dropout)
    if hidden_width < 1:
        raise ValueError(f"hidden_width must be at least 1, got {hidden_width}")
    embed = build_symbol_embed(width, symbol_dropout=symbol_dropout)
    rnn = build_rnn(
        hidden_width,
        width,
        cell=cell,
        depth=depth,
        dropout=dropout,
        locked_dropout=True,
        recurrent_dropout=recurrent_dropout,
        weight_dropout=weight_dropout,
        precision=precision,
    )
    head = build_head(output, hidden_width, cutoffs, n_samples, embed if tied else None)
    return Model(
        "rnn_lm",
        forward,
        init=init,
        layers=[embed, rnn, head],
        dims={"nV": None},
        attrs={"symbols": symbols, "input_dropout": input_dropout, "dropout": dropout},
    )


def init(model: Model[SymbolBatch, Floats1d], X: object = None, Y: object = None) -> None:
    n_symbols = count_symbols(model)
    embed, rnn, head = model.layers
    for node in (model, embed, head):
        node.set_dim("nV", n_symbols, force=True)
    embed.initialize()
    rnn.initialize()
    head.initialize()
    forget_gradients(model)


def forward(model: Model[SymbolBatch, Floats1d], X: SymbolBatch, is_train: bool) -> Tuple[Floats1d, Callable]:
    if not is_train:
        return RnnLanguageModel(model).score(*X).log_probabilities, no_backprop
    inputs, targets, lengths = check_batch(X, model.get_dim("nV"))
    head = model.layers[2]
    H, _, hidden_backprop = _begin_hidden(model, inputs, lengths, None)
    log_probabilities = head_of(model).score(head, H, targets)

    def backprop(dY: Floats1d) -> SymbolBatch:
        _, head_backprop = head_of(model).begin_update(head, H, targets, -dY)
        hidden_backprop(head_backprop())
        return X

    return log_probabilities, backprop


def begin_update(
    model: Model[SymbolBatch, Floats1d], batch: SymbolBatch, state: Optional[State] = None, weights: Optional[Floats1d] = None
) -> Tuple[Scores, Callable[[], None]]:
    """Score a batch for training, as `PredictsSymbols` says.

    model (Model[SymbolBatch, Floats1d]): The model.
    batch (SymbolBatch): The batch.
    state (Optional[Dict[str, Floats3d]]): The state before the first inputs, through which no gradient goes; the model's own if
        None.
    weights (Optional[Floats1d]): [N], what each target's loss counts; 1 if None.
    RETURNS (Tuple[Scores, Callable]): The scores, and a function that adds the gradients.
    RAISES (ValueError): If the batch or the state does not fit.
    """
    inputs, targets, lengths = check_batch(batch, model.get_dim("nV"))
    head = model.layers[2]
    H, after, hidden_backprop = _begin_hidden(model, inputs, lengths, state)
    log_probabilities, head_backprop = head_of(model).begin_update(head, H, targets, weights)
    return Scores(log_probabilities, after), lambda: hidden_backprop(head_backprop())


def carry(
    model: Model[SymbolBatch, Floats1d], state: Optional[State], index: numpy.ndarray, into: Optional[State] = None
) -> State:
    """Give the state in which sequences go on, as `PredictsSymbols` says.

    model (Model[SymbolBatch, Floats1d]): The model.
    state (Optional[Dict[str, Floats3d]]): A state.
    index (numpy.ndarray): int64 [B], which of its sequences each goes on from; -1 for others.
    into (Optional[Dict[str, Floats3d]]): What others go on in, written to; as at the beginning of a text if None.
    RETURNS (Dict[str, Floats3d]): The state of B sequences.
    """
    xp = model.ops.xp
    before = initial_state(model.layers[1], len(index)) if into is None else into
    kept = numpy.flatnonzero(index >= 0)
    if state is not None and kept.size:
        for name, array in before.items():
            array[:, xp.asarray(kept)] = state[name][:, xp.asarray(index[kept])]
    return before


def _begin_hidden(
    model: Model, inputs: numpy.ndarray, lengths: numpy.ndarray, state: Optional[State]
) -> Tuple[Floats2d, State, Callable[[Floats2d], None]]:
    """Compute hidden states for training."""
    embed, rnn, _ = model.layers
    input_mask = _locked_mask(model, "input_dropout", lengths, embed.get_dim("nO"))
    output_mask = _locked_mask(model, "dropout", lengths, rnn.get_dim("nO"))
    if input_mask is None:
        distinct, index = distinct_symbols(inputs, embed.get_dim("nV"))
        table, embed_backprop = embed.begin_update(cast(Ints1d, distinct))
        X: Ragged = TakenRows(TableRows(Table(table), index), cast(Ints1d, lengths), table_gradient=True)
    else:
        rows, embed_backprop = embed.begin_update(cast(Ints1d, inputs))
        X = Ragged(rows * input_mask, cast(Ints1d, lengths))
    (Y, after), rnn_backprop = begin_scan(rnn, X, state)
    H = cast(Floats2d, Y.dataXd)

    def backprop(dH: Floats2d) -> None:
        dX = rnn_backprop(Ragged(dH if output_mask is None else dH * output_mask, Y.lengths), None)[0].dataXd
        embed_backprop(dX if input_mask is None else dX * input_mask)

    return (H if output_mask is None else H * output_mask), after, backprop


def _locked_mask(model: Model, rate: str, lengths: numpy.ndarray, width: int) -> Optional[Floats2d]:
    """Draw what rows are multiplied by, the same at all steps of a sequence; None if nothing is dropped."""
    return draw_sequence_mask(model.ops, lengths, width, model.attrs[rate]) if model.attrs[rate] else None


def network(model: Model[SymbolBatch, Floats1d]) -> Tuple[Model, Model]:
    """Give the layers that others can read the states of.

    model (Model[SymbolBatch, Floats1d]): The model.
    RETURNS (Tuple[Model, Model]): The embedding of its symbols, and the recurrent layer over them.
    """
    return model.layers[0], model.layers[1]


class RnnLanguageModel:
    """A recurrent language model with the weights as they are: see `spacy_rnn.generation.LanguageModel`.

    A state is that of `spacy_rnn.layers.scan`: an array [depth, B, nH] for each state of the cell."""

    def __init__(self, model: Model[SymbolBatch, Floats1d]) -> None:
        """Begin.

        model (Model[SymbolBatch, Floats1d]): The model, initialized.
        """
        self.n_symbols = model.get_dim("nV")
        self._model = model
        self._embed, self._rnn, self._head = model.layers
        self._session: Optional[RnnSession] = None
        self._stack: Optional[StackSession] = None

    def start(self, n: int, context: Any = None) -> State:
        """Give the state before the first symbol, as `NextSymbol.start` says."""
        refuse_context(context, "a recurrent language model")
        return initial_state(self._rnn, n)

    def step(self, symbols: Any, state: State) -> Tuple[Floats2d, State]:
        """Read one symbol of each sequence, as `NextSymbol.step` says."""
        numbers = as_symbols(symbols, self.n_symbols)
        self._begin()
        if self._session is None:
            assert self._stack is not None
            return self._stack.step(numbers, state)
        H, after = self._session.step(numbers, state)
        return self._head.predict(H), after

    def many_steps(self) -> Optional[StackSession]:
        """Give what generates in one call, as `MakesManySteps.many_steps` says."""
        self._begin()
        return self._stack

    def _begin(self) -> None:
        """Pack the weights, where that has not been done."""
        if self._session is not None or self._stack is not None:
            return
        table, weights = cast(Floats2d, self._embed.get_param("E")), head_of(self._model).weights
        if weights is not None:
            self._stack = begin_stack_session(self._rnn, table, *weights(self._head))
        if self._stack is None:
            self._session = RnnSession(self._rnn, table)

    def reorder(self, state: State, index: Any) -> State:
        """Take some sequences of a state, as `NextSymbol.reorder` says."""
        return {name: array[:, index] for name, array in state.items()}

    def score(self, inputs: Any, targets: Any, lengths: numpy.ndarray, state: Optional[State] = None) -> Scores:
        """Score sequences, as `LanguageModel.score` says."""
        inputs, targets, lengths = check_batch(SymbolBatch(inputs, targets, lengths), self.n_symbols)
        ops, n = self._rnn.ops, len(lengths)
        log_probabilities = cast(Floats1d, ops.xp.zeros(len(inputs), dtype="float32"))
        after = self.start(n) if state is None else {name: ops.xp.array(array) for name, array in state.items()}
        for part in cut_batch(lengths, _SCORED_ROWS):
            before = self.reorder(after, part.sequences)
            scores, ends = self._score_part(inputs[part.rows], targets[part.rows], part.lengths, before)
            log_probabilities[ops.xp.asarray(part.rows)] = scores
            for name, array in ends.items():
                after[name][:, part.sequences] = array
        return Scores(log_probabilities, after)

    def _score_part(
        self, inputs: numpy.ndarray, targets: numpy.ndarray, lengths: numpy.ndarray, state: Optional[State]
    ) -> Tuple[Floats1d, State]:
        distinct, index = distinct_symbols(inputs, self.n_symbols)
        table = self._embed.predict(cast(Ints1d, distinct))
        Y, after = scan(self._rnn, TakenRows(TableRows(Table(table), index), cast(Ints1d, lengths)), state)
        return head_of(self._model).score(self._head, Y.dataXd, targets), after


declare(
    forward,
    PredictsSymbols(RnnLanguageModel, carry, begin_update, network),
    LearnsVocabulary(begin_symbols, end_symbols, take_symbols),
    Drops(("input_dropout", "dropout")),
    Saved(no_parameters, check_network, learned=["symbols"]),
)
