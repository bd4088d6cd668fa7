from collections import Counter
from math import exp, log

import numpy
import pytest
from numpy.testing import assert_allclose

from spacy_rnn.evaluation import distinct_n, self_bleu


def bleu(text, references, max_n):
    """Sentence BLEU as Papineni et al. (2002) define it, with 0.1 in place of no match."""
    logs = []
    for n in range(1, max_n + 1):
        ngrams = Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))
        of_references = [Counter(tuple(other[i : i + n]) for i in range(len(other) - n + 1)) for other in references]
        matches = sum(min(count, max(other[ngram] for other in of_references)) for ngram, count in ngrams.items())
        if not matches and n == 1:
            return 0.0
        logs.append(log((matches or 0.1) / max(1, sum(ngrams.values()))))
    closest = min((len(other) for other in references), key=lambda size: (abs(size - len(text)), size))
    return exp(sum(logs) / max_n) * (1.0 if len(text) >= closest else exp(1 - closest / len(text)))


def test_distinct_n_is_the_part_of_ngrams_that_are_different():
    texts = ["a b a b".split(), "a b c".split(), []]
    assert distinct_n(texts, 1) == 3 / 7
    assert distinct_n(texts, 2) == 3 / 5
    assert distinct_n(texts, 3) == 1.0
    assert distinct_n([[1, 1, 1, 1]], 1) == 0.25
    assert distinct_n(["abab"], 2) == 2 / 3
    assert distinct_n(numpy.asarray([[3, 4, 3, 4]]), 2) == 2 / 3


def test_self_bleu_of_two_texts():
    # 3 of 4 words, 1 of 3 pairs; lengths are equal.
    texts = ["the old boat sleeps".split(), "the new boat sleeps".split()]
    assert_allclose(self_bleu(texts, 2), (3 / 4 * 1 / 3) ** 0.5)
    # 3 of 3 words for the first, under a penalty of exp(1 - 4/3); 3 of 4 for the second.
    assert_allclose(self_bleu(["a b c".split(), "a b c d".split()], 1), (exp(1 - 4 / 3) + 3 / 4) / 2)


def test_self_bleu_is_one_of_equal_texts_and_zero_of_others():
    assert self_bleu([list("abcde")] * 3) == 1.0
    assert self_bleu([list("abcde"), list("fghij"), []]) == 0.0


@pytest.mark.parametrize("max_n", [1, 2, 4])
def test_self_bleu_is_the_mean_of_sentence_bleus(max_n):
    rng = numpy.random.default_rng(max_n)
    for _ in range(20):
        texts = [rng.integers(0, 5, size=rng.integers(1, 12)).tolist() for _ in range(rng.integers(2, 7))]
        expected = [bleu(text, texts[:i] + texts[i + 1 :], max_n) for i, text in enumerate(texts)]
        assert_allclose(self_bleu(texts, max_n), numpy.mean(expected))
        assert_allclose(self_bleu(texts[::-1], max_n), numpy.mean(expected))


@pytest.mark.parametrize(
    "texts, n, message",
    [
        ([["a"], []], 2, "distinct-2: expected a text of at least 2 symbols, got 2 shorter ones"),
        ([], 1, "distinct-1"),
        ([["a"]], 0, "at least 1, got 0"),
        ([["a"]], 1.5, "length of n-grams"),
        ("abc", 1, "give a list"),
    ],
)
def test_distinct_n_needs_ngrams(texts, n, message):
    with pytest.raises(ValueError, match=message):
        distinct_n(texts, n)


@pytest.mark.parametrize(
    "texts, n, message", [([["a"]], 2, "two at least, got 1"), ([["a"], ["b"]], 0, "at least 1"), ("ab", 1, "list")]
)
def test_self_bleu_needs_two_texts(texts, n, message):
    with pytest.raises(ValueError, match=message):
        self_bleu(texts, n)
