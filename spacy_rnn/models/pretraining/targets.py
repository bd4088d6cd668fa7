"""What is predicted of the next and the previous token: which word it is, or what it begins and ends with."""

from typing import Any, Callable, Iterable, Iterator, List, Optional, Protocol, Sequence, Tuple

import numpy
from spacy.attrs import ORTH, intify_attr
from spacy.tokens import Doc
from thinc.api import Model

from ...layers.output.full_softmax import build_full_softmax
from ...text.symbols import END, N_SPECIAL, START
from ...text.vocabulary import N_SPECIAL as N_SPECIAL_ROWS
from ...text.vocabulary import Vocabulary, WordCounter
from ..symbols import build_head

# What stands for a missing byte: no byte of UTF-8, as spaCy has it.
_NO_BYTE = 255
_N_BYTES = 256


class Targets(Protocol):
    """What is predicted of a token: K symbols."""

    def learn(self, docs: Iterable[Doc]) -> Iterator[Doc]:
        """Learn the symbols of a corpus.

        docs (Iterable[Doc]): The texts.
        YIELDS (Doc): The same texts. What has been learned is there after the last one.
        """
        ...

    def build_heads(self, nI: int) -> List[Model]:
        """Build what scores each of the K symbols, once they have been learned.

        nI (int): The width of the rows that they see.
        RETURNS (List[Model]): K layers, with the capability `ScoresSymbols`.
        """
        ...

    def encode(self, docs: Sequence[Doc]) -> numpy.ndarray:
        """Give the symbols of tokens.

        docs (Sequence[Doc]): The texts, of N tokens in all.
        RETURNS (numpy.ndarray): int64 [N, K].
        """
        ...

    def borders(self) -> Tuple[Any, Any]:
        """RETURNS (Tuple[Any, Any]): The K symbols that stand before the first token of a text, and after its last."""
        ...


class WordTargets:
    """The word, K = 1: symbols are numbered from the most frequent word, after those of unknown words, start and end."""

    def __init__(self, size: int, min_count: int, attr: str, build: Callable[[int], Model]) -> None:
        """Begin.

        size (int): The number of words that are known, the most frequent ones.
        min_count (int): How often a word occurs at least that is known.
        attr (str): The token attribute that counts as the word.
        build (Callable): From the width of rows to the layer that scores symbols.
        """
        self.size, self.min_count, self.attr, self._build = size, min_count, attr, build
        self.vocabulary = Vocabulary()

    @property
    def n_symbols(self) -> int:
        """RETURNS (int): V."""
        return N_SPECIAL + len(self.vocabulary.words)

    def learn(self, docs: Iterable[Doc]) -> Iterator[Doc]:
        counter = WordCounter(self.attr)
        for doc in docs:
            counter.add(doc)
            yield doc
        if not counter.counts:
            raise ValueError("the corpus of [pretraining.objective] has no words")
        self.vocabulary = Vocabulary.from_counts(counter.counts, self.size + N_SPECIAL_ROWS, self.min_count)

    def build_heads(self, nI: int) -> List[Model]:
        head = self._build(nI)
        head.set_dim("nV", self.n_symbols)
        return [head]

    def encode(self, docs: Sequence[Doc]) -> numpy.ndarray:
        # A vocabulary has a row of padding before all others.
        return self.vocabulary.rows(_read_keys(docs, self.attr))[:, numpy.newaxis] - (N_SPECIAL_ROWS - N_SPECIAL)

    def borders(self) -> Tuple[Any, Any]:
        return [START], [END]


class ByteTargets:
    """The bytes that a word begins and ends with in UTF-8, K of them: the first, the last, the second, the last but one, …"""

    def __init__(self, n_bytes: int) -> None:
        """Begin.

        n_bytes (int): K.
        """
        self.n_bytes = n_bytes

    def learn(self, docs: Iterable[Doc]) -> Iterator[Doc]:
        yield from docs

    def build_heads(self, nI: int) -> List[Model]:
        return [build_full_softmax(nI, _N_BYTES) for _ in range(self.n_bytes)]

    def encode(self, docs: Sequence[Doc]) -> numpy.ndarray:
        keys, inverse = numpy.unique(_read_keys(docs, "ORTH"), return_inverse=True)
        if not len(keys):
            return numpy.zeros((0, self.n_bytes), dtype="int64")
        vocab = docs[0].vocab
        words = Doc(vocab, words=[vocab.strings[key] for key in keys])
        return numpy.asarray(words.to_utf8_array(nr_char=self.n_bytes), dtype="int64")[inverse]

    def borders(self) -> Tuple[Any, Any]:
        # No word is without bytes.
        return [_NO_BYTE] * self.n_bytes, [_NO_BYTE] * self.n_bytes


def neighbours(symbols: numpy.ndarray, lengths: numpy.ndarray, borders: Tuple[Any, Any]) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Give what follows each token, and what comes before it.

    symbols (numpy.ndarray): int64 [N, K], the symbols of the tokens, text after text.
    lengths (numpy.ndarray): int32 [B], the number of tokens of each text.
    borders (Tuple[Any, Any]): The K symbols that stand before the first token of a text, and after its last.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): int64 [N, K], the symbols of the next token; and those of the previous one.
    """
    ends = numpy.cumsum(lengths, dtype="int64")
    filled = lengths > 0
    following, previous = numpy.empty_like(symbols), numpy.empty_like(symbols)
    following[:-1], previous[1:] = symbols[1:], symbols[:-1]
    previous[(ends - lengths)[filled]] = borders[0]
    following[ends[filled] - 1] = borders[1]
    return following, previous


def build_targets(
    predict: str,
    n_characters: int,
    size: int,
    min_count: int,
    attr: str,
    output: str,
    n_samples: int,
    cutoffs: Optional[Sequence[int]],
) -> Targets:
    """Choose what is predicted. The arguments are those of `spacy_rnn.PretrainLM.v1`.

    predict (str), n_characters (int), size (int), min_count (int), attr (str), output (str), n_samples (int),
    cutoffs (Optional[Sequence[int]]): As `build_pretrain_lm` has them.
    RETURNS (Targets): It.
    RAISES (ValueError): If an argument is out of its range.
    """
    for name, number in (("size", size), ("min_count", min_count), ("n_characters", n_characters)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    if predict == "characters":
        return ByteTargets(n_characters)
    if predict != "word":
        raise ValueError(f'predict must be "word" or "characters", got {predict!r}')
    if not intify_attr(attr):
        raise ValueError(f"attr must be a token attribute such as ORTH, got {attr!r}")
    # Refused here, and not only when a corpus has been read.
    build_head(output, 1, cutoffs, n_samples)
    return WordTargets(size, min_count, attr, lambda nI: build_head(output, nI, cutoffs, n_samples))


def _read_keys(docs: Sequence[Doc], attr: str) -> numpy.ndarray:
    """Give an attribute of all tokens, uint64 [N]."""
    column = [ORTH if attr == "ORTH" else intify_attr(attr)]
    return numpy.concatenate([numpy.zeros(0, dtype="uint64"), *(doc.to_array(column).reshape(-1) for doc in docs)])
