"""The forms that were seen in training, with their tags and lemmas."""

from collections import Counter
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

# What says of a token how its form is to be read, e.g. ("NOUN",).
Tags = Tuple[str, ...]


class Key(NamedTuple):
    """What a lemma depends on.

    form (str): The form.
    tags (Tuple[str, ...]): The values of the attributes that count; empty strings where there are none.
    """

    form: str
    tags: Tags


class FormDictionary:
    """The most frequent lemma of each form under each tag; of equally frequent ones that which was seen first."""

    def __init__(self) -> None:
        """Know none yet."""
        self._counts: Dict[Key, Counter] = {}
        self._lemmas: Dict[Key, str] = {}
        self._totals: Dict[Key, int] = {}

    def __len__(self) -> int:
        """RETURNS (int): How many forms are known, under each of their tags."""
        return len(self._lemmas)

    def add(self, key: Key, lemma: str) -> None:
        """Count a form.

        key (Key): The form and its tags.
        lemma (str): Its lemma.
        """
        self._counts.setdefault(key, Counter())[lemma] += 1

    def finish(self) -> None:
        """Choose the lemmas of the forms that have been counted, in place of those there are."""
        self._lemmas = {key: max(counts, key=lambda lemma: counts[lemma]) for key, counts in self._counts.items()}
        self._totals = {key: sum(counts.values()) for key, counts in self._counts.items()}
        self._counts = {}

    def find(self, key: Key) -> Optional[str]:
        """Look a form up.

        key (Key): The form and its tags.
        RETURNS (Optional[str]): Its lemma; None if it was not seen under these tags.
        """
        return self._lemmas.get(key)

    def count(self, key: Key) -> int:
        """Say how often a form was seen.

        key (Key): The form and its tags.
        RETURNS (int): How often; 0 if never.
        """
        return self._totals.get(key, 0)

    def __iter__(self) -> Iterator[Key]:
        """YIELDS (Key): The forms and their tags."""
        return iter(self._lemmas)

    def to_data(self) -> List[List[Any]]:
        """RETURNS (List[List[Any]]): What is saved: form, tags, lemma and count of each, in plain data."""
        return [[key.form, list(key.tags), lemma, self._totals[key]] for key, lemma in self._lemmas.items()]

    def from_data(self, data: Any, n_tags: int) -> None:
        """Take what was saved.

        data (List[List[Any]]): What `to_data` has given.
        n_tags (int): How many tags a form has.
        RAISES (ValueError): If it is damaged, or has other tags.
        """
        lemmas: Dict[Key, str] = {}
        totals: Dict[Key, int] = {}
        if not isinstance(data, list):
            raise ValueError(f"a dictionary of forms is saved as a list, but the file holds {type(data).__name__}")
        for i, entry in enumerate(data):
            if not _is_entry(entry):
                raise ValueError(f"its entry {i} should be a form, tags, a lemma and a count, but is {entry!r:.100}")
            key = Key(entry[0], tuple(entry[1]))
            if len(key.tags) != n_tags:
                raise ValueError(f"its entry {i} has {len(key.tags)} tags, but by the config there are {n_tags}: {entry!r:.100}")
            if key in lemmas:
                raise ValueError(f"its entry {i} is there twice: {entry!r:.100}")
            lemmas[key], totals[key] = entry[2], entry[3]
        self._lemmas, self._totals, self._counts = lemmas, totals, {}


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, (list, tuple)) or len(entry) != 4:
        return False
    form, tags, lemma, count = entry
    if not isinstance(tags, (list, tuple)) or not all(isinstance(tag, str) for tag in tags):
        return False
    return isinstance(form, str) and isinstance(lemma, str) and bool(form and lemma) and type(count) is int and count > 0
