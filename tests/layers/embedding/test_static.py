"""Static vectors that an embedding uses if there are some when it is initialized."""

import pickle

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.attrs import LOWER
from spacy.tokens import Doc
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import fix_random_seed

from spacy_rnn.layers import build_char_embed, build_embed, build_hash_embed
from spacy_rnn.layers.capabilities import ProjectsVectors, find_all
from spacy_rnn.models import build_rnn_encoder, build_tok2vec

WIDTH = 4
EMBEDDINGS = {
    "characters": lambda static: build_char_embed(WIDTH, char_width=4, rows=20, include_static_vectors=static),
    "characters and words": lambda static: build_char_embed(
        WIDTH, char_width=4, rows=20, include_static_vectors=static, embed=build_embed(4, size=20)
    ),
    "words": lambda static: build_embed(WIDTH, size=20, include_static_vectors=static),
    "characters, and words with vectors": lambda static: build_char_embed(
        WIDTH, char_width=4, rows=20, embed=build_embed(4, size=20, include_static_vectors=static)
    ),
    "hashes": lambda static: build_hash_embed(WIDTH, ["NORM", "SHAPE"], [20, 10], static),
}
TEXTS = ["a b zebra a", "", "b"]


def make_vocab(width, words="a b café"):
    vocab = Vocab(lex_attr_getters={LOWER: str.lower})
    if width:
        data = numpy.random.default_rng(0).normal(size=(len(words.split()), width)).astype("f")
        vocab.vectors = Vectors(strings=vocab.strings, data=data, keys=words.split())
    return vocab


def make_docs(vocab, texts=TEXTS):
    return [Doc(vocab, words=text.split()) for text in texts]


@pytest.fixture(params=EMBEDDINGS)
def build_new(request):
    """(include_static_vectors) -> an embedding."""
    return EMBEDDINGS[request.param]


@pytest.fixture
def build(build_new):
    """(include_static_vectors, texts) -> an initialized embedding."""

    def build_initialized(include, docs):
        fix_random_seed(0)
        return build_new(include).initialize(X=docs)

    return build_initialized


def assert_same(model, other, docs):
    assert model.get_dim("nO") == other.get_dim("nO")
    for _ in range(2):
        for rows, expected in zip(model.predict(docs), other.predict(docs), strict=True):
            assert_array_equal(rows, expected)


@pytest.mark.parametrize("samples", [TEXTS, ["", ""]], ids=["texts", "no words"])
@pytest.mark.parametrize("width", [0, 5])
def test_they_are_used_if_there_are_some(build, width, samples):
    vocab = make_vocab(width)
    model, expected = (build(include, make_docs(vocab, samples)) for include in ("auto", width > 0))
    docs = make_docs(vocab)
    assert_same(model, expected, docs)
    assert [rows.shape for rows in model.begin_update(docs)[0]] == [(len(doc), model.get_dim("nO")) for doc in docs]


@pytest.mark.parametrize("width", [0, 5])
def test_a_saved_one_is_loaded_as_it_was(build_new, build, width):
    docs = make_docs(make_vocab(width))
    model = build("auto", docs)
    for copied in (build_new("auto").from_bytes(model.to_bytes()), pickle.loads(pickle.dumps(model)), model.copy()):
        assert_same(copied, model, docs)


def test_without_vectors_later_ones_change_nothing(build):
    model = build("auto", make_docs(make_vocab(0)))
    for rows, expected in zip(model.predict(make_docs(make_vocab(5))), model.predict(make_docs(make_vocab(0))), strict=True):
        assert_array_equal(rows, expected)


@pytest.mark.parametrize("before, after", [(0, 5), (5, 0), (5, 4)])
def test_it_is_not_initialized_again_with_other_vectors(build, before, after):
    model = build("auto", make_docs(make_vocab(before)))
    model.initialize(X=make_docs(make_vocab(before)))
    names = [f"static vectors of width {width}" if width else "no static vectors" for width in (before, after)]
    with pytest.raises(ValueError, match=f"initialized with {names[0]}, but the vocabulary now has {names[1]}"):
        model.initialize(X=make_docs(make_vocab(after)))


def test_other_vectors_than_it_was_trained_with_are_refused(build):
    model = build("auto", make_docs(make_vocab(5)))
    for width in (0, 3):
        with pytest.raises(ValueError, match=f"width 5.*width {width}"):
            model.predict(make_docs(make_vocab(width)))


def test_without_texts_there_are_none(build):
    model = build("auto", None)
    assert_same(model, build(False, None), make_docs(make_vocab(5)))


def test_a_word_without_a_vector_has_that_of_its_lower_case():
    vocab = make_vocab(5, "a A café")
    model = build_char_embed(WIDTH, include_static_vectors="auto").initialize(X=make_docs(vocab))
    W = find_all(model, ProjectsVectors)[0].get_param("W")
    words = ["CAFÉ", "A", "a", "Café", "zebra", "ZEBRA"]
    for _ in range(2):
        (rows,) = model.predict([Doc(vocab, words=words)])
        for word, row in zip(["café", "A", "a", "café", None, None], rows[:, WIDTH:], strict=True):
            expected = numpy.zeros(WIDTH) if word is None else W @ vocab.vectors[word]
            assert_allclose(row, expected, atol=1e-6)


@pytest.mark.parametrize("learns", [False, True])
def test_texts_of_several_vocabularies_have_the_vectors_of_their_own(build, learns):
    vocabs = [make_vocab(5, "a b"), make_vocab(5, "b c")]
    docs = [Doc(vocab, words=["a", "b", "c"]) for vocab in [*vocabs, vocabs[0]]]
    model = build("auto", docs)
    together = model.begin_update(docs)[0] if learns else model.predict(docs)
    for doc, rows in zip(docs, together, strict=True):
        assert_allclose(rows, model.predict([doc])[0], atol=1e-6)
    assert not numpy.allclose(together[0], together[1])


def test_true_looks_words_up_as_spacy_does():
    vocab = make_vocab(5, "a")
    model = build_char_embed(WIDTH, include_static_vectors=True).initialize(X=make_docs(vocab))
    (rows,) = model.predict([Doc(vocab, words=["A", "a"])])
    assert not rows[0, WIDTH:].any() and rows[1, WIDTH:].any()


def test_gradients_are_exact(build, randomize, check_parameter_gradients):
    vocab = make_vocab(5, "a b café")
    docs = make_docs(vocab, ["a CAFÉ zebra a", "", "A Café"])
    model = randomize(build("auto", docs), dtype="float64")
    Y, backprop = model.begin_update(docs)
    weights = [numpy.random.default_rng(1).normal(size=rows.shape) for rows in Y]
    backprop(weights)

    def loss():
        return sum(float((rows * weight).sum()) for rows, weight in zip(model.predict(docs), weights, strict=True))

    check_parameter_gradients(model, loss)
    assert find_all(model, ProjectsVectors)[0].get_grad("W").any()


@pytest.mark.parametrize("samples", [TEXTS, ["", ""]], ids=["texts", "no words"])
@pytest.mark.parametrize("width", [0, 5])
def test_an_encoder_above_takes_the_width_that_there_is(build_new, build, width, samples):
    docs = make_docs(make_vocab(width))
    embed = build_new("auto")
    model = build_tok2vec(embed, build_rnn_encoder(6)).initialize(X=make_docs(docs[0].vocab, samples))
    assert embed.get_dim("nO") == build("auto", docs).get_dim("nO")
    assert [rows.shape for rows in model.predict(docs)] == [(len(doc), 6) for doc in docs]


@pytest.mark.parametrize("value", ["yes", "AUTO", None, 2])
def test_other_values_are_refused(build_new, value):
    with pytest.raises(ValueError, match=f'include_static_vectors must be true, false or "auto", got {value!r}'):
        build_new(value)
