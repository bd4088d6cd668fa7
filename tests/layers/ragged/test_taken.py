"""Batches whose rows come from a table: they are batches like others."""

import numpy
import pytest
from numpy.testing import assert_array_equal
from thinc.api import LayerNorm, Ragged, ragged2list, with_ragged

from spacy_rnn.layers import (
    build_convolution,
    build_highway,
    build_layer_norm,
    build_pool,
    build_residual,
    build_rnn,
    build_sequence_dropout,
    scan,
    split_rows,
    with_rows,
)
from spacy_rnn.layers.ragged.taken import TakenRows
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
