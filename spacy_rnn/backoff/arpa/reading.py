"""Reading ARPA files."""

import gzip
import math
import re
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy

from ...generation import END, START, UNKNOWN
from ..model import BackoffModel
from ..packing import MAX_ORDER
from .building import BadNGram, NGramList, build_model
from .writing import SPECIAL, ZERO

# There are fewer n-grams than 2^32.
_COUNT = re.compile(rb"ngram\s+(\d{1,9})\s*=\s*(\d{1,10})")
_SECTION = re.compile(rb"\\(\d+)-grams:")
_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|-inf(inity)?", re.IGNORECASE)
# What is above has no room in 32 bits once it is a natural logarithm.
_LARGEST = 1e38
# Characters of a line that an error shows.
_SHOWN = 80
# N-grams that there is room for at first: a number in the header may be wrong.
_ROOM = 1 << 16
_NAMES = {b"<unk>": UNKNOWN, b"<UNK>": UNKNOWN, b"<s>": START, b"</s>": END}


class Arpa(NamedTuple):
    """What an ARPA file holds.

    names (List[str]): How symbols are written, by number: <unk>, <s>, </s>, then the others as they come in the file.
    model (BackoffModel): The model.
    """

    names: List[str]
    model: BackoffModel


def read_arpa(path: Union[str, Path], names: Optional[Sequence[str]] = None, *, normalize: Callable[[str], str] = str) -> Arpa:
    """Read an ARPA file, as KenLM's `lmplz` and SRILM write them.

    Fields are separated by tabs or blanks, a log-probability of -99 or less is that of 0, <UNK> is <unk>. A file without <unk>
    gives unknown symbols the probability 0.

    path (Union[str, Path]): The file; compressed if its name ends in .gz.
    names (Optional[Sequence[str]]): The symbols to number n-grams by; those of the file, in its order, if None.
    normalize (Callable[[str], str]): Gives the name by which a symbol of the file is known, if it may be written in several ways.
    RETURNS (Arpa): The names and the model.
    RAISES (ValueError): If it is no such file, is cut off or damaged, its counts disagree, a context is missing, or its symbols
        are not the ones given; with the line.
    RAISES (OSError): If it cannot be read.
    """
    with open(path, "rb") as raw:
        file: Any = gzip.GzipFile(fileobj=raw) if Path(path).suffix == ".gz" else raw
        return _Reader(_Lines(file, path), names, normalize).read()


class _Lines:
    """The lines of a file, which know their number."""

    def __init__(self, file: Any, path: Union[str, Path]) -> None:
        self._file, self._path = file, path
        self.number = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = self.take()
        if line is None:
            raise StopIteration
        return line

    def take(self) -> Optional[bytes]:
        """Give the next line without blanks around it, or None at the end."""
        try:
            line: bytes = self._file.readline()
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise self.error(f"the compressed file is damaged: {error}") from error
        if not line:
            return None
        self.number += 1
        if self.number == 1 and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
        return line.strip(b" \t\r\n")

    def expect(self, what: str) -> bytes:
        """Give the next line that is not empty."""
        for line in self:
            if line:
                return line
        raise self.error(f"the file is cut off: expected {what}")

    def error(self, what: str, number: Optional[int] = None) -> ValueError:
        """Make an error that says where it is."""
        return ValueError(f"{self._path}, line {number or self.number}: {what}")


class _Reader:
    """Reads a file."""

    def __init__(self, lines: _Lines, names: Optional[Sequence[str]], normalize: Callable[[str], str]) -> None:
        self._lines, self._given, self._normalize = lines, names, normalize
        self._numbers: Dict[bytes, int] = dict(_NAMES)
        self._names: List[str] = list(SPECIAL)
        if names is not None:
            self._numbers.update({name.encode("utf8"): i for i, name in enumerate(names)})
            self._names = list(names)
        # The line of each n-gram, by order.
        self._places: List[numpy.ndarray] = []
        # The line after a section, and how many n-grams that had.
        self._section, self._last_count = b"", 0

    def read(self) -> Arpa:
        counts = self._read_header()
        lists = [self._read_unigrams(counts[0], len(counts))]
        lists += [self._read_ngrams(order, counts[order - 1], len(counts)) for order in range(2, len(counts) + 1)]
        self._expect_section(b"\\end\\", len(counts), counts[-1])
        for line in self._lines:
            if line:
                raise self._lines.error("there is something after \\end\\")
        try:
            return Arpa(self._names, build_model(len(self._names), lists))
        except BadNGram as error:
            raise self._lines.error(str(error), int(self._places[error.order - 1][error.index])) from error

    def _read_header(self) -> List[int]:
        for line in self._lines:
            if line == b"\\data\\":
                break
        else:
            raise self._lines.error("this is no ARPA file: there is no line \\data\\")
        counts: List[int] = []
        self._section = self._lines.expect("ngram 1=")
        while match := _COUNT.fullmatch(self._section):
            if int(match[1]) != len(counts) + 1:
                raise self._lines.error(f"expected the number of {len(counts) + 1}-grams, got that of {int(match[1])}-grams")
            counts.append(int(match[2]))
            self._section = self._lines.expect("\\1-grams:")
        if not 1 <= len(counts) <= MAX_ORDER:
            raise self._lines.error(f"expected the numbers of n-grams of 1 to {MAX_ORDER} orders, got {len(counts)}")
        return counts

    def _expect_section(self, wanted: bytes, order: int, count: int) -> None:
        """Be where a section begins, after that of an order of so many n-grams."""
        if self._section == wanted:
            return
        found = _text(self._section)
        if _SECTION.fullmatch(self._section) or self._section == b"\\end\\":
            raise self._lines.error(f"expected {_text(wanted)}, got {found}")
        if order == 0:
            raise self._lines.error(f"expected ngram {count + 1}= or {_text(wanted)}, got {found!r}")
        raise self._lines.error(f"expected {_text(wanted)} after {count} {order}-grams, as \\data\\ says, got {found!r}")

    def _entries(self, order: int, count: int, highest: int) -> Iterator[Tuple[List[bytes], float, float]]:
        """Read the n-grams of an order: their symbols, log-probabilities and log-weights."""
        self._expect_section(b"\\%d-grams:" % order, order - 1, highest if order == 1 else self._last_count)
        self._last_count = count
        wanted, has_backoff = order + 1, order < highest
        for i in range(count):
            line = self._lines.take()
            if not line or line.startswith(b"\\"):
                what = "the file is cut off" if line is None else "there is no more"
                raise self._lines.error(f"\\data\\ says that there are {count} {order}-grams, but after {i} {what}")
            fields = line.replace(b"\t", b" ").split(b" ")
            if b"" in fields:
                fields = [field for field in fields if field]
            if not wanted <= len(fields) <= wanted + 1:
                raise self._lines.error(
                    f"expected a log-probability, {order} symbols, and maybe a back-off weight, got {_text(line)!r}"
                )
            backoff = self._number(fields[wanted], "back-off weight") if len(fields) > wanted else 0.0
            if backoff != 0.0 and not has_backoff:
                raise self._lines.error(
                    f"{order}-grams are the longest, so they have no back-off weight, got {_text(fields[-1])}"
                )
            log_probability = self._number(fields[0], "log-probability")
            if log_probability > 0:
                raise self._lines.error(f"a log-probability cannot be above 0, got {_text(fields[0])}")
            yield fields[1:wanted], log_probability, backoff
        section = self._lines.expect("\\end\\" if order == highest else f"\\{order + 1}-grams:")
        self._section = section

    def _number(self, field: bytes, what: str) -> float:
        if not _NUMBER.fullmatch(field):
            raise self._lines.error(f"expected a {what}, got {_text(field)!r}")
        number = float(field)
        if number > _LARGEST:
            raise self._lines.error(f"expected a {what} of at most {_LARGEST:g}, got {_text(field)}")
        return -math.inf if number <= ZERO else number

    def _read_unigrams(self, count: int, highest: int) -> NGramList:
        found: Dict[int, Tuple[float, float, int]] = {}
        for (name,), log_probability, backoff in self._entries(1, count, highest):
            number = self._number_of(name)
            if number in found:
                raise self._lines.error(f"{_text(name)!r} is there twice, first in line {found[number][2]}")
            found[number] = log_probability, backoff, self._lines.number
        found.setdefault(UNKNOWN, (-math.inf, 0.0, 0))
        for number, symbol in enumerate(self._names):
            if number not in found:
                raise self._lines.error(f"{symbol!r} is not among the 1-grams")
        values = numpy.array([found[number] for number in range(len(self._names))])
        self._places.append(values[:, 2])
        return _as_list(numpy.arange(len(values), dtype="int32")[:, None], values[:, 0], values[:, 1])

    def _read_ngrams(self, order: int, count: int, highest: int) -> NGramList:
        room = min(count, _ROOM)
        symbols, values, places = numpy.empty((room, order), "int32"), numpy.empty((room, 2)), numpy.empty(room, "int64")
        numbers = self._numbers
        for i, (names, log_probability, backoff) in enumerate(self._entries(order, count, highest)):
            if i == len(places):
                room = min(count, 2 * room)
                symbols, values, places = (_grown(array, room) for array in (symbols, values, places))
            try:
                symbols[i] = [numbers[name] for name in names]
            except KeyError as error:
                raise self._lines.error(f"{_text(error.args[0])!r} is not among the 1-grams") from None
            values[i] = log_probability, backoff
            places[i] = self._lines.number
        self._places.append(places)
        return _as_list(symbols, values[:, 0], values[:, 1])

    def _number_of(self, name: bytes) -> int:
        """Give the number of a 1-gram; a new one, if the symbols are those of the file."""
        number = self._numbers.get(name)
        if number is not None:
            return number
        known = self._normalize(self._decode(name))
        number = self._numbers.get(known.encode("utf8"))
        if number is None:
            if self._given is not None:
                raise self._lines.error(f"{_text(name)!r} is none of the {len(self._given)} symbols")
            number = self._numbers[known.encode("utf8")] = len(self._names)
            self._names.append(known)
        self._numbers[name] = number
        return number

    def _decode(self, name: bytes) -> str:
        try:
            return name.decode("utf8")
        except UnicodeDecodeError as error:
            raise self._lines.error(f"{_text(name)!r} is not UTF-8") from error


def _as_list(symbols: numpy.ndarray, log_probabilities: numpy.ndarray, backoffs: numpy.ndarray) -> NGramList:
    return NGramList(symbols, log_probabilities * numpy.log(10), backoffs * numpy.log(10))


def _grown(array: numpy.ndarray, size: int) -> numpy.ndarray:
    grown = numpy.empty((size, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown


def _text(field: bytes) -> str:
    """Give what an error shows of a field or line, which may be one of any file."""
    text = field.decode("utf8", "replace")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
