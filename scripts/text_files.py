"""How the converters read text files."""

import gzip
from pathlib import Path


def read_text(path: Path) -> str:
    """Read a text file, plain or `.gz`, in UTF-8. A carriage return before a line feed is dropped; other line breaks stay.

    path (Path): The file.
    RETURNS (str): Its text.
    RAISES (ValueError): With the file's name, if it cannot be read as text.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="\n") as file_:
            return file_.read().replace("\r\n", "\n")
    except (EOFError, UnicodeError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: {error}") from error
