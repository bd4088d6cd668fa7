"""Texts cut into parallel streams, for truncated backpropagation: the state of a stream goes from update to update."""

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc

from .symbols import END, START, Symbols

# Where a piece is in the `user_data` of the text that stands for it.
STREAM_PIECE = "spacy_rnn_stream_piece"
_N_KEPT = 4
_LOOK_BACK = 64


class Source:
    """A text that is cut."""

    def __init__(self, doc: Doc) -> None:
        """Take a text.

        doc (Doc): The text.
        """
        self.doc = doc
        self._text: Optional[str] = None

    def __len__(self) -> int:
        """RETURNS (int): The number of its characters."""
        if not len(self.doc):
            return 0
        last = self.doc[-1]
        return last.idx + len(last) + len(last.whitespace_)

    def encode(self, symbols: Symbols, start: int, end: int) -> numpy.ndarray:
        """Turn a part of the text into symbols.

        symbols (Symbols): The symbols.
        start (int): Where the part begins, in characters.
        end (int): Where it ends.
        RETURNS (numpy.ndarray): int32 [n], the symbols that begin in it, in the order in which they are read.
        """
        if symbols.reads_tokens:
            return symbols.encode(self.doc, start, end).numbers
        if self._text is None:
            self._text = self.doc.text
        return symbols.encode(self._text, start, end).numbers

    def before(self, symbols: Symbols, start: int, end: int) -> int:
        """Find what is read before the first symbol of a part.

        symbols (Symbols): The symbols.
        start (int): Where the part begins, in characters.
        end (int): Where it ends.
        RETURNS (int): The last symbol that begins before; of symbols that are read backward the first one after; `START` if there
            is none.
        """
        length, reach = len(self), _LOOK_BACK
        n_before = length - end if symbols.backward else start
        while n_before > 0:
            look = (end, min(end + reach, length)) if symbols.backward else (max(start - reach, 0), start)
            numbers = self.encode(symbols, *look)
            if len(numbers):
                return int(numbers[-1])
            if reach >= n_before:
                break
            reach *= 8
        return START


class Part(NamedTuple):
    """A part of a text in a stream.

    source (Source): The text.
    start (int): Where the part begins, in characters.
    end (int): Where it ends.
    is_last (bool): Whether the end of the text is to be predicted in it, by symbols that are read forward.
    """

    source: Source
    start: int
    end: int
    is_last: bool

    def has_end(self, symbols: Symbols) -> bool:
        """Say whether the last symbol of the text to be read is in it, so that the end is to be predicted.

        symbols (Symbols): The symbols.
        RETURNS (bool): Whether it is.
        """
        return self.start == 0 if symbols.backward else self.is_last


class Stream:
    """Texts, or parts of them, that follow each other. A model's state goes along.

    Symbols that are read backward begin with the end of the last text, and so do the numbers of the pieces."""

    def __init__(self, parts: Sequence[Part], n_symbols: int) -> None:
        """Put parts together.

        parts (Sequence[Part]): The parts of texts; only the first and the last may be less than a text.
        n_symbols (int): T, the number of symbols of a piece.
        """
        self._parts = parts
        self.n_symbols = n_symbols
        # [first input, targets …] for each of the last symbols that were asked for.
        self._encoded: List[Tuple[Symbols, numpy.ndarray]] = []
        self._n_targets: Optional[int] = None

    @property
    def n_pieces(self) -> int:
        """RETURNS (int): The number of its pieces, of the symbols that make most of them; of characters, until one is taken."""
        n_targets = self._n_targets
        if n_targets is None:
            n_targets = sum(part.end - part.start + part.is_last for part in self._parts)
        return -(-n_targets // self.n_symbols)

    def take(self, symbols: Symbols, number: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Give a piece in symbols.

        symbols (Symbols): The symbols.
        number (int): The piece, from 0.
        RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): Inputs and targets, int32 [t] each, t <= T, in memory of their own; t is 0
            after the end.
        """
        encoded = self._encode(symbols)
        start = min(number * self.n_symbols, len(encoded) - 1)
        taken = encoded[start : start + self.n_symbols + 1].copy()
        inputs, targets = taken[:-1].copy(), taken[1:]
        # Nothing is predicted from the end of a text: the next one has a start.
        inputs[inputs == END] = START
        return inputs, targets

    def _encode(self, symbols: Symbols) -> numpy.ndarray:
        for known, encoded in self._encoded:
            if known is symbols:
                return encoded
        parts = self._parts[::-1] if symbols.backward else self._parts
        first = parts[0]
        pieces = [numpy.asarray([first.source.before(symbols, first.start, first.end)], dtype="int32")]
        for part in parts:
            pieces.append(part.source.encode(symbols, part.start, part.end))
            if part.has_end(symbols):
                pieces.append(numpy.asarray([END], dtype="int32"))
        encoded = numpy.concatenate(pieces)
        self._encoded = [*self._encoded[1 - _N_KEPT :], (symbols, encoded)]
        self._n_targets = max(self._n_targets or 0, len(encoded) - 1)
        return encoded


class StreamPiece(NamedTuple):
    """What one update reads of a stream.

    stream (Stream): The stream, which a model's state is kept for.
    number (int): Which of its pieces it is, from 0: with the first, the state is a new one.
    """

    stream: Stream
    number: int

    def take(self, symbols: Symbols) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Give the piece in symbols. The first call for a stream turns the whole of it into symbols, which it keeps.

        symbols (Symbols): The symbols.
        RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): Inputs and targets, int32 [t] each, in memory of their own: of texts that
            follow each other, [START, x1, …, xn] and [x1, …, xn, END]. A stream that begins within a text begins with the symbol
            that is read before it, or with START if there is none. t is the number of symbols of a piece; less, or 0, at the end
            of the stream.
        """
        return self.stream.take(symbols, self.number)


def cut_streams(docs: Sequence[Doc], n_streams: int, n_symbols: int) -> List[Stream]:
    """Cut texts, in their order, into streams of about the same number of characters.

    docs (Sequence[Doc]): The texts.
    n_streams (int): B, the number of streams.
    n_symbols (int): T, the number of symbols of a piece.
    RETURNS (List[Stream]): The streams, at most B: one has at least one character, or the end of a text.
    """
    sources = [Source(doc) for doc in docs]
    # The end of a text takes the place of a character.
    ends = numpy.cumsum([len(source) + 1 for source in sources]).tolist() if sources else [0]
    borders = sorted({ends[-1] * i // n_streams for i in range(n_streams + 1)})
    streams: List[List[Part]] = [[] for _ in borders[1:]]
    k = 0
    for source, after in zip(sources, ends, strict=False):
        begin = after - len(source) - 1
        while borders[k + 1] <= begin:
            k += 1
        for i in range(k, len(streams)):
            if borders[i] >= after:
                break
            start, end = max(borders[i] - begin, 0), min(borders[i + 1] - begin, len(source))
            streams[i].append(Part(source, start, end, borders[i + 1] >= after))
    return [Stream(parts, n_symbols) for parts in streams]


def piece_of(doc: Doc) -> Optional[StreamPiece]:
    """Find the piece of a stream that a text stands for.

    doc (Doc): The reference of an example of `spacy_rnn.batch_by_streams.v1`, or any other text.
    RETURNS (Optional[StreamPiece]): The piece; None if it is a text like others.
    """
    piece: Any = doc.user_data.get(STREAM_PIECE)
    return piece
