"""Read text files whole: nothing is used before the end of the file has been verified."""

import re
from pathlib import Path
from typing import List

from spacy_rnn.pipeline.corpus.files import read_pieces

# Two files with a byte order mark, put together, have one in the middle. A mark that is a column of its own is a word.
_BYTE_ORDER_MARK = re.compile("\ufeff+(?![\t ])")
_SHOWN = 100


def read_lines(path: Path) -> List[str]:
    """Read the lines of a text file, plain or `.gz`, in UTF-8.

    Lines end at a line feed only, so that other line breaks stay part of a text. Carriage returns before it and byte order marks
    at the beginning of a line are no part of the line.

    path (Path): The file.
    RETURNS (List[str]): Its lines without their ends.
    RAISES (ValueError): With the file, and the line where there is one, if it is damaged or no such text.
    """
    content = read_bytes(path)
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        where = f"{path}, line {content.count(bytes([10]), 0, error.start) + 1}"
        compressed = " It is compressed: its name should end with .gz." if content.startswith(b"\x1f\x8b") else ""
        raise ValueError(f"{where}: expected text in UTF-8: {error}.{compressed}") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"{path}, line {line}: expected text, got a null character: the file is damaged, or not in UTF-8")
    if "\n" not in text and "\r" in text.rstrip("\r"):
        raise ValueError(f"{path}: expected lines that end with a line feed, but they end with a carriage return alone")
    lines = text.split("\n")
    if not lines[-1].rstrip("\r"):
        lines.pop()
    return [
        _BYTE_ORDER_MARK.sub("", line, count=1) if line.startswith("\ufeff") else line for line in (x.rstrip("\r") for x in lines)
    ]


def read_bytes(path: Path) -> bytes:
    """Read a file, decompressed if its name ends with `.gz`; its checksum is verified then.

    path (Path): The file.
    RETURNS (bytes): Its content.
    RAISES (ValueError): With the file and where, if it is damaged or breaks off.
    """
    return b"".join(read_pieces(path))


def quote(line: str) -> str:
    """Show a line in a message.

    line (str): The line.
    RETURNS (str): It in quotes, with what cannot be seen escaped, and cut off where it is long.
    """
    return repr(line if len(line) <= _SHOWN else line[:_SHOWN] + "…")
