"""Embeddings that stand beside that of the characters, and are kept together with it."""

import numpy
import pytest
from changed_weights import load_others, update, write_in_place
from numpy.testing import assert_allclose, assert_array_equal
from spacy.attrs import LOWER
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import SGD, Adam, Model, RAdam

from spacy_rnn.layers import build_char_embed, build_embed, build_hash_embed, clear_cache, learn_vocabulary
from spacy_rnn.layers.embedding import per_type
from spacy_rnn.layers.embedding.char_embed import CharNetwork
from spacy_rnn.layers.embedding.vector_cache import VectorCache

TEXTS = ["a b a c", "", "B b a", "new", "a b a c d e A"]
# Tables too large to be compared by value.
OTHERS = {
    "words": lambda: build_embed(6, size=1000),
    "hashes": lambda: build_hash_embed(6, ["NORM", "SHAPE"], [1000, 900], False),
    "characters": lambda: build_char_embed(4, char_width=3, rows=2000, embed=build_embed(6, size=1000)),
}


@pytest.fixture
def vocab():
    return Vocab(lex_attr_getters={LOWER: str.lower})


@pytest.fixture
def docs(vocab):
    return [Doc(vocab, words=text.split()) for text in TEXTS]


@pytest.fixture(params=OTHERS)
def other(request):
    return OTHERS[request.param]()


@pytest.fixture
def model(other, docs):
    return build_char_embed(8, char_width=4, rows=2000, embed=other).initialize(X=docs)


def check(model, docs):
    """Compare predictions with those of a copy that keeps nothing."""
    fresh = model.copy()
    for node in fresh.walk():
        if "cache" in node.attrs:
            node.attrs["cache"] = VectorCache(0)
    for _ in range(2):
        for rows, expected in zip(model.predict(docs), fresh.predict(docs), strict=True):
            assert_allclose(rows, expected, atol=1e-6)


def words_of(model):
    return next(node for node in model.walk() if "vocabulary" in node.attrs)


def test_vectors_are_those_of_both(model, other, docs):
    alone = build_char_embed(8, char_width=4, rows=2000).initialize(X=docs)
    for part, same_part in zip(alone.layers[:4], model.layers, strict=False):
        for node, same in zip(part.walk(), same_part.walk(), strict=True):
            for name in node.param_names:
                node.set_param(name, same.get_param(name))
    for _ in range(2):
        for rows, left, right in zip(model.predict(docs), alone.predict(docs), other.predict(docs), strict=True):
            assert_allclose(rows, numpy.hstack([left, right]), atol=1e-6)


def test_attributes_are_read_once_and_nothing_is_computed_again(model, docs, monkeypatch):
    expected = model.predict(docs)
    reads, read = [], per_type._read_keys
    monkeypatch.setattr(per_type, "_read_keys", lambda *args: reads.append(args) or read(*args))
    monkeypatch.setattr(CharNetwork, "embed", None)
    for rows, before in zip(model.predict(docs), expected, strict=True):
        assert_array_equal(rows, before)
    assert len(reads) == 1
    assert len(model.attrs["cache"]) == len({token.text for doc in docs for token in doc})
    clear_cache(model)
    with pytest.raises(TypeError):
        model.predict(docs)


def set_a_parameter_of_the_other(model, docs):
    node = next(node for node in model.layers[-1].walk() if node.has_param("E"))
    node.set_param("E", node.get_param("E") * 2)


CHANGES = {
    "Adam": lambda model, docs: update(model, docs, Adam(0.1)),
    "SGD": lambda model, docs: update(model, docs, SGD(0.1)),
    "RAdam": lambda model, docs: update(model, docs, RAdam(0.1)),
    "in place": lambda model, docs: write_in_place(model, 1.5),
    "set_param": set_a_parameter_of_the_other,
    "from_bytes": lambda model, docs: load_others(model, docs, Adam(0.1)),
    "another layer": lambda model, docs: model.layers.__setitem__(-1, model.layers[-1].copy().initialize(X=docs)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_kept_vectors_are_forgotten_when_what_they_come_from_changes(model, docs, change):
    before = model.predict(docs)
    change(model, docs)
    check(model, docs)
    assert (numpy.vstack(model.predict(docs))[:, 8:] != numpy.vstack(before)[:, 8:]).any()


def test_parameters_used_for_a_while(model, docs):
    optimizer = Adam(0.1)
    update(model, docs, optimizer)
    update(model, docs, optimizer)
    check(model, docs)
    with model.use_params(optimizer.averages):
        check(model, docs)
    check(model, docs)


def test_nothing_is_kept_while_a_gradient_of_the_other_waits_for_its_step(model, docs):
    model.predict(docs)
    Y, backprop = model.begin_update(docs)
    gradients = [numpy.zeros_like(rows) for rows in Y]
    for rows in gradients:
        rows[:, 8:] = 1.0
    backprop(gradients)
    check(model, docs)
    model.finish_update(SGD(0.1))
    check(model, docs)


@pytest.mark.parametrize("other", ["words", "characters"], indirect=True)
def test_words_added_to_the_vocabulary(model, docs, vocab):
    new = [Doc(vocab, words=["unseen", "a"])]
    (before,) = model.predict(new)
    words_of(model).attrs["vocabulary"].add(["unseen"])
    (after,) = model.predict(new)
    assert (before[0, -6:] != after[0, -6:]).any()
    check(model, docs + new)


@pytest.mark.parametrize("other", ["words", "characters"], indirect=True)
def test_words_met_in_an_update_without_a_step(model, docs, vocab):
    new = [Doc(vocab, words=["unseen", "a"])]
    model.predict(new)
    model.begin_update(new)
    assert "unseen" in words_of(model).attrs["vocabulary"].words
    check(model, docs + new)


@pytest.mark.parametrize("other", ["words", "characters"], indirect=True)
def test_vocabulary_learned_again(model, docs, vocab):
    """As many words as before, in other rows."""
    before = model.predict(docs)
    learn_vocabulary(model, [*docs, Doc(vocab, words=["e", "E", "e", "d", "d", "E", "d"] * 3)])
    assert (numpy.vstack(model.predict(docs)) != numpy.vstack(before)).any()
    check(model, docs)


@pytest.mark.parametrize("other", ["words", "characters"], indirect=True)
def test_another_attribute_counts_as_the_word(model, docs):
    model.predict(docs)
    words_of(model).attrs["attr"] = "SHAPE"
    words_of(model).attrs["vocabulary"].add(["x"])
    check(model, docs)
    words_of(model).attrs["attr"] = "LOWER"
    check(model, docs)


def test_one_word_with_two_values_of_an_attribute(vocab):
    """The second key tells tokens apart that are written alike."""
    layer = build_char_embed(8, char_width=4, embed=build_embed(5, attr="POS"))
    docs = [Doc(vocab, words=["run", "run"], pos=["NOUN", "VERB"])]
    layer.initialize(X=docs)
    for _ in range(2):
        (rows,) = layer.predict(docs)
        assert_array_equal(rows[0, :8], rows[1, :8])
        assert (rows[0, 8:] != rows[1, 8:]).any()


def test_an_embedding_of_somebody_elses_is_run_every_time(docs):
    runs = []

    def forward(model, docs, is_train):
        runs.append(len(docs))
        return [numpy.full((len(doc), 3), len(runs), dtype="f") for doc in docs], lambda dY: []

    layer = build_char_embed(8, char_width=4, embed=Model("rnn_embed", forward, dims={"nO": 3})).initialize(X=docs)
    runs.clear()
    for run in (1, 2):
        rows = numpy.vstack(layer.predict(docs))
        assert (rows[:, 8:] == run).all()
    assert runs == [len(docs)] * 2
    assert len(layer.attrs["cache"]) == len({token.text for doc in docs for token in doc})


def test_a_layer_around_somebody_elses_is_run_every_time(docs):
    """Also where it stands inside one of this package."""
    runs = []

    def forward(model, docs, is_train):
        runs.append(len(docs))
        return [numpy.full((len(doc), 3), len(runs), dtype="f") for doc in docs], lambda dY: []

    inner = build_char_embed(4, char_width=4, embed=Model("foreign", forward, dims={"nO": 3}))
    layer = build_char_embed(8, char_width=4, embed=inner).initialize(X=docs)
    runs.clear()
    for run in (1, 2):
        assert (numpy.vstack(layer.predict(docs))[:, -3:] == run).all()


def test_texts_without_tokens(model, vocab):
    empty = [Doc(vocab, words=[])]
    assert [rows.shape for rows in model.predict(empty)] == [(0, model.get_dim("nO"))]
    assert model.predict([]) == []
