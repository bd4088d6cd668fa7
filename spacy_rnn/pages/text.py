"""Texts, labels and names, which may hold anything, and shares, made fit to be shown."""

import re
from typing import Optional

# Control characters but for white space, surrogates and what is no character: neither XML nor a browser takes them.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
# What makes the following text run in another direction, until something ends it.
_DIRECTED = re.compile("[\u202a-\u202e\u2066-\u2069]")
_SYMBOLS = {"\n": "⏎", "\r": "⏎", "\t": "⇥"}
_CONTROL = re.compile("[\t\n\r]")


def printable(text: str) -> str:
    """Replace what cannot be shown.

    text (str): The text.
    RETURNS (str): The text, with the sign for what cannot be shown (U+FFFD) in the place of control characters other than line
        breaks and tabs, of surrogates, and of code points that are no characters.
    """
    return _UNPRINTABLE.sub("\ufffd", text)


def visible(text: str) -> str:
    """Make a token, a label or a name visible in one line.

    text (str): The text.
    RETURNS (str): The text, with a symbol for each character where all are white space, and the sign for what cannot be shown
        (U+FFFD) in the place of control characters.
    """
    if text.isspace():
        return "".join(_SYMBOLS.get(character, "␣") for character in text)
    return _CONTROL.sub("\ufffd", printable(text))


def is_directed(text: str) -> bool:
    """Tell whether a text has characters that change the direction of what follows.

    text (str): The text.
    RETURNS (bool): Whether it has embeddings, overrides or isolates of the Unicode Bidirectional Algorithm (UAX #9, section 2).
    """
    return _DIRECTED.search(text) is not None


def percent(share: Optional[float]) -> str:
    """Write a share in percent.

    share (Optional[float]): The share; None is a share of nothing.
    RETURNS (str): The figure with two decimals; a dash for a share of nothing.
    """
    return "–" if share is None else f"{100 * share:.2f}"
