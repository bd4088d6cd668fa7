"""Texts in files, read a piece at a time to the end, which is verified."""

import gzip
import json
import re
import zlib
from pathlib import Path
from typing import Any, Iterable, Iterator, List, NamedTuple, Sequence, Tuple, Union

SUFFIXES = (".txt", ".txt.gz", ".jsonl", ".jsonl.gz", ".spacy")
UNITS = ("line", "paragraph", "file")
_PIECE = 1 << 20
# Two files with a byte order mark, put together, have one in the middle.
_BYTE_ORDER_MARK = re.compile("^\ufeff+", re.MULTILINE)


class Text(NamedTuple):
    """A text and where it is.

    text (str): The text.
    path (Path): The file.
    line (int): The line it begins in, from 1.
    """

    text: str
    path: Path
    line: int


def find_files(path: Path) -> List[Path]:
    """List the files of a corpus.

    path (Path): A file, or a folder; what is hidden in it, and files of other kinds, are left out.
    RETURNS (List[Path]): The files, sorted.
    RAISES (FileNotFoundError): If there is no such file or folder.
    RAISES (ValueError): If it is a file of another kind, or a folder without one that can be read.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path} to read texts from")
    kinds = ", ".join(SUFFIXES)
    if not path.is_dir():
        if not path.name.endswith(SUFFIXES):
            raise ValueError(f"{path}: texts are read from files {kinds}, by the end of their names")
        return [path]
    files = [file for file in list_visible(path) if file.name.endswith(SUFFIXES)]
    if not files:
        raise ValueError(f"{path}: the folder has no file to read texts from: {kinds}")
    return files


def list_visible(folder: Path) -> List[Path]:
    """List the files of a folder and the folders in it, without those that are hidden.

    folder (Path): The folder.
    RETURNS (List[Path]): The files, sorted.
    """
    files = [file for file in folder.rglob("*") if file.is_file()]
    return sorted(file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts))


def read_texts(path: Path, unit: str) -> Iterator[Text]:
    r"""Read the texts of a file that is not in spaCy's binary format. Those of white space alone are left out.

    A line ends with "\n" or "\r\n", which is no part of it; no other character ends one. Byte order marks at the beginning of a
    line are no part of the text.

    path (Path): The file: `.txt`, with texts as `unit` says, or `.jsonl`, with one text a line as "text"; both also as `.gz`.
    unit (str): What a text of a `.txt` file is: a "line"; a "paragraph", that is lines up to one that is blank; or the "file",
        which is left as it is.
    YIELDS (Text): The texts.
    RAISES (ValueError): With the file, and the line where there is one, if it is damaged or no such text.
    """
    if path.name.removesuffix(".gz").endswith(".jsonl"):
        texts: Iterator[Text] = (Text(text, path, i) for i, [text] in read_json(path, ["text"]))
    elif unit == "line":
        texts = (Text(line, path, i) for i, line in read_lines(path))
    elif unit == "paragraph":
        texts = _join_paragraphs(path)
    else:
        texts = iter([Text(_decode(b"".join(read_pieces(path)), path, 1), path, 1)])
    for text in texts:
        if text.text and not text.text.isspace():
            yield text


def read_pieces(path: Path) -> Iterator[bytes]:
    """Read a file, decompressed if its name ends with `.gz`; its checksum is verified at the end.

    path (Path): The file.
    YIELDS (bytes): Its content, piece by piece.
    RAISES (ValueError): With the file and where, if it is damaged or breaks off.
    """
    with path.open("rb") as raw:
        if path.suffix != ".gz":
            while piece := raw.read(_PIECE):
                yield piece
            return
        if not raw.read(1):
            raise ValueError(f"{path}: expected a compressed file, but it is empty")
        raw.seek(0)
        n_read = 0
        with gzip.GzipFile(fileobj=raw) as file_:
            while True:
                try:
                    piece = file_.read1(_PIECE)
                except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                    where = f"after about {n_read:,} bytes of its text"
                    raise ValueError(f"{path}: the compressed file is damaged, {where}: {error}") from error
                if not piece:
                    return
                n_read += len(piece)
                yield piece


def read_lines(path: Path) -> Iterator[Tuple[int, str]]:
    r"""Read the lines of a text file, plain or `.gz`, in UTF-8.

    path (Path): The file.
    YIELDS (Tuple[int, str]): The number of each line, from 1, and the line without its "\n" or "\r\n".
    RAISES (ValueError): With the file, and the line where there is one, if it is damaged or no such text.
    """
    return split_lines(read_pieces(path), path)


def split_lines(pieces: Iterable[bytes], source: Union[Path, str]) -> Iterator[Tuple[int, str]]:
    r"""Cut what was read, in UTF-8, into lines.

    pieces (Iterable[bytes]): What was read, piece by piece.
    source (Union[Path, str]): What it was read from, for messages.
    YIELDS (Tuple[int, str]): As `read_lines` does.
    RAISES (ValueError): With the source, and the line where there is one, if it is no such text.
    """
    number = 1
    begun: List[bytes] = []
    for piece in pieces:
        whole, line_feed, rest = piece.rpartition(b"\n")
        if line_feed:
            for line in _decode(b"".join([*begun, whole]), source, number).split("\n"):
                yield number, line.removesuffix("\r")
                number += 1
            begun = []
        begun.append(rest)
    last = _decode(b"".join(begun), source, number).removesuffix("\r")
    if number == 1 and "\r" in last:
        raise ValueError(f"{source}: expected lines that end with a line feed, but they end with a carriage return alone")
    if last:
        yield number, last


def _decode(content: bytes, source: Union[Path, str], line: int) -> str:
    """Decode text that begins in a line."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"{source}, line {line + content.count(bytes([10]), 0, error.start)}"
        compressed = " It is compressed: its name should end with .gz." if line == 1 and content.startswith(b"\x1f\x8b") else ""
        raise ValueError(f"{where}: expected text in UTF-8: {error}.{compressed}") from error
    if "\0" in text:
        line += text.count("\n", 0, text.index("\0"))
        raise ValueError(f"{source}, line {line}: expected text, got a null character: the file is damaged, or not in UTF-8")
    return _BYTE_ORDER_MARK.sub("", text) if "\ufeff" in text else text


def _join_paragraphs(path: Path) -> Iterator[Text]:
    lines: List[str] = []
    first = 0
    for number, line in read_lines(path):
        if line and not line.isspace():
            first = first if lines else number
            lines.append(line)
        elif lines:
            yield Text("\n".join(lines), path, first)
            lines = []
    if lines:
        yield Text("\n".join(lines), path, first)


def read_json(path: Path, keys: Sequence[str]) -> Iterator[Tuple[int, List[str]]]:
    """Read a file of JSON lines, plain or `.gz`. Blank lines are left out.

    path (Path): The file, with an object a line.
    keys (Sequence[str]): What is read of each object; other keys do not matter.
    YIELDS (Tuple[int, List[str]]): The number of each line, from 1, and the strings of these keys.
    RAISES (ValueError): With the file, and the line where there is one, if it is damaged, or there is no string under a key.
    """
    for number, line in read_lines(path):
        if not line or line.isspace():
            continue
        where = f"{path}, line {number}"
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where}: expected an object in JSON: {error}") from error
        yield number, [_get_string(where, entry, key) for key in keys]


def _get_string(where: str, entry: Any, key: str) -> str:
    if not isinstance(entry, dict) or not isinstance(entry.get(key), str):
        found = f"the keys {sorted(entry)}" if isinstance(entry, dict) and key not in entry else repr(entry)[:100]
        raise ValueError(f'{where}: expected an object with a string as "{key}", got {found}')
    text: str = entry[key]
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f'{where}: its "{key}" has half of a surrogate pair, which is no character: {error}') from error
    return text
