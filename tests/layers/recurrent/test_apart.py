"""Encoders whose directions know nothing of each other."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged, chain

from spacy_rnn.layers import (
    build_convolution,
    build_dropout,
    build_highway,
    build_layer_norm,
    build_residual,
    build_rnn,
    build_sequence_dropout,
    with_rows,
)
from spacy_rnn.layers.capabilities import Directions
from spacy_rnn.layers.directions import begin_apart, find_joining
from spacy_rnn.models.encoder import build_bilstm_encoder, build_rnn_encoder
from spacy_rnn.recurrence import CELLS

LENGTHS = [3, 0, 1, 4]
WIDTH = 6
# With what the layers of an encoder may do beside reading.
SETTINGS = {
    "plain": {"layer_norm": False, "residual": False},
    "residual": {"layer_norm": False, "residual": True},
    "layer norm": {"layer_norm": True, "residual": False},
    "both": {"layer_norm": True, "residual": True},
}

every_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))


@pytest.fixture
def build(randomize):
    """(encoder arguments) -> the layers of an encoder between lists and rows, with random weights in float64."""

    def make(depth, **settings):
        encoder = build_rnn_encoder(WIDTH, depth, **settings)
        encoder.initialize(X=[numpy.zeros((2, WIDTH), dtype="float32")])
        return randomize(encoder).layers[1:-1]

    return make


def run(layers, X, is_train=False):
    Y, backprop = begin_apart(layers, Directions(X, False), is_train)
    return Y.rows, backprop


def check_gradients(layers, X, difference_error, check_parameter_gradients):
    dY = numpy.random.default_rng(5).normal(size=(len(X.data), WIDTH))

    def loss():
        return float((run(layers, X)[0].data * dY).sum())

    _, backprop = run(layers, X, is_train=True)
    dX = backprop(Ragged(dY, X.lengths))
    assert difference_error(loss, X.data, dX.data) < 1e-6
    for layer in layers:
        check_parameter_gradients(layer, loss)


@every_setting
@pytest.mark.parametrize("depth", [1, 2])
def test_gradients_match_central_differences(build, make_batch, difference_error, check_parameter_gradients, depth, settings):
    layers = build(depth, cell="gru", train_initial_state=True, **settings)
    check_gradients(layers, make_batch(LENGTHS, WIDTH), difference_error, check_parameter_gradients)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_every_cell_match_central_differences(build, make_batch, difference_error, check_parameter_gradients, cell):
    layers = build(2, cell=cell, layer_norm=False, residual=False)
    check_gradients(layers, make_batch(LENGTHS, WIDTH), difference_error, check_parameter_gradients)


def test_gradients_with_masks_are_those_of_what_was_computed(build, make_batch, difference_error):
    """A gradient step against the loss of the very masks that were drawn: these are drawn anew by the same seed."""
    layers = build(2, dropout=0.3, recurrent_dropout=0.3, variational_dropout=0.3)
    X, dY = make_batch(LENGTHS, WIDTH), make_batch(LENGTHS, WIDTH, seed=1)

    def train():
        numpy.random.seed(3)
        return run(layers, X, is_train=True)

    def loss():
        return float((train()[0].data * dY.data).sum())

    dX = train()[1](dY)
    assert (dX.data == 0).any()
    assert difference_error(loss, X.data, dX.data) < 1e-6


@every_setting
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_no_direction_sees_what_it_has_not_read(build, make_batch, depth, settings):
    layers = build(depth, **settings)
    X, half = make_batch([7], WIDTH), WIDTH // 2
    before = run(layers, X)[0].data.copy()
    for t in range(7):
        value = X.data[t].copy()
        X.data[t] += 1
        is_changed = run(layers, X)[0].data != before
        X.data[t] = value
        assert_array_equal(is_changed[:, :half].any(axis=1), numpy.arange(7) >= t)
        assert_array_equal(is_changed[:, half:].any(axis=1), numpy.arange(7) <= t)


@pytest.mark.parametrize("residual", [False, True])
def test_one_layer_computes_what_it_ordinarily_does(build, make_batch, residual):
    layers = build(1, layer_norm=False, residual=residual)
    X = make_batch(LENGTHS, WIDTH)
    Y = X
    for layer in layers:
        Y = layer.predict(Y)
    assert_allclose(run(layers, X)[0].data, Y.data, rtol=1e-12)


def test_several_layers_compute_what_they_do_with_the_weights_between_directions_at_zero(build, make_batch):
    """And the gradient of these weights is zero."""
    layers = build(3, layer_norm=False, residual=True)
    directions = [node for layer in layers for node in layer.walk() if "R" in node.param_names]
    X, half = make_batch(LENGTHS, WIDTH), WIDTH // 2
    Y, backprop = run(layers, X, is_train=True)
    backprop(make_batch(LENGTHS, WIDTH, seed=1))
    for direction in directions[2:]:
        other = slice(0, half) if direction.attrs["reverse"] else slice(half, None)
        assert not direction.get_grad("W")[:, other].any()
        assert direction.get_grad("W").any()
        direction.get_param("W")[:, other] = 0
    expected = X
    for layer in layers:
        expected = layer.predict(expected)
    assert_allclose(Y.data, expected.data, rtol=1e-12)


def test_a_half_is_normalized_by_itself(make_batch):
    layer = build_layer_norm(WIDTH)
    layer.initialize()
    X = make_batch([4], WIDTH, dtype="float32").data
    Y = begin_apart([with_rows(layer)], Directions(Ragged(X, numpy.asarray([4])), True), False)[0].rows.data
    assert_allclose(Y.reshape((4, 2, 3)).mean(axis=2), 0, atol=1e-6)
    assert_allclose(Y.reshape((4, 2, 3)).std(axis=2), 1, atol=1e-4)


def test_a_sequence_has_the_same_rows_in_any_batch(build, make_batch):
    layers = build(2)
    X = make_batch(LENGTHS, WIDTH)
    alone = [run(layers, Ragged(rows, numpy.asarray([len(rows)])))[0].data for rows in (X.data[:3], X.data[3:4], X.data[4:])]
    assert_allclose(run(layers, X)[0].data, numpy.concatenate(alone), rtol=1e-12)


def test_layers_of_one_direction_are_run_as_they_are(build, make_batch):
    layers = build(2, bidirectional=False)
    X = make_batch(LENGTHS, WIDTH)
    Y = X
    for layer in layers:
        Y = layer.predict(Y)
    rows, _ = begin_apart(layers, Directions(X, False), False)
    assert not rows.apart
    assert_array_equal(rows.rows.data, Y.data)


def test_a_batch_without_rows_goes_through(build):
    layers = build(2)
    none = numpy.zeros(0, dtype="int32")
    Y, backprop = run(layers, Ragged(numpy.zeros((0, WIDTH)), none), is_train=True)
    assert not Y.data.size
    assert not backprop(Ragged(numpy.zeros((0, WIDTH)), none)).data.size


def test_one_direction_above_two_is_refused(make_batch):
    below, above = build_rnn(WIDTH, WIDTH, bidirectional=True), build_rnn(WIDTH, WIDTH)
    for layer in (below, above):
        layer.initialize()
    with pytest.raises(ValueError, match="one direction stands above one of two"):
        run([below, above], make_batch(LENGTHS, WIDTH, dtype="float32"))


@pytest.mark.parametrize(
    "build_layer, name",
    [
        (lambda: build_convolution(WIDTH, WIDTH), "convolution"),
        (lambda: build_highway(build_rnn(WIDTH, WIDTH)), "highway"),
        (lambda: build_residual(build_convolution(WIDTH, WIDTH)), "convolution"),
        (lambda: with_rows(chain(build_layer_norm(WIDTH), build_layer_norm(WIDTH))), None),
    ],
)
def test_layers_that_join_directions_are_found(build_layer, name):
    found = find_joining(build_layer())
    assert found is not None
    assert name is None or found.name == name
    with pytest.raises(ValueError, match="apart"):
        begin_apart([found], Directions(None, True), False)


@pytest.mark.parametrize("encoder", [build_rnn_encoder(WIDTH, 2), build_bilstm_encoder(WIDTH, 2, 0.1)])
def test_the_layers_of_recurrent_encoders_join_none(encoder):
    assert [find_joining(layer) for layer in encoder.layers[1:-1]] == [None] * (len(encoder.layers) - 2)


def test_dropout_draws_as_it_ordinarily_does(make_batch):
    X = make_batch(LENGTHS, WIDTH)
    for layer in (with_rows(build_dropout(0.5)), build_sequence_dropout(0.5)):
        numpy.random.seed(2)
        expected = layer.begin_update(X)[0].data
        numpy.random.seed(2)
        assert_array_equal(begin_apart([layer], Directions(X, True), True)[0].rows.data, expected)
