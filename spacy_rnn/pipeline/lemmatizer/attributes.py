"""The attributes of tokens that a lemmatizer reads and writes."""

from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import numpy
from spacy.attrs import IDS, LEMMA, NORM, ORTH
from spacy.scorer import Scorer
from spacy.strings import StringStore
from spacy.tokens import Doc, Token
from spacy.training import Example

from .dictionary import Key

READ = ("POS", "TAG", "MORPH", "DEP")
WRITTEN = {"LEMMA": LEMMA, "NORM": NORM}
_OWN = "_."
# What CoNLL-U has where there is no value, and spaCy where a word has no morphological features.
_MISSING = ("", "_")


class Words(NamedTuple):
    """The words of a text, with what their lemmas depend on.

    rows (numpy.ndarray): uint64 [n, 1 + number of tags], hashes: the form, and the value of each attribute.
    stores (Tuple[StringStore, ...]): Where their strings are.
    """

    rows: numpy.ndarray
    stores: Tuple[StringStore, ...]

    def key(self, i: int) -> Key:
        """Give a word in strings.

        i (int): Which one.
        RETURNS (Key): Its form and its tags, empty strings where there are none.
        """
        form, *tags = (self._find(value) for value in self.rows[i].tolist())
        return Key(form, tuple("" if tag in _MISSING else tag for tag in tags))

    def _find(self, value: int) -> str:
        if not value:
            return ""
        # A text may be of another vocabulary than its gold annotation, or than the pipeline.
        stores: Any = self.stores
        return next((store for store in stores if value in store), stores[0])[value]


def check_tags(tags: Sequence[str], component: str) -> None:
    """Refuse what is no attribute that lemmas depend on.

    tags (Sequence[str]): Attributes.
    component (str): The component that reads them, for messages.
    RAISES (ValueError): If one is not among `READ`, or there twice.
    """
    if isinstance(tags, str) or any(tag not in READ for tag in tags) or len(set(tags)) < len(tags):
        raise ValueError(f"'{component}': tags must be a list of some of {', '.join(READ)}, each once, got {tags!r}")


def read_words(doc: Doc, tags: Sequence[str]) -> Words:
    """Read the words of a text.

    doc (Doc): A text of n tokens.
    tags (Sequence[str]): Attributes, of `READ`.
    RETURNS (Words): Its n words.
    """
    rows = doc.to_array([ORTH, *(IDS[tag] for tag in tags)]).reshape(len(doc), 1 + len(tags))
    return Words(rows, (doc.vocab.strings,))


def read_gold_words(example: Example, tags: Sequence[str]) -> Words:
    """Read the words of a text as the pipeline has cut them, with the gold tags.

    example (Example): The text, predicted and gold, of n predicted tokens.
    tags (Sequence[str]): Attributes, of `READ`.
    RETURNS (Words): Its n words. One that is not a token of the gold text has no tags.
    """
    rows, _ = read_words(example.predicted, tags)
    gold, _ = read_words(example.reference, tags)
    places, others = match_tokens(example)
    rows[:, 1:] = 0
    rows[places, 1:] = gold[others, 1:]
    return Words(rows, (example.predicted.vocab.strings, example.reference.vocab.strings))


def match_tokens(example: Example) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Find the tokens that predicted and gold text have in common.

    example (Example): The two.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): int64 [n], tokens of the predicted text; int64 [n], those of the gold text that
        are cut in the same way.
    """
    forth, back = example.alignment.x2y, example.alignment.y2x
    places = numpy.flatnonzero(forth.lengths == 1)
    first = numpy.cumsum(forth.lengths) - forth.lengths
    others = forth.data[first[places]].astype("int64") if len(places) else places
    is_one = back.lengths[others] == 1
    return places[is_one], others[is_one]


class WordAttribute:
    """A string attribute of tokens: spaCy's own, or an extension."""

    def __init__(self, attr: str, component: str) -> None:
        """Take an attribute. An extension that is not there is registered.

        attr (str): "LEMMA", "NORM", or "_." and the name of an extension.
        component (str): The component that writes it, for messages.
        RAISES (ValueError): If it is none of these, or an extension that cannot be written.
        """
        self.attr, self.component = attr, component
        self.extension = attr[len(_OWN) :] if attr.startswith(_OWN) else None
        if self.extension is None and attr not in WRITTEN:
            raise ValueError(f"'{component}': attr must be {', '.join(WRITTEN)} or '_.' and a name, got {attr!r}")
        if self.extension is not None:
            if not self.extension.isidentifier():
                raise ValueError(f"'{component}': attr must be '_.' and a name as Python has them, got {attr!r}")
            if not Token.has_extension(self.extension):
                Token.set_extension(self.extension, default=None)
            _, method, getter, setter = Token.get_extension(self.extension)
            if method is not None or (getter is not None and setter is None):
                raise ValueError(
                    f"'{component}': attr must be an attribute that can be written, but token.{attr} is a method or has a getter "
                    "and no setter"
                )

    @property
    def key(self) -> str:
        """RETURNS (str): What its scores are called: that and "_acc"."""
        return (self.extension or self.attr).lower()

    def get(self, doc: Doc) -> List[str]:
        """Read it.

        doc (Doc): A text.
        RETURNS (List[str]): The value of each token, "" where there is none.
        RAISES (ValueError): If an extension has a value that is no string.
        """
        return [self.value(token) for token in doc]

    def value(self, token: Token) -> str:
        """Read that of a token.

        token (Token): A token.
        RETURNS (str): The value, "" if there is none.
        RAISES (ValueError): If an extension has a value that is no string.
        """
        if self.extension is None:
            return token.lemma_ if self.attr == "LEMMA" else token.norm_
        value = token._.get(self.extension)
        if value is not None and not isinstance(value, str):
            raise ValueError(
                f"'{self.component}': token.{self.attr} must be a string or None, got {value!r:.100} for {token.text!r}"
            )
        return value or ""

    def aligned(self, example: Example) -> List[str]:
        """Read the gold values of a text.

        example (Example): The text, of n tokens as the pipeline has made them.
        RETURNS (List[str]): n values, "" where there is none, or a token is not one of the gold text.
        """
        gold, found = self.get(example.reference), [""] * len(example.predicted)
        for place, other in zip(*(index.tolist() for index in match_tokens(example)), strict=True):
            found[place] = gold[other]
        return found

    def set(self, doc: Doc, hashes: numpy.ndarray, strings: StringStore, overwrite: bool) -> None:
        """Write it.

        doc (Doc): A text of n tokens, of any vocabulary.
        hashes (numpy.ndarray): uint64 [n], the values; 0 where there is none.
        strings (StringStore): Where they are.
        overwrite (bool): Whether values that are there already are overwritten. Every token has a norm, so that of norms none
            counts as such.
        """
        if not len(doc):
            return
        if self.extension is not None:
            for token, value in zip(doc, hashes.tolist(), strict=True):
                if value and (overwrite or not self.value(token)):
                    token._.set(self.extension, strings[value])
            return
        if doc.vocab.strings is not strings:
            for value in numpy.unique(hashes[hashes > 0]).tolist():
                doc.vocab.strings.add(strings[value])
        before = self._hashes(doc)
        is_new = (hashes > 0) & (overwrite | (before == 0) | (self.attr == "NORM"))
        values: Any = numpy.where(is_new, hashes, before)
        doc.from_array([WRITTEN[self.attr]], values)

    def replace(self, doc: Doc, old: numpy.ndarray, new: numpy.ndarray, strings: StringStore) -> None:
        """Write it where it has certain values.

        doc (Doc): A text of n tokens, of any vocabulary.
        old (numpy.ndarray): uint64 [n], the values that are replaced.
        new (numpy.ndarray): uint64 [n], those in their place.
        strings (StringStore): Where they are.
        """
        self.set(doc, numpy.where(self._hashes(doc) == old, new, numpy.uint64(0)), strings, overwrite=True)

    def _hashes(self, doc: Doc) -> numpy.ndarray:
        """Give the hash of each value, uint64 [n], whatever string store it is in."""
        if self.extension is None:
            return doc.to_array([WRITTEN[self.attr]]).reshape(-1)
        own = StringStore()
        return numpy.asarray([own.add(value) if value else 0 for value in self.get(doc)], dtype="uint64")

    def score(self, examples: Sequence[Example]) -> Dict[str, Any]:
        """Say how many values are right, as spaCy does for lemmas.

        examples (Sequence[Example]): Predictions and gold annotation.
        RETURNS (Dict[str, Any]): The F-score of the tokens with their values, None if the gold texts have none.
        """
        return Scorer.score_token_attr(examples, self.key, getter=lambda token, name: self.value(token))
