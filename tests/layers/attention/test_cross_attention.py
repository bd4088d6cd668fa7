"""Attention of the rows of sequences to those of others."""

import attended
import numpy
import pytest
from differences import assert_is_gradient, to_float64
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged, fix_random_seed

from spacy_rnn.layers.attention.cross_attention import attend, build_cross_attention, own_sequences, remember

KINDS = {"dot": (4, 4, None), "general": (3, 4, None), "additive": (3, 4, 5)}
every_kind = pytest.mark.parametrize("kind", KINDS)
# How many queries and rows each sequence has.
N_QUERIES, N_ROWS = [2, 0, 3, 1], [3, 2, 1, 5]


def make(kind):
    fix_random_seed(0)
    nQ, nK, nA = KINDS[kind]
    random = numpy.random.default_rng(1)
    queries = Ragged(random.normal(size=(sum(N_QUERIES), nQ)), numpy.asarray(N_QUERIES, "int32"))
    rows = Ragged(random.normal(size=(sum(N_ROWS), nK)), numpy.asarray(N_ROWS, "int32"))
    model = build_cross_attention(kind, nA=nA)
    model.initialize(X=(queries, rows))
    to_float64(model)
    return model, queries, rows


def plain(model, queries, rows):
    """The formulas of the papers."""
    kind, Q, keys, u = model.attrs["kind"], queries.data, rows.data, None
    if kind == "general":
        Q = Q @ model.get_param("W")
    elif kind == "additive":
        Q, keys, u = Q @ model.get_param("Wq").T + model.get_param("b"), keys @ model.get_param("Wk").T, model.get_param("u")
    starts = numpy.concatenate([[0], numpy.cumsum(N_ROWS)])
    return attended.attend(Q, keys, rows.data, starts, own_sequences(queries.lengths), u)


@every_kind
def test_widths_come_from_samples(kind):
    model, queries, rows = make(kind)
    assert (model.get_dim("nQ"), model.get_dim("nK"), model.get_dim("nO")) == (KINDS[kind][0], 4, 4)
    model = build_cross_attention(kind)
    model.initialize(X=(queries, rows))
    assert model.predict((queries, rows)).data.shape == (6, 4)
    if kind == "additive":
        assert model.get_dim("nA") == 4


@every_kind
def test_contexts_and_weights(kind):
    model, queries, rows = make(kind)
    weights, C = plain(model, queries, rows)
    Y = model.predict((queries, rows))
    assert_allclose(Y.data, C, rtol=1e-10)
    assert_array_equal(Y.lengths, N_QUERIES)
    memory, _ = remember(model, rows.data, rows.lengths)
    found, _ = attend(model, memory, queries.data, own_sequences(queries.lengths))
    assert_allclose(found.weights, numpy.concatenate(weights), rtol=1e-10)


@every_kind
def test_gradients(kind):
    model, queries, rows = make(kind)
    random = numpy.random.default_rng(2)
    d_weights = random.normal(size=sum(n * N_ROWS[b] for b, n in enumerate(N_QUERIES)))
    dY = random.normal(size=(6, 4))
    owners = own_sequences(queries.lengths)

    def run():
        memory, memory_backprop = remember(model, rows.data, rows.lengths)
        found, backprop = attend(model, memory, queries.data, owners)
        return float((found.C * dY).sum() + (found.weights * d_weights).sum()), backprop, memory_backprop

    _, backprop, memory_backprop = run()
    dQ, d_memory = backprop(dY, d_weights)
    arrays = {"queries": queries.data, "rows": rows.data, **{name: model.get_param(name) for name in model.param_names}}
    gradients = {"queries": dQ, "rows": memory_backprop(d_memory), **{name: model.get_grad(name) for name in model.param_names}}
    assert_is_gradient(lambda: run()[0], arrays, gradients)


@every_kind
def test_gradients_of_the_layer(kind):
    model, queries, rows = make(kind)
    dY = numpy.random.default_rng(3).normal(size=(6, 4))
    _, backprop = model.begin_update((queries, rows))
    d_queries, d_rows = backprop(Ragged(dY, queries.lengths))
    arrays = {"queries": queries.data, "rows": rows.data, **{name: model.get_param(name) for name in model.param_names}}
    gradients = {
        "queries": d_queries.data,
        "rows": d_rows.data,
        **{name: model.get_grad(name) for name in model.param_names},
    }
    assert_is_gradient(lambda: float((model.predict((queries, rows)).data * dY).sum()), arrays, gradients)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"kind": "other"}, "attention must be one of dot, general, additive, got 'other'"),
        ({"nQ": 0}, "nQ must be at least 1, got 0"),
        ({"kind": "additive", "nA": -1}, "nA must be at least 1, got -1"),
        ({"kind": "dot", "nQ": 3, "nK": 4}, "dot attention compares rows of one width, got queries of 3 and rows of 4"),
    ],
)
def test_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_cross_attention(**arguments)


def test_widths_that_do_not_fit():
    model, queries, rows = make("general")
    with pytest.raises(ValueError, match=r"attention: expected queries \[M, 3\], got \(6, 4\)"):
        model.predict((Ragged(numpy.zeros((6, 4)), queries.lengths), rows))
    with pytest.raises(ValueError, match="attention: lengths add up to 11, but there are 10 rows"):
        remember(model, rows.data[1:], rows.lengths)
    with pytest.raises(ValueError, match="attention"):
        model.predict((queries, Ragged(numpy.zeros((11, 6)), rows.lengths)))
    model = build_cross_attention("dot")
    with pytest.raises(ValueError, match="dot attention compares rows of one width, got queries of 3 and rows of 4"):
        model.initialize(X=(queries, rows))
