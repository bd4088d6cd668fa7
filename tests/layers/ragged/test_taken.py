"""Batches whose rows come from a table: they are batches like others."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import LayerNorm, Ragged, ragged2list, with_ragged

from spacy_rnn.layers import (
    begin_scan,
    build_convolution,
    build_highway,
    build_layer_norm,
    build_pool,
    build_residual,
    build_rnn,
    build_sequence_dropout,
    initial_state,
    scan,
    split_rows,
    with_rows,
)
from spacy_rnn.layers.ragged.taken import TakenRows
from spacy_rnn.layers.recurrent.session import RnnSession
from spacy_rnn.recurrence import Table, TableRows

WIDTH = 6
LENGTHS = numpy.asarray([3, 0, 1, 8, 3], dtype="int32")
LAYERS = {
    "rnn": lambda: build_rnn(8, WIDTH, bidirectional=True),
    "deep": lambda: build_rnn(8, WIDTH, bidirectional=True, depth=3),
    "residual rnn": lambda: build_rnn(WIDTH, WIDTH, residual=True, depth=2),
    "residual above": lambda: build_rnn(8, WIDTH, residual=True, depth=2),
    "own initial state": lambda: build_rnn(8, WIDTH, train_initial_state=True),
    "residual": lambda: build_residual(build_rnn(WIDTH, WIDTH), with_rows(build_layer_norm(WIDTH))),
    "highway": lambda: build_highway(build_rnn(WIDTH, WIDTH)),
    "convolution": lambda: build_convolution(4, WIDTH),
    "normalization": lambda: with_rows(build_layer_norm(WIDTH)),
    "Thinc's": lambda: with_rows(LayerNorm(WIDTH)),
    "dropout": lambda: build_sequence_dropout(0.5),
    "pool": lambda: build_pool(["last", "mean", "max"], nI=WIDTH),
    "list": lambda: ragged2list(),
    "ragged": lambda: with_ragged(build_rnn(8, WIDTH)),
}


@pytest.fixture
def pair():
    """The same rows, taken from a table and by themselves."""
    rng = numpy.random.default_rng(0)
    rows = rng.normal(size=(7, WIDTH)).astype("float32")
    numbers = rng.integers(0, 7, LENGTHS.sum())
    return TakenRows(TableRows(Table(rows), numbers), LENGTHS), Ragged(rows[numbers], LENGTHS)


def as_arrays(Y):
    return Y if isinstance(Y, list) else [getattr(Y, "data", Y)]


@pytest.mark.parametrize("build", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("is_train", [False, True], ids=["prediction", "training"])
def test_layers_make_the_same_of_them(build, is_train, pair, randomize):
    model = build()
    model.initialize(X=pair[1])
    randomize(model, dtype="float32")
    results = []
    for X in pair:
        numpy.random.seed(0)
        results.append(as_arrays(model(X, is_train)[0]))
    for one, other in zip(*results, strict=True):
        assert_array_equal(one, other)


def test_a_recurrent_layer_takes_no_rows_in_prediction(pair, monkeypatch):
    layer = build_rnn(8, WIDTH, bidirectional=True, depth=2).initialize()
    X, rows = pair
    expected = layer.predict(rows).data
    monkeypatch.setattr(TakenRows, "data", property(lambda self: pytest.fail("rows were taken")))
    assert_array_equal(layer.predict(X).data, expected)


def test_state_is_carried(pair):
    layer = build_rnn(8, WIDTH).initialize()
    (Y, state), (expected, expected_state) = (scan(layer, X) for X in pair)
    assert_array_equal(Y.data, expected.data)
    for name, array in state.items():
        assert_array_equal(array, expected_state[name])


def test_it_is_a_ragged_array(pair):
    X, rows = pair
    assert len(X) == len(rows)
    for name in ("data", "dataXd", "lengths", "data_shape"):
        assert_array_equal(getattr(X, name), getattr(rows, name))
    assert_array_equal(X[1:4].data, rows[1:4].data)
    assert_array_equal(X[3].dataXd, rows[3].dataXd)
    for one, other in zip(split_rows(X), split_rows(rows), strict=True):
        assert_array_equal(one, other)


def test_rows_that_were_taken_are_nobody_elses(pair):
    X, rows = pair
    X.data[...] = 0
    assert_array_equal(X.taken.take(), rows.data)


def test_rows_of_another_width_are_refused(pair):
    layer = build_rnn(8, WIDTH + 1).initialize()
    with pytest.raises(ValueError, match=r"rows of width 7 \(nI\), but was given rows of width 6"):
        layer.predict(pair[0])


# Training


TRAINED = {
    "rnn": {"nO": 8},
    "gru": {"nO": 8, "cell": "gru", "recurrent_dropout": 0.3},
    "bidirectional": {"nO": 8, "bidirectional": True},
    "deep": {"nO": 8, "depth": 3, "dropout": 0.2},
    "residual": {"nO": WIDTH, "residual": True, "depth": 2},
    "residual above": {"nO": 8, "residual": True, "depth": 2},
    "own initial state": {"nO": 8, "train_initial_state": True},
    "pieces": {"nO": 8, "checkpoint_rows": 3},
    "truncated": {"nO": 8, "truncate_gradient": 2},
}


def gradients(layer):
    return {
        (i, name): node.get_grad(name) for i, node in enumerate(layer.walk()) for name in node.param_names if node.has_grad(name)
    }


def table_gradient(X, dX):
    total = numpy.zeros_like(X.taken.table.rows)
    numpy.add.at(total, X.taken.numbers, dX)
    return total


@pytest.mark.parametrize("has_state", [False, True], ids=["own state", "given state"])
@pytest.mark.parametrize("settings", TRAINED.values(), ids=TRAINED)
def test_a_recurrent_layer_goes_back_to_the_table(settings, has_state, pair, randomize):
    layer = build_rnn(nI=WIDTH, **settings).initialize()
    randomize(layer, dtype="float32")
    X, rows = pair
    state = initial_state(layer, len(LENGTHS))
    state = {name: numpy.full_like(array, 0.3) for name, array in state.items()} if has_state else None
    found = []
    for each in (TakenRows(X.taken, X.lengths, table_gradient=True), X, rows):
        numpy.random.seed(0)
        (Y, final), backprop = begin_scan(layer, each, state)
        dX, d_initial = backprop(Ragged(numpy.cos(Y.data), Y.lengths), {name: numpy.sin(a) for name, a in final.items()})
        found.append((Y.data, dX, gradients(layer), d_initial))
        for node in layer.walk():
            for name in node.param_names:
                if node.has_grad(name):
                    node.set_grad(name, numpy.zeros_like(node.get_param(name)))
    (Y, d_table, grads, d_initial), (Y_taken, d_taken, *_), (expected, dX, expected_grads, d_expected) = found
    assert_array_equal(Y, expected)
    assert_array_equal(Y_taken, expected)
    assert_array_equal(d_taken.data, dX.data)
    assert_allclose(d_table.data, table_gradient(X, dX.data), rtol=1e-4, atol=1e-5)
    assert d_table.lengths.tolist() == [7]
    assert set(grads) == set(expected_grads)
    for key, array in expected_grads.items():
        assert_allclose(grads[key], array, rtol=1e-4, atol=1e-5, err_msg=str(key))
    for name, array in d_expected.items():
        assert_allclose(d_initial[name], array, rtol=1e-4, atol=1e-5)


def test_layers_between_take_the_rows(pair, randomize):
    """Only a layer that reads the table itself gives another gradient, and only if it is asked to."""
    layer = build_highway(build_rnn(WIDTH, WIDTH)).initialize(X=pair[1])
    randomize(layer, dtype="float32")
    results = []
    for X in pair:
        Y, backprop = layer(X, True)
        results.append(backprop(Ragged(numpy.cos(Y.data), Y.lengths)).data)
    assert_array_equal(*results)


def test_look_ahead_and_sessions_read_tables(pair):
    layer = build_rnn(8, WIDTH, bidirectional=True).initialize()
    for options in ({}, {"n_ahead": [1, 0, 0, 3, 2]}, {"session": RnnSession(layer)}):
        (Y, state), (expected, expected_state) = (scan(layer, X, **options) for X in pair)
        assert_array_equal(Y.data, expected.data)
        for name, array in state.items():
            assert_array_equal(array, expected_state[name])
