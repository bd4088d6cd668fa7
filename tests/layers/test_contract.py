"""What every layer that a config can name has to do."""

import pickle
from importlib.metadata import distribution
from tempfile import TemporaryDirectory

import numpy
import pytest
from contextual_pipelines import make_pipeline
from numpy.testing import assert_array_equal
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Ragged, fix_random_seed, registry

from spacy_rnn.recurrence import CELLS

VOCAB = Vocab()
# Gone when the tests end.
LM = TemporaryDirectory()
make_pipeline().to_disk(LM.name)
LENGTHS = [3, 0, 1, 4]
nI = 6


def make_rows(lengths, width=nI):
    rng = numpy.random.default_rng(len(lengths))
    return [rng.normal(size=(n, width)).astype("float32") for n in lengths]


def make_array(lengths, width=nI):
    return numpy.concatenate([numpy.zeros((0, width), dtype="float32"), *make_rows(lengths, width)])


def make_ragged(lengths, width=nI):
    return Ragged(make_array(lengths, width), numpy.asarray(lengths, dtype="int32"))


def make_docs(lengths, width=nI):
    words = ["a", "bird", "sings", "a", "song", "at", "night"]
    return [Doc(VOCAB, words=[words[(i + k) % len(words)] for k in range(n)]) for i, n in enumerate(lengths)]


ENCODE = {
    "@layers": "chain.v1",
    "*": {
        "to_ragged": {"@layers": "spacy_rnn.list2ragged.v1"},
        "rnn": {"@layers": "spacy_rnn.RNN.v1", "nO": 5, "nI": nI},
        "to_list": {"@layers": "ragged2list.v1"},
    },
}
# The layer's name: its arguments, what makes its input, and what it makes of batches: "array" [N, width], "ragged", "list" of
# arrays or "vectors" [B, width], how wide, and how many rows it leaves of a sequence.
LAYERS = {
    "spacy_rnn.RNN.v1": [
        ({"nO": 8, "cell": cell, "bidirectional": True, "depth": 2, **more}, make_ragged, "ragged", 8, None)
        for cell in CELLS
        for more in ({}, {"residual": True, "train_initial_state": True})
    ],
    "spacy_rnn.Convolution.v1": [
        ({"nO": 7, **more}, make_ragged, "ragged", 7, None) for more in ({}, {"filter_widths": [2]}, {"filter_widths": [9, 1]})
    ],
    "spacy_rnn.Pool.v1": [
        ({"pooling": pooling, "bidirectional": True}, make_ragged, "vectors", width, None)
        for pooling, width in (("last", 6), ("mean", 6), ("max", 6), ("attention", 6), (["last", "attention"], 12))
    ],
    "spacy_rnn.Embed.v1": [({"width": 5, "size": 8, "attr": "ORTH"}, make_docs, "list", 5, None)],
    "spacy_rnn.HashEmbed.v1": [
        (
            {"width": 5, "attrs": ["ORTH", "SHAPE"], "rows": [20, 10], "include_static_vectors": False, "cache_size": cache_size},
            make_docs,
            "list",
            5,
            None,
        )
        for cache_size in (1000, 2, 0)
    ],
    "spacy_rnn.CharEmbed.v1": [
        ({"width": 6, "char_width": 3, "rows": 40, **more}, make_docs, "list", width, None)
        for more, width in [
            ({}, 6),
            ({"cell": "gru", "cache_size": 2}, 6),
            ({"embed": {"@layers": "spacy_rnn.Embed.v1", "width": 3}, "cache_size": 0}, 9),
        ]
    ],
    "spacy_rnn.LMEmbed.v1": [
        ({"lm": LM.name, **more}, make_docs, "list", width, None)
        for more, width in [
            ({}, 11),
            ({"trainable": True}, 11),
            ({"width": 4, "embed": {"@layers": "spacy_rnn.Embed.v1", "width": 3}, "cache_size": 0}, 7),
        ]
    ],
    "spacy_rnn.SymbolSoftmax.v1": [({"nI": nI, "nV": 5}, make_array, "array", 5, None)],
    "spacy_rnn.AdaptiveSoftmax.v1": [
        ({"nI": nI, "nV": 9, **more}, make_array, "array", 9, None) for more in ({}, {"cutoffs": [3], "shrink": 1})
    ],
    "spacy_rnn.SampledSoftmax.v1": [({"nI": nI, "nV": 5, "n_samples": 3}, make_array, "array", 5, None)],
    "spacy_rnn.Dropout.v1": [({"rate": 0.0}, make_array, "array", nI, None)],
    "spacy_rnn.SequenceDropout.v1": [({"rate": 0.0}, make_ragged, "ragged", nI, None)],
    "spacy_rnn.Highway.v1": [({"layer": {"@layers": "spacy_rnn.RNN.v1", "nO": nI}}, make_ragged, "ragged", nI, None)],
    "spacy_rnn.Truncate.v1": [({"max_length": 2, "encode": ENCODE}, make_rows, "list", 5, 2)],
    "spacy_rnn.CRF.v1": [({"scores": ENCODE, "nO": 5}, make_rows, "list", 5, None)],
    "spacy_rnn.list2ragged.v1": [({}, make_rows, "ragged", nI, None)],
}
CASES = [pytest.param(name, *case, id=f"{name} {i}") for name, cases in LAYERS.items() for i, case in enumerate(cases)]
ON_TEXTS = [case for case in CASES if case.values[2] is make_docs]
every_layer = pytest.mark.parametrize("name, arguments, make_input, form, width, max_rows", CASES)
every_layer_on_arrays = pytest.mark.parametrize(
    "name, arguments, make_input", [pytest.param(*case.values[:3], id=case.id) for case in CASES if case not in ON_TEXTS]
)
BATCHES = {"ragged": LENGTHS, "no sequences": [], "one empty sequence": [0], "empty sequences": [0, 0, 0]}


def build(name, arguments):
    # Resolving leaves the configuration as it is, so that it can be used again.
    return registry.resolve({"layer": {"@layers": name, **arguments}})["layer"]


def build_initialized(name, arguments, make_input):
    fix_random_seed(0)
    model = build(name, arguments)
    model.initialize(X=make_input(LENGTHS))
    return model


def parameters(model):
    return [node.get_param(name) for node in model.walk() for name in node.param_names]


def as_arrays(value):
    """The arrays of a batch of any form."""
    if isinstance(value, Ragged):
        return [value.dataXd, numpy.asarray(value.lengths)]
    return list(value) if isinstance(value, (list, tuple)) else [value]


def assert_same(value, other):
    assert type(value) is type(other)
    assert len(as_arrays(value)) == len(as_arrays(other))
    for array, expected in zip(as_arrays(value), as_arrays(other), strict=True):
        assert_array_equal(array, expected)


def test_every_entry_point_is_in_the_table():
    entry_points = distribution("spacy-rnn").entry_points.select(group="thinc_layers")
    assert {entry_point.name for entry_point in entry_points} == set(LAYERS)


@pytest.mark.parametrize("lengths", BATCHES.values(), ids=BATCHES.keys())
@every_layer
def test_output_and_gradient_have_the_right_form(name, arguments, make_input, form, width, max_rows, lengths):
    model = build_initialized(name, arguments, make_input)
    X = make_input(lengths)
    Y, backprop = model.begin_update(X)
    left = [n if max_rows is None else min(n, max_rows) for n in lengths]
    if form == "list":
        assert [rows.shape for rows in Y] == [(n, width) for n in left]
    elif form == "ragged":
        assert_array_equal(Y.lengths, left)
        assert Y.data.shape[0] == sum(left)
        assert Y.data.shape[1] == width or not Y.data.size
    else:
        assert Y.shape == (sum(left) if form == "array" else len(left), width)
    for array in as_arrays(Y):
        assert array.dtype in ("float32", "int32")
        assert numpy.isfinite(array).all()

    dX = backprop(Y)
    if make_input is make_docs:
        # Like spaCy's own, a layer that reads texts has no gradient of them.
        assert dX == []
        return
    assert type(dX) is type(X)
    for gradient, array in zip(as_arrays(dX), as_arrays(X), strict=True):
        assert gradient.shape == array.shape or not array.size
        assert gradient.dtype == array.dtype
    for node in model.walk():
        for param in node.param_names:
            # Those of a CRF get theirs from its own loss.
            if sum(lengths) and node.name != "crf":
                assert node.has_grad(param), param
            if node.has_grad(param):
                assert node.get_grad(param).shape == node.get_param(param).shape
                assert numpy.isfinite(node.get_grad(param)).all()


@every_layer
def test_prediction_is_the_forward_pass_without_training(name, arguments, make_input, form, width, max_rows):
    model = build_initialized(name, arguments, make_input)
    X = make_input(LENGTHS)
    assert_same(model.predict(X), model(X, is_train=False)[0])
    # No layer of the table drops anything, so training computes the same.
    assert_same(model.predict(X), model.begin_update(X)[0])


@every_layer_on_arrays
def test_input_is_left_as_it_is(name, arguments, make_input):
    model = build_initialized(name, arguments, make_input)
    X = make_input(LENGTHS)
    Y, backprop = model.begin_update(X)
    backprop(Y)
    assert_same(X, make_input(LENGTHS))


@every_layer
def test_same_seed_gives_the_same_parameters(name, arguments, make_input, form, width, max_rows):
    first = parameters(build_initialized(name, arguments, make_input))
    second = parameters(build_initialized(name, arguments, make_input))
    for array, other in zip(first, second, strict=True):
        assert_array_equal(array, other)


@every_layer
def test_model_loaded_from_bytes_computes_the_same(name, arguments, make_input, form, width, max_rows):
    model = build_initialized(name, arguments, make_input)
    fresh = build(name, arguments).from_bytes(model.to_bytes())
    assert_same(fresh.predict(make_input(LENGTHS)), model.predict(make_input(LENGTHS)))
    assert fresh.to_bytes() == model.to_bytes()


@every_layer
def test_model_loaded_from_disk_computes_the_same(tmp_path, name, arguments, make_input, form, width, max_rows):
    model = build_initialized(name, arguments, make_input)
    model.to_disk(tmp_path / "model")
    fresh = build(name, arguments).from_disk(tmp_path / "model")
    assert_same(fresh.predict(make_input(LENGTHS)), model.predict(make_input(LENGTHS)))


@every_layer
def test_copy_computes_the_same_and_shares_nothing(name, arguments, make_input, form, width, max_rows):
    model = build_initialized(name, arguments, make_input)
    X = make_input(LENGTHS)
    expected = model.predict(X)
    copy = model.copy()
    assert_same(copy.predict(X), expected)
    for node in copy.walk():
        for param in node.param_names:
            node.get_param(param)[:] = 7.0
    assert_same(model.predict(X), expected)


@every_layer
def test_pickled_model_computes_the_same(name, arguments, make_input, form, width, max_rows):
    model = build_initialized(name, arguments, make_input)
    assert_same(pickle.loads(pickle.dumps(model)).predict(make_input(LENGTHS)), model.predict(make_input(LENGTHS)))


@every_layer
def test_initialization_without_data_needs_no_more_than_the_width(name, arguments, make_input, form, width, max_rows):
    model = build(name, arguments)
    if model.has_dim("nI") is None:
        model.set_dim("nI", nI)
    model.initialize()
    shapes = [array.shape for array in parameters(build_initialized(name, arguments, make_input))]
    assert [array.shape for array in parameters(model)] == shapes
