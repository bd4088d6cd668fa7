"""Token vectors from language models of characters."""

import pickle

import numpy
import pytest
import spacy
import srsly
from contextual_pipelines import TEXTS, make_pipeline
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Adam, NumpyOps, Ragged

from spacy_rnn.layers import build_embed, count_parameters, scan, summary
from spacy_rnn.layers.contextual import character_reader
from spacy_rnn.layers.contextual.lm_embed import build_lm_embed
from spacy_rnn.layers.weights import load_weights
from spacy_rnn.text.symbols import START


def build(lm, docs, **settings):
    layer = build_lm_embed(lm, **settings)
    layer.initialize(X=docs)
    return layer


def last_state(component, text):
    """Read a text from START on, and give the last layer's state after it."""
    embed, rnn, _ = component.model.layers
    numbers = numpy.append(START, component.symbols.encode(text).numbers)
    rows = Ragged(embed.get_param("E")[numbers], numpy.asarray([len(numbers)], dtype="int32"))
    return scan(rnn, rows)[0].dataXd[-1]


def oracle(path, doc):
    """Read each token's text by itself: up to its end, and from the end of the text to its beginning."""
    nlp = spacy.load(path)
    ends = [token.idx + len(token) for token in doc]
    forward = [last_state(nlp.get_pipe("lm_forward"), doc.text[:end]) for end in ends]
    backward = [last_state(nlp.get_pipe("lm_backward"), doc.text[token.idx :]) for token in doc]
    return numpy.hstack([numpy.asarray(rows).reshape(len(doc), -1) for rows in (forward, backward)])


def test_a_token_has_the_states_at_its_ends(lm, docs):
    layer = build(lm, docs)
    assert layer.get_dim("nO") == 11
    for doc, rows in zip(docs, layer.predict(docs), strict=True):
        if len(doc):
            assert_allclose(rows, oracle(lm, doc), atol=1e-6)
        else:
            assert rows.shape == (0, 11)


@pytest.mark.parametrize("cell", ["gru", "elman_tanh"])
def test_one_direction_and_other_cells(tmp_path, docs, cell):
    make_pipeline({"forward": 7}, depth=1, cell=cell).to_disk(tmp_path / "lm")
    layer = build(tmp_path / "lm", docs, forward="forward", backward=None)
    nlp = spacy.load(tmp_path / "lm")
    rows = layer.predict(docs[:1])[0]
    for token, row in zip(docs[0], rows, strict=True):
        assert_allclose(row, last_state(nlp.get_pipe("forward"), docs[0].text[: token.idx + len(token)]), atol=1e-6)


def test_a_text_has_the_same_bits_in_every_batch(lm, docs):
    layer = build(lm, docs)
    alone = []
    for doc in docs:
        layer.shims[0].models.cache.clear()
        alone += layer.predict([doc])
    for texts in (docs, docs[::-1]):
        layer.shims[0].models.cache.clear()
        # Once computed, once from the cache.
        for _ in range(2):
            for rows, expected in zip(layer.predict(texts), alone if texts is docs else alone[::-1], strict=True):
                assert_array_equal(rows, expected)
    assert layer.predict([]) == []


def test_long_texts_are_read_in_pieces_with_the_state_carried(lm, docs, monkeypatch):
    texts = [docs[0], spacy.blank("en").make_doc(" ".join(TEXTS * 3)), docs[1]]
    layer = build(lm, docs)
    expected = layer.predict(texts)
    layer.shims[0].models.cache.clear()
    monkeypatch.setattr(character_reader, "_PIECE", 13)
    for rows, other in zip(layer.predict(texts), expected, strict=True):
        assert_allclose(rows, other, atol=1e-6)


def test_texts_with_other_tokens_are_not_taken_from_the_cache(lm, docs):
    layer = build(lm, docs)
    vocab = Vocab()
    one = Doc(vocab, words=["ab", "c"], spaces=[False, False])
    other = Doc(vocab, words=["a", "bc"], spaces=[False, False])
    rows = layer.predict([one])[0]
    assert not numpy.allclose(layer.predict([other])[0], rows)
    assert_allclose(layer.predict([other])[0], oracle(lm, other), atol=1e-6)


def test_a_training_keeps_more(lm, docs):
    layer = build(lm, docs, cache_size=4, training_cache_size=1000)
    cache, n_tokens = layer.shims[0].models.cache, sum(max(1, len(doc)) for doc in docs[:-2] + docs[-1:])
    layer.predict(docs)
    assert len(cache) <= 4
    layer.begin_update(docs)
    # One text is there twice.
    assert len(cache) == n_tokens


def test_frozen_models_are_held_once_and_learn_nothing(lm, docs):
    layer, other = build(lm, docs, width=3), build(lm, docs)
    models = layer.shims[0].models
    assert other.shims[0].models is models
    loaded = build_lm_embed(None, width=3).from_bytes(layer.to_bytes())
    assert loaded.shims[0].models is models
    assert layer.copy().shims[0].models is models
    before = models.to_bytes()
    Y, backprop = layer.begin_update(docs)
    backprop([numpy.ones_like(rows) for rows in Y])
    layer.finish_update(Adam(0.1))
    assert models.to_bytes() == before
    # The projection has learned.
    assert not any(numpy.allclose(one, two) for one, two in zip(layer.predict(docs), Y, strict=True) if len(one))


def test_other_models_are_not_shared(lm, docs, tmp_path):
    make_pipeline(seed=1).to_disk(tmp_path / "other")
    assert build(lm, docs).shims[0].models is not build(tmp_path / "other", docs).shims[0].models
    assert build(lm, docs).shims[0].models is not build(lm, docs, precision="bfloat16").shims[0].models


@pytest.mark.parametrize("settings", [{}, {"width": 3}, {"trainable": True}, {"save": False}])
def test_what_is_saved_is_what_is_loaded(lm, docs, settings):
    layer = build(lm, docs, embed=build_embed(2), **settings)
    others = {"lm": lm if settings.get("save") is False else "no/such/pipeline", **settings}
    loaded = build_lm_embed(embed=build_embed(2), **others).from_bytes(layer.to_bytes())
    for one in (loaded, layer.copy()):
        for rows, expected in zip(one.predict(docs), layer.predict(docs), strict=True):
            assert_array_equal(rows, expected)
    shim = pickle.loads(pickle.dumps(layer.shims[0]))
    assert shim.models.to_bytes() == layer.shims[0].models.to_bytes()


def test_models_that_are_not_saved_have_to_be_the_same_later(lm, docs):
    data = build(lm, docs, save=False).to_bytes()
    assert len(data) < 1000 < len(build(lm, docs).to_bytes())
    make_pipeline(seed=1).to_disk(lm)
    with pytest.raises(ValueError, match="are not those that these weights were trained with"):
        build_lm_embed(lm, save=False).from_bytes(data)


# Training


def test_gradients_are_exact(lm, docs, check_parameter_gradients):
    layer = build(lm, docs, trainable=True)
    readers = layer.shims[0].models.readers
    inner = [node for reader in readers for part in reader.layers() for node in part.walk()]
    for node in inner:
        node.ops = NumpyOps()
        for name in node.param_names:
            node.set_param(name, node.get_param(name).astype("float64") * 3)
    Y, backprop = layer.begin_update(docs)
    weights = [numpy.random.default_rng(i).normal(size=rows.shape) for i, rows in enumerate(Y)]
    backprop(weights)

    def loss():
        return sum(float((rows * w).sum()) for rows, w in zip(layer.begin_update(docs)[0], weights, strict=True))

    for reader in readers:
        for part in reader.layers():
            check_parameter_gradients(part, loss)


def test_trained_models_learn_and_keep_their_averages(lm, docs):
    layer = build(lm, docs, trainable=True)
    other = build(lm, docs)
    before = layer.predict(docs)
    for rows, expected in zip(before, other.predict(docs), strict=True):
        assert_array_equal(rows, expected)
    optimizer = Adam(0.05, use_averages=True)
    for _ in range(3):
        Y, backprop = layer.begin_update(docs)
        backprop([numpy.ones_like(rows) for rows in Y])
        layer.finish_update(optimizer)
    after = layer.predict(docs)
    assert sum(rows.sum() for rows in after) < sum(rows.sum() for rows in before) - 1
    assert_array_equal(other.predict(docs)[0], before[0])
    with layer.use_params(optimizer.averages):
        averaged = layer.predict(docs)
    assert not numpy.allclose(averaged[0], after[0])
    assert_array_equal(layer.predict(docs)[0], after[0])
    loaded = build_lm_embed(None, trainable=True).from_bytes(layer.to_bytes())
    assert_array_equal(loaded.predict(docs)[0], after[0])


def test_the_dropout_of_the_language_model_is_its_own(tmp_path, docs):
    rates = {"dropout": 0.5, "recurrent_dropout": 0.5, "weight_dropout": 0.5, "symbol_dropout": 0.5, "input_dropout": 0.5}
    make_pipeline(**rates).to_disk(tmp_path / "lm")
    layer = build(tmp_path / "lm", docs, trainable=True)
    for rows, expected in zip(layer.begin_update(docs)[0], layer.predict(docs), strict=True):
        assert_allclose(rows, expected, atol=1e-6)


# Bad input


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"forward": None, "backward": None}, "set forward, backward or both"),
        ({"width": 0}, "width must be at least 1"),
        ({"cache_size": -1}, "cache_size must be at least 0"),
        ({"training_cache_size": -1}, "training_cache_size must be at least 0"),
        ({"precision": "float8"}, "precision must be one of"),
        ({"trainable": True, "save": False}, "have to be saved"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        build_lm_embed("lm", **settings)


def test_pipelines_without_such_models(lm, docs, tmp_path):
    with pytest.raises(ValueError, match="lm = null"):
        build(None, docs)
    with pytest.raises(OSError, match="E05"):
        build(tmp_path / "nothing", docs)
    with pytest.raises(ValueError, match="no component 'other': it has lm_forward, lm_backward"):
        build(lm, docs, forward="other")
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "sentencizer")
    with pytest.raises(ValueError, match="is no recurrent language model"):
        build(tmp_path / "sentencizer", docs, forward="sentencizer", backward=None)
    words = make_pipeline({"words": 3}, symbols={"@misc": "spacy_rnn.Words.v1"})
    words.to_disk(tmp_path / "words")
    with pytest.raises(ValueError, match="cannot embed words: .* of characters, but this one predicts words"):
        build(tmp_path / "words", docs, forward="words", backward=None)
    with pytest.raises(ValueError, match="no language models yet"):
        build_lm_embed(lm).predict(docs)


def test_widths_in_a_file_that_do_not_fit(lm, docs):
    with pytest.raises(ValueError, match="its dimension nO is 4, but in the file 3"):
        load_weights(build_lm_embed(lm, width=4), build(lm, docs, width=3).to_bytes())
    changed = srsly.msgpack_loads(build(lm, docs).to_bytes())
    changed["nodes"][0]["dims"]["nO"] = 12
    with pytest.raises(ValueError, match="its width nO = 12 is not that of its vectors, 11"):
        load_weights(build_lm_embed(lm), srsly.msgpack_dumps(changed))
    changed = srsly.msgpack_loads(build(lm, docs).to_bytes())
    changed["shims"][0][0] = changed["shims"][0][0][:-100]
    with pytest.raises(Exception):  # noqa: B017
        load_weights(build_lm_embed(lm), srsly.msgpack_dumps(changed))


@pytest.mark.parametrize("trainable", [False, True])
def test_the_parameters_of_language_models_are_counted(lm, docs, trainable):
    layer = build_lm_embed(lm, width=4, trainable=trainable)
    assert count_parameters(layer) == (0, False)
    layer.initialize(X=docs)
    parts = [part for name in ("lm_forward", "lm_backward") for part in spacy.load(lm).get_pipe(name).model.layers[:2]]
    own = 4 * layer.layers[0].get_dim("nI") + 4
    number = own + sum(count_parameters(part)[0] for part in parts)
    assert count_parameters(layer) == (number, True)
    assert f"{number:,}" in summary(layer).splitlines()[-1]
