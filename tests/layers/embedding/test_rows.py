"""Predictions as one array of rows."""

import numpy
import pytest
from numpy.testing import assert_array_equal
from spacy.ml.models.tagger import build_tagger_model
from spacy.ml.models.tok2vec import build_Tok2Vec_model
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Linear, Model, chain, expand_window, with_array, with_debug

from spacy_rnn.layers import build_char_embed, build_embed, predict_rows
from spacy_rnn.models import build_cnn, build_rnn_encoder, build_tok2vec

TEXTS = [["a", "b"], [], ["c", "a", "d", "e"], ["b"]]


@pytest.fixture
def docs():
    vocab = Vocab()
    return [Doc(vocab, words=words) for words in TEXTS]


def embed():
    return build_char_embed(6, char_width=3, embed=build_embed(4))


def foreign():
    def forward(model, docs, is_train):
        return [numpy.full((len(doc), 4), len(doc), dtype="f") for doc in docs], lambda dY: []

    return Model("foreign", forward, dims={"nO": 4})


def context(pad=0):
    """A layer in which rows mix, so that what stands between sequences counts."""
    return with_array(chain(expand_window(1), Linear(5, 30)), pad=pad)


MODELS = {
    "tagger": lambda: build_tagger_model(build_tok2vec(embed(), build_rnn_encoder(10, depth=2)), 7),
    "normalized": lambda: build_tagger_model(build_tok2vec(embed(), build_cnn(10)), 7, normalize=True),
    "spaCy's Tok2Vec": lambda: build_tagger_model(build_Tok2Vec_model(embed(), build_rnn_encoder(10)), 7),
    "another embedding": lambda: build_tagger_model(build_tok2vec(foreign(), build_rnn_encoder(10)), 7),
    "no encoder": lambda: build_tagger_model(foreign(), 7),
    "embedding": embed,
    "several": lambda: chain(embed(), with_array(Linear(6, 10)), with_array(Linear(5, 6))),
    "no padding": lambda: chain(embed(), context()),
    "padding": lambda: chain(embed(), context(pad=1)),
    "padding inside": lambda: chain(chain(embed(), context(pad=1)), with_array(Linear(3, 5))),
    "not a chain": lambda: foreign(),
}


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_rows_are_those_of_the_texts(build, docs, randomize):
    model = build()
    model.initialize(X=docs)
    randomize(model, dtype="float32")
    for batch in (docs, docs[:1], docs[::-1]):
        assert_array_equal(predict_rows(model, batch), numpy.concatenate([rows for rows in model.predict(batch) if len(rows)]))
    assert len(predict_rows(model, docs[1:2])) == 0


@pytest.mark.parametrize("which", ["chain", "tok2vec", "softmax"])
def test_wrappers_of_thincs_see_every_call(docs, which):
    model = build_tagger_model(build_tok2vec(embed(), build_rnn_encoder(10)), 7)
    model.initialize(X=docs)
    expected = predict_rows(model, docs)
    calls = []
    layer = {"chain": model, "tok2vec": model.layers[0], "softmax": model.layers[1]}[which]
    with_debug(layer, on_forward=lambda model, X, is_train: calls.append(is_train))
    assert_array_equal(predict_rows(model, docs), expected)
    assert calls == [False]


@pytest.mark.parametrize("encode", ["rnn", "foreign"])
def test_gradients_of_rows_are_those_of_the_texts(docs, encode):
    """Token vectors are an embedding as well."""
    model = build_tok2vec(embed(), build_rnn_encoder(10) if encode == "rnn" else context())
    model.initialize(X=docs)
    outer = build_tok2vec(model, build_rnn_encoder(8))
    outer.initialize(X=docs)
    fresh = model.copy()
    Y, backprop = outer.begin_update(docs)
    backprop([numpy.ones_like(rows) for rows in Y])
    inner, inner_backprop = fresh.begin_update(docs)
    d_inner = gradient_of_inner(outer, inner)
    inner_backprop(d_inner)
    for node, other in zip(model.walk(), fresh.walk(), strict=True):
        for name in node.param_names:
            assert_array_equal(node.get_grad(name), other.get_grad(name))


def gradient_of_inner(outer, inner):
    """The gradient of what the encoder reads, with a list of sequences in place of the rows."""
    Y, backprop = outer.layers[1].copy().begin_update(inner)
    return backprop([numpy.ones_like(rows) for rows in Y])
