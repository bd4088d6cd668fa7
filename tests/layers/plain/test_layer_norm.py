"""Layer normalization, beside Thinc's."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import LayerNorm

from spacy_rnn.layers import build_layer_norm
from spacy_rnn.layers.plain import layer_norm
from spacy_rnn.native import library

WIDTHS = [1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 96, 100, 256]
compiled = pytest.mark.skipif(library is None, reason="needs the compiled library")


def make_pair(width, dtype="float32"):
    rng = numpy.random.default_rng(width)
    pair = build_layer_norm(width).initialize(), LayerNorm(width).initialize()
    for name in ("G", "b"):
        values = rng.normal(size=width).astype(dtype)
        for model in pair:
            model.set_param(name, values)
    return pair


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("n", [1, 5])
def test_predictions_are_thincs(isa, width, n):
    ours, thincs = make_pair(width)
    # Rows far from zero, whose variance is small beside their mean, and rows that are all the same number.
    X = numpy.random.default_rng(n).normal(3.0, 0.5, size=(n, width)).astype("float32")
    X[-1] = 2.0
    before = X.copy()
    expected = thincs.predict(X.astype("float64")).astype("float32")
    assert_allclose(ours.predict(X), expected, atol=2e-5, rtol=1e-5)
    assert_array_equal(X, before)


def test_a_row_does_not_depend_on_the_others(isa):
    ours, _ = make_pair(37)
    X = numpy.random.default_rng(0).normal(size=(9, 37)).astype("float32")
    together = ours.predict(X)
    for i in range(len(X)):
        assert_array_equal(ours.predict(X[i : i + 1])[0], together[i])


def test_what_is_no_number_stays_in_its_row():
    ours, _ = make_pair(20)
    X = numpy.ones((3, 20), dtype="float32")
    X[1, 4], X[1, 18] = numpy.nan, numpy.inf
    Y = ours.predict(X)
    assert numpy.isnan(Y[1]).all()
    assert numpy.isfinite(Y[[0, 2]]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_is_thincs(dtype):
    ours, thincs = make_pair(6, dtype)
    X = numpy.random.default_rng(0).normal(size=(4, 6)).astype(dtype)
    results = []
    for model in (ours, thincs):
        Y, backprop = model.begin_update(X)
        results.append((Y, backprop(Y * 2), model.get_grad("G"), model.get_grad("b")))
    for one, other in zip(*results, strict=True):
        assert_array_equal(one, other)
    assert ours.to_bytes() == thincs.to_bytes()


def test_numbers_of_double_precision_keep_it():
    ours, thincs = make_pair(6, "float64")
    X = numpy.random.default_rng(0).normal(size=(4, 6))
    assert_array_equal(ours.predict(X), thincs.predict(X))


def test_without_the_compiled_library(monkeypatch):
    monkeypatch.setattr(layer_norm, "library", None)
    ours, thincs = make_pair(6)
    X = numpy.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    assert_array_equal(ours.predict(X), thincs.predict(X))


def test_rows_and_parameters_with_gaps():
    ours, thincs = make_pair(6)
    X = numpy.random.default_rng(0).normal(size=(4, 12)).astype("float32")
    for model in (ours, thincs):
        model.set_param("G", numpy.arange(12, dtype="float32")[::2])
    for view in (X[:, ::2], X[:, 3:9], X[::-1, :6], numpy.asfortranarray(X)[:, :6]):
        assert_allclose(ours.predict(view), thincs.predict(view), atol=1e-5)


def test_no_rows():
    ours, _ = make_pair(6)
    assert ours.predict(numpy.zeros((0, 6), dtype="float32")).shape == (0, 6)


@compiled
def test_rows_of_another_width_are_refused():
    ours, _ = make_pair(6)
    with pytest.raises(ValueError, match=r"width 6 .* \(4, 5\)"):
        ours.predict(numpy.zeros((4, 5), dtype="float32"))


@compiled
def test_the_gradient_of_a_prediction_is_refused():
    ours, _ = make_pair(6)
    X = numpy.ones((4, 6), dtype="float32")
    Y, backprop = ours(X, is_train=False)
    with pytest.raises(ValueError, match="is_train=True"):
        backprop(Y)


@compiled
@pytest.mark.parametrize("wrong", ["G", "b", "Y"])
def test_shapes_are_checked_before_memory_is_read(wrong):
    arrays = {"X": (4, 6), "G": (6,), "b": (6,), "Y": (4, 6)}
    arrays[wrong] = (5,) if wrong != "Y" else (3, 6)
    X, G, b, Y = (numpy.ones(shape, dtype="float32") for shape in arrays.values())
    with pytest.raises(ValueError, match=wrong):
        library.normalize(X, G, b, 1e-8, Y)
