"""Layers that are said to treat each row by itself do so, others are not said to."""

import numpy
import pytest
import spacy
import thinc.api
from numpy.testing import assert_allclose
from thinc.api import Linear, Model, chain, expand_window, residual, with_array
from thinc.layers.array_getitem import floats_getitem
from thinc.types import Ragged

from spacy_rnn.layers import (
    RowWise,
    build_dropout,
    build_highway,
    build_list2ragged,
    build_pool,
    build_residual,
    build_rnn,
    build_sequence_dropout,
    declare,
    find_mixing,
    with_rows,
)

WIDTH = 6
LAYERS = {
    **{
        name: lambda name=name: getattr(thinc.api, name)(nO=WIDTH, nI=WIDTH)
        for name in ("ClippedLinear", "Dish", "Gelu", "HardSwish", "HardSwishMobilenet", "Linear", "Relu", "Sigmoid", "Swish")
    },
    "Maxout": lambda: thinc.api.Maxout(WIDTH, WIDTH, nP=2, normalize=True, dropout=0.5),
    "Mish": lambda: thinc.api.Mish(WIDTH, WIDTH, normalize=True),
    "Softmax": lambda: thinc.api.Softmax(WIDTH, WIDTH),
    "MultiSoftmax": lambda: thinc.api.MultiSoftmax((2, 4), WIDTH),
    "LayerNorm": lambda: thinc.api.LayerNorm(WIDTH),
    "Logistic": thinc.api.Logistic,
    "softmax_activation": thinc.api.softmax_activation,
    "sigmoid_activation": thinc.api.sigmoid_activation,
    "noop": thinc.api.noop,
    "Dropout": lambda: thinc.api.Dropout(0.5),
    "own dropout": lambda: build_dropout(0.5),
    "sequence dropout": lambda: build_sequence_dropout(0.5),
    "columns": lambda: floats_getitem((slice(0, None), slice(1, 3))),
    "add": lambda: thinc.api.add(Linear(WIDTH, WIDTH), Linear(WIDTH, WIDTH)),
    "concatenate": lambda: thinc.api.concatenate(Linear(WIDTH, WIDTH), Linear(WIDTH, WIDTH)),
    "residual": lambda: residual(Linear(WIDTH, WIDTH)),
    "with_array": lambda: with_array(Linear(WIDTH, WIDTH)),
    "with_array2d": lambda: thinc.api.with_array2d(Linear(WIDTH, WIDTH)),
}
# Others, by what they are found by.
OTHERS = [
    (lambda: expand_window(1), "expand_window"),
    (lambda: chain(Linear(WIDTH, WIDTH), residual(with_array(expand_window(1)))), "expand_window"),
    (lambda: floats_getitem(slice(0, 2)), "floats-getitem"),
    (lambda: chain(build_list2ragged(), build_rnn(WIDTH, WIDTH)), "rnn"),
    (lambda: build_highway(build_rnn(WIDTH, WIDTH)), "rnn"),
    (lambda: build_residual(build_rnn(WIDTH, WIDTH)), "rnn"),
    (lambda: build_pool("mean"), "pool"),
    (lambda: thinc.api.ParametricAttention(WIDTH), "para-attn"),
    (lambda: thinc.api.LSTM(WIDTH, WIDTH), "lstm"),
]
EMBEDDINGS = [
    {"@architectures": name, "width": WIDTH, "attrs": ["LOWER", "ORTH"], "rows": [9, 9], "include_static_vectors": static}
    for name in ("spacy.MultiHashEmbed.v2", "spacy_rnn.HashEmbed.v1")
    for static in (False, True)
] + [
    {"@architectures": "spacy_rnn.Embed.v1", "width": WIDTH, "size": 10},
    {"@architectures": "spacy_rnn.CharEmbed.v1", "width": WIDTH},
    {
        "@architectures": "spacy_rnn.CharEmbed.v1",
        "width": WIDTH,
        "embed": {"@architectures": "spacy_rnn.Embed.v1", "width": 3, "size": 10},
    },
    {"@architectures": "spacy.CharacterEmbed.v2", "width": WIDTH, "rows": 9, "nM": 4, "nC": 2, "include_static_vectors": False},
]


@pytest.mark.parametrize("build", LAYERS.values(), ids=LAYERS.keys())
def test_rows_alone_are_the_rows_of_the_whole(build, make_batch, randomize):
    model = build()
    assert find_mixing(model) is None
    model.initialize()
    randomize(model, "float32")
    X = make_batch([5], WIDTH, "float32").data
    assert_allclose(model.predict(X), numpy.concatenate([model.predict(X[i : i + 1]) for i in range(5)]), atol=1e-6)


def test_rows_alone_are_the_rows_of_the_whole_with_the_input_added(make_batch, randomize):
    model = build_residual(with_rows(Linear(WIDTH, WIDTH)))
    assert find_mixing(model) is None
    X = make_batch([5], WIDTH, "float32")
    model.initialize(X=X)
    randomize(model, "float32")
    rows = [Ragged(X.data[i : i + 1], numpy.ones(1, dtype="int32")) for i in range(5)]
    assert_allclose(model.predict(X).data, numpy.concatenate([model.predict(row).data for row in rows]), atol=1e-6)


@pytest.mark.parametrize("config", EMBEDDINGS, ids=lambda config: config["@architectures"])
def test_tokens_alone_are_the_tokens_of_the_whole(config, make_docs, randomize):
    model = spacy.registry.resolve({"embed": config})["embed"]
    docs = make_docs("a small bird sings", "a", "small", "bird", "sings")
    docs[0].vocab.set_vector("bird", numpy.ones(3, dtype="float32"))
    assert find_mixing(model) is None
    model.initialize(X=docs)
    randomize(model, "float32")
    whole, *tokens = model.predict(docs)
    assert_allclose(whole, numpy.concatenate(tokens), atol=1e-6)
    assert len(numpy.unique(whole, axis=0)) == 4


@pytest.mark.parametrize("build, name", OTHERS)
def test_other_layers_are_found(build, name):
    assert find_mixing(build()).name == name


def test_a_layer_of_ones_own_is_once_it_is_declared():
    def double(model, X, is_train):
        return X * 2, lambda dY: dY * 2

    model = Model("double", double)
    assert find_mixing(chain(Linear(WIDTH, WIDTH), model)) is model
    declare(double, RowWise())
    assert find_mixing(chain(Linear(WIDTH, WIDTH), model)) is None
