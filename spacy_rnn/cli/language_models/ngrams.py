"""`ngrams`: an n-gram model of plain text, as an ARPA file."""

import re
import time
from collections import Counter
from pathlib import Path
from typing import Callable, Iterator, List, NamedTuple, Sequence, Union

import numpy
from wasabi import msg
from wasabi import table as format_table

from ...backoff import (
    DISCOUNT_FALLBACK,
    BackoffModel,
    NGramCounter,
    check_order,
    check_prune,
    check_smoothing,
    estimate,
    write_arpa,
)
from ...pipeline.corpus.files import UNITS, find_files, read_texts
from ...text.symbols import N_SPECIAL, SPECIAL_NAMES, UNKNOWN, Characters, Symbols, Words
from ...text.symbols.learned import rank
from ..errors import CommandError, as_refusal, as_sentence, writing

KINDS = ("words", "characters")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", re.IGNORECASE)
# Where a message names a setting.
_SETTING = re.compile(
    r"^(smoothing|symbols|unit|memory|prune|k)(?= must be | has )|^max_(memory)(?= must be )"
    r"|(?<=a lower )(min_count)|(?<=, or )(discount_fallback) = \[.*\]"
)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class Options(NamedTuple):
    """What a user chooses.

    order (int): The order of the longest n-grams.
    symbols (str): "words", by white space, or "characters".
    unit (str): What a text is: a "line", a "paragraph" or a "file".
    size (int): How many symbols are known, the most frequent ones; 0 for all.
    min_count (int): How often a known symbol occurs at least.
    smoothing (str): The smoothing.
    k (float): What "add_k" adds to counts.
    prune (str): Counts up to which n-grams are left out, by order, e.g. "0,0,1".
    fallback (bool): Whether discounts that cannot be estimated are replaced; those of characters always are.
    memory (str): How much memory counting may take, e.g. "512M".
    """

    order: int
    symbols: str
    unit: str
    size: int
    min_count: int
    smoothing: str
    k: float
    prune: str
    fallback: bool
    memory: str


def write_ngrams(texts: Sequence[Path], output: Path, options: Options) -> None:
    """Count the n-grams of texts, estimate a model, and write it as an ARPA file.

    texts (Sequence[Path]): Files, or folders of files.
    output (Path): The ARPA file; compressed if its name ends in .gz.
    options (Options): The rest.
    RAISES (CommandError): If a file is missing, damaged or cannot be written, there is no text, or an option is out of its
        range.
    """
    begun = time.perf_counter()
    try:
        learned = _learn(texts, options)
    except FileNotFoundError as error:
        raise CommandError(as_sentence(str(error))) from error
    except ValueError as error:
        raise as_refusal(error, _SETTING) from error
    with writing("n-gram model", output):
        write_arpa(output, learned.model, learned.symbols.names())
    rows = [(str(order), f"{size:,}") for order, size in enumerate(learned.model.trie.sizes, 1)]
    print(format_table(rows, header=("Order", "N-grams"), divider=True, aligns=("r", "r")))
    read = f"{_count(learned.n_texts, 'text')}, {_count(learned.n_symbols, learned.symbols.unit)}"
    msg.info(f"{read}, {learned.model.n_bytes / 1e6:.1f} MB in memory; {time.perf_counter() - begun:.1f} s")


class _Learned(NamedTuple):
    """A model, and what it was learned from."""

    model: BackoffModel
    symbols: Symbols
    n_texts: int
    n_symbols: int


def _learn(texts: Sequence[Path], options: Options) -> _Learned:
    memory, prune = parse_size(options.memory), parse_prune(options.prune)
    fallback = DISCOUNT_FALLBACK if options.fallback or options.symbols == "characters" else None
    check_order(options.order)
    check_smoothing(options.smoothing, options.k, fallback)
    check_prune(prune, options.order)
    if options.symbols not in KINDS:
        raise ValueError(f"symbols must be {' or '.join(KINDS)}, got {options.symbols!r}")
    if options.unit not in UNITS:
        raise ValueError(f"unit must be one of {', '.join(UNITS)}, got {options.unit!r}")
    files = [file for path in texts for file in find_files(path)]
    symbols = _learn_symbols(files, options)
    encode = _encoder(symbols)
    counter = NGramCounter(options.order, len(symbols), max_memory=memory)
    n_texts = n_symbols = 0
    for text in _read(files, options.unit):
        numbers = encode(text)
        counter.add(numbers)
        n_texts, n_symbols = n_texts + 1, n_symbols + len(numbers)
    model = estimate(counter.finish(), options.smoothing, k=options.k, prune=prune, discount_fallback=fallback)
    return _Learned(model, symbols, n_texts, n_symbols)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def parse_size(text: str) -> int:
    """Read a number of bytes.

    text (str): Such as "512M" or "2 GB", in powers of 1024.
    RETURNS (int): Bytes.
    RAISES (ValueError): If it is none.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"memory must be a size such as 512M or 2G, got {text!r}")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def parse_prune(text: str) -> List[int]:
    """Read counts up to which n-grams are left out.

    text (str): Such as "0,0,1", or nothing.
    RETURNS (List[int]): By order.
    RAISES (ValueError): If they are no whole numbers.
    """
    parts = [part for part in re.split(r"[,\s]+", text.strip()) if part]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"prune must be whole numbers, e.g. 0,0,1, got {text!r}")
    return [int(part) for part in parts]


def _read(files: Sequence[Path], unit: str) -> Iterator[str]:
    for file in files:
        if file.suffix == ".spacy":
            raise ValueError(f"{file}: expected plain text, not spaCy's binary format")
        for text in read_texts(file, unit):
            yield text.text


def _learn_symbols(files: Sequence[Path], options: Options) -> Union[Words, Characters]:
    """Learn the symbols of texts, whose files are read a first time for it."""
    counts: Counter = Counter()
    settings = options.size, options.min_count
    if options.symbols == "words":
        words = Words(*settings)
        for text in _read(files, options.unit):
            counts.update(text.split())
        del counts[SPECIAL_NAMES[UNKNOWN]]
        words.set_learned(rank(counts, *settings, words.unit))
        return words
    characters = Characters(*settings)
    for text in _read(files, options.unit):
        counts.update(text)
    characters.set_learned(rank({ord(char): count for char, count in counts.items()}, *settings, characters.unit))
    return characters


def _encoder(symbols: Symbols) -> Callable[[str], numpy.ndarray]:
    """Give what turns a text into symbols and nothing else."""
    if not isinstance(symbols, Words):
        return lambda text: symbols.encode(text).numbers
    numbers = {word: number for number, word in enumerate(symbols.learned, N_SPECIAL)}
    return lambda text: numpy.asarray([numbers.get(word, UNKNOWN) for word in text.split()], "int32")
