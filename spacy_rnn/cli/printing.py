"""Texts on standard output: what a pipe is given, and what a terminal can show."""

import os
import sys
from contextlib import contextmanager
from typing import Iterator

from ..pages.text import printable


@contextmanager
def to_stdout() -> Iterator[None]:
    """End quietly where nobody reads on, as in a pipe to `head`.

    RAISES (SystemExit): With exit code 1, if the reader of standard output has gone.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Otherwise Python would try to write what is left when it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def write(text: str) -> None:
    """Write to standard output at once, and nothing else than the text.

    What the encoding of the output has no room for is written as an escape, e.g. `\\u20ac`. A terminal gets no control
    characters, which it would obey; a pipe or a file does.

    text (str): The text.
    """
    stream = sys.stdout
    if stream.isatty():
        text = printable(text)
    encoding = getattr(stream, "encoding", None) or "utf8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
