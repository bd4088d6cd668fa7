"""The attributes of tokens that a lemmatizer reads and writes."""

from typing import Any, Dict, List, Optional, Sequence

import numpy
from spacy.attrs import IDS, ORTH
from spacy.tokens import Doc, Token
from spacy.training import Example

READ = ("POS", "TAG", "MORPH", "DEP")
WRITTEN = ("LEMMA", "NORM")
_OWN = "_."


def read_tags(doc: Doc, tags: Sequence[str]) -> numpy.ndarray:
    """Read what a lemma depends on.

    doc (Doc): A text of n tokens.
    tags (Sequence[str]): Attributes, of `READ`.
    RETURNS (numpy.ndarray): uint64 [n, 1 + number of attributes], hashes: the form, and the value of each attribute.
    RAISES (ValueError): If there is no such attribute, or one is there twice.
    """
    wrong = [tag for tag in tags if tag not in READ]
    if wrong or len(set(tags)) < len(tags):
        raise ValueError(f"tags are some of {', '.join(READ)}, each once, got {list(tags)}")
    return doc.to_array([ORTH, *(IDS[tag] for tag in tags)]).reshape(len(doc), 1 + len(tags))


class WordAttribute:
    """A string attribute of tokens: spaCy's own, or an extension."""

    def __init__(self, name: str, component: str) -> None:
        """Take an attribute. An extension that is not there is registered.

        name (str): "LEMMA", "NORM", or "_." and the name of an extension.
        component (str): The component that writes it, for messages.
        RAISES (ValueError): If it is none of these.
        """
        self.name = name
        self.extension = name[len(_OWN) :] if name.startswith(_OWN) else None
        if self.extension is None and name not in WRITTEN:
            raise ValueError(f"'{component}': attr must be {', '.join(WRITTEN)} or '_.' and a name, got {name!r}")
        if self.extension is not None:
            if not self.extension.isidentifier():
                raise ValueError(f"'{component}': attr must be '_.' and a name as Python has them, got {name!r}")
            if not Token.has_extension(self.extension):
                Token.set_extension(self.extension, default=None)

    @property
    def key(self) -> str:
        """RETURNS (str): What its scores are called: that and "_acc"."""
        return (self.extension or self.name).lower()

    def get(self, doc: Doc) -> List[Optional[str]]:
        """Read it.

        doc (Doc): A text.
        RETURNS (List[Optional[str]]): The value of each token, None or "" where there is none.
        """
        if self.extension is not None:
            return [token._.get(self.extension) for token in doc]
        return [token.lemma_ if self.name == "LEMMA" else token.norm_ for token in doc]

    def aligned(self, example: Example) -> List[Optional[str]]:
        """Read the gold values of a text.

        example (Example): The text, of n tokens as the pipeline has made them.
        RETURNS (List[Optional[str]]): n values, None where there is none, or the tokens of the two differ.
        """
        if self.extension is None:
            return example.get_aligned(self.name, as_string=True)
        gold, aligned = self.get(example.reference), example.alignment.x2y
        found: List[Optional[str]] = []
        for i in range(len(example.predicted)):
            others = aligned[i]
            is_one = len(others) == 1 and len(example.alignment.y2x[int(others[0])]) == 1
            found.append(gold[int(others[0])] if is_one else None)
        return found

    def set(self, doc: Doc, hashes: numpy.ndarray, overwrite: bool) -> None:
        """Write it.

        doc (Doc): A text of n tokens.
        hashes (numpy.ndarray): uint64 [n], the values in the string store; 0 where there is none.
        overwrite (bool): Whether values that are there already are overwritten.
        """
        if self.extension is not None:
            for token, value in zip(doc, hashes.tolist(), strict=True):
                if value and (overwrite or not token._.get(self.extension)):
                    token._.set(self.extension, doc.vocab.strings[value])
        elif self.name == "LEMMA":
            for token, value in zip(doc, hashes.tolist(), strict=True):
                if value and (overwrite or token.lemma == 0):
                    token.lemma = value
        else:
            # Every token has a norm, so that there is none which has not been set.
            for token, value in zip(doc, hashes.tolist(), strict=True):
                if value:
                    token.norm_ = doc.vocab.strings[value]

    def score(self, examples: Sequence[Example]) -> Dict[str, Any]:
        """Say how many values are right.

        examples (Sequence[Example]): Predictions and gold annotation.
        RETURNS (Dict[str, Any]): The share of tokens with a gold value whose value is the same; None if there are none. Tokens
            that the pipeline has not cut as the gold text has are wrong.
        """
        n_right = n_gold = 0
        for example in examples:
            gold = self.get(example.reference)
            found = self.get(example.predicted)
            aligned = example.alignment.y2x
            for i, value in enumerate(gold):
                if not value:
                    continue
                n_gold += 1
                others = aligned[i]
                is_one = len(others) == 1 and len(example.alignment.x2y[int(others[0])]) == 1
                n_right += is_one and found[int(others[0])] == value
        return {f"{self.key}_acc": n_right / n_gold if n_gold else None}
