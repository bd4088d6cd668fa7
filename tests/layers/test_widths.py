"""Widths that are inferred from samples without rows."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, chain, ragged2list

from spacy_rnn.layers import build_convolution, build_highway, build_list2ragged, build_pool, build_rnn

HASHES = {"width": 8, "attrs": ["NORM", "SHAPE"], "rows": [20, 10], "include_static_vectors": False}
RNN = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8}
EMBEDDINGS = {
    "spacy": {"@architectures": "spacy.MultiHashEmbed.v2", **HASHES},
    "hashes": {"@architectures": "spacy_rnn.HashEmbed.v1", **HASHES},
    "characters": {"@architectures": "spacy_rnn.CharEmbed.v1", "width": 8},
    "words": {"@architectures": "spacy_rnn.Embed.v1", "width": 8},
}
ENCODERS = {
    "rnn": RNN,
    "highway": {**RNN, "depth": 2, "highway": True, "residual": False, "layer_norm": True, "variational_dropout": 0.1},
    "cnn": {"@architectures": "spacy_rnn.CNN.v1", "width": 6},
    "truncate": {"@architectures": "spacy_rnn.Truncate.v1", "max_length": 3, "encode": RNN},
}
COMPONENTS = ["rnn_tagger", "rnn_ner", "rnn_textcat", "shared"]


def make_config(component, tok2vec):
    if component == "rnn_textcat":
        architecture = {"@architectures": "spacy_rnn.TextCat.v1", "pooling": ["max", "attention"], "exclusive_classes": True}
        return {"model": {**architecture, "tok2vec": tok2vec}}
    return {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}}


def make_nlp(component, tok2vec):
    nlp = spacy.blank("xx")
    if component == "shared":
        nlp.add_pipe("tok2vec", config={"model": tok2vec})
        component, tok2vec = "rnn_tagger", {"@architectures": "spacy.Tok2VecListener.v1", "width": tok2vec["encode"]["width"]}
    nlp.add_pipe(component, config=make_config(component, tok2vec))
    return nlp


def make_example(nlp, words, label):
    reference = Doc(nlp.vocab, words=words, tags=["A", "B", "A"][: len(words)], ents=["B-X", "O", "O"][: len(words)])
    reference.cats = {"good": float(label), "bad": float(not label)}
    return Example(Doc(nlp.vocab, words=words), reference)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["spacy.Tok2Vec.v2", "spacy_rnn.Tok2Vec.v1"])
@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("embed", EMBEDDINGS)
@pytest.mark.parametrize("component", COMPONENTS)
def test_the_first_examples_may_be_empty(component, embed, encode, architecture):
    if encode == "truncate" and component != "rnn_textcat":
        pytest.skip("it leaves tokens out")
    nlp = make_nlp(component, {"@architectures": architecture, "embed": EMBEDDINGS[embed], "encode": ENCODERS[encode]})
    examples = [make_example(nlp, [], i % 2) for i in range(10)] + [make_example(nlp, ["a", "b", "c"], 1)]
    optimizer = nlp.initialize(lambda: examples)
    losses = nlp.update(examples, sgd=optimizer)
    assert all(numpy.isfinite(loss) for loss in losses.values())
    assert len(nlp("a b c")) == 3


LAYERS = {
    "rnn": lambda: build_rnn(6),
    "convolution": lambda: build_convolution(6),
    "highway": lambda: build_highway(build_rnn(5)),
}


@pytest.mark.parametrize("build", LAYERS.values(), ids=LAYERS)
def test_a_layer_finds_its_width_in_sequences_without_rows(build):
    layer = build()
    model = chain(build_list2ragged(), layer, ragged2list())
    empty = numpy.zeros((0, 5), dtype="f")
    model.initialize(X=[empty, empty])
    assert layer.get_dim("nI") == 5
    Y, backprop = model.begin_update([empty, numpy.ones((2, 5), dtype="f")])
    assert [y.shape[0] for y in Y] == [0, 2]
    backprop(Y)
    model.finish_update(Adam(0.01))


def test_pooling_finds_its_width_in_sequences_without_rows():
    model = chain(build_list2ragged(), build_pool(["max", "attention"]))
    model.initialize(X=[numpy.zeros((0, 5), dtype="f")])
    assert model.predict([numpy.ones((2, 5), dtype="f")]).shape == (1, 10)
