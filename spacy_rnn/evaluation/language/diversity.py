"""How diverse texts are, e.g. those that a model has generated."""

from collections import Counter
from math import exp, log
from typing import Dict, Hashable, List, Sequence, Tuple

import numpy

Text = Sequence[Hashable]
# What counts for no match at all (Chen & Cherry 2014, "A systematic comparison of smoothing techniques for sentence-level BLEU",
# smoothing 1, with the value of NLTK's).
_EPSILON = 0.1


def distinct_n(texts: Sequence[Text], n: int) -> float:
    """Find the part of all n-grams that are different (Li et al. 2016, "A diversity-promoting objective function", section 5).

    It falls with the length of the texts: compare texts of the same number and lengths.

    texts (Sequence[Sequence[Hashable]]): The words or symbols of each text.
    n (int): The length of the n-grams.
    RETURNS (float): Different n-grams by all n-grams, those of all texts together: 1 if none comes twice.
    RAISES (ValueError): If n is below 1, or no text has an n-gram.
    """
    counts: Counter[Tuple[Hashable, ...]] = Counter()
    for text in _checked(texts, n):
        counts.update(_ngrams(text, n))
    if not counts:
        raise ValueError(f"distinct-{n}: expected a text of at least {n} symbols, got {len(texts)} shorter ones")
    return len(counts) / counts.total()


def self_bleu(texts: Sequence[Text], max_n: int = 4) -> float:
    """Find how similar texts are to each other: the mean BLEU of each against all others.

    It is a measure of Zhu et al. (2018, "Texygen: a benchmarking platform for text generation models", section 2.2). BLEU is that
    of Papineni et al. (2002), of n-grams of equal weight, sentence by sentence; a length without a match counts for 0.1 matches.
    It rises with the number of texts: compare as many.

    texts (Sequence[Sequence[Hashable]]): The words or symbols of each text, two texts at least.
    max_n (int): The length of the longest n-grams.
    RETURNS (float): From 0 to 1: 1 if all texts are the same, of at least `max_n` symbols.
    RAISES (ValueError): If there are fewer than two texts, or `max_n` is below 1.
    """
    if len(_checked(texts, max_n)) < 2:
        raise ValueError(f"self-BLEU compares texts with each other: expected two at least, got {len(texts)}")
    precisions = numpy.asarray([_log_precisions(texts, n) for n in range(1, max_n + 1)]).mean(axis=0)
    scores = [exp(mean + penalty) for mean, penalty in zip(precisions, _log_penalties(texts), strict=True)]
    return float(numpy.mean(scores))


def _checked(texts: Sequence[Text], n: int) -> Sequence[Text]:
    if isinstance(texts, str):
        raise ValueError("expected a sequence of texts, got one text: give a list")
    if isinstance(n, bool) or not isinstance(n, (int, numpy.integer)) or n < 1:
        raise ValueError(f"the length of n-grams: expected a whole number of at least 1, got {n!r}")
    return texts


def _ngrams(text: Text, n: int) -> "Counter[Tuple[Hashable, ...]]":
    return Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))


def _log_precisions(texts: Sequence[Text], n: int) -> List[float]:
    """The logarithm of the part of each text's n-grams that others have as often, -inf for single symbols without a match."""
    counts = [_ngrams(text, n) for text in texts]
    # The largest count in any text, and the largest in the others than the first that has that.
    most: Dict[Tuple[Hashable, ...], Tuple[int, int, int]] = {}
    for i, ngrams in enumerate(counts):
        for ngram, count in ngrams.items():
            first, owner, second = most.get(ngram, (0, -1, 0))
            most[ngram] = (count, i, first) if count > first else (first, owner, max(second, count))
    found = []
    for i, ngrams in enumerate(counts):
        n_matches = sum(min(count, most[ngram][2 if most[ngram][1] == i else 0]) for ngram, count in ngrams.items())
        matches = n_matches or (_EPSILON if n > 1 else 0)
        found.append(log(matches / max(1, ngrams.total())) if matches else -numpy.inf)
    return found


def _log_penalties(texts: Sequence[Text]) -> List[float]:
    """The logarithm of BLEU's brevity penalty of each text, by the closest length of another, of two as close the shorter."""
    lengths = Counter(len(text) for text in texts)
    found = []
    for text in texts:
        size = len(text)
        others = [other for other, count in lengths.items() if count > (other == size)]
        closest = min(others, key=lambda other: (abs(other - size), other))
        found.append(0.0 if size >= closest else 1 - closest / size if size else -numpy.inf)
    return found
