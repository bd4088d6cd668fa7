"""Word vectors from characters."""

import tracemalloc

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Adam, Ragged, set_dropout_rate

from spacy_rnn.layers import build_char_embed, build_embed, clear_cache, scan
from spacy_rnn.layers.embedding.char_embed import CharNetwork
from spacy_rnn.recurrence import CELLS

# The last: right to left, more than one byte, beyond the basic plane, and a joined emoji.
TEXTS = ["cats sat", "", "cats a ca ac", "كتاب é 𝔘𝔫𝔦 👩‍👩‍👧 sat"]


@pytest.fixture
def vocab():
    """A vocabulary in which some words have a vector."""
    vocab = Vocab()
    rng = numpy.random.default_rng(0)
    for word in ["cats", "a"]:
        vocab.set_vector(word, rng.normal(size=3).astype("float32"))
    return vocab


@pytest.fixture
def docs(vocab):
    return [Doc(vocab, words=text.split()) for text in TEXTS]


@pytest.fixture
def build(docs, randomize):
    def build_initialized(dtype="float32", **settings):
        model = build_char_embed(6, char_width=4, rows=50, **settings)
        model.initialize(X=docs)
        return randomize(model, dtype=dtype)

    return build_initialized


@pytest.mark.parametrize("cell", CELLS)
def test_vector_is_the_final_states_over_the_characters(build, docs, cell):
    model = build(cell=cell)
    network = CharNetwork.of(model)
    (Y,) = model.predict(docs[:1])
    for word, vector in zip(docs[0], Y, strict=True):
        X = network.table.predict(numpy.asarray([ord(character) for character in word.text], dtype="uint64"))
        _, final = scan(network.rnn, Ragged(X, numpy.asarray([len(X)], dtype="int32")))
        assert_allclose(vector, final["h"].reshape(-1), atol=1e-6)


def test_vector_depends_on_the_word_alone(build, docs, vocab):
    model = build()
    together = model.predict(docs)
    clear_cache(model)
    for doc, rows in zip(docs, together, strict=True):
        assert rows.shape == (len(doc), 6)
        for i, token in enumerate(doc):
            assert_allclose(model.predict([Doc(vocab, words=[token.text])])[0][0], rows[i], atol=1e-6)
    # The order of characters counts, and every script has characters.
    distinct = {row.round(5).tobytes() for rows in together for row in rows}
    assert len(distinct) == len({token.text for doc in docs for token in doc})


def test_characters_are_code_points(vocab):
    """A letter has one vector wherever it stands, of however many bytes it is."""
    model = build_char_embed(2, char_width=3, rows=500)
    model.initialize()
    rnn = CharNetwork.of(model).rnn
    lengths = []
    forward = rnn._func
    rnn._func = lambda layer, X, is_train: lengths.extend(X.lengths.tolist()) or forward(layer, X, is_train)
    model.predict([Doc(vocab, words=["a", "é", "日本", "𝔘𝔫𝔦"])])
    assert lengths == [1, 1, 2, 3]


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("cell", [cell if cell == "lstm" else pytest.param(cell, marks=pytest.mark.slow) for cell in CELLS])
def test_gradients_are_exact(build, docs, cell, static, check_parameter_gradients):
    model = build("float64", cell=cell, include_static_vectors=static, cache_size=0)
    rng = numpy.random.default_rng(1)
    Y, backprop = model.begin_update(docs)
    weights = [rng.normal(size=rows.shape) for rows in Y]
    backprop(weights)

    def loss():
        return sum(float((rows * weight).sum()) for rows, weight in zip(model.predict(docs), weights, strict=True))

    check_parameter_gradients(model, loss)


def test_other_embedding_stands_beside(build, docs):
    words = build_embed(5)
    model = build(embed=words)
    assert model.get_dim("nO") == 11
    Y, backprop = model.begin_update(docs)
    for rows, beside in zip(Y, words.predict(docs), strict=True):
        assert_array_equal(rows[:, 6:], beside)
    gradients = [numpy.ones_like(rows) for rows in Y]
    for rows in gradients:
        rows[:, 6:] = 0.0
    backprop(gradients)
    assert not words.get_grad("E").any()
    assert CharNetwork.of(model).table.get_grad("E").any()


def test_static_vectors_stand_beside_and_are_zero_for_words_without(build, docs, vocab):
    model = build(include_static_vectors=True)
    assert model.get_dim("nO") == 12
    W = CharNetwork.of(model).static.get_param("W")
    (rows,) = model.predict([docs[2]])
    for token, row in zip(docs[2], rows, strict=True):
        assert_allclose(row[6:], W @ vocab.get_vector(token.text), atol=1e-6)
    assert not rows[2, 6:].any()


def test_static_vectors_of_another_width_are_refused(build):
    model = build(include_static_vectors=True)
    other = Vocab()
    other.set_vector("a", numpy.ones(7, dtype="float32"))
    with pytest.raises(ValueError, match="width 3, but those of the texts' vocabulary have width 7"):
        model.predict([Doc(other, words=["a"])])


def test_a_vocabulary_without_static_vectors_is_refused():
    with pytest.raises(ValueError, match="has none.*include_static_vectors"):
        build_char_embed(6, include_static_vectors=True).initialize(X=[Doc(Vocab(), words=["a"])])


@pytest.mark.parametrize("cache_size", [100, 2, 0])
def test_kept_vectors_follow_the_parameters(build, docs, randomize, cache_size):
    model = build(cache_size=cache_size)
    fresh = build(cache_size=0)
    for seed in (1, 2):
        randomize(model, dtype="float32", seed=seed)
        randomize(fresh, dtype="float32", seed=seed)
        for _ in range(2):
            for rows, expected in zip(model.predict(docs), fresh.predict(docs), strict=True):
                assert_allclose(rows, expected, atol=1e-6)
    optimizer = Adam(0.1)
    for each in (model, fresh):
        Y, backprop = each.begin_update(docs)
        backprop(Y)
        each.finish_update(optimizer)
    for rows, expected in zip(model.predict(docs), fresh.predict(docs), strict=True):
        assert_allclose(rows, expected, atol=1e-5)


def test_dropout_is_that_of_the_update(build, docs):
    model = build()
    expected = model.predict(docs)
    set_dropout_rate(model, 0.5)
    Y, _ = model.begin_update(docs)
    kept = numpy.concatenate([(rows != 0).ravel() for rows in Y])
    assert 0.2 < kept.mean() < 0.8
    for rows, whole in zip(Y, expected, strict=True):
        assert_allclose(rows[rows != 0], 2 * whole[rows != 0], rtol=1e-5)


def test_very_long_word(build, vocab):
    (rows,) = build().predict([Doc(vocab, words=["ab" * 50_000, "ab"])])
    assert numpy.isfinite(rows).all()


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"width": 5}, ["even", "5"]),
        ({"width": 0}, ["even", "0"]),
        ({"char_width": 0}, ["char_width", "0"]),
        ({"rows": 0}, ["rows", "0"]),
        ({"cache_size": -1}, ["cache_size", "-1"]),
        ({"cell": "rnn"}, ["'rnn'", *CELLS]),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(settings, words):
    with pytest.raises(ValueError) as error:
        build_char_embed(**{"width": 6, **settings})
    for word in words:
        assert word in str(error.value)


def test_the_middle_of_a_long_word_is_not_read():
    layer = build_char_embed(4, max_characters=6)
    layer.initialize()
    vocab = Vocab()

    def vector(word):
        return layer.predict([Doc(vocab, words=[word])])[0]

    numpy.testing.assert_array_equal(vector("abcXYZdef"), vector("abcdef"))
    assert (vector("abcdeXf") != vector("abcdef")).any()
    assert (vector("abcdef") != vector("abdef")).any()
    with pytest.raises(ValueError, match="max_characters.*1"):
        build_char_embed(4, max_characters=1)


@pytest.mark.parametrize("is_train", [False, True], ids=["prediction", "training"])
@pytest.mark.parametrize("n_characters", [50_000, 250])
def test_memory_is_bounded_whatever_the_words_are(n_characters, is_train):
    layer = build_char_embed(64, cache_size=0)
    layer.initialize()
    vocab = Vocab()
    n_docs = 2_000_000 // n_characters if not is_train else 40
    docs = [Doc(vocab, words=[f"{i:05}" + "a" * n_characters]) for i in range(n_docs)]
    tracemalloc.start()
    try:
        Ys, backprop = layer(docs, is_train)
        if is_train:
            backprop(Ys)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [Y.shape for Y in Ys] == [(1, 64)] * n_docs
    assert peak < (60e6 if is_train else 25e6)
