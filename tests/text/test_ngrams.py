"""The n-grams a linear model knows."""

import math

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from spacy_rnn.text import ngrams
from spacy_rnn.text.ngrams import NGramCounter, NGramVocabulary, hash_ngrams

TEXTS = ["the cat saw the cat", "the dog", "", "a", "dog the"]


@pytest.fixture(scope="module")
def vocab():
    return Vocab()


@pytest.fixture(scope="module")
def docs(vocab):
    return [Doc(vocab, words=text.split()) for text in TEXTS]


def key(vocab, *words):
    """The hash of one n-gram."""
    return hash_ngrams([Doc(vocab, words=words)], "ORTH", len(words))[0][-1]


def count(docs, longest=2):
    counter = NGramCounter("ORTH", longest)
    for doc in docs:
        counter.add(doc)
    return counter


@pytest.mark.parametrize("longest", [1, 2, 3, 6])
def test_every_ngram_of_every_text_is_hashed(vocab, docs, longest):
    keys, owners = hash_ngrams(docs, "ORTH", longest)
    expected = [
        (owner, key(vocab, *text.split()[i : i + n]))
        for n in range(1, longest + 1)
        for owner, text in enumerate(TEXTS)
        for i in range(len(text.split()) - n + 1)
    ]
    assert sorted(zip(owners.tolist(), keys.tolist(), strict=True)) == sorted(expected)


def test_the_order_of_words_counts(vocab):
    grams = [("a", "b"), ("b", "a"), ("a",), ("b",), ("a", "a"), ("a", "b", "a")]
    assert len({key(vocab, *gram) for gram in grams}) == len(grams)


def test_no_texts_have_no_ngrams():
    keys, owners = hash_ngrams([], "ORTH", 2)
    assert len(keys) == len(owners) == 0


def test_weights_are_inverse_document_frequencies(vocab, docs):
    vocabulary = count(docs).vocabulary(100)
    rows = vocabulary.rows(numpy.asarray([key(vocab, "the"), key(vocab, "the", "cat"), key(vocab, "dog")]))
    expected = [math.log(6 / (1 + n)) + 1 for n in (3, 1, 2)]
    assert_allclose(vocabulary.weights[rows], expected, rtol=1e-6)


def test_those_in_the_most_texts_are_kept(vocab, docs):
    vocabulary = count(docs).vocabulary(2)
    assert sorted(vocabulary.keys.tolist()) == sorted([key(vocab, "the"), key(vocab, "dog")])


def test_unknown_ngrams_have_no_row(vocab, docs):
    vocabulary = count(docs).vocabulary(100)
    assert_array_equal(vocabulary.rows(numpy.asarray([key(vocab, "bird"), key(vocab, "cat", "the")])), [-1, -1])
    assert_array_equal(NGramVocabulary().rows(numpy.asarray([key(vocab, "the")])), [-1])


def test_counting_in_pieces_changes_nothing(monkeypatch, docs):
    whole = count(docs * 3).vocabulary(100)
    monkeypatch.setattr(ngrams, "_PENDING", 3)
    pieces = count(docs * 3).vocabulary(100)
    assert_array_equal(whole.keys, pieces.keys)
    assert_array_equal(whole.weights, pieces.weights)


def test_it_is_saved_with_a_model(docs):
    def make(vocabulary):
        return Model("any", lambda model, X, is_train: (X, lambda dY: dY), attrs={"vocabulary": vocabulary})

    vocabulary = count(docs).vocabulary(100)
    loaded = make(NGramVocabulary()).from_bytes(make(vocabulary).to_bytes()).attrs["vocabulary"]
    assert_array_equal(loaded.keys, vocabulary.keys)
    assert_array_equal(loaded.weights, vocabulary.weights)


@pytest.mark.parametrize(
    ("keys", "weights"),
    [([2, 1], [1, 1]), ([1, 1], [1, 1]), ([1, 2], [1, 0]), ([1, 2], [1, math.nan]), ([1], [1, 1]), ([1], [math.inf])],
    ids=["unordered", "twice", "zero", "not a number", "lengths", "infinite"],
)
def test_a_damaged_one_is_refused(keys, weights):
    def make(vocabulary):
        return Model("any", lambda model, X, is_train: (X, lambda dY: dY), attrs={"vocabulary": vocabulary})

    damaged = make(NGramVocabulary(keys, weights)).to_bytes()
    with pytest.raises(ValueError, match="vocabulary of n-grams"):
        make(NGramVocabulary()).from_bytes(damaged)
