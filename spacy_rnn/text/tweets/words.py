"""What stands in tweets beside words, and what is alike in it."""

import re
import unicodedata
from functools import lru_cache
from typing import Iterator, List, NamedTuple, Tuple

_SKIN_TONE = "[\U0001f3fb-\U0001f3ff]"
_PICTURE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934\u2935\u2b05-\u2b55"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff]"
)
_ELEMENT = f"{_PICTURE}[\ufe0e\ufe0f]?{_SKIN_TONE}?\ufe0f?"
_TAGS = "[\U000e0020-\U000e007f]*"
# Sequences of Unicode Technical Standard 51: a flag, the key of a telephone, or pictures joined to one; or a lone skin tone.
_EMOJI = f"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]\ufe0f?\u20e3|{_ELEMENT}(?:\u200d{_ELEMENT})*{_TAGS}|{_SKIN_TONE}"
# Eyes, perhaps a nose, and a mouth; or a heart. After ":p" in ":place" comes a letter, so that is none.
_EMOTICON = r"(?:[:;=][-'^]?[)(\]\[/\\|*DPp]+|</?3+)(?!\w)"
_URL = r"(?i:https?://|\bwww\.)[^\s<>\"“”]*[^\s<>\"“”.,:;!?'’…)\]}]"
_NAME = r"(?<![\w@])@\w+"
# With a letter in it: "#1" is a number.
_HASHTAG = r"(?<![\w&#])[#＃](?=\w*[^\W\d_])\w+"
_KINDS = {"url": _URL, "emoji": _EMOJI, "emoticon": _EMOTICON, "name": _NAME, "hashtag": _HASHTAG}
_UNIT = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))
_LONG = re.compile(r"([^\W\d])\1{2,}")
_INVISIBLE = re.compile(f"{_SKIN_TONE}|[\ufe0e\ufe0f]")
# Words in the Unicode names of emoji, and the emoticons that mean the same; the first that is found counts.
_MEANINGS = [
    ("BROKEN HEART", "</3"),
    ("HEART", "<3"),
    ("WINK", ";)"),
    ("KISS", ":*"),
    ("TONGUE", ":p"),
    ("JOY", ":d"),
    ("LAUGH", ":d"),
    ("GRIN", ":d"),
    ("SMIL", ":)"),
    ("CRY", ":("),
    ("FROWN", ":("),
    ("DISAPPOINTED", ":("),
    ("WORRIED", ":("),
    ("PENSIVE", ":("),
    ("SAD", ":("),
]


class Settings(NamedTuple):
    """What a tokenizer of tweets does; see `build_tweet_tokenizer`."""

    unescape: bool = True
    split_hashtags: bool = True
    names: bool = True
    digits: bool = True
    repeated_letters: bool = True
    emoji_as_emoticons: bool = False


def find_units(text: str, split_hashtags: bool) -> Iterator[Tuple[int, int]]:
    """Find what is a token whatever a language's rules say: URLs, emoji, emoticons, @names, and hashtags or their parts.

    text (str): The text.
    split_hashtags (bool): Whether a hashtag is taken apart: #, and the words that `split_words` finds.
    YIELDS (Tuple[int, int]): Where the tokens begin and end, in their order.
    """
    for match in _UNIT.finditer(text):
        if match.lastgroup != "hashtag" or not split_hashtags:
            yield match.span()
            continue
        begin = match.start() + 1
        yield match.start(), begin
        for word in split_words(text[begin : match.end()]):
            yield begin, begin + len(word)
            begin += len(word)


def split_words(hashtag: str) -> List[str]:
    """Take words apart that were written without spaces: before a capital letter after a small one (MakeItSo), before the last of
    several capital letters if a small one follows (NBAFinals), between letters and digits, and at underscores. What has none of
    these stays together.

    hashtag (str): The hashtag without its #.
    RETURNS (List[str]): The words, which are the hashtag if they are joined.
    """
    words = [""]
    for i, character in enumerate(hashtag):
        before, after = hashtag[i - 1 : i], hashtag[i + 1 : i + 2]
        starts = (character.isupper() and (before.islower() or (before.isupper() and after.islower()))) or _character_class(
            character
        ) != _character_class(before)
        if starts and words[-1]:
            words.append("")
        words[-1] += character
    return words


def _character_class(character: str) -> str:
    return "digit" if character.isdigit() else "underscore" if character == "_" else "letter"


@lru_cache(maxsize=100_000)
def normalize(word: str, norm: str, settings: Settings) -> str:
    """Give the norm of a token.

    word (str): The token's text, unescaped.
    norm (str): Its norm by the rules of the language.
    settings (Settings): What is alike.
    RETURNS (str): The norm.
    """
    match = _UNIT.fullmatch(word)
    kind = match.lastgroup if match else None
    if kind == "url":
        return "http" if settings.names else norm
    if kind == "name":
        return "@user" if settings.names else norm
    if kind == "emoji":
        return _normalize_emoji(word, settings.emoji_as_emoticons)
    if kind == "emoticon":
        return norm.rstrip("3") + "3" if norm[0] == "<" else norm[0] + norm[-1]
    if settings.repeated_letters:
        norm = _LONG.sub(r"\1\1", norm)
    return re.sub(r"\d", "0", norm) if settings.digits else norm


def _normalize_emoji(emoji: str, as_emoticon: bool) -> str:
    plain = _INVISIBLE.sub("", emoji) or emoji
    if as_emoticon:
        name = unicodedata.name(plain[0], "")
        return next((emoticon for words, emoticon in _MEANINGS if words in name), plain)
    return plain
