"""How symbols are written where a blank ends a name, e.g. in ARPA files."""

import re

from .base import SPECIAL_NAMES

_ESCAPED = re.compile(r"\\u([0-9a-f]{4})")
# What would end a name, cannot be encoded, or would be read as an escape.
_TO_ESCAPE = re.compile(r"[\s\0\ud800-\udfff]|\\(?=u[0-9a-f]{4})")


def escape_name(symbol: str) -> str:
    r"""Write a symbol without white space: that, what UTF-8 does not have, and NUL become `\uXXXX`.

    All else stays, so that others know a word as it stands in their texts; but a backslash that would be read as such an escape
    becomes one.

    symbol (str): The symbol, of at least one character.
    RETURNS (str): Its name, which is none of `SPECIAL_NAMES`; different symbols have different names.
    """
    if symbol in SPECIAL_NAMES:
        return _escape(symbol[0]) + symbol[1:]
    return _TO_ESCAPE.sub(lambda match: _escape(match[0]), symbol)


def unescape_name(name: str) -> str:
    """Read what `escape_name` has written. What it would have written otherwise is a symbol as it is.

    name (str): The name.
    RETURNS (str): The symbol.
    """
    symbol = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name)
    return symbol if escape_name(symbol) == name else name


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}"
