"""What stands in tweets beside words, as regular expressions over Unicode's properties.

URLs, names and hashtags end where twitter-text (https://github.com/twitter/twitter-text) ends them, without its list of top-level
domains. Emoji are grapheme clusters (Unicode Standard Annex 29).
"""

from functools import cache
from typing import Any, List, NamedTuple, Tuple

# After a digit, # or *: it is the key of a telephone, an emoji.
_KEYCAP = r"\ufe0f?\u20e3"
# Pictures with all that is joined to them (also the symbols that emoji began as), flags, keys; or a lone skin tone.
_PICTURE = (
    r"[\p{Extended_Pictographic}\p{Regional_Indicator}\p{Emoji_Modifier}"
    r"[\p{S}&&[\p{InDingbats}\p{InMiscellaneousSymbols}\p{InGeometricShapes}]]]"
)
_EMOJI = rf"(?={_PICTURE}|[0-9#*]{_KEYCAP})\X"
# Eyes, perhaps a nose, and a mouth; or a heart. After ":p" in ":place" comes a letter, so that is none.
_EMOTICON = rf"(?:[:;=][-'^]?[)(\]\[/\\|*DPp]+|</?3+)(?!\w|{_KEYCAP})"

_DOMAIN = r"[a-zA-Z0-9\-]++\.[a-zA-Z]"
# Where a word that is in a link, a name or a hashtag ends, although the next character might be in it as well.
_STOP = rf"(?i:https?)://|[0-9]{_KEYCAP}"
_LATIN = r"[\p{Latin}\p{InCombiningDiacriticalMarks}--\p{East_Asian_Width=F}]"
_PATH_END = rf"[a-zA-Z0-9=_#/+\-{_LATIN}\p{{Cyrillic}}]"
_PATH_MIDDLE = r"[!*';:,.$%\[\]–~&|@]"
_QUERY_END = r"[a-zA-Z0-9_&=#/\-]"
_QUERY_MIDDLE = r"[!?*';:+$%\[\].,~|@]"


def _repeat(middle: str, end: str) -> str:
    """Give a pattern of characters that may be in the middle of a URL or at its end, and of parentheses that are closed again."""
    any_of = f"[{middle}{end}]"
    balanced = rf"\((?!\)){any_of}*+(?:\({any_of}++\){any_of}*+)*+\)"
    return rf"(?:{middle}*+(?:{end}|{balanced}))"


_PATH = rf"{_repeat(_PATH_MIDDLE, _PATH_END)}*"
_QUERY = rf"(?:\?{_repeat(_QUERY_MIDDLE, _QUERY_END)}+)?"
# At most as many as a domain has (RFC 1035), which bounds the search.
_LABELS = r"(?:[a-zA-Z0-9_\-\p{L}\p{M}\p{N}\p{So}--\p{Extended_Pictographic}]++\.){1,126}"
_FOREIGN = r"[\p{L}\p{M}--\p{Latin}]++"
# A domain ends in a word of ASCII, after which Japanese may follow at once, or in one of another script.
_HOST = (
    rf"(?:\[[0-9a-fA-F:.]++\]|{_LABELS}(?:xn--[a-zA-Z0-9\-]+|{_FOREIGN}(?=[/:?#]))|{_LABELS}[a-zA-Z0-9]+|{_LABELS}{_FOREIGN}"
    r"|[a-zA-Z0-9](?:[a-zA-Z0-9_\-]*[a-zA-Z0-9])?)"
)
_AFTER_HOST = rf"(?::[0-9]+)?(?:[/#]{_PATH})?{_QUERY}(?!{_KEYCAP})"
_AUTHORITY = rf"(?:[a-zA-Z0-9._~%!$&'*+,;=:\-]++@)?+{_HOST}"
_LINKS = [
    ("url", rf"(?i:https?)://(?:(?i:t\.co)/(?:(?!{_STOP})[a-zA-Z0-9_])+{_QUERY}(?!{_KEYCAP})|{_AUTHORITY}{_AFTER_HOST})"),
    # Any other scheme. One of those above may be glued to a word.
    (
        "url",
        rf"(?<![a-zA-Z0-9+.\-])(?![a-zA-Z0-9]*(?i:https?):)[a-zA-Z][a-zA-Z0-9+]+://"
        rf"(?:{_AUTHORITY}{_AFTER_HOST}|/{_PATH}{_QUERY}(?!{_KEYCAP}))",
    ),
    ("url", rf"(?<![\p{{Latin}}\p{{N}}_@＠])(?i:www)\.{_HOST}{_AFTER_HOST}"),
    ("url", rf"(?<![@＠.])(?i:pic\.(?:twitter|x)\.com)/{_PATH}(?!{_KEYCAP})"),
    # Without a scheme: as spaCy has it, but it ends where a URL does.
    (
        "address",
        rf"(?<![a-zA-Z0-9_@＠$#＃&=/.%:\-\p{{L}}\p{{M}}\p{{N}}])(?:[a-zA-Z0-9\-]++\.){{1,126}}[a-z]{{2,}}/{_PATH}{_QUERY}"
        rf"(?!{_KEYCAP})",
    ),
]

_NAME = (
    # Not after a word of ASCII, as in email addresses, except "RT@user" and "@one@two".
    rf"(?=[@＠])(?:(?<![a-zA-Z0-9_#$%&*@＠]|{_LATIN})|(?<=(?<![a-zA-Z0-9_])[@＠][a-zA-Z0-9_]+)|(?<=(?:^|[^a-zA-Z0-9_+~.\-])[rR][tT]:?))"
    rf"(?!(?<=\p{{L}}|\p{{N}}|_)(?<!(?:^|[^a-zA-Z0-9_+~.\-])[rR][tT])[@＠]{_DOMAIN})"
    # Nor is "@_@" or the name of another network, "@user@example.com", one.
    rf"[@＠](?:(?!{_STOP})[a-zA-Z0-9_])++(?![@＠](?![a-zA-Z0-9_])|[@＠]{_DOMAIN}|://|{_LATIN})"
)
# Letters, marks, numbers, joiners, and the punctuation that twitter-text has in words.
_TAG = (
    r"[\p{L}\p{M}\p{N}_\p{Join_Control}\N{MIDDLE DOT}\N{HEBREW PUNCTUATION MAQAF}\N{HEBREW PUNCTUATION GERESH}"
    r"\N{HEBREW PUNCTUATION GERSHAYIM}\N{TIBETAN MARK INTERSYLLABIC TSHEG}\N{TIBETAN MARK DELIMITER TSHEG BSTAR}"
    r"\N{WAVE DASH}\N{FULLWIDTH TILDE}\N{DITTO MARK}\N{KATAKANA-HIRAGANA VOICED SOUND MARK}"
    r"\N{KATAKANA-HIRAGANA SEMI-VOICED SOUND MARK}\N{KATAKANA-HIRAGANA DOUBLE HYPHEN}\N{KATAKANA MIDDLE DOT}\N{CYRILLIC KAVYKA}"
    r"--[\ufe0e\ufe0f\u20e3]]"
)
# With a letter in it: "#1" is a number.
_HASHTAG = (
    rf"[#＃](?<![\p{{L}}\p{{M}}\p{{N}}_&#＃--[\ufe0e\ufe0f\u20e3]].)(?=[{_TAG}--\p{{L}}]*+\p{{L}})(?:(?!{_STOP}){_TAG})++(?!://)"
)
_OTHERS = {"emoji": _EMOJI, "emoticon": _EMOTICON, "name": _NAME, "hashtag": _HASHTAG}


class Patterns(NamedTuple):
    """Compiled patterns (regex.Pattern).

    links (List[Tuple[str, Pattern]]): Kinds of links ("url", "address") and their patterns; where two match from the same
        character the first counts.
    others (Pattern): All that stands between links; the name of the group that matched is its kind: "emoji", "emoticon", "name"
        or "hashtag".
    cluster (Pattern): A character as readers see it, with its marks and joiners (a grapheme cluster).
    invisible (Pattern): What the norm of an emoji lacks: skin tones, variation selectors, and a joiner that joins nothing.
    """

    links: List[Tuple[str, Any]]
    others: Any
    cluster: Any
    invisible: Any


@cache
def compile_patterns() -> Patterns:
    """Compile the patterns, once.

    RETURNS (Patterns): The patterns.
    RAISES (ImportError): If the package regex is missing.
    """
    try:
        import regex
    except ImportError as error:
        raise ImportError(
            "The tokenizer of tweets needs the package regex, which is not installed. "
            'Install it with the extra "tweets": python -m pip install "spacy-rnn[tweets]"'
        ) from error

    return Patterns(
        [(kind, regex.compile(pattern, regex.V1)) for kind, pattern in _LINKS],
        regex.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _OTHERS.items()), regex.V1),
        regex.compile(r"\X", regex.V1),
        regex.compile(r"[\p{Emoji_Modifier}\ufe0e\ufe0f]|\u200d+$", regex.V1),
    )
