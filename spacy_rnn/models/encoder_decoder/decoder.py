"""The decoder of an encoder-decoder, in training and in scoring: what it reads is known, so it reads it in one sweep."""

from typing import Any, Callable, List, NamedTuple, Optional, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ints1d, Ragged

from ...layers.attention.copying import Copied, find_copied, mix
from ...layers.attention.cross_attention import Memory, MemoryGradient, attend, own_sequences, remember
from ...layers.capabilities import ScoresSymbols, State, find
from ...layers.plain.sequence_dropout import draw_sequence_mask
from ...layers.recurrent.scanning import begin_scan
from ...recurrence.tables import sum_by_number
from ...text.symbols import SymbolBatch


class Decoder(NamedTuple):
    """The layers of a decoder.

    embed (Model): Embeds what was written before.
    rnn (Model): Recurrent layers of one direction.
    head (Model): Scores symbols.
    attention (Optional[Model]): Looks at what an encoder has read; None without attention.
    attentional (Optional[Model]): Joins what it has found with hidden states. None without attention.
    gate (Optional[Model]): Decides between writing and copying; None where nothing is copied.
    is_fed (bool): Whether each step reads the attentional row of the step before (input feeding, Luong et al. 2015, section 3.3).
    """

    embed: Model
    rnn: Model
    head: Model
    attention: Optional[Model] = None
    attentional: Optional[Model] = None
    gate: Optional[Model] = None
    is_fed: bool = False


class Source(NamedTuple):
    """What a decoder looks at, and copies from.

    memory (Memory): The rows of an encoder.
    numbers (numpy.ndarray): int64 [N], the symbols that it has read.
    """

    memory: Memory
    numbers: numpy.ndarray


class Swept(NamedTuple):
    """What a decoder has computed for each row.

    X (Floats2d): [M, nX], what its recurrent layers have read.
    H (Floats2d): [M, nH], hidden states.
    A (Floats2d): [M, nH], attentional rows, which the output sees; H itself without attention.
    C (Optional[Floats2d]): [M, nE], contexts.
    weights (Optional[Floats1d]): [P], attention, as `Attended` has it.
    """

    X: Floats2d
    H: Floats2d
    A: Floats2d
    C: Optional[Floats2d]
    weights: Optional[Floats1d]


class SweptGradient(NamedTuple):
    """The gradient of the same, where there is one."""

    dA: Floats2d
    dX: Optional[Floats2d] = None
    dH: Optional[Floats2d] = None
    dC: Optional[Floats2d] = None
    d_weights: Optional[Floats1d] = None


class DecoderGradient(NamedTuple):
    """The gradient of what a decoder was given.

    d_state (Dict[str, Floats3d]): Of the initial state.
    d_memory (Optional[MemoryGradient]): Of what it has looked at.
    d_vectors (Optional[Floats2d]): [B, nC], of the vectors that each step reads.
    """

    d_state: State
    d_memory: Optional[MemoryGradient]
    d_vectors: Optional[Floats2d]


# From the gradient of what was swept to that of X, of the initial state and of the memory.
SweepBackprop = Callable[[SweptGradient], Tuple[Floats2d, State, Optional[MemoryGradient]]]


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
    sweep = begin_sweep_by_steps if decoder.is_fed else begin_sweep
    swept, sweep_backprop = sweep(decoder, X, batch.lengths, state, source)
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


def begin_sweep(
    decoder: Decoder, X: Floats2d, lengths: numpy.ndarray, state: State, source: Optional[Source]
) -> Tuple[Swept, SweepBackprop]:
    """Compute hidden states in one sweep, and look at the source after it.

    decoder (Decoder): The layers.
    X (Floats2d): [M, nX], what the recurrent layers read.
    lengths (numpy.ndarray): int32 [B], of each sequence.
    state (Dict[str, Floats3d]): The initial state.
    source (Optional[Source]): What is looked at.
    RETURNS (Tuple[Swept, Callable]): What was computed, and how to go back.
    """
    (Y, _), rnn_backprop = begin_scan(decoder.rnn, Ragged(X, cast(Ints1d, lengths)), state)
    H = cast(Floats2d, Y.dataXd)
    swept, look_backprop = _look(decoder, X, H, source, own_sequences(lengths))

    def backprop(gradient: SweptGradient) -> Tuple[Floats2d, State, Optional[MemoryGradient]]:
        dH, d_memory = look_backprop(gradient)
        dX, d_state = rnn_backprop(Ragged(dH, Y.lengths), None)
        d_rows = cast(Floats2d, dX.dataXd)
        return (d_rows if gradient.dX is None else d_rows + gradient.dX), d_state, d_memory

    return swept, backprop


def begin_sweep_by_steps(
    decoder: Decoder, X: Floats2d, lengths: numpy.ndarray, state: State, source: Optional[Source]
) -> Tuple[Swept, SweepBackprop]:
    """Compute hidden states step by step, each of which reads the attentional row of the step before.

    decoder, X, lengths, state, source: As `begin_sweep` takes them; the attentional rows stand beside X where they are read.
    RETURNS (Tuple[Swept, Callable]): What was computed, and how to go back.
    """
    xp, width = decoder.rnn.ops.xp, X.shape[1]
    nH = decoder.rnn.get_dim("nO")
    starts = numpy.cumsum(lengths, dtype="int64") - lengths
    fed = xp.zeros((len(lengths), nH), dtype=X.dtype)
    before, steps = {name: xp.array(array) for name, array in state.items()}, []
    for t in range(int(lengths.max(initial=0))):
        active = numpy.flatnonzero(lengths > t)
        index, at = xp.asarray(active), starts[active] + t
        rows = xp.concatenate([X[xp.asarray(at)], fed[index]], axis=1)
        ones = cast(Ints1d, numpy.ones(len(active), dtype="int32"))
        own = {name: xp.ascontiguousarray(array[:, index]) for name, array in before.items()}
        (Y, after), rnn_backprop = begin_scan(decoder.rnn, Ragged(rows, ones), own)
        one, look_backprop = _look(decoder, rows, cast(Floats2d, Y.dataXd), source, active)
        for name, array in after.items():
            before[name][:, index] = array
        fed[index] = one.A
        steps.append(_Step(active, at, one, rnn_backprop, look_backprop))
    sizes = lengths * 0 if source is None else source.memory.lengths
    place = _Places(xp, sizes[own_sequences(lengths)].astype("int64"))

    def backprop(gradient: SweptGradient) -> Tuple[Floats2d, State, Optional[MemoryGradient]]:
        dX, d_fed = xp.zeros_like(X), xp.zeros_like(fed)
        d_before = {name: xp.zeros_like(array) for name, array in state.items()}
        d_memory: Optional[MemoryGradient] = None
        for step in reversed(steps):
            index, at = xp.asarray(step.active), xp.asarray(step.at)
            own = place.part(gradient, step)
            dH, d_own = step.look_backprop(own._replace(dA=own.dA + d_fed[index]))
            if d_own is not None:
                d_memory = d_own if d_memory is None else MemoryGradient(*(a + b for a, b in zip(d_memory, d_own, strict=True)))
            d_after = {name: xp.ascontiguousarray(array[:, index]) for name, array in d_before.items()}
            d_read, d_state = step.rnn_backprop(Ragged(dH, cast(Ints1d, numpy.ones(len(step.at), dtype="int32"))), d_after)
            d_rows = d_read.dataXd if own.dX is None else d_read.dataXd + own.dX
            dX[at], d_fed[index] = d_rows[:, :width], d_rows[:, width:]
            for name, array in d_state.items():
                d_before[name][:, index] = array
        return dX, d_before, d_memory

    return place.join(steps), backprop


class _Step(NamedTuple):
    """A step of `begin_sweep_by_steps`: the sequences that make it, their rows, what was computed, and how to go back."""

    active: numpy.ndarray
    at: numpy.ndarray
    swept: Swept
    rnn_backprop: Callable
    look_backprop: Callable


class _Places:
    """Where what steps have computed stands among the rows of a batch, and their attention among that of the batch."""

    def __init__(self, xp: Any, n_looked_at: numpy.ndarray) -> None:
        """n_looked_at (numpy.ndarray): int64 [M], how many weights each row has."""
        self._xp, self._sizes = xp, n_looked_at
        self._first = numpy.cumsum(n_looked_at) - n_looked_at

    def join(self, steps: List[_Step]) -> Swept:
        """Put together what steps have computed."""
        joined: List[Any] = []
        for name in Swept._fields:
            parts = [getattr(step.swept, name) for step in steps]
            if not parts or parts[0] is None:
                joined.append(None)
                continue
            n = len(self._sizes) if name != "weights" else int(self._sizes.sum())
            whole = self._xp.empty((n, *parts[0].shape[1:]), dtype=parts[0].dtype)
            for step, part in zip(steps, parts, strict=True):
                whole[self._index(name, step)] = part
            joined.append(whole)
        return Swept(*joined)

    def part(self, gradient: SweptGradient, step: _Step) -> SweptGradient:
        """Take the gradient of what a step has computed."""
        named: List[Tuple[str, Any]] = list(zip(SweptGradient._fields, gradient, strict=True))
        parts: List[Any] = [None if array is None else array[self._index(name, step)] for name, array in named]
        return SweptGradient(*parts)

    def _index(self, name: str, step: _Step) -> Any:
        if not name.endswith("weights"):
            return self._xp.asarray(step.at)
        sizes = self._sizes[step.at]
        first = self._first[step.at] - (numpy.cumsum(sizes) - sizes)
        return self._xp.asarray(numpy.repeat(first, sizes) + numpy.arange(int(sizes.sum())))


def _look(
    decoder: Decoder, X: Floats2d, H: Floats2d, source: Optional[Source], owners: numpy.ndarray
) -> Tuple[Swept, Callable[[SweptGradient], Tuple[Floats2d, Optional[MemoryGradient]]]]:
    """Look at the source from hidden states, if there is attention."""
    if decoder.attention is None or decoder.attentional is None:

        def pass_on(gradient: SweptGradient) -> Tuple[Floats2d, None]:
            return gradient.dA, None

        return Swept(X, H, H, None, None), pass_on
    assert source is not None
    (C, weights), attend_backprop = attend(decoder.attention, source.memory, H, owners)
    A, join_backprop = decoder.attentional((H, C), True)

    def backprop(gradient: SweptGradient) -> Tuple[Floats2d, MemoryGradient]:
        dH, dC = join_backprop(gradient.dA)
        if gradient.dC is not None:
            dC = dC + gradient.dC
        dQ, d_memory = attend_backprop(dC, gradient.d_weights)
        dH = dH + dQ
        return (dH if gradient.dH is None else dH + gradient.dH), d_memory

    return Swept(X, H, A, C, weights), backprop


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
    sweep = begin_sweep_by_steps if decoder.is_fed else begin_sweep
    return sweep(decoder, X, batch.lengths, state, source)[0]


def look_at(decoder: Decoder, rows: Floats2d, lengths: numpy.ndarray, numbers: numpy.ndarray) -> Tuple[Source, Callable]:
    """Prepare what an encoder has read for a decoder.

    decoder (Decoder): The layers.
    rows (Floats2d): [N, nE], the encoder's rows.
    lengths (numpy.ndarray): int32 [B].
    numbers (numpy.ndarray): int64 [N], the symbols.
    RETURNS (Tuple[Source, Callable]): The source; and a function from the gradient of its memory to that of the rows [N, nE].
    """
    assert decoder.attention is not None
    memory, backprop = remember(decoder.attention, rows, lengths)
    return Source(memory, numbers), backprop


def scores_of(head: Model) -> ScoresSymbols:
    """Say how a layer scores symbols.

    head (Model): The layer.
    RETURNS (ScoresSymbols): What it has declared.
    """
    found = find(head, ScoresSymbols)
    assert found is not None
    return found
