"""Words as symbols."""

import re
from bisect import bisect_left
from collections import Counter
from itertools import takewhile
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union, cast

import numpy
from spacy.attrs import IDX, LENGTH, ORTH, intify_attr
from spacy.strings import get_string_id
from spacy.tokens import Doc

from .base import N_SPECIAL, SPECIAL_NAMES, UNKNOWN, SymbolText, numbers_to_decode
from .learned import LearnedSymbols, check_sizes, rank
from .names import escape_name

ATTRS = ("ORTH", "LOWER", "NORM")
_WORD = re.compile(r"\S+")


def build_words(size: int = 0, min_count: int = 1, attr: str = "ORTH") -> "Words":
    """Make every word a symbol. In a text, "<unk>" is an unknown word.

    size (int): The number of words that are known, the most frequent of the corpus; 0 for all.
    min_count (int): How often a word that is known occurs at least.
    attr (str): The token attribute that counts as the word: "ORTH", "LOWER" or "NORM".
    RETURNS (Words): The symbols, which are learned from a corpus.
    RAISES (ValueError): If an argument is out of its range.
    """
    return Words(size, min_count, attr)


class Words(LearnedSymbols):
    """Words, the most frequent first."""

    unit = "word"
    reads_tokens = True

    def __init__(self, size: int = 0, min_count: int = 1, attr: str = "ORTH") -> None:
        """Know none yet.

        size (int): The number of words that are known, the most frequent of the corpus; 0 for all.
        min_count (int): How often a word that is known occurs at least.
        attr (str): The token attribute that counts as the word: "ORTH", "LOWER" or "NORM".
        RAISES (ValueError): If an argument is out of its range.
        """
        check_sizes(size, min_count)
        if attr not in ATTRS:
            raise ValueError(f"attr must be one of {', '.join(ATTRS)}, got {attr!r}")
        self._size, self._min_count, self._attr = size, min_count, attr
        self.set_learned([])

    def __len__(self) -> int:
        """RETURNS (int): V, the number of symbols, the special ones included."""
        return N_SPECIAL + len(self._words)

    def begin(self) -> "TokenCounter":
        """RETURNS (TokenCounter): What counts the words of a corpus, for `end`."""
        return TokenCounter(self._attr)

    def end(self, counter: "TokenCounter") -> None:
        """Learn the words of a corpus, in place of those there are.

        counter (TokenCounter): What has counted them.
        RAISES (ValueError): If there are none.
        """
        self.set_learned(rank(counter.finish(), self._size, self._min_count, self.unit))

    def encode(self, text: Union[str, Doc], start: int = 0, end: Optional[int] = None) -> SymbolText:
        """Turn a text, or a part of it, into words.

        text (Union[str, Doc]): The text. Its words are the tokens of a `Doc` that are not white space; those of a string are what
            stands between white space, and their norm is their lower case.
        start (int): Where the part begins, in characters.
        end (Optional[int]): Where it ends; with the text if None. A word counts where it begins.
        RETURNS (SymbolText): The words.
        """
        return self._encode_string(text, start, end) if isinstance(text, str) else self._encode_doc(text, start, end)

    def _encode_string(self, text: str, start: int, end: Optional[int]) -> SymbolText:
        end = len(text) if end is None else min(end, len(text))
        # A word that began before the part belongs to what comes before.
        while 0 < start < end and not text[start - 1].isspace() and not text[start].isspace():
            start += 1
        matches = list(takewhile(lambda match: match.start() < end, _WORD.finditer(text, start)))
        words = [match[0] if self._attr == "ORTH" else match[0].lower() for match in matches]
        numbers = numpy.asarray([self._numbers.get(word, UNKNOWN) for word in words], dtype="int32")
        starts = numpy.asarray([match.start() for match in matches], dtype="int32")
        return SymbolText(numbers, starts, numpy.asarray([match.end() for match in matches], dtype="int32"))

    def _encode_doc(self, doc: Doc, start: int, end: Optional[int]) -> SymbolText:
        indices = _Indices(doc)
        first = bisect_left(indices, start)
        last = len(doc) if end is None else max(bisect_left(indices, end), first)
        if first == last:
            return SymbolText(*(numpy.zeros(0, dtype="int32") for _ in range(3)))
        tokens = cast(Any, doc[first:last]).to_array([ORTH, intify_attr(self._attr), IDX, LENGTH])
        numbers = self._look_up(tokens[:, 1])
        unknown = numpy.flatnonzero(numbers == UNKNOWN)
        keys, which = numpy.unique(tokens[unknown, 0], return_inverse=True)
        words = [doc.vocab.strings[key] for key in keys]
        is_space = numpy.asarray([word.isspace() for word in words], dtype=bool)
        if self._attr != "ORTH" and not tokens[unknown, 1].all():
            # A vocabulary that was made without a language has neither lower cases nor norms.
            lower = numpy.asarray([self._numbers.get(word.lower(), UNKNOWN) for word in words], dtype="int32")
            numbers[unknown] = numpy.where(tokens[unknown, 1] == 0, lower[which], UNKNOWN)
        kept = numpy.ones(len(tokens), dtype=bool)
        kept[unknown] = ~is_space[which]
        starts = tokens[kept, 2].astype("int32")
        return SymbolText(numbers[kept], starts, starts + tokens[kept, 3].astype("int32"))

    def _look_up(self, keys: numpy.ndarray) -> numpy.ndarray:
        """Give the number of each hash of a word in spaCy's string store, int32 [N]."""
        if not len(self._keys):
            return numpy.full(len(keys), UNKNOWN, dtype="int32")
        found = numpy.minimum(numpy.searchsorted(self._keys, keys), len(self._keys) - 1)
        return numpy.where(self._keys[found] == keys, self._by_key[found], numpy.int32(UNKNOWN))

    def decode(self, numbers: Sequence[int]) -> str:
        """Turn words into a text, with a blank between two. Start and end are left out; what is unknown becomes "<unk>".

        numbers (Sequence[int]): The symbols.
        RETURNS (str): The text.
        RAISES (ValueError): If there is no such symbol.
        """
        shown = numbers_to_decode(numbers, len(self)).tolist()
        return " ".join(SPECIAL_NAMES[UNKNOWN] if i == UNKNOWN else self._words[i - N_SPECIAL] for i in shown)

    def names(self) -> List[str]:
        r"""Say how words are written, e.g. in ARPA files.

        RETURNS (List[str]): `SPECIAL_NAMES`, then the words, with white space as `\uXXXX`: see `escape_name`.
        """
        return [*SPECIAL_NAMES, *map(escape_name, self._words)]

    @property
    def settings(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The settings by name."""
        return {"size": self._size, "min_count": self._min_count, "attr": self._attr}

    @property
    def learned(self) -> List[str]:
        """RETURNS (List[str]): The words that are known."""
        return list(self._words)

    def set_learned(self, learned: Any) -> None:
        """Take the words that are known.

        learned (List[str]): The words.
        RAISES (ValueError): If they are no words, or one is there twice.
        """
        if not isinstance(learned, list) or not all(isinstance(word, str) and word for word in learned):
            raise ValueError("words are saved as a list of words, but the file holds something else")
        if len(set(learned)) != len(learned):
            raise ValueError("a word is in the list of words twice")
        self._words: Tuple[str, ...] = tuple(learned)
        self._numbers = {word: i for i, word in enumerate(learned, N_SPECIAL)}
        keys = numpy.asarray([get_string_id(word) for word in learned], dtype="uint64")
        order = numpy.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._by_key = order.astype("int32") + numpy.int32(N_SPECIAL)


class TokenCounter:
    """Count how often each word occurs."""

    def __init__(self, attr: str) -> None:
        """Begin to count.

        attr (str): The token attribute that counts as the word.
        """
        self._attr = attr
        self._counts: Counter = Counter()

    def add(self, doc: Doc) -> None:
        """Count the words of a text.

        doc (Doc): The text.
        RAISES (ValueError): If it has not been tokenized.
        """
        if len(doc) == 1 and len(doc[0].text.split(maxsplit=1)) > 1:
            raise ValueError(
                f"a text that begins with {doc[0].text[:40]!r} has one token only: words need tokens, so read it with "
                "tokens = 'whitespace' or 'pipeline'"
            )
        orths, keys = doc.to_array([ORTH, intify_attr(self._attr)]).T
        is_missing = keys == 0
        words, numbers = _count_keys(doc, keys[~is_missing])
        self._add(words, numbers)
        words, numbers = _count_keys(doc, orths[is_missing])
        self._add([word.lower() for word in words], numbers)

    def finish(self) -> Dict[str, int]:
        """RETURNS (Dict[str, int]): How often each word occurs."""
        return self._counts

    def _add(self, words: List[str], numbers: List[int]) -> None:
        for word, number in zip(words, numbers, strict=True):
            if not word.isspace() and word != SPECIAL_NAMES[UNKNOWN]:
                self._counts[word] += number


def _count_keys(doc: Doc, keys: numpy.ndarray) -> Tuple[List[str], List[int]]:
    found, numbers = numpy.unique(keys, return_counts=True)
    return [doc.vocab.strings[key] for key in found], numbers.tolist()


class _Indices(Sequence[int]):
    """Where tokens begin, for bisection."""

    def __init__(self, doc: Doc) -> None:
        self._doc = doc

    def __len__(self) -> int:
        return len(self._doc)

    def __getitem__(self, i: Any) -> Any:
        return self._doc[i].idx
