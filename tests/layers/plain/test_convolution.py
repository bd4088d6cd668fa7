"""Convolution: values, gradients, the ends of sequences, and what is refused."""

import tracemalloc
import warnings

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged

from spacy_rnn.layers import build_convolution, use_engine_products
from spacy_rnn.layers.plain import convolution

LENGTHS = [3, 0, 1, 6, 0, 2, 9]
WIDTHS = [[1], [2], [3], [4], [3, 4, 5], [1, 2, 7], [20]]
every_width = pytest.mark.parametrize("widths", WIDTHS, ids=str)


def build(widths, nO=7, nI=3):
    model = build_convolution(nO, nI, filter_widths=widths)
    model.initialize()
    return model


def filters(model):
    """The weights [width, nI] of every filter, from the documented order: rows of the input first, then filters by width."""
    widths, nO = model.attrs["filter_widths"], model.get_dim("nO")
    of = [width for i, width in enumerate(widths) for _ in range(nO // len(widths) + (i < nO % len(widths)))]
    weights = iter(model.get_param("W"))
    found = [{} for _ in of]
    for offset in range(-max(widths), max(widths) + 1):
        for i, width in enumerate(of):
            if -((width - 1) // 2) <= offset <= width // 2:
                found[i][offset] = next(weights)
    assert next(weights, None) is None
    return found


def convolve(model, sequences):
    """The layer, from its definition."""
    Y = []
    for rows in sequences:
        y = numpy.tile(model.get_param("b"), (len(rows), 1))
        for i, weights in enumerate(filters(model)):
            for offset, w in weights.items():
                for t in range(len(rows)):
                    if 0 <= t + offset < len(rows):
                        y[t, i] += w @ rows[t + offset]
        Y.append(numpy.maximum(y, 0))
    return numpy.concatenate(Y)


def split(X):
    return numpy.split(X.data, numpy.cumsum(X.lengths)[:-1])


@pytest.fixture(params=[512, 4, 1], ids=["in one piece", "in pieces", "row by row"])
def piece(request, monkeypatch):
    monkeypatch.setattr(convolution, "_PIECE", request.param)


@every_width
def test_values_are_those_of_a_loop(make_batch, randomize, piece, widths):
    X = make_batch(LENGTHS, 3)
    model = randomize(build(widths))
    assert_allclose(model.predict(X).data, convolve(model, split(X)), rtol=1e-12, atol=1e-12)


@every_width
def test_gradients_match_central_differences(make_batch, randomize, difference_error, check_parameter_gradients, widths):
    X = make_batch(LENGTHS, 3)
    model = randomize(build(widths))
    dY = make_batch(LENGTHS, 7, seed=1)

    def loss():
        return (model.predict(X).data * dY.data).sum()

    dX = model.begin_update(X)[1](dY)
    assert_array_equal(dX.lengths, LENGTHS)
    assert difference_error(loss, X.data, dX.data) < 1e-6
    check_parameter_gradients(model, loss)


@pytest.mark.parametrize("size", [4, 1], ids=["in pieces", "row by row"])
@every_width
def test_gradients_in_pieces_are_those_of_the_whole(make_batch, randomize, monkeypatch, size, widths):
    X, dY = make_batch(LENGTHS, 3), make_batch(LENGTHS, 7, seed=1)

    def gradients():
        model = randomize(build(widths))
        dX = model.begin_update(X)[1](dY)
        return [dX.data, *(node.get_grad(name) for node in model.walk() for name in node.grad_names)]

    whole = gradients()
    monkeypatch.setattr(convolution, "_PIECE", size)
    for found, expected in zip(gradients(), whole, strict=True):
        assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_it_is_the_convolution_of_torch(make_batch, randomize, width):
    torch = pytest.importorskip("torch")
    X = make_batch(LENGTHS, 3)
    model = randomize(build([width]))
    # Also in torch, an even width is padded with a zero less in front.
    kernel = torch.tensor(numpy.stack([numpy.stack(list(weights.values()), axis=1) for weights in filters(model)]))
    bias = torch.tensor(model.get_param("b"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = [
            torch.conv1d(torch.tensor(rows.T.copy()), kernel, bias, padding="same").clamp(min=0).numpy().T
            for rows in split(X)
            if len(rows)
        ]
    assert_allclose(model.predict(X).data, numpy.concatenate(expected), rtol=1e-12, atol=1e-12)


def test_single_precision_and_the_engines_products_give_the_same(make_batch, randomize):
    X = make_batch([40, 0, 1, 700], 20)
    model = randomize(build([3, 4, 5], 30, 20))
    expected = model.predict(X).data
    narrow = randomize(build([3, 4, 5], 30, 20), "float32")
    X = Ragged(X.data.astype("float32"), X.lengths)
    assert_allclose(narrow.predict(X).data, expected, atol=1e-4)
    use_engine_products(narrow)
    assert narrow.predict(X).data.dtype == "float32"
    assert_allclose(narrow.predict(X).data, expected, atol=1e-4)


@every_width
def test_a_sequence_is_convolved_the_same_alone_and_among_others(make_batch, widths):
    X = make_batch(LENGTHS, 3, dtype="float32")
    model = build(widths)
    use_engine_products(model)
    Y = model.predict(X)
    for rows, y in zip(split(X), split(Y), strict=True):
        alone = model.predict(Ragged(rows, numpy.asarray([len(rows)], dtype="int32")))
        assert_allclose(alone.dataXd, y, rtol=0, atol=1e-6)


def test_a_filter_of_even_width_sees_a_row_more_behind(make_batch):
    X = make_batch([6], 3)
    model = build([4], 1)
    model.set_param("W", numpy.ones((4, 3)))
    model.set_param("b", numpy.full(1, 100.0))
    sums = X.data.sum(axis=1)
    assert_allclose(model.predict(X).data[2, 0], 100 + sums[1:5].sum(), rtol=1e-12)


def test_filters_are_shared_out_among_the_widths():
    model = build([5, 3, 4], 8)
    counts = [len(weights) for weights in filters(model)]
    assert counts == [3, 3, 3, 4, 4, 4, 5, 5]


def test_filters_of_every_width_start_with_the_initializer():
    shapes = []

    def init_W(ops, shape):
        shapes.append(shape)
        return ops.xp.full(shape, shape[1], dtype="f")

    model = build_convolution(5, 3, filter_widths=[2, 4], init_W=init_W)
    model.initialize()
    assert shapes == [(3, 6), (2, 12)]
    for weights in filters(model):
        assert all((w == 3 * len(weights)).all() for w in weights.values())
    assert not model.get_param("b").any()


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]], ids=str)
def test_batches_without_rows(make_batch, lengths):
    model = build([3, 4])
    lengths = numpy.asarray(lengths, dtype="int32")
    for X in (Ragged(numpy.zeros((0, 3), "f"), lengths), Ragged(numpy.zeros((0, 0), "f"), lengths)):
        Y, backprop = model.begin_update(X)
        assert Y.dataXd.shape == (0, 7)
        assert_array_equal(Y.lengths, lengths)
        assert backprop(Y).dataXd.shape == (0, 3)
        assert not model.get_grad("W").any()


def test_one_long_sequence_takes_its_output_and_a_fixed_working_set(make_batch):
    X = make_batch([100_000], 4, dtype="float32")
    model = build([3, 4, 5], 24, 4)
    tracemalloc.start()
    Y = model.predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All products at once are 38 MB.
    assert peak < Y.data.nbytes + 1_000_000
    for t in (0, 511, 512, 50_000, 99_999):
        start = max(t - 10, 0)
        cut = X.data[start : t + 11]
        alone = model.predict(Ragged(cut, numpy.asarray([len(cut)], dtype="int32")))
        assert_allclose(Y.data[t], alone.data[t - start], atol=1e-5)


@pytest.mark.parametrize("widths", [[], [0], [3, -1], [3, 3]], ids=str)
def test_widths_that_cannot_be_are_refused(widths):
    with pytest.raises(ValueError, match="filter_widths.*different.*at least 1") as error:
        build_convolution(8, filter_widths=widths)
    assert str(widths) in str(error.value)


@pytest.mark.parametrize("nO", [0, 2])
def test_every_width_needs_a_filter(nO):
    with pytest.raises(ValueError, match=f"each of 3 widths needs one; got {nO}"):
        build_convolution(nO, filter_widths=[3, 4, 5])


def test_rows_of_another_width_are_refused(make_batch):
    with pytest.raises(ValueError, match="width 3 .*width 5"):
        build([3]).predict(make_batch([4], 5, dtype="float32"))
    with pytest.raises(ValueError, match="width 3 .*width 5"):
        build_convolution(4, 3).initialize(X=make_batch([4], 5, dtype="float32"))
    with pytest.raises(ValueError, match="nI must be at least 1, got 0"):
        build_convolution(4, 0)
