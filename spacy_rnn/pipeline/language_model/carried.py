"""The state that a language model carries from update to update."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy
from spacy.training import Example

# Streams that have come to their end are kept until so many other batches have been read.
_N_KEPT = 16


class Carried:
    """The state after the last update, or the last ones, and the streams whose state it is."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: List[Tuple[List[Any], Any]] = []

    def __getstate__(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): Nothing that was kept: streams hold training texts, and a copy of one is another stream."""
        return {"_kept": []}

    def read(self, examples: Sequence[Example], symbols: Any) -> Tuple[Any, numpy.ndarray, List[Optional[Any]]]:
        """Turn a batch into symbols.

        examples (Sequence[Example]): Pieces of streams, or whole texts.
        symbols (Symbols): The symbols.
        RETURNS (Tuple[SymbolBatch, numpy.ndarray, List[Optional[StreamPiece]]]): The batch; what the loss of each target counts,
            float32 [N]; and the piece of each sequence, None for a text. A piece of full length counts the mean over its time
            steps, and all are added up, so that a batch's gradient is the sum of those of its parts.
        """
        # Imported here because importing a factory must stay cheap.
        from ...text.streams import piece_of
        from ...text.symbols import END, START, SymbolBatch

        inputs, targets, weights, pieces = [], [], [], []
        for example in examples:
            piece = piece_of(example.reference)
            if piece is None:
                numbers = symbols.encode(example.predicted).numbers
                pair = numpy.append(START, numbers), numpy.append(numbers, END)
            else:
                pair = piece.take(symbols)
            inputs.append(pair[0])
            targets.append(pair[1])
            pieces.append(piece)
            weights.append(1.0 if piece is None else 1.0 / piece.stream.n_symbols)
        lengths = numpy.asarray([len(each) for each in inputs], dtype="int32")
        nothing = [numpy.zeros(0, dtype="int32")]
        batch = SymbolBatch(numpy.concatenate(inputs or nothing), numpy.concatenate(targets or nothing), lengths)
        return batch, numpy.repeat(numpy.asarray(weights, dtype="float32"), lengths), pieces

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
