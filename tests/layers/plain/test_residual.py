"""Residual connections around layers."""

import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import LayerNorm

from spacy_rnn.layers import build_residual, build_rnn, with_rows

LENGTHS = [3, 0, 1, 5]


@pytest.fixture
def build(randomize):
    def build_randomized(nI):
        model = build_residual(build_rnn(4, nI, bidirectional=True), with_rows(LayerNorm(4)))
        model.initialize()
        return randomize(model)

    return build_randomized


def test_the_input_is_added_where_it_is_as_wide(build, make_batch):
    for nI in (4, 3):
        model, X = build(nI), make_batch(LENGTHS, nI)
        inner = model.layers[1].predict(model.layers[0].predict(X)).data
        assert_allclose(model.predict(X).data, X.data + inner if nI == 4 else inner)


@pytest.mark.parametrize("nI", [4, 3])
def test_gradients_are_exact(build, make_batch, check_gradients, nI):
    check_gradients(build(nI), make_batch(LENGTHS, nI))


def test_a_batch_without_rows_has_none_afterwards(build, make_batch):
    Y, backprop = build(4).begin_update(make_batch([0, 0], 4))
    assert_array_equal(Y.lengths, [0, 0])
    assert not Y.data.size and not backprop(Y).data.size


def test_the_width_is_that_of_the_data(make_batch):
    model = build_residual(build_rnn(4), with_rows(LayerNorm(4)))
    model.initialize(X=make_batch(LENGTHS, 3, dtype="float32"))
    assert (model.get_dim("nI"), model.get_dim("nO")) == (3, 4)


def test_another_width_than_that_of_the_first_layer_is_refused(make_batch):
    with pytest.raises(ValueError, match="width 4 .*width 3"):
        build_residual(build_rnn(4, 4)).initialize(X=make_batch(LENGTHS, 3, dtype="float32"))
