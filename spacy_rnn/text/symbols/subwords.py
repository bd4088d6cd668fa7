"""Pieces of words as symbols, by the library tokenizers."""

import json
import re
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy
from spacy.tokens import Doc

from .base import N_SPECIAL, REPLACEMENT, SPECIAL_NAMES, UNKNOWN, SymbolText, numbers_to_decode
from .learned import LearnedSymbols
from .names import escape_name

METHODS = ("bpe", "unigram")
N_BYTES = 256
# No piece goes on from what can be seen to the blank or line end after it, whatever is around. U+180E was white space once.
_BORDER = re.compile(r"[^\s\u180e](?=[ \n])")
_REACH = 256
# By how much the score of a byte that is not in the corpus is above that of another one.
_SCORE_STEP = 1e-4


def build_subwords(size: int = 8000, method: str = "bpe") -> "Subwords":
    """Make symbols of pieces of words, down to single bytes, so that nothing is unknown. Needs the library tokenizers.

    size (int): V, the number of symbols, at most; the special ones and 256 bytes are among them.
    method (str): How they are learned: "bpe", byte pair encoding (Sennrich et al. 2016) over bytes (Radford et al. 2019); or
        "unigram" (Kudo 2018).
    RETURNS (Subwords): The symbols, which are learned from a corpus.
    RAISES (ImportError): If the library is missing.
    RAISES (ValueError): If the method is unknown, or the size leaves no room for a piece of two bytes.
    """
    return Subwords(size, method)


class Subwords(LearnedSymbols):
    """Pieces of words: sequences of bytes in UTF-8."""

    unit = "subword"
    has_one_spelling = False
    _settings_of_learning = ("size", "method")

    def __init__(self, size: int = 8000, method: str = "bpe") -> None:
        """Know none yet.

        size (int): V, the number of symbols, at most; the special ones and 256 bytes are among them.
        method (str): How they are learned: "bpe" or "unigram".
        RAISES (ImportError): If the library tokenizers is missing.
        RAISES (ValueError): If the method is unknown, or the size leaves no room for a piece of two bytes.
        """
        _import_tokenizers()
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        least = N_SPECIAL + N_BYTES + 1
        if type(size) is not int or size < least:
            raise ValueError(
                f"size counts {N_SPECIAL} special symbols and {N_BYTES} bytes, so it is at least {least}, got {size!r}"
            )
        self._size, self._method = size, method
        self.set_learned(None)

    def __len__(self) -> int:
        """RETURNS (int): V, the number of symbols, the special ones included."""
        return N_SPECIAL + len(self._pieces)

    def begin(self) -> "TextCollector":
        """RETURNS (TextCollector): What collects the texts of a corpus, for `end`."""
        return TextCollector()

    def end(self, counter: "TextCollector") -> None:
        """Learn the pieces of a corpus, in place of those there are.

        counter (TextCollector): What has collected the texts.
        RAISES (ValueError): If there are none.
        """
        if not any(counter.texts):
            raise ValueError("the corpus is empty: there are no subwords to learn from it")
        tokenizers = _import_tokenizers()
        tokenizer = _build_tokenizer(self._method)
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        settings = {"vocab_size": self._size - N_SPECIAL, "initial_alphabet": alphabet, "show_progress": False}
        trainers = tokenizers.trainers
        trainer = trainers.BpeTrainer(**settings) if self._method == "bpe" else trainers.UnigramTrainer(**settings)
        tokenizer.train_from_iterator(counter.texts, trainer)
        self.set_learned(tokenizer.to_str() if self._method == "bpe" else _with_fixed_order(tokenizer.to_str()))

    def encode(self, text: Union[str, Doc], start: int = 0, end: Optional[int] = None) -> SymbolText:
        """Turn a text, or a part of it, into pieces of words.

        text (Union[str, Doc]): The text.
        start (int): Where the part begins, in characters.
        end (Optional[int]): Where it ends; with the text if None. A piece counts where the character of its first byte begins.
        RETURNS (SymbolText): The pieces. Those of one character all begin and end where it does.
        RAISES (ValueError): If no pieces have been learned, or the text has half of a surrogate pair, which is not in UTF-8.
        """
        string = text if isinstance(text, str) else text.text
        if self._tokenizer is None:
            raise ValueError("the subwords have not been learned: initialize the model first")
        end = len(string) if end is None else min(end, len(string))
        first, last = _widen(string, start, end)
        _refuse_surrogates(string[first:last], first)
        encoding = self._tokenizer.encode(string[first:last], add_special_tokens=False)
        offsets = numpy.asarray(encoding.offsets, dtype="int32").reshape(-1, 2) + numpy.int32(first)
        numbers = numpy.asarray(encoding.ids, dtype="int32") + numpy.int32(N_SPECIAL)
        kept = (offsets[:, 0] >= start) & (offsets[:, 0] < end)
        return SymbolText(numbers[kept], offsets[kept, 0], offsets[kept, 1])

    def decode(self, numbers: Sequence[int]) -> str:
        """Turn pieces into a text. Start and end are left out; bytes that are no character in UTF-8 become U+FFFD.

        numbers (Sequence[int]): The symbols.
        RETURNS (str): The text.
        RAISES (ValueError): If there is no such symbol.
        """
        unknown, shown = REPLACEMENT.encode(), numbers_to_decode(numbers, len(self)).tolist()
        pieces = [unknown if i == UNKNOWN else self._pieces[i - N_SPECIAL] for i in shown]
        return b"".join(pieces).decode("utf-8", "replace")

    def names(self) -> List[str]:
        """Say how pieces are written, e.g. in ARPA files.

        RETURNS (List[str]): `SPECIAL_NAMES`, then the pieces, with a printable character for each byte (Radford et al. 2019).
        """
        return [*SPECIAL_NAMES, *map(escape_name, self._written)]

    @property
    def settings(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The settings by name."""
        return {"size": self._size, "method": self._method}

    @property
    def learned(self) -> Optional[str]:
        """RETURNS (Optional[str]): The pieces, as the library writes them in JSON; None if none have been learned."""
        return None if self._tokenizer is None else self._tokenizer.to_str()

    def set_learned(self, learned: Any) -> None:
        """Take the pieces.

        learned (Optional[str]): What `learned` has given.
        RAISES (ValueError): If it is damaged.
        """
        self._tokenizer: Any = None
        self._written: List[str] = []
        if learned is not None:
            self._tokenizer, self._written = _load(learned, self._method)
        to_byte = _bytes_by_character()
        self._pieces = [bytes(to_byte[char] for char in written) for written in self._written]


class TextCollector:
    """Collect the texts of a corpus."""

    def __init__(self) -> None:
        self.texts: List[str] = []

    def add(self, doc: Doc) -> None:
        """Collect a text.

        doc (Doc): The text.
        """
        self.texts.append(doc.text)


def _build_tokenizer(method: str) -> Any:
    """Make a tokenizer that has learned nothing yet. Nothing in it normalizes texts, so that they can be decoded."""
    tokenizers = _import_tokenizers()
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE() if method == "bpe" else tokenizers.models.Unigram())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def _load(learned: Any, method: str) -> Tuple[Any, List[str]]:
    """Give the tokenizer that was saved, and its pieces by their numbers."""
    if not isinstance(learned, str):
        raise ValueError("subwords are saved as text, but the file holds something else")
    try:
        tokenizer = _import_tokenizers().Tokenizer.from_str(learned)
    except Exception as error:
        raise ValueError(f"the subwords are damaged: {error}") from error
    loaded, built = json.loads(tokenizer.to_str()), json.loads(_build_tokenizer(method).to_str())
    settings = [{key: value for key, value in each.items() if key != "model"} for each in (loaded, built)]
    if loaded["model"]["type"] != built["model"]["type"] or settings[0] != settings[1]:
        raise ValueError("the subwords are damaged: they cut texts by other rules")
    vocab = tokenizer.get_vocab()
    written = sorted(vocab, key=lambda piece: vocab[piece])
    known = set(_bytes_by_character())
    if sorted(vocab.values()) != list(range(len(vocab))) or not known <= set(written) or not set("".join(written)) <= known:
        raise ValueError("the subwords are damaged: they are not numbered, or not made of all bytes")
    return tokenizer, written


def _with_fixed_order(learned: str) -> str:
    """Take chance out of scores: the library adds them up in any order, and so it numbers the bytes that have none."""
    data = json.loads(learned)
    pieces = data["model"]["vocab"]
    least = min(score for _, score in pieces)
    for entry in pieces:
        is_left_over = len(entry[0]) == 1 and entry[1] <= least + N_BYTES * _SCORE_STEP
        entry[1] = round(least if is_left_over else entry[1], 6)
    pieces.sort(key=lambda entry: (-entry[1], entry[0]))
    return json.dumps(data, ensure_ascii=False)


def _refuse_surrogates(text: str, offset: int) -> None:
    # The library refuses them with another error, or reads something else, depending on its version.
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"character {offset + error.start} of the text is half of a surrogate pair, which has no bytes"
        ) from None


def _widen(text: str, start: int, end: int) -> Tuple[int, int]:
    """Find a part of a text around another one that has the same pieces in it as the whole."""
    first, reach = start, _REACH
    while first > 0:
        low = max(start - reach, 0)
        borders = [match.end() for match in _BORDER.finditer(text, low, start + 1) if match.end() <= start]
        if borders or low == 0:
            first = borders[-1] if borders else 0
            break
        reach *= 8
    after = _BORDER.search(text, max(end - 1, 0)) if end < len(text) else None
    return first, len(text) if after is None else after.end()


def _bytes_by_character() -> Dict[str, int]:
    """Map the characters that bytes are written as to bytes: what is printable in Latin-1 is itself, others follow in order."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(N_BYTES) if byte not in shown]
    return {**{chr(byte): byte for byte in shown}, **{chr(N_BYTES + i): byte for i, byte in enumerate(hidden)}}


def _import_tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise ImportError("subwords need the library tokenizers: pip install 'spacy-rnn[subwords]'") from error
    return tokenizers
