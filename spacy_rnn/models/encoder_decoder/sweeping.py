"""What a decoder computes of what it reads, in one sweep, and what it looks at after it."""

from typing import Callable, NamedTuple, Optional, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ints1d, Ragged

from ...layers.attention.cross_attention import Memory, MemoryGradient, attend, own_sequences, remember
from ...layers.capabilities import State
from ...layers.recurrent.scanning import begin_scan, scan
from ..symbols import no_backprop


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


# From the gradient of what was swept to that of X, of the initial state and of the memory.
SweepBackprop = Callable[[SweptGradient], Tuple[Floats2d, State, Optional[MemoryGradient]]]


def sweep(
    decoder: Decoder, X: Floats2d, lengths: numpy.ndarray, state: State, source: Optional[Source], is_train: bool
) -> Tuple[Swept, SweepBackprop]:
    """Compute hidden states in one sweep, and look at the source after it.

    decoder (Decoder): The layers.
    X (Floats2d): [M, nX], what the recurrent layers read.
    lengths (numpy.ndarray): int32 [B], of each sequence.
    state (Dict[str, Floats3d]): The initial state.
    source (Optional[Source]): What is looked at.
    is_train (bool): Whether dropout between layers is drawn, and backpropagation follows.
    RETURNS (Tuple[Swept, Callable]): What was computed, and how to go back.
    """
    (Y, _), rnn_backprop = run_layers(decoder, Ragged(X, cast(Ints1d, lengths)), state, is_train)
    H = cast(Floats2d, Y.dataXd)
    swept, look_backprop = look(decoder, X, H, source, own_sequences(lengths))

    def backprop(gradient: SweptGradient) -> Tuple[Floats2d, State, Optional[MemoryGradient]]:
        dH, d_memory = look_backprop(gradient)
        dX, d_state = rnn_backprop(Ragged(dH, Y.lengths), None)
        d_rows = cast(Floats2d, dX.dataXd)
        return (d_rows if gradient.dX is None else d_rows + gradient.dX), d_state, d_memory

    return swept, backprop


def run_layers(decoder: Decoder, X: Ragged, state: State, is_train: bool) -> Tuple[Tuple[Ragged, State], Callable]:
    """Run the recurrent layers of a decoder.

    decoder (Decoder): The layers.
    X (Ragged): What they read.
    state (Dict[str, Floats3d]): The initial state.
    is_train (bool): Whether dropout between layers is drawn, and backpropagation follows.
    RETURNS (Tuple[Tuple[Ragged, Dict[str, Floats3d]], Callable]): As `begin_scan` gives them.
    """
    return begin_scan(decoder.rnn, X, state) if is_train else (scan(decoder.rnn, X, state), no_backprop)


def look(
    decoder: Decoder, X: Floats2d, H: Floats2d, source: Optional[Source], owners: numpy.ndarray
) -> Tuple[Swept, Callable[[SweptGradient], Tuple[Floats2d, Optional[MemoryGradient]]]]:
    """Look at the source from hidden states, if there is attention.

    decoder (Decoder): The layers.
    X (Floats2d): [M, nX], what the recurrent layers have read.
    H (Floats2d): [M, nH], their hidden states.
    source (Optional[Source]): What is looked at.
    owners (numpy.ndarray): int64 [M], which sequence of it each row looks at.
    RETURNS (Tuple[Swept, Callable]): What was computed; and a function from its gradient, but that of X, to those of H and of the
        memory.
    """
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
