"""Token vectors whose first recurrent layer reads the table of an embedding's cache."""

import numpy
import pytest
from changed_weights import load_others, update, write_in_place
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from thinc.api import SGD, Adam, fix_random_seed

from spacy_rnn.layers import build_char_embed, build_embed, build_hash_embed, clear_cache, use_engine_products
from spacy_rnn.layers.embedding.vector_cache import VectorCache
from spacy_rnn.models import build_rnn_encoder, build_tok2vec

EMBEDDINGS = {
    "hashes": lambda size: build_hash_embed(10, ["NORM", "SHAPE"], [1000, 900], False, cache_size=size),
    "characters": lambda size: build_char_embed(6, char_width=4, embed=build_embed(4, size=2000), cache_size=size),
}
ENCODERS = {
    "default": {},
    "no residual": {"residual": False},
    "deep": {"depth": 2, "dropout": 0.2, "variational_dropout": 0.2},
    "plain": {"residual": False, "layer_norm": False},
    "residual inside": {"layer_norm": False, "depth": 2},
    "own initial state": {"train_initial_state": True},
    "bfloat16": {"precision": "bfloat16"},
    "one direction": {"bidirectional": False, "cell": "gru"},
}
WORDS = [f"{letter}{i}" for letter in "abc" for i in range(15)]


@pytest.fixture
def docs(docs):
    rng = numpy.random.default_rng(0)
    vocab = docs[0].vocab
    return [Doc(vocab, words=rng.choice(WORDS, size=n).tolist()) for n in [3, 0, 1, 40, 7, 7, 120]] + docs


def build(docs, embed="characters", encode="default", size=1000):
    fix_random_seed(0)
    model = build_tok2vec(EMBEDDINGS[embed](size), build_rnn_encoder(10, **ENCODERS[encode]))
    model.initialize(X=docs)
    # As components do: products of a BLAS library may differ in the last bit.
    use_engine_products(model)
    return model


def check(model, docs):
    """Compare predictions with those of a copy that keeps nothing and reads no tables."""
    fresh = model.copy()
    for node in fresh.walk():
        if "cache" in node.attrs:
            node.attrs["cache"] = VectorCache(0)
    expected = [fresh.predict([doc])[0] for doc in docs]
    for _ in range(2):
        for rows, other in zip(model.predict(docs), expected, strict=True):
            assert_allclose(rows, other, atol=1e-5)
    return numpy.vstack(expected)


@pytest.mark.parametrize("size", [1000, 20, 1, 0])
@pytest.mark.parametrize("embed", EMBEDDINGS)
@pytest.mark.parametrize("encode", ENCODERS)
def test_a_text_is_the_same_alone_and_in_any_batch_bit_for_bit(docs, embed, encode, size):
    model = build(docs, embed, encode, size)
    alone = [model.predict([doc])[0] for doc in docs]
    for _ in range(2):
        for batch in (slice(None), slice(3, 5), slice(None, None, -1)):
            for rows, expected in zip(model.predict(docs[batch]), alone[batch], strict=True):
                assert_array_equal(rows, expected)
    clear_cache(model)
    for rows, expected in zip(model.predict(docs), alone, strict=True):
        assert_array_equal(rows, expected)


CHANGES = {
    "Adam": lambda model, docs: update(model, docs, Adam(0.1)),
    "SGD": lambda model, docs: update(model, docs, SGD(0.1)),
    "in place": lambda model, docs: write_in_place(model.layers[1], 1.25),
    "loading": lambda model, docs: load_others(model, docs, Adam(0.1)),
    "initialization": lambda model, docs: model.initialize(X=docs),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("embed", EMBEDDINGS)
def test_nothing_is_kept_of_other_weights(docs, embed, change):
    model = build(docs, embed)
    before = check(model, docs)
    for _ in range(2):
        change(model, docs)
        after = check(model, docs)
        assert not numpy.allclose(before, after, atol=1e-3)
        before = after


def test_weights_used_for_a_while(docs):
    model, optimizer = build(docs), Adam(0.1)
    for _ in range(3):
        update(model, docs, optimizer)
    check(model, docs)
    with model.use_params(optimizer.averages):
        check(model, docs)
    check(model, docs)


def test_two_encoders_over_one_embedding(docs):
    """Each has projections of its own of the one table."""
    one = build(docs)
    other = build_tok2vec(one.layers[0], build_rnn_encoder(14, depth=2)).initialize(X=docs)
    for _ in range(2):
        check(one, docs)
        check(other, docs)


def test_words_are_added_while_others_are_known(docs):
    model = build(docs)
    for i in range(len(docs)):
        check(model, docs[: i + 1])
