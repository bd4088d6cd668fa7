"""The decoder of an encoder-decoder, in training and in scoring: what it reads is known, so it reads it in one sweep."""

from typing import Callable, NamedTuple, Optional, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ints1d

from ...layers.attention.copying import Copied, find_copied, mix
from ...layers.attention.cross_attention import MemoryGradient, own_sequences
from ...layers.capabilities import ScoresSymbols, State, find
from ...layers.plain.sequence_dropout import draw_sequence_mask
from ...recurrence.tables import sum_by_number
from ...text.symbols import SymbolBatch
from .input_feeding import sweep_by_steps
from .sweeping import Decoder, Source, SweepBackprop, Swept, SweptGradient, sweep


class DecoderGradient(NamedTuple):
    """The gradient of what a decoder was given.

    d_state (Dict[str, Floats3d]): Of the initial state.
    d_memory (Optional[MemoryGradient]): Of what it has looked at.
    d_vectors (Optional[Floats2d]): [B, nC], of the vectors that each step reads.
    """

    d_state: State
    d_memory: Optional[MemoryGradient]
    d_vectors: Optional[Floats2d]


def begin_decode(
    decoder: Decoder,
    batch: SymbolBatch,
    state: State,
    source: Optional[Source],
    vectors: Optional[Floats2d],
    dropout: float,
    weights: Optional[Floats1d],
    deferred: bool = False,
) -> Tuple[Floats1d, Callable[[Optional[Floats1d]], DecoderGradient]]:
    """Find the log-probability of each target, for training.

    decoder (Decoder): The layers.
    batch (SymbolBatch): What is read, and what is to be written, of B sequences.
    state (Dict[str, Floats3d]): The initial state, [depth, B, nH] by name.
    source (Optional[Source]): What it looks at, of B sequences.
    vectors (Optional[Floats2d]): [B, nC], what each step reads beside the last symbol.
    dropout (float): The share of the columns of the embedding and of the attentional rows that is dropped, the same in all rows
        of a sequence.
    weights (Optional[Floats1d]): [M], what each target's loss counts; 1 if None.
    deferred (bool): Whether that is known in backpropagation only, which then computes the output once more.
    RETURNS (Tuple[Floats1d, Callable]): The log-probabilities [M]; and a function that takes the weights, adds the gradients of
        the sum of all losses to those of the parameters, and gives those of what the decoder was given.
    """
    ops, owners = decoder.embed.ops, own_sequences(batch.lengths)
    rows, embed_backprop = decoder.embed.begin_update(cast(Ints1d, batch.inputs))
    width = rows.shape[1]
    in_mask = draw_sequence_mask(ops, batch.lengths, width, dropout) if dropout else None
    X = rows if in_mask is None else rows * in_mask
    if vectors is not None:
        X = cast(Floats2d, ops.xp.concatenate([X, vectors[ops.xp.asarray(owners)]], axis=1))
    swept, sweep_backprop = _choose_sweep(decoder)(decoder, X, batch.lengths, state, source, True)
    out_mask = draw_sequence_mask(ops, batch.lengths, swept.A.shape[1], dropout) if dropout else None
    A = swept.A if out_mask is None else swept.A * out_mask
    log_probabilities, output_backprop = _begin_output(decoder, swept, A, batch, source, None if deferred else (weights,))

    def backprop(weights: Optional[Floats1d]) -> DecoderGradient:
        gradient = output_backprop(weights)
        if out_mask is not None:
            gradient = gradient._replace(dA=gradient.dA * out_mask)
        dX, d_state, d_memory = sweep_backprop(gradient)
        d_rows = dX[:, :width]
        embed_backprop(cast(Floats2d, ops.xp.ascontiguousarray(d_rows if in_mask is None else d_rows * in_mask)))
        d_vectors = None if vectors is None else sum_by_number(dX[:, width:], owners, len(batch.lengths))
        return DecoderGradient(d_state, d_memory, d_vectors)

    return log_probabilities, backprop


def _begin_output(
    decoder: Decoder,
    swept: Swept,
    A: Floats2d,
    batch: SymbolBatch,
    source: Optional[Source],
    known: Optional[Tuple[Optional[Floats1d]]],
) -> Tuple[Floats1d, Callable[[Optional[Floats1d]], SweptGradient]]:
    """Score the targets; written, or copied as well. What each counts may be known already."""
    scores = scores_of(decoder.head)
    if decoder.gate is None and known is not None:
        log_probabilities, head_backprop = scores.begin_update(decoder.head, A, batch.targets, known[0])
        return log_probabilities, lambda weights: SweptGradient(head_backprop())
    written = scores.score(decoder.head, A, batch.targets)
    if decoder.gate is None:
        return written, lambda weights: SweptGradient(scores.begin_update(decoder.head, A, batch.targets, weights)[1]())
    assert source is not None and swept.C is not None and swept.weights is not None
    gate, gate_backprop = decoder.gate((swept.X, swept.H, swept.C), True)
    copied = _find_copied(decoder, source, batch)
    mixed, shares, mix_backprop = mix(gate, written, swept.weights, copied)

    def backprop(weights: Optional[Floats1d]) -> SweptGradient:
        counted = decoder.embed.ops.xp.ones_like(mixed) if weights is None else weights
        _, head_backprop = scores.begin_update(decoder.head, A, batch.targets, shares * counted)
        d_gate, d_weights = mix_backprop(-counted)
        dX, dH, dC = gate_backprop(d_gate)
        return SweptGradient(head_backprop(), dX, dH, dC, d_weights)

    return mixed, backprop


def _find_copied(decoder: Decoder, source: Source, batch: SymbolBatch) -> Copied:
    owners, targets = own_sequences(batch.lengths), numpy.asarray(batch.targets)
    return find_copied(source.numbers, source.memory.lengths, owners, targets, decoder.head.get_dim("nV"))


def score_targets(
    decoder: Decoder, batch: SymbolBatch, state: State, source: Optional[Source], vectors: Optional[Floats2d]
) -> Tuple[Floats1d, Optional[Floats1d]]:
    """Find the log-probability of each target.

    decoder, batch, state, source, vectors: As `begin_decode` takes them.
    RETURNS (Tuple[Floats1d, Optional[Floats1d]]): The log-probabilities [M]; and the attention [P], as `Attended` has it, if
        there is any.
    """
    swept = sweep_targets(decoder, batch, state, source, vectors)
    log_probabilities = scores_of(decoder.head).score(decoder.head, swept.A, batch.targets)
    if decoder.gate is not None:
        assert source is not None and swept.C is not None and swept.weights is not None
        gate = decoder.gate.predict((swept.X, swept.H, swept.C))
        log_probabilities = mix(gate, log_probabilities, swept.weights, _find_copied(decoder, source, batch))[0]
    return log_probabilities, swept.weights


def sweep_targets(
    decoder: Decoder, batch: SymbolBatch, state: State, source: Optional[Source], vectors: Optional[Floats2d]
) -> Swept:
    """Read what was written, without dropout.

    decoder, batch, state, source, vectors: As `begin_decode` takes them.
    RETURNS (Swept): What was computed.
    """
    X = cast(Floats2d, decoder.embed.predict(cast(Ints1d, batch.inputs)))
    if vectors is not None:
        xp = decoder.embed.ops.xp
        X = cast(Floats2d, xp.concatenate([X, vectors[xp.asarray(own_sequences(batch.lengths))]], axis=1))
    return _choose_sweep(decoder)(decoder, X, batch.lengths, state, source, False)[0]


def _choose_sweep(decoder: Decoder) -> Callable[..., Tuple[Swept, SweepBackprop]]:
    return sweep_by_steps if decoder.is_fed else sweep


def scores_of(head: Model) -> ScoresSymbols:
    """Say how a layer scores symbols.

    head (Model): The layer.
    RETURNS (ScoresSymbols): What it has declared.
    """
    found = find(head, ScoresSymbols)
    assert found is not None
    return found
