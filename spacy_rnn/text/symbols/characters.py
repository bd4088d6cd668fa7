"""Characters as symbols."""

from typing import Any, Dict, List, Optional, Sequence, Union

import numpy
from spacy.tokens import Doc

from .base import N_SPECIAL, REPLACEMENT, SPECIAL_NAMES, UNKNOWN, SymbolText, numbers_to_decode
from .learned import LearnedSymbols, check_sizes, rank
from .names import escape_name

_N_CODES = 0x110000
_PIECE = 1 << 20


def build_characters(size: int = 0, min_count: int = 1, backward: bool = False) -> "Characters":
    """Make every character a symbol: a code point of Unicode, a lone surrogate included.

    size (int): The number of characters that are known, the most frequent of the corpus; 0 for all.
    min_count (int): How often a character that is known occurs at least.
    backward (bool): Whether a text is read from its last character to its first.
    RETURNS (Characters): The symbols, which are learned from a corpus.
    RAISES (ValueError): If an argument is out of its range.
    """
    return Characters(size, min_count, backward)


class Characters(LearnedSymbols):
    """Characters, the most frequent first."""

    unit = "character"

    def __init__(self, size: int = 0, min_count: int = 1, backward: bool = False) -> None:
        """Know none yet.

        size (int): The number of characters that are known, the most frequent of the corpus; 0 for all.
        min_count (int): How often a character that is known occurs at least.
        backward (bool): Whether a text is read from its last character to its first.
        RAISES (ValueError): If an argument is out of its range.
        """
        check_sizes(size, min_count)
        if type(backward) is not bool:
            raise ValueError(f"backward must be true or false, got {backward!r}")
        self._size, self._min_count, self.backward = size, min_count, backward
        self.set_learned([])

    def __len__(self) -> int:
        """RETURNS (int): V, the number of symbols, the special ones included."""
        return N_SPECIAL + len(self._codes)

    def begin(self) -> "CharacterCounter":
        """RETURNS (CharacterCounter): What counts the characters of a corpus, for `end`."""
        return CharacterCounter()

    def end(self, counter: "CharacterCounter") -> None:
        """Learn the characters of a corpus, in place of those there are.

        counter (CharacterCounter): What has counted them.
        RAISES (ValueError): If there are none.
        """
        self.set_learned(rank(counter.finish(), self._size, self._min_count, self.unit))

    def encode(self, text: Union[str, Doc], start: int = 0, end: Optional[int] = None) -> SymbolText:
        """Turn a text, or a part of it, into characters, in the order in which they are read.

        text (Union[str, Doc]): The text.
        start (int): Where the part begins.
        end (Optional[int]): Where it ends; with the text if None.
        RETURNS (SymbolText): The characters.
        """
        string = text if isinstance(text, str) else text.text
        codes = _codes(string[start:end])
        numbers = self._numbers.take(codes, mode="clip")
        starts = numpy.arange(start, start + len(codes), dtype="int32")
        if self.backward:
            numbers, starts = numbers[::-1].copy(), starts[::-1].copy()
        return SymbolText(numbers, starts, starts + numpy.int32(1))

    def decode(self, numbers: Sequence[int]) -> str:
        """Turn characters into a text. Start and end are left out; what is unknown becomes U+FFFD.

        numbers (Sequence[int]): The symbols, in the order in which they are read.
        RETURNS (str): The text, from its beginning.
        RAISES (ValueError): If there is no such symbol.
        """
        special = numpy.asarray([ord(REPLACEMENT), 0, 0], dtype="uint32")
        codes = numpy.concatenate([special, self._codes])[numbers_to_decode(numbers, len(self))]
        if self.backward:
            codes = codes[::-1]
        return codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")

    def names(self) -> List[str]:
        r"""Say how characters are written, e.g. in ARPA files.

        RETURNS (List[str]): `SPECIAL_NAMES`, then the characters, with white space as `\uXXXX`: see `escape_name`.
        """
        return [*SPECIAL_NAMES, *(escape_name(chr(code)) for code in self._codes)]

    @property
    def settings(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The settings by name."""
        settings: Dict[str, Any] = {"size": self._size, "min_count": self._min_count}
        # Files that were saved before there was a direction have none.
        return {**settings, "backward": True} if self.backward else settings

    @property
    def learned(self) -> List[int]:
        """RETURNS (List[int]): The code points of the characters that are known."""
        return self._codes.tolist()

    def set_learned(self, learned: Any) -> None:
        """Take the characters that are known.

        learned (List[int]): Their code points.
        RAISES (ValueError): If they are no code points, or one is there twice.
        """
        if not isinstance(learned, list) or not all(type(code) is int and 0 <= code < _N_CODES for code in learned):
            raise ValueError("characters are saved as a list of code points, but the file holds something else")
        if len(set(learned)) != len(learned):
            raise ValueError("a character is in the list of characters twice")
        self._codes = numpy.asarray(learned, dtype="uint32")
        # By code point, and one more for all those beyond.
        self._numbers = numpy.full(max(learned, default=-1) + 2, UNKNOWN, dtype="int32")
        self._numbers[self._codes] = numpy.arange(N_SPECIAL, N_SPECIAL + len(learned))


class CharacterCounter:
    """Count how often each character occurs."""

    def __init__(self) -> None:
        self._counts = numpy.zeros(_N_CODES, dtype="int64")
        self._texts: List[str] = []
        self._n_waiting = 0

    def add(self, doc: Doc) -> None:
        """Count the characters of a text.

        doc (Doc): The text.
        """
        self._texts.append(doc.text)
        self._n_waiting += len(self._texts[-1])
        if self._n_waiting >= _PIECE:
            self._count()

    def finish(self) -> Dict[int, int]:
        """RETURNS (Dict[int, int]): How often each character that occurs does, by its code point."""
        self._count()
        codes = numpy.flatnonzero(self._counts)
        return dict(zip(codes.tolist(), self._counts[codes].tolist(), strict=True))

    def _count(self) -> None:
        text = "".join(self._texts)
        for start in range(0, len(text), _PIECE):
            counts = numpy.bincount(_codes(text[start : start + _PIECE]))
            self._counts[: len(counts)] += counts
        self._texts, self._n_waiting = [], 0


def _codes(text: str) -> numpy.ndarray:
    """Give the code points of a text, uint32 [n]."""
    return numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
