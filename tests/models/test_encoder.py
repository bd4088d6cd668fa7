"""The recurrent and convolutional encoders in spaCy's Tok2Vec."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged

from spacy_rnn.recurrence import CELLS

HASH_EMBED = {
    "@architectures": "spacy.MultiHashEmbed.v2",
    "width": 12,
    "attrs": ["NORM", "SHAPE"],
    "rows": [50, 50],
    "include_static_vectors": False,
}
# spaCy's hash embeddings cannot be trained on a batch without a token (spaCy skips such batches); this one can.
VOCABULARY_EMBED = {"@architectures": "spacy_rnn.Embed.v1", "width": 12, "size": 20}
ENCODERS = {
    **{cell: {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8, "cell": cell} for cell in CELLS},
    "one direction": {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 7, "bidirectional": False},
    "deep": {
        "@architectures": "spacy_rnn.RNNEncoder.v1",
        "width": 12,
        "depth": 3,
        "dropout": 0.3,
        "recurrent_dropout": 0.3,
        "residual": True,
        "train_initial_state": True,
    },
    "regularized": {
        "@architectures": "spacy_rnn.RNNEncoder.v1",
        "width": 8,
        "depth": 3,
        "dropout": 0.2,
        "variational_dropout": 0.3,
        "layer_norm": True,
        "residual": False,
        "highway": True,
    },
    "highway without normalization": {
        "@architectures": "spacy_rnn.RNNEncoder.v1",
        "width": 8,
        "depth": 2,
        "residual": False,
        "layer_norm": False,
        "highway": True,
    },
    "neither normalized nor residual": {
        "@architectures": "spacy_rnn.RNNEncoder.v1",
        "width": 8,
        "depth": 2,
        "residual": False,
        "layer_norm": False,
    },
    "normalized, residual": {
        "@architectures": "spacy_rnn.RNNEncoder.v1",
        "width": 8,
        "depth": 2,
        "layer_norm": True,
        "residual": True,
    },
    "in pieces": {
        "@architectures": "spacy_rnn.RNNEncoder.v1",
        "width": 7,
        "bidirectional": False,
        "checkpoint_rows": 3,
        "truncate_gradient": 2,
    },
    "BiLSTM": {"@architectures": "spacy_rnn.BiLSTMEncoder.v1", "width": 12, "depth": 2, "dropout": 0.3},
    "BiLSTM of depth 0": {"@architectures": "spacy_rnn.BiLSTMEncoder.v1", "width": 12, "depth": 0, "dropout": 0.0},
    "CNN": {"@architectures": "spacy_rnn.CNN.v1", "width": 8},
    "CNN of one even width": {"@architectures": "spacy_rnn.CNN.v1", "width": 8, "filter_widths": [4]},
    "truncated": {
        "@architectures": "spacy_rnn.Truncate.v1",
        "max_length": 100,
        "encode": {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8},
    },
    "truncated CNN": {
        "@architectures": "spacy_rnn.Truncate.v1",
        "max_length": 100,
        "encode": {"@architectures": "spacy_rnn.CNN.v1", "width": 8},
    },
}
every_encoder = pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS.keys())


def tok2vec(encode, embed=HASH_EMBED):
    return {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}


@pytest.fixture
def build(resolve, docs):
    def build_initialized(encode, embed=HASH_EMBED):
        model = resolve(tok2vec(encode, embed))
        model.initialize(X=docs)
        return model

    return build_initialized


@every_encoder
def test_every_token_gets_a_vector(build, docs, encode):
    model = build(encode)
    assert model.get_dim("nO") == encode.get("width", 8)
    Y, backprop = model.begin_update(docs)
    assert [rows.shape for rows in Y] == [(len(doc), model.get_dim("nO")) for doc in docs]
    for rows in Y:
        assert rows.dtype == "float32"
        assert numpy.isfinite(rows).all()
    backprop(Y)
    for node in model.walk():
        for name in node.param_names:
            assert numpy.isfinite(node.get_grad(name)).all(), f"{name} of {node.name}"


@every_encoder
def test_vectors_of_a_text_do_not_depend_on_the_batch(build, docs, encode):
    model = build(encode)
    for doc, rows in zip(docs, model.predict(docs), strict=True):
        (alone,) = model.predict([doc])
        assert_allclose(rows, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("n_empty", [0, 1, 3])
@every_encoder
def test_batches_without_tokens(build, docs, encode, n_empty):
    empty = [docs[1]] * n_empty
    assert [rows.shape[0] for rows in build(encode).predict(empty)] == [0] * n_empty
    model = build(encode, VOCABULARY_EMBED)
    Y, backprop = model.begin_update(empty)
    assert [rows.shape[0] for rows in Y] == [0] * n_empty
    backprop(Y)
    for node in model.walk():
        for name in node.param_names:
            assert not node.has_grad(name) or not node.get_grad(name).any(), f"{name} of {node.name}"


@every_encoder
def test_configured_encoder_is_loaded_from_bytes_and_disk(build, resolve, docs, tmp_path, encode):
    model = build(encode)
    model.to_disk(tmp_path / "model")
    from_bytes = resolve(tok2vec(encode)).from_bytes(model.to_bytes())
    from_disk = resolve(tok2vec(encode)).from_disk(tmp_path / "model")
    for rows, *others in zip(model.predict(docs), from_bytes.predict(docs), from_disk.predict(docs), strict=True):
        for other in others:
            assert_array_equal(rows, other)


def test_encoder_sees_the_context(build, docs):
    """The first word's vector depends on the last word if, and only if, a direction comes from there."""
    for bidirectional in (False, True):
        model = build({"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8, "bidirectional": bidirectional})
        whole, cut = model.predict([docs[3], docs[3][:-1].as_doc()])
        assert numpy.allclose(whole[0], cut[0], atol=1e-7) != bidirectional


def test_a_convolution_sees_as_many_tokens_as_its_widest_filter(build, docs):
    """Of the nine words of a text, those in the middle see two words on each side of them."""
    model = build({"@architectures": "spacy_rnn.CNN.v1", "width": 8, "filter_widths": [2, 5]})
    whole, cut = model.predict([docs[3], docs[3][1:].as_doc()])
    changed = [not numpy.allclose(whole[t], cut[t - 1], atol=1e-7) for t in range(1, len(docs[3]))]
    assert changed == [True, True, *[False] * 6]


@pytest.mark.parametrize(
    "encoder, option",
    [
        ("RNNEncoder", "dropout"),
        ("RNNEncoder", "recurrent_dropout"),
        ("RNNEncoder", "variational_dropout"),
        ("BiLSTMEncoder", "dropout"),
    ],
)
def test_dropout_is_active_in_training_only_at_the_configured_rate(build, encoder, option):
    config = {"@architectures": f"spacy_rnn.{encoder}.v1", "width": 12, "depth": 2, "dropout": 0.0}
    rows = [numpy.ones((5, 12), dtype="float32")]
    for rate in (0.0, 0.5):
        model = build({**config, option: rate}).get_ref("encode")
        assert numpy.allclose(model.begin_update(rows)[0][0], model.predict(rows)[0], atol=1e-5) == (rate == 0.0)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_residual_adds_the_input(build, layer_norm):
    config = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 12, "layer_norm": layer_norm}
    rows = [numpy.ones((5, 12), dtype="float32")]
    plain, residual = (build({**config, "residual": value}).get_ref("encode").predict(rows)[0] for value in (False, True))
    assert_allclose(residual, plain + 1.0, rtol=1e-6)


def test_variational_dropout_drops_columns_of_the_output(build):
    encode = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 64, "variational_dropout": 0.5}
    rows = [numpy.ones((5, 12), dtype="float32"), numpy.ones((3, 12), dtype="float32")]
    Y, _ = build(encode).get_ref("encode").begin_update(rows)
    dropped = [(each == 0).all(axis=0) for each in Y]
    for each, columns in zip(Y, dropped, strict=True):
        assert 10 < columns.sum() < 54
        assert (each[:, ~columns] != 0).all()
    assert (dropped[0] != dropped[1]).any()


SCALED = [{}, {"cell": "gru"}, {"bidirectional": False}, {"residual": False}, None]


@pytest.mark.parametrize("embedding_width", [96, 128])
@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("width", [16, 96, 256])
@pytest.mark.parametrize("settings", SCALED, ids=["LSTM", "GRU", "one direction", "no residual", "BiLSTM"])
def test_output_is_neither_small_nor_large_whatever_the_size(resolve, settings, width, depth, embedding_width):
    """The normalized outputs of all layers are added, and the input where it is as wide."""
    encode = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": width, "depth": depth, **(settings or {})}
    if settings is None:
        embedding_width = width
        encode = {"@architectures": "spacy_rnn.BiLSTMEncoder.v1", "width": width, "depth": depth, "dropout": 0.0}
    model = resolve(encode)
    rows = [numpy.random.default_rng(n).normal(size=(n, embedding_width)).astype("float32") for n in (1, 30)]
    model.initialize(X=rows)
    n_added = 1 if settings == {"residual": False} else depth + (embedding_width == width)
    scale = numpy.concatenate(model.predict(rows)).std()
    assert scale == pytest.approx(n_added**0.5, rel=0.25)


@pytest.mark.parametrize("encoder", ["RNNEncoder", "BiLSTMEncoder"])
def test_with_both_off_there_is_one_stack_of_layers_and_nothing_else(resolve, encoder):
    """Pipelines that were trained so load, and torch's weights fit."""
    config = {"@architectures": f"spacy_rnn.{encoder}.v1", "width": 8, "depth": 2, "dropout": 0.3}
    model = resolve({**config, "layer_norm": False, "residual": False})
    assert [layer.name for layer in model.layers] == ["list2ragged_host", "rnn", "ragged2list"]
    assert len(model.layers[1].layers) == 4


def test_highway_starts_near_the_layer_below(build):
    """The gate is mostly closed at first, so two layers give nearly what the first one gives."""
    config = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 64, "depth": 2, "layer_norm": False, "residual": False}
    rows = [numpy.random.default_rng(0).normal(size=(20, 12)).astype("float32")]
    model = build({**config, "highway": True}).get_ref("encode")
    first = next(node for node in model.walk() if node.name == "rnn")
    below = first.predict(Ragged(rows[0], numpy.asarray([20], dtype="int32"))).data
    second = next(node for node in model.walk() if node.name == "highway").layers[0]
    above = second.predict(Ragged(below, numpy.asarray([20], dtype="int32"))).data
    assert numpy.abs(model.predict(rows)[0] - below).mean() < 0.5 * numpy.abs(above - below).mean()


@pytest.mark.parametrize(
    "option, value, name, expected",
    [("forget_bias", 3.0, "b", 3.0), ("train_initial_state", True, "h0", 0.0)],
)
def test_parameters_start_as_configured(build, option, value, name, expected):
    model = build({"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8, option: value})
    (direction,) = [node for node in model.walk() if node.name == "lstm_forward"]
    array = direction.get_param(name)
    assert_array_equal(array[4:8] if name == "b" else array, numpy.full(4, expected))


@pytest.mark.parametrize("option, name", [("init_W", "W"), ("init_R", "R")])
def test_initializers_come_from_the_config(build, option, name):
    encode = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8, option: {"@initializers": "zero_init.v1"}}
    (direction,) = [node for node in build(encode).walk() if node.name == "lstm_forward"]
    assert not direction.get_param(name).any()
    assert direction.get_param("W" if name == "R" else "R").any()


@pytest.mark.parametrize("depth", [1, 2])
def test_bilstm_of_another_width_than_its_input_is_refused(resolve, docs, depth):
    encode = {"@architectures": "spacy_rnn.BiLSTMEncoder.v1", "width": 8, "depth": depth, "dropout": 0.0}
    with pytest.raises(ValueError, match="width 8 .*width 12"):
        resolve(tok2vec(encode)).initialize(X=docs)


def test_bilstm_of_depth_0_is_the_identity_and_has_the_structure_of_spacys():
    """So that a pipeline trained with one loads with the other."""
    ours = spacy.registry.get("architectures", "spacy_rnn.BiLSTMEncoder.v1")(width=12, depth=0, dropout=0.0)
    spacys = spacy.registry.get("architectures", "spacy.TorchBiLSTMEncoder.v1")(width=12, depth=0, dropout=0.0)
    assert [node.name for node in ours.walk()] == [node.name for node in spacys.walk()]
    assert ours.to_bytes() == spacys.to_bytes()
    rows = [numpy.ones((3, 12), dtype="float32"), numpy.ones((0, 12), dtype="float32")]
    Y, backprop = ours.begin_update(rows)
    for result in (Y, backprop(rows)):
        for array, expected in zip(result, rows, strict=True):
            assert_array_equal(array, expected)


def test_bilstm_takes_the_arguments_of_spacys(resolve):
    """A config changes the architecture by its name alone."""
    shared = {"width": 12, "depth": 0, "dropout": 0.1}
    for name in ("spacy_rnn.BiLSTMEncoder.v1", "spacy.TorchBiLSTMEncoder.v1"):
        assert resolve({"@architectures": name, **shared}).name == "noop"


@pytest.mark.parametrize(
    "encode, words",
    [
        ({"width": 8, "cell": "rnn"}, ["'rnn'", *CELLS]),
        ({"width": 7}, ["even", "7"]),
        ({"width": 8, "depth": 0}, ["depth", "0"]),
        ({"width": 8, "dropout": 1.0}, ["dropout", "1.0"]),
        ({"width": 8, "recurrent_dropout": -0.5}, ["recurrent_dropout", "-0.5"]),
        ({"width": 8, "variational_dropout": 1.5}, ["variational_dropout", "1.5"]),
        ({"width": 8, "layer_norm": False, "dropout": 1.0}, ["dropout", "1.0"]),
        ({"width": 8, "layer_norm": False, "depth": 0}, ["depth", "0"]),
        ({"width": 8, "residual": False, "highway": True}, ["highway", "depth", "1"]),
        ({"width": 8, "depth": 2, "highway": True}, ["residual", "false"]),
        ({"width": 8, "checkpoint_rows": -5}, ["checkpoint_rows", "-5"]),
        ({"width": 8, "truncate_gradient": 5}, ["truncate_gradient", "one direction", "5"]),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(resolve, encode, words):
    with pytest.raises(ValueError) as error:
        resolve({"@architectures": "spacy_rnn.RNNEncoder.v1", **encode})
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    "encode, words",
    [
        ({"width": 2}, ["3 widths", "2"]),
        ({"width": 8, "filter_widths": []}, ["filter_widths", "[]"]),
        ({"width": 8, "filter_widths": [3, 3]}, ["different", "[3, 3]"]),
        ({"width": 8, "filter_widths": [0, 3]}, ["at least 1", "[0, 3]"]),
    ],
    ids=str,
)
def test_arguments_of_a_convolution_out_of_range_are_refused(resolve, encode, words):
    with pytest.raises(ValueError) as error:
        resolve({"@architectures": "spacy_rnn.CNN.v1", **encode})
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("depth", [-1, -2])
def test_bilstm_of_negative_depth_is_refused(resolve, depth):
    with pytest.raises(ValueError, match=f"depth.*{depth}"):
        resolve({"@architectures": "spacy_rnn.BiLSTMEncoder.v1", "width": 8, "depth": depth, "dropout": 0.0})
