"""How symbols are written where a blank ends a name, e.g. in ARPA files."""

import re

from .base import SPECIAL_NAMES

_ESCAPED = re.compile(r"\\u([0-9a-f]{4})|\\U([0-9a-f]{8})")


def escape_name(symbol: str) -> str:
    r"""Write a symbol without white space: that, what cannot be seen, and the backslash become `\uXXXX` or `\UXXXXXXXX`.

    symbol (str): The symbol, of at least one character.
    RETURNS (str): Its name, which is none of `SPECIAL_NAMES`; different symbols have different names.
    """
    if symbol in SPECIAL_NAMES:
        return _escape(symbol[0]) + symbol[1:]
    if symbol.isprintable() and " " not in symbol and "\\" not in symbol:
        return symbol
    return "".join(_escape(char) if char in " \\" or not char.isprintable() else char for char in symbol)


def unescape_name(name: str) -> str:
    """Read what `escape_name` has written.

    name (str): The name.
    RETURNS (str): The symbol.
    """
    return _ESCAPED.sub(lambda match: chr(int(match[1] or match[2], 16)), name)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
