"""Writing ARPA files."""

import gzip
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Sequence, Union

import numpy

from .. import engine
from ..model import BackoffModel

SPECIAL = ("<unk>", "<s>", "</s>")
# What stands for the logarithm of 0, as in SRILM's files.
ZERO = -99.0
# N-grams that are written at a time.
_PIECE = 1 << 16
BLANKS = " \t\r\n\f\v\0"


def write_arpa(path: Union[str, Path], model: BackoffModel, names: Sequence[str]) -> None:
    """Write a back-off model as an ARPA file, which KenLM and SRILM read.

    It is written beside its place, and takes it when it is complete. Logarithms are of base 10; that of 0 is written as -99.

    path (Union[str, Path]): The file; compressed if its name ends in .gz.
    model (BackoffModel): The model.
    names (Sequence[str]): How symbols are written, by number: <unk>, <s>, </s>, then the others, without white space.
    RAISES (ValueError): If they are not the names of the model's symbols.
    RAISES (OSError): If the file cannot be written.
    """
    check_names(names, model.n_symbols)
    target = Path(os.path.realpath(path))
    beside = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        with open(beside, "xb") as raw:
            if target.suffix == ".gz":
                # Without a time, so that the same model makes the same file.
                with gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
                    _write(file, model, names)
            else:
                _write(raw, model, names)
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(beside, target)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def check_names(names: Sequence[str], n_symbols: int) -> None:
    """Check the names of symbols.

    names (Sequence[str]): The names.
    n_symbols (int): V.
    RAISES (ValueError): If there are not so many, or they cannot stand in a file.
    """
    if len(names) != n_symbols:
        raise ValueError(f"the model has {n_symbols} symbols, but there are {len(names)} names")
    if tuple(names[:3]) != SPECIAL:
        raise ValueError(f"the first names must be {', '.join(SPECIAL)}, got {', '.join(names[:3])}")
    for name in names:
        if not name or any(blank in name for blank in BLANKS):
            raise ValueError(f"{name!r} cannot stand in an ARPA file: names have no white space")
    if len(set(names)) != n_symbols:
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"two symbols have the name {twice!r}")


def _write(file: Union[IO[bytes], Any], model: BackoffModel, names: Sequence[str]) -> None:
    trie = model.trie
    lines = ["\\data\\\n", *(f"ngram {order}={size}\n" for order, size in enumerate(trie.sizes, 1))]
    file.write("".join(lines).encode("utf8"))
    encoded = [name.encode("utf8", "surrogatepass") for name in names]
    writer = engine.functions.LineWriter(trie.n_symbols, trie.symbols, trie.first, encoded)
    for order in range(1, model.order + 1):
        file.write(f"\n\\{order}-grams:\n".encode())
        begin, end = trie.level(order)
        for at in range(begin, end, _PIECE):
            nodes = slice(at, min(at + _PIECE, end))
            # Rounding may have taken a probability of 1 a little too high.
            logarithms = _decimal(numpy.minimum(model.log_probabilities[nodes], 0))
            weights = _decimal(model.backoffs[nodes]) if order < model.order else None
            file.write(writer.format(order, at, logarithms, weights))
    file.write(b"\n\\end\\\n")


def _decimal(logarithms: numpy.ndarray) -> numpy.ndarray:
    """Give decimal logarithms in units of 10^-7, int64."""
    decimal = logarithms.astype("float64") / numpy.log(10)
    return numpy.rint(numpy.maximum(decimal, ZERO) * 1e7).astype("int64")
