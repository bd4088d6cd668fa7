"""The text classifier."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Model, chain, set_dropout_rate

from spacy_rnn.layers import Recurrent, build_rnn, declare
from spacy_rnn.models.textcat import ends_bidirectional
from spacy_rnn.recurrence import CELLS

HASH_EMBED = {
    "@architectures": "spacy.MultiHashEmbed.v2",
    "width": 12,
    "attrs": ["NORM", "SHAPE"],
    "rows": [50, 50],
    "include_static_vectors": False,
}
VOCABULARY_EMBED = {"@architectures": "spacy_rnn.Embed.v1", "width": 10, "size": 12}
RNN = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8}
TOK2VECS = {
    "rnn": {"@architectures": "spacy.Tok2Vec.v2", "embed": HASH_EMBED, "encode": RNN},
    "rnn on a vocabulary": {"@architectures": "spacy.Tok2Vec.v2", "embed": VOCABULARY_EMBED, "encode": RNN},
    "truncated rnn": {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": HASH_EMBED,
        "encode": {"@architectures": "spacy_rnn.Truncate.v1", "max_length": 3, "encode": RNN},
    },
    "cnn": {"@architectures": "spacy.Tok2Vec.v2", "embed": HASH_EMBED, "encode": {**RNN, "@architectures": "spacy_rnn.CNN.v1"}},
    "hash embedding alone": HASH_EMBED,
    "vocabulary alone": VOCABULARY_EMBED,
    "convolution": {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        "width": 12,
        "depth": 1,
        "embed_size": 50,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": True,
    },
}
POOLINGS = ["last", "mean", "max", "attention", ["last", "mean", "max", "attention"]]
every_tok2vec = pytest.mark.parametrize("tok2vec", TOK2VECS.values(), ids=TOK2VECS.keys())
every_pooling = pytest.mark.parametrize("pooling", POOLINGS, ids=str)
exclusive_or_not = pytest.mark.parametrize("exclusive", [True, False], ids=["exclusive", "multilabel"])
hidden_or_not = pytest.mark.parametrize("hidden_width", [0, 5], ids=["no hidden layer", "hidden layer"])


def textcat(exclusive, tok2vec=TOK2VECS["rnn"], **arguments):
    return {
        "@architectures": "spacy_rnn.TextCat.v1",
        "pooling": "mean",
        "exclusive_classes": exclusive,
        "tok2vec": tok2vec,
        **arguments,
    }


@pytest.fixture
def build(resolve, docs):
    def build_initialized(exclusive, tok2vec=TOK2VECS["rnn"], **arguments):
        model = resolve(textcat(exclusive, tok2vec, **arguments))
        model.initialize(X=docs, Y=numpy.zeros((len(docs), 3), dtype="float32"))
        # A new output layer gives the same value for all classes.
        output = model.get_ref("output_layer")
        output.set_param("W", numpy.random.normal(size=output.get_param("W").shape).astype("float32"))
        return model

    return build_initialized


def assert_probabilities(Y, exclusive):
    assert Y.dtype == "float32"
    assert numpy.isfinite(Y).all()
    assert (Y >= 0).all() and (Y <= 1).all()
    if exclusive:
        assert_allclose(Y.sum(axis=1), 1.0, atol=1e-5)


@hidden_or_not
@every_pooling
@exclusive_or_not
def test_every_text_gets_probabilities(build, docs, exclusive, pooling, hidden_width):
    model = build(exclusive, pooling=pooling, hidden_width=hidden_width)
    Y, backprop = model.begin_update(docs)
    assert Y.shape == (len(docs), 3)
    assert model.attrs["multi_label"] == (not exclusive)
    assert_probabilities(Y, exclusive)
    backprop(Y)
    for node in model.walk():
        for name in node.param_names:
            assert numpy.isfinite(node.get_grad(name)).all(), f"{name} of {node.name}"


@exclusive_or_not
@every_tok2vec
def test_any_tok2vec_will_do(build, docs, tok2vec, exclusive):
    model = build(exclusive, tok2vec, pooling=["last", "mean"])
    assert_probabilities(model.predict(docs), exclusive)
    width = {"rnn": 8, "rnn on a vocabulary": 8, "truncated rnn": 8, "cnn": 8, "vocabulary alone": 10}
    name = next(name for name, config in TOK2VECS.items() if config is tok2vec)
    assert model.get_ref("output_layer").get_dim("nI") == 2 * width.get(name, 12)


def test_classes_need_not_exclude_each_other(build, docs):
    sums = build(False).predict(docs).sum(axis=1)
    assert not numpy.allclose(sums, 1.0, atol=0.01)


@exclusive_or_not
@every_pooling
def test_probabilities_of_a_text_do_not_depend_on_the_batch(build, docs, pooling, exclusive):
    model = build(exclusive, pooling=pooling)
    for doc, y in zip(docs, model.predict(docs), strict=True):
        assert_allclose(model.predict([doc])[0], y, rtol=0, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_probabilities_with_any_cell(build, docs, cell):
    tok2vec = {**TOK2VECS["rnn"], "encode": {**RNN, "cell": cell, "depth": 2}}
    model = build(True, tok2vec, pooling="last")
    Y = model.predict(docs)
    assert_probabilities(Y, True)
    assert_allclose(model.predict(docs[3:4]), Y[3:4], rtol=0, atol=1e-5)


@hidden_or_not
@exclusive_or_not
def test_texts_without_tokens_get_probabilities(build, docs, exclusive, hidden_width):
    tok2vec = TOK2VECS["rnn on a vocabulary"]
    model = build(exclusive, tok2vec, pooling=["last", "mean", "max", "attention"], hidden_width=hidden_width)
    empty = docs[1]
    for batch in ([empty], [empty, empty]):
        Y, backprop = model.begin_update(batch)
        assert Y.shape == (len(batch), 3)
        assert_probabilities(Y, exclusive)
        backprop(Y)
    assert_allclose(model.predict([empty])[0], model.predict(docs)[1], rtol=0, atol=1e-6)


@hidden_or_not
@exclusive_or_not
def test_batch_without_texts_gives_no_rows(build, exclusive, hidden_width):
    assert build(exclusive, hidden_width=hidden_width).predict([]).shape == (0, 3)
    Y, backprop = build(exclusive, TOK2VECS["rnn on a vocabulary"], hidden_width=hidden_width).begin_update([])
    assert Y.shape == (0, 3)
    backprop(Y)


@pytest.mark.parametrize("hidden_width", [0, 5])
def test_width_of_the_hidden_layer(build, hidden_width):
    model = build(True, pooling=["mean", "max"], hidden_width=hidden_width)
    assert model.get_ref("output_layer").get_dim("nI") == (hidden_width or 16)


@pytest.mark.parametrize(
    "bidirectional, encode_more",
    [(True, {}), (False, {"bidirectional": False})],
    ids=["both directions", "one direction"],
)
def test_last_state_is_that_of_the_encoders_directions(build, docs, bidirectional, encode_more):
    model = build(True, {**TOK2VECS["rnn"], "encode": {**RNN, **encode_more}}, pooling="last")
    (rows,) = model.get_ref("tok2vec").predict(docs[3:4])
    expected = numpy.concatenate([rows[-1, :4], rows[0, 4:]]) if bidirectional else rows[-1]
    scores = model.get_ref("output_layer").get_param("W") @ expected
    Y = numpy.exp(scores - scores.max())
    assert_allclose(model.predict(docs[3:4])[0], Y / Y.sum(), rtol=1e-4, atol=1e-6)


@hidden_or_not
@exclusive_or_not
def test_added_classes_leave_the_others_as_they_were(build, docs, exclusive, hidden_width):
    model = build(exclusive, hidden_width=hidden_width)
    before = model.predict(docs)
    resized = model.attrs["resize_output"](model, 5)
    Y = resized.predict(docs)
    assert Y.shape == (len(docs), 5)
    assert resized.get_dim("nO") == resized.get_ref("output_layer").get_dim("nO") == 5
    assert_allclose(Y[:, :3], before, rtol=1e-5, atol=1e-6)
    assert_allclose(Y[:, 3:], 0.0 if exclusive else 0.5, atol=1e-6)
    Y, backprop = resized.begin_update(docs)
    backprop(Y)
    assert resized.get_ref("output_layer").get_grad("W").shape[0] == 5


@exclusive_or_not
def test_classes_are_added_before_initialization(resolve, docs, exclusive):
    model = resolve(textcat(exclusive, nO=2))
    model = model.attrs["resize_output"](model, 4)
    model.initialize(X=docs)
    assert model.predict(docs).shape == (len(docs), 4)


@pytest.mark.parametrize("nO", [None, 3])
@exclusive_or_not
def test_number_of_classes_is_given_or_inferred(resolve, docs, exclusive, nO):
    model = resolve(textcat(exclusive, nO=nO))
    model.initialize(X=docs, Y=None if nO else numpy.zeros((len(docs), 3), dtype="float32"))
    assert model.predict(docs).shape == (len(docs), 3)
    assert model.get_dim("nO") == 3


@hidden_or_not
def test_dropout_is_active_in_training_only_and_keeps_its_rate(build, docs, hidden_width):
    plain = {**TOK2VECS["rnn"], "embed": VOCABULARY_EMBED}
    for rate in (0.0, 0.5):
        model = build(True, plain, dropout=rate, hidden_width=hidden_width)
        set_dropout_rate(model, 0.5 - rate)
        Y = model.predict(docs)
        assert_array_equal(model.predict(docs), Y)
        assert numpy.allclose(model.begin_update(docs)[0], Y) == (rate == 0.0)


def test_hidden_layer_is_dropped_too(build, docs):
    """Its gradient shows which of its values the output has seen."""
    model = build(False, dropout=0.5, hidden_width=300)
    Y, backprop = model.begin_update(docs[:1])
    backprop(numpy.ones_like(Y))
    unseen = ~model.get_ref("output_layer").get_grad("W").any(axis=0)
    assert 0.4 < unseen.mean() < 0.6


@every_tok2vec
@exclusive_or_not
def test_configured_model_is_loaded_from_bytes_and_disk(build, resolve, docs, tmp_path, exclusive, tok2vec):
    arguments = {"pooling": ["last", "attention"], "hidden_width": 5}
    model = build(exclusive, tok2vec, **arguments)
    model.to_disk(tmp_path / "model")
    config = textcat(exclusive, tok2vec, **arguments)
    Y = model.predict(docs)
    assert_array_equal(resolve(config).from_bytes(model.to_bytes()).predict(docs), Y)
    assert_array_equal(resolve(config).from_disk(tmp_path / "model").predict(docs), Y)


def test_gradients_of_the_output_reach_the_embedding(build, docs):
    model = build(False, TOK2VECS["rnn on a vocabulary"], pooling="attention")
    Y, backprop = model.begin_update(docs)
    backprop(numpy.ones_like(Y))
    (embed,) = [node for node in model.walk() if node.name == "rnn_embed"]
    assert embed.get_grad("E").any()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"hidden_width": -1}, "hidden_width.*-1"),
        ({"pooling": "sum"}, "pooling.*'sum'"),
        ({"pooling": []}, r"pooling.*\[\]"),
        ({"dropout": 1.0}, "below 1, got 1.0"),
        ({"dropout": -0.1}, "at least 0.*-0.1"),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(resolve, arguments, message):
    with pytest.raises(ValueError, match=message):
        resolve(textcat(True, **arguments))


def bag_of_words(exclusive, **arguments):
    return {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": exclusive,
        "ngram_size": 2,
        "length": 4096,
        "no_output_layer": True,
        **arguments,
    }


def ngrams(exclusive, **arguments):
    return {"@architectures": "spacy_rnn.NGrams.v1", "size": 4096, "dropout": 0.5, **arguments}


linear_models = pytest.mark.parametrize("linear_model", [bag_of_words, ngrams], ids=["TextCatBOW", "NGrams"])


@exclusive_or_not
@linear_models
def test_probabilities_of_a_linear_model_are_averaged(build, docs, exclusive, linear_model):
    model = build(exclusive, linear_model=linear_model(exclusive))
    network, _ = model.layers
    linear = model.get_ref("linear_model")
    sparse = linear.get_ref("output_layer")
    sparse.set_param("W", numpy.random.normal(size=sparse.get_param("W").shape).astype("float32"))
    sparse.set_param("b", numpy.asarray([1.0, 0.0, -1.0], dtype="float32"))
    scores = numpy.tile(sparse.get_param("b"), (len(docs), 1))
    filled = [i for i, doc in enumerate(docs) if len(doc)]
    scores[filled] = linear.predict([docs[i] for i in filled])
    exponentials = numpy.exp(scores)
    theirs = exponentials / exponentials.sum(axis=1, keepdims=True) if exclusive else exponentials / (1 + exponentials)
    alone = network.predict(docs)
    assert_probabilities(alone, exclusive)
    assert numpy.abs(theirs - alone).max() > 0.1
    assert_allclose(model.predict(docs), (alone + theirs) / 2, atol=1e-5)


@exclusive_or_not
@linear_models
def test_both_parts_learn(build, docs, exclusive, linear_model):
    model = build(exclusive, linear_model=linear_model(exclusive))
    truth = numpy.eye(3, dtype="float32")[numpy.arange(len(docs)) % 3]
    Y, backprop = model.begin_update(docs)
    backprop(Y - truth)
    for name in ("output_layer", "linear_model"):
        part = model.get_ref(name)
        part = part.get_ref("output_layer") if name == "linear_model" else part
        assert part.get_grad("b").any() and part.get_grad("W").any()


@exclusive_or_not
@linear_models
def test_classes_are_added_to_both_parts(build, docs, exclusive, linear_model):
    model = build(exclusive, linear_model=linear_model(exclusive))
    before = model.predict(docs)
    model.attrs["resize_output"](model, 4)
    after = model.predict(docs)
    assert after.shape == (len(docs), 4)
    assert_allclose(after[:, :3], before, atol=1e-5)


@exclusive_or_not
@linear_models
def test_model_with_a_linear_part_is_loaded_from_bytes(build, resolve, docs, exclusive, linear_model):
    arguments = {"linear_model": linear_model(exclusive)}
    model = build(exclusive, **arguments)
    fresh = resolve(textcat(exclusive, **arguments)).from_bytes(model.to_bytes())
    assert_array_equal(fresh.predict(docs), model.predict(docs))


@exclusive_or_not
def test_linear_model_that_gives_probabilities_is_refused(build, exclusive):
    with pytest.raises(ValueError, match="no_output_layer = true"):
        build(exclusive, linear_model=bag_of_words(exclusive, no_output_layer=False))


def test_ngrams_know_their_width_once_they_are_initialized(resolve, docs):
    filled = [doc for doc in docs if len(doc)]
    model = resolve(ngrams(True)).initialize(filled, numpy.zeros((len(filled), 3), dtype="float32"))
    assert model.get_dim("nO") == 3


def test_ngrams_left_out_learn_nothing(resolve, docs):
    filled = [doc for doc in docs if len(doc)]
    model = resolve(ngrams(True, dropout=0.9)).initialize(filled, numpy.zeros((len(filled), 3), dtype="float32"))
    Y, backprop = model.begin_update(filled)
    backprop(numpy.ones_like(Y))
    with_dropout = (model.get_ref("output_layer").get_grad("W") != 0).sum()
    whole = resolve(ngrams(True, dropout=0.0)).initialize(filled, Y)
    _, backprop = whole.begin_update(filled)
    backprop(numpy.ones_like(Y))
    assert with_dropout < 0.6 * (whole.get_ref("output_layer").get_grad("W") != 0).sum()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"ngram_size": 0}, "ngram_size.*0"),
        ({"size": 0}, "size.*0"),
        ({"attr": "POS"}, "attr.*'POS'"),
        ({"dropout": 1.0}, "^dropout must be .* below 1, got 1.0"),
    ],
    ids=str,
)
def test_ngrams_out_of_range_are_refused(resolve, arguments, message):
    with pytest.raises(ValueError, match=message):
        resolve(ngrams(True, **arguments))


def textcat_cnn(exclusive=True, tok2vec=VOCABULARY_EMBED, **arguments):
    return {"@architectures": "spacy_rnn.TextCatCNN.v1", "exclusive_classes": exclusive, "tok2vec": tok2vec, **arguments}


@exclusive_or_not
@pytest.mark.parametrize("embed", [HASH_EMBED, {**HASH_EMBED, "@architectures": "spacy_rnn.HashEmbed.v1"}, VOCABULARY_EMBED])
def test_a_cnn_is_a_classifier_with_max_pooling_over_filters(resolve, docs, embed, exclusive):
    encode = {"@architectures": "spacy_rnn.CNN.v1", "width": 12, "filter_widths": [2, 3]}
    tok2vec = {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": embed, "encode": encode}
    models = []
    for config in (
        textcat(exclusive, tok2vec, pooling="max", dropout=0.5),
        textcat_cnn(exclusive, embed, filter_widths=[2, 3], filters=6),
    ):
        model = resolve(config)
        models.append(model.initialize(X=docs, Y=numpy.zeros((len(docs), 3), dtype="float32")))
    assert models[1].to_bytes() == models[0].to_bytes()
    assert_array_equal(models[1].predict(docs), models[0].predict(docs))
    assert_probabilities(models[1].predict(docs), exclusive)


def test_the_defaults_are_those_of_kim(resolve, docs):
    model = resolve(textcat_cnn(nO=2))
    model.initialize(X=docs)
    (convolution,) = [node for node in model.walk() if node.name == "convolution"]
    assert convolution.attrs["filter_widths"] == [3, 4, 5]
    # 100 filters of 3, 4 and 5 rows.
    assert convolution.get_param("W").shape == (1200, 10)
    assert convolution.get_dim("nO") == model.get_ref("output_layer").get_dim("nI") == 300
    assert [node.attrs["rate"] for node in model.walk() if node.name == "rnn_dropout"] == [0.5]
    assert model.get_ref("pool").attrs["pooling"] == ["max"]


def test_texts_shorter_than_the_filters_are_classified(build, resolve, docs):
    model = resolve(textcat_cnn(filter_widths=[7], filters=5, nO=3))
    model.initialize(X=docs)
    output = model.get_ref("output_layer")
    output.set_param("W", numpy.random.normal(size=output.get_param("W").shape).astype("float32"))
    for doc in docs:
        (Y,) = model.predict([doc])
        assert_allclose(Y.sum(), 1.0, atol=1e-5)
    one, other = model.predict([docs[2], docs[1]])
    assert not numpy.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"filters": 0}, "filters must be at least 1, got 0"),
        ({"filter_widths": [3, 3]}, r"different.*\[3, 3\]"),
        ({"dropout": 1.0}, "below 1, got 1.0"),
    ],
    ids=str,
)
def test_arguments_of_a_cnn_out_of_range_are_refused(resolve, arguments, message):
    with pytest.raises(ValueError, match=message):
        resolve(textcat_cnn(**arguments))


def test_the_directions_of_a_recurrent_layer_of_ones_own_are_those_it_declares():
    def forward(model, X, is_train):
        return X, None

    declare(forward, Recurrent(lambda *arguments: None, lambda *arguments: None, lambda model: model.attrs["two"]))
    for two in (False, True):
        own = Model("own", forward, attrs={"two": two})
        assert ends_bidirectional(chain(build_rnn(bidirectional=not two), own)) is two
        assert ends_bidirectional(chain(own, build_rnn(bidirectional=not two))) is not two
    assert ends_bidirectional(Model("rnn", lambda model, X, is_train: (X, None), attrs={"bidirectional": True})) is False
