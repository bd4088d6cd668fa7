"""The state that a language model carries from update to update."""

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.training import Example

# Streams that have come to their end are kept until so many other batches have been read.
_N_KEPT = 16


class Reading(NamedTuple):
    """A batch as a language model reads it.

    batch (SymbolBatch): The symbols, of B sequences.
    weights (numpy.ndarray): float32 [N], what the loss of each target counts. A piece of full length counts the mean over its
        time steps, and all are added up, so that a batch's gradient is the sum of those of its parts.
    before (List[Optional[StreamPiece]]): For each sequence, the piece whose stream's state it goes on in; None if it begins.
    after (List[Optional[StreamPiece]]): For each sequence, the piece whose stream goes on in its state; None if none does.
    """

    batch: Any
    weights: numpy.ndarray
    before: List[Optional[Any]]
    after: List[Optional[Any]]


def read_examples(examples: Sequence[Example], symbols: Any, carry_over: bool) -> Reading:
    """Turn a batch into symbols.

    examples (Sequence[Example]): Pieces of streams, or whole texts.
    symbols (Symbols): The symbols.
    carry_over (bool): Whether the state of a stream goes from one text to the next. Otherwise each text is a sequence of its own.
    RETURNS (Reading): The batch.
    """
    # Imported here because importing a factory must stay cheap.
    from ...text.streams import piece_of
    from ...text.symbols import END, START, SymbolBatch

    nothing = numpy.zeros(0, dtype="int32")
    inputs, targets, weights, lengths = [nothing], [nothing], [], [nothing]
    before: List[Optional[Any]] = []
    after: List[Optional[Any]] = []
    for example in examples:
        piece = piece_of(example.reference)
        if piece is None:
            numbers = symbols.encode(example.predicted).numbers
            own, following = numpy.append(START, numbers), numpy.append(numbers, END)
        else:
            own, following = piece.take(symbols)
        starts = numpy.flatnonzero(own == START) if not carry_over or piece is None else nothing
        parts = numpy.diff(numpy.unique(numpy.concatenate([[0], starts, [len(own)]])))
        inputs.append(own)
        targets.append(following)
        lengths.append(parts)
        weights.append(numpy.full(len(own), 1.0 if piece is None else 1.0 / piece.stream.n_symbols, dtype="float32"))
        others: List[Optional[Any]] = [None] * (len(parts) - 1)
        if len(parts):
            before += [None if 0 in starts else piece, *others]
            after += [*others, piece]
    batch = SymbolBatch(numpy.concatenate(inputs), numpy.concatenate(targets), numpy.concatenate(lengths).astype("int32"))
    return Reading(batch, numpy.concatenate([nothing.astype("float32"), *weights]), before, after)


class Carried:
    """The state after the last update, or the last ones, and the streams whose state it is."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: List[Tuple[List[Any], Any]] = []

    def find(self, pieces: Sequence[Optional[Any]], reset_probability: float) -> List[Tuple[Any, numpy.ndarray]]:
        """Find which state each sequence of a batch goes on in.

        pieces (Sequence[Optional[StreamPiece]]): The pieces; None for a text.
        reset_probability (float): How often a stream's state is forgotten.
        RETURNS (List[Tuple[Any, numpy.ndarray]]): States, and for each which of its sequences each sequence of the batch goes on
            from, int64 [B]; -1 for those that begin, or go on in another state.
        """
        forgotten = numpy.random.uniform(size=len(pieces)) < reset_probability if reset_probability else [False] * len(pieces)
        found = []
        for streams, state in self._kept:
            places = {id(stream): i for i, stream in enumerate(streams)}
            index = numpy.full(len(pieces), -1, dtype="int64")
            for i, piece in enumerate(pieces):
                if piece is not None and piece.number > 0 and not forgotten[i]:
                    index[i] = places.get(id(piece.stream), -1)
            if (index >= 0).any():
                found.append((state, index))
        return found

    def keep(self, pieces: Sequence[Optional[Any]], state: Any) -> None:
        """Keep the state after a batch. Of a batch that is read in parts there are several.

        pieces (Sequence[Optional[StreamPiece]]): The pieces; None for a text.
        state (Any): The state of all sequences.
        """
        own = [None if piece is None else piece.stream for piece in pieces]
        renewed = {id(stream) for stream in own if stream is not None}
        streams = [[None if id(stream) in renewed else stream for stream in kept] for kept, _ in self._kept]
        self._kept = [(kept, state) for kept, (_, state) in zip(streams, self._kept, strict=True) if any(kept)]
        if renewed:
            self._kept = [*self._kept[1 - _N_KEPT :], (own, state)]
