"""Batches of parallel streams of text, for `[training.batcher]`."""

from typing import Callable, Iterable, Iterator, List

from spacy.tokens import Doc
from spacy.training import Example

# Where the number of a text in its corpus is in `user_data`.
TEXT_NUMBER = "spacy_rnn_text_number"


def build_batch_by_streams(
    n_streams: int = 50, n_symbols: int = 50, buffer: int = 20_000_000, shuffle: bool = False
) -> Callable[[Iterable[Example]], Iterator[List[Example]]]:
    """Cut a corpus into parallel streams of text, of which each update reads the next piece.

    So a language model's state can be carried from update to update (truncated backpropagation through time). The texts follow
    each other and are cut into streams of about the same number of characters. A batch has an example for each stream, which has
    no words: its reference's `user_data` holds a `spacy_rnn.text.streams.StreamPiece`. A stream that has ended is left out of the
    batches that follow.

    Before each epoch spaCy shuffles the texts, unless the corpus is streamed (`max_epochs = -1`). Those of
    `spacy_rnn.TextCorpus.v1` are brought back to their order, so that a text is followed by the one after it.

    n_streams (int): B, the number of streams. There are fewer if the texts have fewer characters.
    n_symbols (int): T, the number of symbols of each that an update reads.
    buffer (int): The number of characters that are cut at a time, at least; whole texts. Streams start anew with each buffer.
    shuffle (bool): Whether texts stay in the order in which spaCy gives them.
    RETURNS (Callable[[Iterable[Example]], Iterator[List[Example]]]): The batcher.
    RAISES (ValueError): If a number is below 1.
    """
    for name, number in (("n_streams", n_streams), ("n_symbols", n_symbols), ("buffer", buffer)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")

    def batch_by_streams(examples: Iterable[Example]) -> Iterator[List[Example]]:
        if not shuffle and isinstance(examples, list):
            examples = sorted(examples, key=lambda example: example.reference.user_data.get(TEXT_NUMBER, 0))
        for docs in _fill_buffers((example.predicted for example in examples), buffer):
            yield from _cut(docs, n_streams, n_symbols)

    return batch_by_streams


def _fill_buffers(docs: Iterable[Doc], n_characters: int) -> Iterator[List[Doc]]:
    buffer: List[Doc] = []
    length = 0
    for doc in docs:
        buffer.append(doc)
        length += doc[-1].idx + len(doc[-1]) + 1 if len(doc) else 1
        if length >= n_characters:
            yield buffer
            buffer, length = [], 0
    if buffer:
        yield buffer


def _cut(docs: List[Doc], n_streams: int, n_symbols: int) -> Iterator[List[Example]]:
    # Imported here because importing a batcher must stay cheap.
    from ...text.streams import STREAM_PIECE, StreamPiece, cut_streams

    vocab = docs[0].vocab
    streams = cut_streams(docs, n_streams, n_symbols)
    number = 0
    while streams:
        pieces = [{STREAM_PIECE: StreamPiece(stream, number)} for stream in streams]
        yield [Example(Doc(vocab), Doc(vocab, user_data=piece)) for piece in pieces]
        number += 1
        streams = [stream for stream in streams if number < stream.n_pieces]
