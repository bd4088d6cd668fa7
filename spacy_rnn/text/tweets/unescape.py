"""Text that was escaped for another format and never unescaped."""

import html
import re
from typing import List, Tuple

# A character reference of HTML, escaped once or more often (&amp;lt;), or a character of JSON: one, or a pair of surrogates.
_ESCAPE = re.compile(
    r"&(?:amp;)*(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}"
)


def unescape(text: str) -> Tuple[str, List[int]]:
    """Replace the character references of HTML, also those that were escaped more than once, and the escapes of JSON by the
    characters they stand for. What stands for white space, for a control character, or for nothing known stays.

    text (str): The text.
    RETURNS (Tuple[str, List[int]]): The unescaped text; and for each of its characters where what it stands for begins in the
        original, and last the length of that.
    """
    parts: List[str] = []
    origins: List[int] = []
    position = 0
    for match in _ESCAPE.finditer(text):
        character = _unescaped(match.group())
        if len(character) == 1 and character.isprintable() and not character.isspace() and character != "\ufffd":
            parts += (text[position : match.start()], character)
            origins += range(position, match.start() + 1)
            position = match.end()
    origins += range(position, len(text) + 1)
    return "".join([*parts, text[position:]]), origins


def _unescaped(escape: str) -> str:
    if escape.startswith("\\"):
        units = bytes.fromhex(escape.replace("\\u", ""))
        return units.decode("utf-16-be", errors="ignore")
    while escape != (once := html.unescape(escape)):
        escape = once
    return escape
