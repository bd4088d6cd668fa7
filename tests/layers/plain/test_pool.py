"""Pooling: values, gradients, and sequences without rows."""

import warnings

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged

from spacy_rnn.layers import attention_weights, build_pool, build_rnn, scan

LENGTHS = [3, 0, 1, 5, 0, 2]
WIDTH = 4
POOLINGS = [
    "last",
    "mean",
    "max",
    "attention",
    ["last", "mean"],
    ["max", "attention", "last"],
    ["attention", "mean", "max", "last"],
]
every_pooling = pytest.mark.parametrize("pooling", POOLINGS, ids=str)
one_or_both_directions = pytest.mark.parametrize("bidirectional", [False, True], ids=["one direction", "both directions"])


def pool_one(pooling, rows, bidirectional, params):
    """One pooling of one sequence, from its definition."""
    width = rows.shape[1]
    if not len(rows):
        return numpy.zeros(width)
    if pooling == "mean":
        return sum(rows) / len(rows)
    if pooling == "max":
        return numpy.asarray([max(column) for column in rows.T])
    if pooling == "last":
        half = width // 2 if bidirectional else width
        return numpy.concatenate([rows[-1, :half], rows[0, half:]])
    A, a, u = params
    scores = numpy.asarray([u @ numpy.tanh(A @ row + a) for row in rows])
    weights = numpy.exp(scores) / numpy.exp(scores).sum()
    return sum(weight * row for weight, row in zip(weights, rows, strict=True))


def build(pooling, width=WIDTH, **arguments):
    model = build_pool(pooling, nI=width, **arguments)
    model.initialize()
    return model


@one_or_both_directions
@every_pooling
def test_values_are_those_of_a_loop(make_batch, randomize, pooling, bidirectional):
    X = make_batch(LENGTHS, WIDTH)
    model = randomize(build(pooling, bidirectional=bidirectional, attention_width=3))
    Y = model.predict(X)
    params = [model.get_param(name) for name in ("A", "a", "u")] if "attention" in pooling else None
    names = [pooling] if isinstance(pooling, str) else pooling
    start = 0
    for n, y in zip(LENGTHS, Y, strict=True):
        rows = X.data[start : start + n]
        expected = numpy.concatenate([pool_one(name, rows, bidirectional, params) for name in names])
        assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
        start += n


@one_or_both_directions
@every_pooling
def test_gradients_match_central_differences(
    make_batch, randomize, difference_error, check_parameter_gradients, pooling, bidirectional
):
    X = make_batch(LENGTHS, WIDTH)
    model = randomize(build(pooling, bidirectional=bidirectional, attention_width=3))
    dY = numpy.random.default_rng(1).normal(size=(len(LENGTHS), model.get_dim("nO")))

    def loss():
        return (model.predict(X) * dY).sum()

    _, backprop = model.begin_update(X)
    dX = backprop(dY)
    assert_array_equal(dX.lengths, LENGTHS)
    assert difference_error(loss, X.data, dX.data) < 1e-6
    assert set(model.param_names) == ({"A", "a", "u"} if "attention" in pooling else set())
    check_parameter_gradients(model, loss)


@pytest.mark.parametrize("lengths", [[0], [0, 0, 0], [0, 2, 0], []], ids=str)
@every_pooling
def test_sequences_without_rows_give_zeros_and_no_warning(make_batch, as_ragged, pooling, lengths):
    X = make_batch(lengths, WIDTH, dtype="float32") if lengths else Ragged(numpy.zeros((0, WIDTH), "f"), numpy.zeros(0, "i"))
    model = build(pooling)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Y, backprop = model.begin_update(X)
        dX = backprop(numpy.ones_like(Y))
    assert Y.shape == (len(lengths), model.get_dim("nO"))
    for n, y in zip(lengths, Y, strict=True):
        assert y.any() == (n > 0)
    assert numpy.isfinite(Y).all()
    assert dX.dataXd.shape == (sum(lengths), WIDTH)
    assert numpy.isfinite(dX.data).all()


@every_pooling
def test_vector_of_a_sequence_does_not_depend_on_the_batch(make_batch, pooling):
    X = make_batch(LENGTHS, WIDTH, dtype="float32")
    model = build(pooling)
    Y = model.predict(X)
    start = 0
    for i, n in enumerate(LENGTHS):
        alone = model.predict(Ragged(X.data[start : start + n], numpy.asarray([n], dtype="int32")))
        assert_allclose(Y[i], alone[0], rtol=0, atol=1e-5)
        start += n


@one_or_both_directions
@pytest.mark.parametrize("cell", ["elman_tanh", "gru", "lstm"])
def test_last_is_the_final_state_of_each_direction(make_batch, cell, bidirectional):
    X = make_batch([3, 1, 5], 3, dtype="float32")
    rnn = build_rnn(6, 3, cell=cell, bidirectional=bidirectional, depth=2)
    rnn.initialize()
    Y, final = scan(rnn, X)
    pooled = build("last", 6, bidirectional=bidirectional).predict(Y)
    n_dirs = 2 if bidirectional else 1
    assert_array_equal(pooled, numpy.concatenate(list(final["h"][-n_dirs:]), axis=1))


def test_tied_maxima_share_no_gradient(as_ragged):
    """The first of several largest rows gets all of it."""
    X = as_ragged([numpy.asarray([[1.0, 5.0], [2.0, 5.0], [2.0, 5.0]])])
    Y, backprop = build("max", 2).begin_update(X)
    assert_array_equal(Y, [[2.0, 5.0]])
    assert_array_equal(backprop(numpy.asarray([[3.0, 4.0]])).data, [[0.0, 4.0], [3.0, 0.0], [0.0, 0.0]])


def test_maximum_of_negative_values_is_negative(as_ragged):
    X = as_ragged([numpy.asarray([[-3.0, -1.0], [-2.0, -4.0]])])
    assert_array_equal(build("max", 2).predict(X), [[-2.0, -1.0]])


def test_attention_to_large_scores_does_not_overflow(as_ragged):
    X = as_ragged([numpy.asarray([[1.0, 0.0], [-1.0, 0.0], [0.5, 0.0]], dtype="float32")])
    model = build("attention", 2)
    for name, value in (("A", 1e3), ("u", 1e3)):
        model.set_param(name, numpy.full_like(model.get_param(name), value))
    with numpy.errstate(over="raise", invalid="raise", divide="raise"):
        Y, backprop = model.begin_update(X)
        dX = backprop(numpy.ones_like(Y))
    # The first and the last row have the same, largest score.
    assert_allclose(Y, [[0.75, 0.0]])
    assert numpy.isfinite(dX.data).all()


@pytest.mark.parametrize("attention_width, expected", [(None, WIDTH), (7, 7)])
def test_width_of_the_attention(attention_width, expected):
    model = build(["mean", "attention"], attention_width=attention_width)
    assert model.get_param("A").shape == (expected, WIDTH)
    assert model.get_param("a").shape == model.get_param("u").shape == (expected,)
    assert model.get_dim("nO") == 2 * WIDTH


def test_width_is_inferred(make_batch):
    model = build_pool(["mean", "max", "attention"])
    model.initialize(X=make_batch(LENGTHS, 5, dtype="float32"))
    assert (model.get_dim("nI"), model.get_dim("nO")) == (5, 15)


@pytest.mark.parametrize("pooling", ["sum", ["mean", "first"], ["mean", "mean"], [], ""], ids=str)
def test_unknown_repeated_or_no_pooling_is_refused(pooling):
    with pytest.raises(ValueError) as error:
        build_pool(pooling)
    for word in ("last", "mean", "max", "attention", repr(pooling)):
        assert word in str(error.value)


@pytest.mark.parametrize("attention_width", [0, -1])
def test_attention_widths_below_one_are_refused(attention_width):
    with pytest.raises(ValueError, match=f"attention_width.*{attention_width}"):
        build_pool("attention", nI=4, attention_width=attention_width)


@pytest.mark.parametrize("given", ["width", "data"])
def test_two_directions_of_odd_width_are_refused(make_batch, given):
    with pytest.raises(ValueError, match="even.*5"):
        if given == "width":
            build_pool("last", nI=5, bidirectional=True)
        else:
            build_pool("last", bidirectional=True).initialize(X=make_batch(LENGTHS, 5, dtype="float32"))


@pytest.mark.parametrize("pooling", ["last", ["mean", "last"]], ids=str)
def test_last_state_of_unknown_directions_is_refused_at_initialization(pooling):
    model = build_pool(pooling, nI=4, bidirectional=None)
    with pytest.raises(ValueError, match="last"):
        model.initialize()


def test_poolings_but_last_need_not_know_the_directions(make_batch):
    X = make_batch(LENGTHS, WIDTH, dtype="float32")
    known, unknown = (build(["mean", "max"], bidirectional=value).predict(X) for value in (False, None))
    assert_array_equal(known, unknown)


def test_rows_of_the_wrong_width_are_refused(make_batch):
    with pytest.raises(ValueError, match="width 4,.*width 5"):
        build("mean").predict(make_batch(LENGTHS, 5))


@pytest.mark.parametrize("pooling", ["attention", ["max", "attention"]], ids=str)
def test_attention_weights_are_those_of_the_pooled_vectors(make_batch, randomize, pooling):
    X = make_batch(LENGTHS, WIDTH)
    model = randomize(build(pooling, attention_width=3))
    weights = attention_weights(model, X)
    pooled = model.predict(X)[:, -WIDTH:]
    ends = numpy.cumsum(LENGTHS)
    for n, end, y in zip(LENGTHS, ends, pooled, strict=True):
        own = weights[end - n : end]
        assert_allclose(own @ X.data[end - n : end], y, rtol=1e-12, atol=1e-12)
        assert n == 0 or own.sum() == pytest.approx(1.0, abs=1e-12)
    assert attention_weights(model, Ragged(numpy.zeros((0, WIDTH), "f"), numpy.zeros(2, "i"))).shape == (0,)


def test_other_poolings_have_no_attention_weights(make_batch):
    with pytest.raises(ValueError, match=r"attention pooling.*\['max', 'mean'\]"):
        attention_weights(build(["max", "mean"]), make_batch([2], WIDTH))
