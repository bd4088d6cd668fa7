"""Text that was escaped for another format and never unescaped."""

import html
import re
import unicodedata
from typing import Dict, List, NamedTuple, Optional, Tuple

_START = re.compile(r"[&\\]")
_REFERENCE = re.compile(r"#[0-9]+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]+")
# That of the longest name; numbers with leading zeros stay within it as well.
_LONGEST = 31
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
# Control characters, surrogates, and what has no meaning or none that is known to all.
_UNPRINTABLE = ("Cc", "Cs", "Cn", "Co")


class _Read(NamedTuple):
    """What text stands for, from some place on: a character, and where the next one begins."""

    character: str
    end: int


def unescape(text: str) -> Tuple[str, List[int]]:
    """Replace the character references of HTML and the escapes of JSON by the characters they stand for.

    They may be escaped more than once, in any order: &amp;lt; and \\u0026lt; are both <, and \\\\u2019 is what \\u2019 is. What
    stands for white space, for a control character, or for nothing known stays.

    text (str): The text.
    RETURNS (Tuple[str, List[int]]): The unescaped text; and for each of its characters where what it stands for begins in the
        original, and last the length of that.
    """
    # What follows an & or a \ may be escaped itself, so it is read before.
    read: Dict[int, _Read] = {}
    for match in reversed(list(_START.finditer(text))):
        read[match.start()] = _read(text, match.start(), read)

    parts: List[str] = []
    origins: List[int] = []
    position = 0
    for begin, (character, end) in sorted(read.items()):
        if begin < position or end == begin + 1:
            continue
        if character.isspace() or unicodedata.category(character) in _UNPRINTABLE or character == "\ufffd":
            character = text[begin:end]
        elif text[begin] == "\\":
            # Those before it are escaped backslashes of JSON in JSON.
            begin = position + len(text[position:begin].rstrip("\\"))
        parts += (text[position:begin], character)
        origins += range(position, begin + len(character))
        position = end
    origins += range(position, len(text) + 1)
    return "".join([*parts, text[position:]]), origins


def _read(text: str, begin: int, read: Dict[int, _Read]) -> _Read:
    """Read the character that begins with an & or a \\; what stands behind it has been read."""
    now = _Read(text[begin], begin + 1)
    while True:
        if now.character == "&":
            following = _read_reference(text, now.end, read)
        elif now.character == "\\":
            following = _read_json(text, now.end, read)
        else:
            return now
        if following is None:
            return now
        now = following


def _read_at(text: str, position: int, read: Dict[int, _Read]) -> _Read:
    return read.get(position) or _Read(text[position : position + 1], position + 1)


def _read_reference(text: str, position: int, read: Dict[int, _Read]) -> Optional[_Read]:
    """Read what follows the & of a character reference."""
    name = ""
    while len(name) <= _LONGEST:
        character, position = _read_at(text, position, read)
        if character == ";":
            meant = html.unescape(f"&{name};") if _REFERENCE.fullmatch(name) else ""
            return _Read(meant, position) if len(meant) == 1 and meant != "\ufffd" else None
        if character != "#" and not (character.isascii() and character.isalnum()):
            return None
        name += character
    return None


def _read_json(text: str, position: int, read: Dict[int, _Read]) -> Optional[_Read]:
    """Read what follows the \\ of a \\u2019, or of a pair of surrogates."""
    unit, position = _read_unit(text, position, read)
    if 0xD800 <= unit < 0xDC00:
        character, following = _read_at(text, position, read)
        low, position = _read_unit(text, following, read) if character == "\\" else (-1, position)
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00) if 0xDC00 <= low < 0xE000 else -1
    return None if unit < 0 or 0xD800 <= unit < 0xE000 else _Read(chr(unit), position)


def _read_unit(text: str, position: int, read: Dict[int, _Read]) -> Tuple[int, int]:
    """Read a u and four hexadecimal digits; without them the number is -1."""
    digits = ""
    character, position = _read_at(text, position, read)
    if character == "u":
        for _ in range(4):
            character, position = _read_at(text, position, read)
            digits += character
    return (int(digits, 16) if len(digits) == 4 and _HEXADECIMAL.issuperset(digits) else -1), position
