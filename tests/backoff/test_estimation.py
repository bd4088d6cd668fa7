"""Smoothing against a model in dictionaries and fractions."""

import itertools
import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language_models import as_batch
from ngram_oracle import Oracle
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.backoff import NGramCounter, estimate

FALLBACK = (0.5, 1, 1.5)
SMOOTHINGS = ["kneser_ney", "witten_bell", "add_k", "none"]
N_SYMBOLS = 6
corpora = st.lists(st.lists(st.sampled_from([0, 3, 4, 5]), max_size=8), min_size=1, max_size=6)


def contexts_of(n):
    """All contexts of up to n symbols, of beginnings of texts as well."""
    for length in range(n + 1):
        for symbols in itertools.product([0, 3, 4, 5], repeat=length):
            yield symbols
            yield (1, *symbols)


def predict(model, context):
    state = model.start(1)
    if not context:
        # Nothing is asked before anything has been read, but after a text any context is the empty one.
        context = (2,)
    for symbol in context:
        row, state = model.step(numpy.array([symbol]), state)
    return row[0]


def compare(model, oracle, order):
    for context in contexts_of(order):
        expected = [float(oracle.probability(context, symbol)) for symbol in range(N_SYMBOLS)]
        found = numpy.exp(predict(model, context).astype("float64"))
        assert_allclose(found, expected, rtol=1e-5, atol=1e-9, err_msg=str(context))
        assert found.sum() == pytest.approx(1, abs=1e-5)
        assert found[1] == 0


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@settings(max_examples=25, deadline=None)
@given(corpora, st.integers(1, 4), st.sampled_from([0.1, 1, 2.5]))
def test_as_in_the_papers(train, smoothing, texts, order, k):
    model = train(texts, order, N_SYMBOLS, smoothing, k=k)
    compare(model, Oracle(texts, order, N_SYMBOLS, smoothing, k, discounts=FALLBACK), order)


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@settings(max_examples=25, deadline=None)
@given(corpora, st.sampled_from([[0, 1, 1], [0, 0, 1], [0, 0, 2], [0, 1, 9]]))
def test_pruned_as_by_lmplz(train, smoothing, texts, prune):
    model = train(texts, 3, N_SYMBOLS, smoothing, prune=prune)
    compare(model, Oracle(texts, 3, N_SYMBOLS, smoothing, prune=prune, discounts=FALLBACK), 3)
    assert model.trie.sizes[0] == N_SYMBOLS


def test_pruned_ngrams_are_not_kept(train, texts):
    full, pruned = train(texts, 4, 9), train(texts, 4, 9, prune=[0, 0, 2])
    assert pruned.trie.sizes[:2] == full.trie.sizes[:2]
    assert 0 < pruned.trie.sizes[2] < full.trie.sizes[2]
    assert 0 < pruned.trie.sizes[3] < full.trie.sizes[3]
    counts = {}
    for text in texts:
        for i in range(len(text) - 2):
            counts[tuple(text[i : i + 3])] = counts.get(tuple(text[i : i + 3]), 0) + 1
    kept = pruned.trie.ngrams(3, slice(*pruned.trie.level(3)))
    inside = {tuple(ngram) for ngram in kept.tolist() if 1 not in ngram and 2 not in ngram}
    assert inside == {ngram for ngram, count in counts.items() if count > 2}


def test_discounts_by_hand(texts):
    """Equation 26 of Chen & Goodman, of bigrams."""
    counter = NGramCounter(2, 9)
    for text in texts:
        counter.add(numpy.array(text, "int32"))
    counts = counter.finish()
    begin, end = counts.trie.level(2)
    n = numpy.bincount(counts.counts[begin:end], minlength=5)
    y = n[1] / (n[1] + 2 * n[2])
    from spacy_rnn.backoff.smoothing import estimate_discounts

    expected = [0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
    assert_allclose(estimate_discounts(counts.counts[begin:end]), expected)


def test_without_discounts(train):
    counter = NGramCounter(2, 5)
    counter.add(numpy.array([3, 4, 3, 4]))
    with pytest.raises(ValueError, match=r"discounts of order 1: no n-gram has the count 3.*discount_fallback"):
        estimate(counter.finish())


def test_maximum_likelihood_of_what_was_not_seen(train):
    model = train([[3, 4]], 2, 5, "none")
    inputs, targets, lengths = as_batch([[3, 3], [3, 4]])
    found = model.score(inputs, targets, lengths).log_probabilities
    assert found[1] == -math.inf
    assert_array_equal(found[3:], 0)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"smoothing": "good_turing"}, "smoothing must be one of kneser_ney, witten_bell, add_k, none"),
        ({"smoothing": "add_k", "k": 0}, "k must be a number above 0"),
        ({"smoothing": "add_k", "k": math.nan}, "k must be a number above 0"),
        ({"prune": [1]}, "prune must be whole numbers"),
        ({"prune": [0, 2, 1]}, "prune must be whole numbers"),
        ({"prune": [0, 0.5]}, "prune must be whole numbers"),
        ({"prune": [0, 0, 0, 1]}, "prune has 4 numbers, but the model only orders 1 to 3"),
        ({"discount_fallback": (0.5, 1)}, "discount_fallback must be three numbers"),
        ({"discount_fallback": (0.5, 2.5, 1)}, "discount_fallback must be three numbers"),
    ],
)
def test_bad_settings(texts, settings, what):
    counter = NGramCounter(3, 9)
    counter.add(numpy.array([3, 4, 5, 5]))
    with pytest.raises(ValueError, match=what):
        estimate(counter.finish(), **settings)


def test_no_text():
    with pytest.raises(ValueError, match="there is no text"):
        estimate(NGramCounter(3, 9).finish(), "witten_bell")
