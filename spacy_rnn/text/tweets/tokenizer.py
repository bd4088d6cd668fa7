"""Tokens of tweets as people have them, with the text left as it is."""

from typing import Any, Callable, List, NamedTuple, Tuple

import numpy
from spacy.attrs import LENGTH, NORM, SPACY
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.util import registry

from .escapes import unescape as unescaped
from .patterns import compile_patterns
from .words import Settings, find_units, normalize


def build_tweet_tokenizer(
    unescape: bool = True,
    split_hashtags: bool = True,
    names: bool = True,
    digits: bool = True,
    repeated_letters: bool = True,
    emoji_as_emoticons: bool = False,
) -> Callable[[Language], "TweetTokenizer"]:
    """Make a tokenizer of tweets.

    It is the language's own, but URLs, @names, emoji (with skin tones, and joined ones) and emoticons are one token each, and
    what is alike gets the same `token.norm`. The text stays as it is.

    unescape (bool): Whether tokens and norms are those of the unescaped text, where HTML (&amp;, &amp;lt;3), JSON (\\u2019) or
        both (\\u0026lt;3) were left escaped. `doc.text` and `token.text` have what was given.
    split_hashtags (bool): Whether #MakeItSo is # Make It So, rather than one token.
    names (bool): Whether the norm of every @name is "@user", and that of every URL "http", as in TweetEval.
    digits (bool): Whether every digit's norm is 0, so that 9:30 is 0:00.
    repeated_letters (bool): Whether a letter that stands three times or more stands twice in the norm: sooooo is soo.
    emoji_as_emoticons (bool): Whether the norm of an emoji is the emoticon which means the same, if there is one; for training
        data without emoji.
    RETURNS (Callable[[Language], TweetTokenizer]): What `[nlp.tokenizer]` in a config takes.
    RAISES (ImportError): If the package regex is missing.
    """
    compile_patterns()
    settings = Settings(unescape, split_hashtags, names, digits, repeated_letters, emoji_as_emoticons)

    def make(nlp: Language) -> "TweetTokenizer":
        base = registry.tokenizers.get("spacy.Tokenizer.v1")()(nlp)
        tokenizer = TweetTokenizer(
            nlp.vocab,
            rules=base.rules,
            prefix_search=base.prefix_search,
            suffix_search=base.suffix_search,
            infix_finditer=base.infix_finditer,
            token_match=base.token_match,
            url_match=base.url_match,
        )
        tokenizer.settings = settings
        return tokenizer

    return make


class TweetTokenizer(Tokenizer):
    """spaCy's tokenizer with units of tweets and their norms.

    settings (Settings): What it does; see `build_tweet_tokenizer`.
    """

    settings = Settings()

    def __reduce__(self) -> Tuple[Any, ...]:
        make, arguments, *_ = super().__reduce__()
        return make, arguments, {"settings": self.settings}

    def __call__(self, string: str) -> Doc:
        """Tokenize a text.

        string (str): The text.
        RETURNS (Doc): The tokens; `doc.text` is the text.
        """
        plain, origins = unescaped(string) if self.settings.unescape else (string, range(len(string) + 1))
        tokens = self._find_tokens(plain)
        words = [string[origins[token.begin] : origins[token.end]] for token in tokens]
        doc = Doc(self.vocab, words=words, spaces=[token.space for token in tokens])
        if tokens:
            norms = [self._norm(plain[token.begin : token.end], token) for token in tokens]
            column: Any = numpy.asarray(norms, dtype="uint64").reshape(-1, 1)
            doc.from_array([NORM], column)
        return doc

    def _find_tokens(self, text: str) -> List["_Token"]:
        """Find the units, and between them the tokens of the language's rules."""
        tokens: List[_Token] = []
        position = 0
        for begin, end, kind in find_units(text, self.settings.split_hashtags):
            tokens += self._find_others(text[position:begin], position)
            space = text[end : end + 1] == " "
            tokens.append(_Token(begin, end, space, 0, kind))
            position = end + space
        return tokens + self._find_others(text[position:], position)

    def _find_others(self, text: str, begin: int) -> List["_Token"]:
        tokens = []
        if text:
            for length, space, norm in super().__call__(text).to_array([LENGTH, SPACY, NORM]).tolist():
                tokens.append(_Token(begin, begin + length, bool(space), norm, "word"))
                begin += length + space
        return tokens

    def _norm(self, word: str, token: "_Token") -> int:
        """Give the norm of a token, as a Doc stores it."""
        by_rules = self.vocab.strings[token.norm] if token.norm else self.vocab[word].norm_
        return self.vocab.strings.add(normalize(word, token.kind, by_rules, self.settings))


class _Token(NamedTuple):
    """A token to be.

    begin, end (int): Its place in the unescaped text.
    space (bool): Whether a space follows.
    norm (int): Its norm by the rules of the language, as a Doc stores it; 0 for that of its lexeme.
    kind (str): The kind of a unit, or "word".
    """

    begin: int
    end: int
    space: bool
    norm: int
    kind: str
