"""What stands in tweets beside words, and what is alike in it."""

import re
import unicodedata
from functools import lru_cache
from typing import Iterator, List, NamedTuple

from .patterns import compile_patterns

_LONG = re.compile(r"([^\W\d])\1{2,}")
_HALF_WIDTH = str.maketrans("＠＃", "@#")
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


class Unit(NamedTuple):
    """What is a token whatever a language's rules say.

    begin, end (int): Its place in the text.
    kind (str): "url", "address" (a URL without scheme, such as bit.ly/abc), "emoji", "emoticon", "name", "hashtag" (one as a
        whole, or its #) or "word" (of a hashtag).
    """

    begin: int
    end: int
    kind: str


def find_units(text: str, split_hashtags: bool) -> Iterator[Unit]:
    """Find URLs, emoji, emoticons, @names, and hashtags or their parts.

    text (str): The text.
    split_hashtags (bool): Whether a hashtag is taken apart: #, and the words that `split_words` finds.
    YIELDS (Unit): The units, in their order.
    """
    position = 0
    for link in _find_links(text):
        yield from _find_others(text[position : link.begin], position, split_hashtags)
        yield link
        position = link.end
    yield from _find_others(text[position:], position, split_hashtags)


def _find_links(text: str) -> List[Unit]:
    links = [
        Unit(match.start(), match.end(), kind) for kind, pattern in compile_patterns().links for match in pattern.finditer(text)
    ]
    links.sort(key=lambda link: link.begin)
    kept: List[Unit] = []
    for link in links:
        if not kept or link.begin >= kept[-1].end:
            kept.append(link)
    return kept


def _find_others(text: str, offset: int, split_hashtags: bool) -> Iterator[Unit]:
    for match in compile_patterns().others.finditer(text):
        begin, end = match.start() + offset, match.end() + offset
        if match.lastgroup != "hashtag" or not split_hashtags:
            yield Unit(begin, end, match.lastgroup)
            continue
        yield Unit(begin, begin + 1, "hashtag")
        for word in split_words(match.group()[1:]):
            yield Unit(begin + 1, begin + 1 + len(word), "word")
            begin += len(word)


def split_words(hashtag: str) -> List[str]:
    """Take words apart that were written without spaces.

    Words begin at a capital letter after a small one (MakeItSo), at the last of several capital letters if a small one follows
    (NBAFinals), between letters and digits, and at underscores. What has none of these stays together, and marks and joiners
    stay with their letters.

    hashtag (str): The hashtag without its #.
    RETURNS (List[str]): The words, which are the hashtag if they are joined.
    """
    words = [""]
    clusters = compile_patterns().cluster.findall(hashtag)
    letters = ["", *(cluster[0] for cluster in clusters), ""]
    for cluster, before, letter, after in zip(clusters, letters, letters[1:], letters[2:], strict=False):
        starts = (letter.isupper() and (before.islower() or (before.isupper() and after.islower()))) or _character_class(
            letter
        ) != _character_class(before)
        if starts and words[-1]:
            words.append("")
        words[-1] += cluster
    return words


def _character_class(character: str) -> str:
    return "digit" if character.isdigit() else "underscore" if character == "_" else "letter"


def _find_kind(word: str) -> str:
    """Find the kind of a token by the rules of the language, which take apart what is glued: the name in "#tag@name"."""
    match = compile_patterns().others.fullmatch(word)
    return match.lastgroup if match else "word"


@lru_cache(maxsize=100_000)
def normalize(word: str, kind: str, norm: str, settings: Settings) -> str:
    """Give the norm of a token.

    word (str): The token's text, unescaped.
    kind (str): The kind of a unit, or "word".
    norm (str): Its norm by the rules of the language; "" if these have none, which counts as the word in small letters.
    settings (Settings): What is alike.
    RETURNS (str): The norm.
    """
    norm = norm or word.lower()
    if kind == "word":
        kind = _find_kind(word)
    if kind in ("name", "hashtag"):
        norm = norm.translate(_HALF_WIDTH)
    if kind == "url" and settings.names:
        return "http"
    if kind == "name" and settings.names:
        return "@user"
    if kind in ("url", "name"):
        return norm
    if kind == "emoji":
        return _normalize_emoji(word, settings.emoji_as_emoticons)
    if kind == "emoticon":
        return word.rstrip("3") + "3" if word[0] == "<" else word[0] + word[-1].lower()
    if settings.repeated_letters:
        norm = _LONG.sub(r"\1\1", norm)
    return re.sub(r"\d", "0", norm) if settings.digits else norm


def _normalize_emoji(emoji: str, as_emoticon: bool) -> str:
    plain = compile_patterns().invisible.sub("", emoji) or emoji
    if as_emoticon:
        name = unicodedata.name(plain[0], "")
        return next((emoticon for words, emoticon in _MEANINGS if words in name), plain)
    return plain
