"""The words an embedding knows."""

from collections import Counter
from typing import Any, List, Mapping, Sequence

import numpy
import srsly
from spacy.attrs import intify_attr
from spacy.strings import get_string_id
from spacy.tokens import Doc
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr

PADDING, UNKNOWN, START, END = range(4)
N_SPECIAL = 4


class Vocabulary:
    """Words in decreasing frequency, and the rows of an embedding table that belong to them.

    The first rows are those of padding (0), unknown words (1), and the start (2) and end (3) of a sequence."""

    def __init__(self, words: Sequence[str] = ()) -> None:
        """Make a vocabulary of given words.

        words (Sequence[str]): The words, the first of which has row 4.
        """
        self.words: List[str] = []
        self.add(words)

    @classmethod
    def from_counts(cls, counts: Mapping[str, int], size: int, min_count: int = 1) -> "Vocabulary":
        """Take the most frequent words; equally frequent ones in alphabetical order.

        counts (Mapping[str, int]): How often each word occurs.
        size (int): The number of rows, special entries included.
        min_count (int): How often a word occurs at least.
        RETURNS (Vocabulary): The vocabulary.
        """
        frequent = [word for word, count in counts.items() if count >= min_count]
        ranked = sorted(frequent, key=lambda word: (-counts[word], word))
        return cls(ranked[: max(size - N_SPECIAL, 0)])

    def add(self, words: Sequence[str]) -> None:
        """Give words the next rows.

        words (Sequence[str]): Words that are not in the vocabulary.
        """
        self.words.extend(words)
        keys = numpy.asarray([get_string_id(word) for word in self.words], dtype="uint64")
        order = numpy.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._rows = order.astype("int64") + N_SPECIAL

    def rows(self, keys: numpy.ndarray) -> numpy.ndarray:
        """Look words up.

        keys (numpy.ndarray): uint64 [N], the hashes of the words in spaCy's string store.
        RETURNS (numpy.ndarray): int64 [N], the row of each word.
        """
        if not self.words:
            return numpy.full(keys.shape, UNKNOWN, dtype="int64")
        found = numpy.searchsorted(self._keys, keys)
        found = numpy.minimum(found, len(self._keys) - 1)
        return numpy.where(self._keys[found] == keys, self._rows[found], UNKNOWN)


class WordCounter:
    """Count how often each word occurs."""

    def __init__(self, attr: str) -> None:
        """Begin to count.

        attr (str): The token attribute that counts as the word, e.g. "LOWER".
        """
        self._attr = attr
        self.counts: Counter = Counter()

    def add(self, doc: Doc) -> None:
        """Count the words of a text.

        doc (Doc): The text.
        """
        keys, numbers = numpy.unique(doc.to_array([intify_attr(self._attr)]), return_counts=True)
        for key, number in zip(keys, numbers, strict=True):
            self.counts[doc.vocab.strings[key]] += int(number)


@serialize_attr.register(Vocabulary)
def _serialize(_: Vocabulary, value: Vocabulary, name: str, model: Model) -> bytes:
    return srsly.msgpack_dumps(value.words)


@deserialize_attr.register(Vocabulary)
def _deserialize(_: Vocabulary, value: bytes, name: str, model: Model) -> Any:
    words = srsly.msgpack_loads(value)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"the attribute {name} of layer {model.name!r} is not a list of words")
    return Vocabulary(words)
