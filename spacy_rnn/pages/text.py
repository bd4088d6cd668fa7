"""Texts, labels and names, which may hold anything, and shares, made fit to be shown."""

import re
import unicodedata
from typing import Optional

# Control characters but for white space, surrogates and what is no character: neither XML nor a browser takes them.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
# What makes the following text run in another direction, until something ends it.
_DIRECTED = re.compile("[\u202a-\u202e\u2066-\u2069]")
# How wide characters are in a sans-serif typeface at most, in ems: East Asian ones and emoji, broad Latin ones, and others.
_WIDE, _BROAD, _NARROW = 1.25, 1.0, 0.65
_IS_BROAD = re.compile("[A-Z@%&mw—…⏎⇥→]")
_JOINER = "\u200d"
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


def is_begun_right_to_left(text: str) -> bool:
    """Tell in which direction a text is written, by its first letter, as browsers do.

    text (str): The text.
    RETURNS (bool): Whether it is from right to left (Unicode Bidirectional Algorithm, UAX #9, rules P2 and P3).
    """
    directions = map(unicodedata.bidirectional, text)
    return next((direction != "L" for direction in directions if direction in ("L", "R", "AL")), False)


def shorten(text: str, n: int) -> str:
    """Cut a long name, not within an emoji or between a letter and its marks.

    text (str): The name.
    n (int): How many code points are shown at most, 2 or more.
    RETURNS (str): The name, or its beginning and an ellipsis.
    """
    if len(text) <= n:
        return text
    end = n - 1
    while end > 1 and (_continues(text[end]) or text[end - 1] == _JOINER):
        end -= 1
    return text[:end] + "…"


def estimate_width(text: str) -> float:
    """Estimate how much room a text takes in one line, rather too much than too little.

    text (str): The text.
    RETURNS (float): The width in ems.
    """
    return sum(_width(character) for character in text)


def _width(character: str) -> float:
    if _continues(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return _WIDE
    return _BROAD if _IS_BROAD.match(character) else _NARROW


def _continues(character: str) -> bool:
    """Tell whether a character is drawn together with the one before: a mark, a joiner, a modifier of an emoji."""
    return unicodedata.category(character) in ("Mn", "Me", "Cf") or "\U0001f3fb" <= character <= "\U0001f3ff"


def percent(share: Optional[float]) -> str:
    """Write a share in percent.

    share (Optional[float]): The share; None is a share of nothing.
    RETURNS (str): The figure with two decimals; a dash for a share of nothing.
    """
    return "–" if share is None else f"{100 * share:.2f}"
