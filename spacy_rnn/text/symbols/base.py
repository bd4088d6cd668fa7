"""What all kinds of symbols have in common."""

from abc import ABC, abstractmethod
from typing import Any, Dict, List, NamedTuple, Optional, Protocol, Sequence, Tuple, Union

import numpy
from spacy.tokens import Doc

from ...generation.interface import END as END
from ...generation.interface import START as START
from ...generation.interface import UNKNOWN as UNKNOWN

N_SPECIAL = 3
# As ARPA files write them.
SPECIAL_NAMES = ("<unk>", "<s>", "</s>")
# What an unknown character is decoded to.
REPLACEMENT = "\ufffd"


class SymbolText(NamedTuple):
    """A text as symbols.

    numbers (numpy.ndarray): int32 [n], the symbols in the order in which they are read; neither start nor end is among them.
    starts (numpy.ndarray): int32 [n], where each begins in the text, in characters: descending if the text is read backward.
    ends (numpy.ndarray): int32 [n], where each ends.
    """

    numbers: numpy.ndarray
    starts: numpy.ndarray
    ends: numpy.ndarray


class SymbolBatch(NamedTuple):
    """A ragged batch of texts, or of parts of texts, as a language model reads it.

    inputs (Array): Integers [N], what is read, sequence after sequence: at the beginning of a text `START`, then each symbol but
        the last.
    targets (Array): Integers [N], what comes next after the input beside it: at the end of a text `END`.
    lengths (numpy.ndarray): int32 [B], the number of inputs of each sequence, on the host.
    """

    inputs: Any
    targets: Any
    lengths: numpy.ndarray


def batch_texts(texts: Sequence[numpy.ndarray]) -> SymbolBatch:
    """Put whole texts side by side, with start and end.

    texts (Sequence[numpy.ndarray]): Integers [n], the symbols of each; one text at least.
    RETURNS (SymbolBatch): The batch, of n + 1 inputs a text.
    """
    return SymbolBatch(
        numpy.concatenate([part for each in texts for part in ([START], each)]),
        numpy.concatenate([part for each in texts for part in (each, [END])]),
        numpy.asarray([len(each) + 1 for each in texts], dtype="int32"),
    )


class SymbolCounter(Protocol):
    """What counts the symbols of a corpus."""

    def add(self, doc: Doc) -> None:
        """Count the symbols of a text.

        doc (Doc): The text.
        """
        ...


class Symbols(ABC):
    """The symbols of a language model, numbered: 0 is what is unknown, 1 the start of a text, 2 its end, the others follow.

    It has none but these until it has learned them from a corpus (`begin`, `end`).
    """

    # What the symbols are, as users are told: "character", "word" or "subword".
    unit: str
    # Whether the tokens of a `Doc` matter, and not its text alone.
    reads_tokens = False
    # Whether no other symbols than those that it is encoded to are decoded to a text.
    has_one_spelling = True
    # Whether a text is read from its last symbol to its first. The start is behind the text then, and its end before it.
    backward = False

    @abstractmethod
    def __len__(self) -> int:
        """RETURNS (int): V, the number of symbols, the special ones included."""

    @abstractmethod
    def begin(self) -> SymbolCounter:
        """RETURNS (SymbolCounter): What counts the symbols of a corpus, for `end`."""

    @abstractmethod
    def end(self, counter: Any) -> None:
        """Learn the symbols of a corpus, in place of those there are.

        counter (SymbolCounter): What `begin` has given, after it has counted the texts.
        RAISES (ValueError): If the corpus has no symbols.
        """

    @abstractmethod
    def encode(self, text: Union[str, Doc], start: int = 0, end: Optional[int] = None) -> SymbolText:
        """Turn a text, or a part of it, into symbols, in the order in which they are read.

        text (Union[str, Doc]): The text. Words are the tokens of a `Doc`, without those that are white space; those of a string
            are what stands between white space.
        start (int): Where the part begins, in characters.
        end (Optional[int]): Where it ends; with the text if None. A word or subword counts where it begins.
        RETURNS (SymbolText): The symbols.
        """

    @abstractmethod
    def decode(self, numbers: Sequence[int]) -> str:
        """Turn symbols into a text. Start and end are left out.

        numbers (Sequence[int]): The symbols, in the order in which they are read.
        RETURNS (str): The text, which for characters and subwords is what was encoded, if they were all known.
        RAISES (ValueError): If there is no such symbol.
        """

    @abstractmethod
    def names(self) -> List[str]:
        """Say how symbols are written, e.g. in ARPA files.

        RETURNS (List[str]): The name of each symbol by its number, distinct and without white space: `SPECIAL_NAMES`, then the
            others.
        """

    @abstractmethod
    def to_data(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What is saved, in plain data: what has been learned and the settings."""

    @abstractmethod
    def from_data(self, data: Dict[str, Any]) -> None:
        """Take what was saved.

        data (Dict[str, Any]): What `to_data` has returned.
        RAISES (ValueError): If it is damaged, or was saved by other symbols or under other settings.
        """

    def find_unknown(self, text: Union[str, Doc]) -> List[Tuple[int, str]]:
        """List what of a text is unknown.

        text (Union[str, Doc]): The text.
        RETURNS (List[Tuple[int, str]]): Where each unknown symbol begins, in characters, and what it is; in order.
        """
        string = text if isinstance(text, str) else text.text
        numbers, starts, ends = self.encode(text)
        return sorted((int(starts[i]), string[starts[i] : ends[i]]) for i in numpy.flatnonzero(numbers == UNKNOWN))

    def __eq__(self, other: object) -> bool:
        """RETURNS (bool): Whether both give the same numbers to the same texts, so that models of them can be mixed."""
        return isinstance(other, Symbols) and type(self) is type(other) and self.to_data() == other.to_data()

    __hash__ = None  # type: ignore[assignment]


def numbers_to_decode(numbers: Sequence[int], n_symbols: int) -> numpy.ndarray:
    """Check that symbols exist, and leave out start and end.

    numbers (Sequence[int]): The symbols.
    n_symbols (int): V, the number of symbols there are.
    RETURNS (numpy.ndarray): Integers [n], what is left: unknown symbols too.
    RAISES (ValueError): If one does not exist.
    """
    array = numpy.asarray(numbers)
    if array.size == 0:
        return numpy.zeros(0, dtype="int64")
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"symbols are integers in one row, got {array.dtype} of shape {array.shape}")
    wrong = array[(array < 0) | (array >= n_symbols)]
    if wrong.size:
        raise ValueError(f"there is no symbol {wrong[0]}: there are {n_symbols}")
    return array[(array == UNKNOWN) | (array >= N_SPECIAL)]
