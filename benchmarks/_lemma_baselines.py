"""Lemmas that need no training but counting: the form itself, and dictionaries of what the training part has."""

from collections import Counter, defaultdict
from typing import Dict, Hashable, Iterable, NamedTuple, Optional


class Word(NamedTuple):
    """A word of a corpus.

    form (str): The word.
    tag (str): Its tag; "" if it has none.
    lemma (str): Its lemma; "" if it has none.
    """

    form: str
    tag: str
    lemma: str


class LemmaDictionary:
    """The most frequent lemma of a form and its tag, else that of the form, else the form itself.

    Of equally frequent lemmas the one that came first counts."""

    def __init__(self, words: Iterable[Word]) -> None:
        """Count lemmas.

        words (Iterable[Word]): The words of the training part. Those without a lemma do not count.
        """
        pairs: Dict[Hashable, Counter] = defaultdict(Counter)
        forms: Dict[Hashable, Counter] = defaultdict(Counter)
        for form, tag, lemma in words:
            if lemma:
                pairs[form, tag][lemma] += 1
                forms[form][lemma] += 1
        self._pairs, self._forms = ({key: max(own, key=own.__getitem__) for key, own in each.items()} for each in (pairs, forms))

    def find(self, form: str, tag: str) -> str:
        """Find a lemma.

        form, tag (str): The word and its tag.
        RETURNS (str): The lemma.
        """
        return self._pairs.get((form, tag)) or self._forms.get(form, form)

    def has(self, form: str, tag: Optional[str] = None) -> bool:
        """Tell whether the training part has a word.

        form (str): The word.
        tag (Optional[str]): Its tag; any if None.
        RETURNS (bool): Whether it does, with a lemma.
        """
        return form in self._forms if tag is None else (form, tag) in self._pairs
