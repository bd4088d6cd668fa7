"""The linear layer over n-grams: its features, gradients and classes."""

import math
from collections import Counter

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_rnn.layers import build_ngram_linear, learn_vocabulary, resize_ngram_linear
from spacy_rnn.text.ngrams import hash_ngrams

TRAINING = ["a good film", "a bad film", "a film", "good good good", "bad"]
TEXTS = ["a good good film", "", "unheard words", "bad film a bad", "good"]
N_CLASSES = 3


@pytest.fixture(scope="module")
def vocab():
    return Vocab()


@pytest.fixture
def make(vocab):
    """Makes a layer with random weights."""

    def build(**arguments):
        layer = build_ngram_linear(nO=N_CLASSES, attr="ORTH", **arguments)
        layer.initialize(X=make_docs(vocab, TRAINING))
        random = numpy.random.RandomState(0)
        for name in ("W", "b"):
            layer.set_param(name, random.normal(size=layer.get_param(name).shape).astype("float32"))
        return layer

    return build


def make_docs(vocab, texts):
    return [Doc(vocab, words=text.split()) for text in texts]


def ngrams(words, longest):
    return [tuple(words[i : i + n]) for n in range(1, longest + 1) for i in range(len(words) - n + 1)]


def features(text, longest):
    """TF-IDF by its definition, as a vector of length 8."""
    known = [set(ngrams(other.split(), longest)) for other in TRAINING]
    counts = Counter(gram for gram in ngrams(text.split(), longest) if any(gram in other for other in known))
    values = {
        gram: (1 + math.log(c)) * (math.log((1 + len(TRAINING)) / (1 + sum(gram in other for other in known))) + 1)
        for gram, c in counts.items()
    }
    length = math.sqrt(sum(value**2 for value in values.values()))
    return {gram: 8 * value / length for gram, value in values.items()}


@pytest.mark.parametrize("longest", [1, 2, 3])
def test_scores_are_linear_in_tfidf(make, vocab, longest):
    layer = make(ngram_size=longest)
    Y = layer.predict(make_docs(vocab, TEXTS))
    W, b = layer.get_param("W"), layer.get_param("b")
    seen = sorted({gram for text in TRAINING for gram in ngrams(text.split(), longest)})
    assert W.shape == (N_CLASSES, len(seen))
    columns = {gram: find_column(layer, vocab, gram) for gram in seen}
    for text, scores in zip(TEXTS, Y, strict=True):
        expected = b + sum((value * W[:, columns[gram]] for gram, value in features(text, longest).items()), numpy.zeros(3))
        assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)


def find_column(layer, vocab, gram):
    keys, _ = hash_ngrams([Doc(vocab, words=gram)], "ORTH", len(gram))
    return int(layer.attrs["vocabulary"].rows(keys[-1:])[0])


def test_gradients_are_those_of_the_scores(make, vocab):
    layer = make()
    docs = make_docs(vocab, TEXTS)
    Y, backprop = layer.begin_update(docs)
    dY = numpy.random.RandomState(1).normal(size=Y.shape).astype("float32")
    backprop(dY)
    for name in ("W", "b"):
        # The scores are linear in the parameters, so that a step of any size tells the derivative.
        step = numpy.random.RandomState(2).normal(size=layer.get_param(name).shape).astype("float32")
        before = layer.predict(docs)
        layer.set_param(name, layer.get_param(name) + step)
        change = ((layer.predict(docs) - before) * dY).sum()
        assert_allclose((layer.get_grad(name) * step).sum(), change, rtol=1e-4)


def test_a_text_has_the_same_scores_alone(make, vocab):
    layer, docs = make(), make_docs(vocab, TEXTS)
    assert_array_equal(layer.predict(docs), numpy.vstack([layer.predict([doc]) for doc in docs]))
    assert layer.predict([]).shape == (0, N_CLASSES)


def test_what_is_unknown_says_nothing(make, vocab):
    layer = make()
    assert_array_equal(layer.predict(make_docs(vocab, ["", "unheard words"])), [layer.get_param("b")] * 2)


def test_the_length_of_a_text_does_not_scale_its_scores(make, vocab):
    layer = make(ngram_size=1)
    short, long = make_docs(vocab, ["good film", "good film " * 500])
    assert_allclose(layer.predict([short]), layer.predict([long]), rtol=1e-4)


def test_dropout_is_for_training_only(make, vocab):
    layer, docs = make(dropout=0.5), make_docs(vocab, TEXTS * 50)
    plain = make().predict(docs)
    assert_array_equal(layer.predict(docs), plain)
    dropped, _ = layer.begin_update(docs)
    assert not numpy.array_equal(dropped, plain)
    assert_allclose(dropped[0::5].mean(axis=0), plain[0], atol=4)


def test_the_vocabulary_is_learned_anew(make, vocab):
    layer = make()
    learn_vocabulary(layer, make_docs(vocab, ["other", "words", "other words"]))
    assert layer.get_param("W").shape == (N_CLASSES, 3)
    assert not layer.get_param("W").any()


def test_size_bounds_the_weights(make, vocab):
    assert make(size=2).get_param("W").shape == (N_CLASSES, 2)


def test_classes_are_added(make, vocab):
    layer, docs = make(), make_docs(vocab, TEXTS)
    resized = resize_ngram_linear(layer, N_CLASSES + 2)
    assert_array_equal(resized.predict(docs)[:, :N_CLASSES], layer.predict(docs))
    assert not resized.predict(docs)[:, N_CLASSES:].any()


def test_it_learns(vocab):
    layer = build_ngram_linear(nO=2, attr="ORTH")
    docs = make_docs(vocab, ["good film", "bad film", "not good", "not bad"] * 5)
    layer.initialize(X=docs)
    truth = numpy.asarray([[1, 0], [0, 1], [0, 1], [1, 0]] * 5, dtype="float32")
    for _ in range(200):
        scores, backprop = layer.begin_update(docs)
        exponentials = numpy.exp(scores - scores.max(axis=1, keepdims=True))
        backprop(exponentials / exponentials.sum(axis=1, keepdims=True) - truth)
        for name in ("W", "b"):
            layer.set_param(name, layer.get_param(name) - 0.01 * layer.get_grad(name))
            layer.set_grad(name, numpy.zeros_like(layer.get_param(name)))
    assert_array_equal(layer.predict(docs).argmax(axis=1), truth.argmax(axis=1))


@pytest.mark.parametrize("arguments", [{"ngram_size": 0}, {"size": 0}, {"dropout": 1.0}, {"dropout": -0.1}], ids=str)
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        build_ngram_linear(**arguments)


def test_a_vocabulary_may_be_learned_again_after_an_update(make, vocab):
    layer = make()
    docs = make_docs(vocab, TEXTS)
    for texts in (["good film"], ["one", "two", "three four five six"]):
        Y, backprop = layer.begin_update(docs)
        backprop(numpy.ones_like(Y))
        learn_vocabulary(layer, make_docs(vocab, texts))
        assert not layer.get_grad("W").any() and not layer.get_grad("b").any()
    Y, backprop = layer.begin_update(docs)
    backprop(numpy.ones_like(Y))
    assert layer.get_grad("W").shape == layer.get_param("W").shape
