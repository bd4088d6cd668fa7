"""Embeddings of texts that do not share a vocabulary."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import fix_random_seed

from spacy_rnn.layers import build_char_embed, build_embed, build_hash_embed
from spacy_rnn.models import build_ngrams

WORDS = [["one", "two", "three"], ["four"], [], ["one", "five", "six", "two"], ["seven"]]
EMBEDDINGS = {
    "characters": lambda static: build_char_embed(8, include_static_vectors=static),
    "characters and words": lambda static: build_char_embed(8, include_static_vectors=static, embed=build_embed(4)),
    "hashes": lambda static: build_hash_embed(8, ["NORM", "SHAPE"], [50, 20], static),
    "words": lambda static: build_embed(8),
}


def make_vocab(scale):
    nlp = spacy.blank("xx")
    if scale:
        for i, word in enumerate(sorted({word for words in WORDS for word in words})):
            nlp.vocab.set_vector(word, scale * numpy.eye(5, dtype="f")[i % 5])
    return nlp.vocab


@pytest.fixture(params=[False, True], ids=["", "static vectors"])
def static(request):
    return request.param


@pytest.fixture
def docs(static):
    vocabs = [make_vocab(static * scale) for scale in (1, 2)]
    return [Doc(vocabs[i % 2], words=words) for i, words in enumerate(WORDS)]


@pytest.fixture(params=EMBEDDINGS)
def layer(request, static, docs):
    fix_random_seed(0)
    return EMBEDDINGS[request.param](static).initialize(X=docs)


def test_a_prediction_is_that_of_each_text_alone(layer, docs):
    for _ in range(2):
        for doc, rows in zip(docs, layer.predict(docs), strict=True):
            assert rows.shape == (len(doc), layer.get_dim("nO"))
            numpy.testing.assert_allclose(rows, layer.predict([doc])[0], atol=1e-6)


def test_gradients_are_the_sum_of_those_of_each_text_alone(layer, docs):
    def gradients(batches):
        for node in layer.walk():
            for name in node.param_names:
                node.set_grad(name, numpy.zeros_like(node.get_param(name)))
        for batch in batches:
            Ys, backprop = layer.begin_update(batch)
            backprop([numpy.arange(Y.size, dtype="f").reshape(Y.shape) for Y in Ys])
        return [node.get_grad(name).copy() for node in layer.walk() for name in node.param_names]

    together, alone = gradients([docs]), gradients([[doc] for doc in docs])
    assert any(grad.any() for grad in together)
    for one, other in zip(together, alone, strict=True):
        numpy.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_n_grams_are_those_of_each_text_alone(docs):
    model = build_ngrams(attr="ORTH", nO=2)
    model.initialize(X=docs)
    W = model.get_ref("output_layer").get_param("W")
    W[:] = numpy.arange(W.size, dtype="f").reshape(W.shape)
    filled = [doc for doc in docs if len(doc)]
    alone = numpy.vstack([model.predict([doc]) for doc in filled])
    assert alone.any()
    numpy.testing.assert_allclose(model.predict(filled), alone)
