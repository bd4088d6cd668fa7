"""Symbols that are written or copied."""

import numpy
import pytest
from differences import assert_is_gradient, to_float64
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import fix_random_seed

from spacy_rnn.layers.attention.copying import build_copy_gate, find_copied, mix, mix_all, symbols_in_view
from spacy_rnn.layers.ops import use_engine_products

N_SYMBOLS = 7
# 7 and 8 stand before the symbols of a source, and cannot be copied.
SOURCES = numpy.asarray([7, 3, 4, 3, 8, 6, 5, 5, 0])
LENGTHS = numpy.asarray([4, 2, 0, 3], dtype="int32")
OWNERS = numpy.asarray([0, 0, 1, 3, 3, 2, 0])
TARGETS = numpy.asarray([3, 6, 6, 5, 0, 4, 2])


@pytest.fixture
def gate():
    fix_random_seed(0)
    model = build_copy_gate(3, 4, 5)
    model.initialize()
    return model


@pytest.fixture
def parts():
    random = numpy.random.default_rng(0)
    return tuple(random.normal(size=(6, n)) for n in (3, 4, 5))


def make_mixed():
    """The probability of writing, log-probabilities [M, V] and weights [P]."""
    random = numpy.random.default_rng(1)
    scores = random.normal(size=(len(OWNERS), N_SYMBOLS))
    written = scores - numpy.log(numpy.exp(scores).sum(axis=1, keepdims=True))
    weights = [random.dirichlet(numpy.ones(n)) if n else numpy.zeros(0) for n in LENGTHS[OWNERS]]
    # What looks at nothing copies nothing.
    share = numpy.where(LENGTHS[OWNERS] > 0, random.uniform(0.1, 0.9, len(OWNERS)), 1.0)
    return share, written, weights


def by_hand(share, written, weights):
    """The probabilities of all symbols, query by query (See et al. 2017, equation 9)."""
    starts = numpy.cumsum(LENGTHS) - LENGTHS
    rows = []
    for m, owner in enumerate(OWNERS):
        symbols = SOURCES[starts[owner] : starts[owner] + LENGTHS[owner]]
        not_copied = weights[m][symbols >= N_SYMBOLS].sum()
        row = (share[m] + (1 - share[m]) * not_copied) * numpy.exp(written[m])
        for symbol, weight in zip(symbols, weights[m], strict=True):
            if symbol < N_SYMBOLS:
                row[symbol] += (1 - share[m]) * weight
        rows.append(row)
    return numpy.asarray(rows)


def test_mixed_probabilities_sum_to_1():
    share, written, weights = make_mixed()
    found = mix_all(share, written, numpy.concatenate(weights), *symbols_in_view(SOURCES, LENGTHS, OWNERS))
    assert_allclose(numpy.exp(found), by_hand(share, written, weights), rtol=1e-10)
    assert_allclose(numpy.exp(found).sum(axis=1), 1)


def test_the_probability_of_one_symbol_is_the_same():
    share, written, weights = make_mixed()
    every = by_hand(share, written, weights)
    for shift in range(N_SYMBOLS):
        targets = (TARGETS + shift) % N_SYMBOLS
        copied = find_copied(SOURCES, LENGTHS, OWNERS, targets, N_SYMBOLS)
        rows = numpy.arange(len(targets))
        found, _, _ = mix(share, written[rows, targets], numpy.concatenate(weights), copied)
        assert_allclose(numpy.exp(found), every[rows, targets], rtol=1e-10)


def test_gradients_of_the_mixture():
    share, written, weights = make_mixed()
    arrays = {
        "gate": share,
        "written": written[numpy.arange(len(TARGETS)), TARGETS],
        "weights": numpy.concatenate(weights),
    }
    copied = find_copied(SOURCES, LENGTHS, OWNERS, TARGETS, N_SYMBOLS)
    dY = numpy.random.default_rng(2).normal(size=len(TARGETS))
    _, shares, backprop = mix(*arrays.values(), copied)
    d_gate, d_weights = backprop(dY)
    gradients = {"gate": d_gate, "written": shares * dY, "weights": d_weights}
    assert_is_gradient(lambda: float((mix(*arrays.values(), copied)[0] * dY).sum()), arrays, gradients)


def test_what_is_in_view():
    symbols, rows = symbols_in_view(SOURCES, LENGTHS, OWNERS)
    assert_array_equal(symbols, [7, 3, 4, 3, 7, 3, 4, 3, 8, 6, 5, 5, 0, 5, 5, 0, 7, 3, 4, 3])
    assert_array_equal(rows, numpy.repeat(range(7), [4, 4, 2, 3, 3, 0, 4]))


def test_the_gate(gate, parts):
    to_float64(gate)
    score = sum(part @ gate.get_param(name) for part, name in zip(parts, ("ux", "uh", "uc"), strict=True))
    assert_allclose(gate.predict(parts), 1 / (1 + numpy.exp(-score - gate.get_param("b"))))


def test_gradients_of_the_gate(gate, parts):
    to_float64(gate)
    dY = numpy.random.default_rng(3).normal(size=6)
    _, backprop = gate.begin_update(parts)
    names = ["ux", "uh", "uc", "b"]
    arrays = {**dict(zip("xhc", parts, strict=True)), **{name: gate.get_param(name) for name in names}}
    gradients = {**dict(zip("xhc", backprop(dY), strict=True)), **{name: gate.get_grad(name) for name in names}}
    assert_is_gradient(lambda: float((gate.predict(parts) * dY).sum()), arrays, gradients)


@pytest.mark.parametrize("width", [1, 7, 64, 300])
def test_a_row_does_not_depend_on_the_others(width):
    """Not in its last bit."""
    model = build_copy_gate(width, width, width)
    model.initialize()
    use_engine_products(model)
    random = numpy.random.default_rng(0)
    parts = [random.normal(size=(67, width)).astype("float32") for _ in range(3)]
    together = model.predict(tuple(parts))
    for rows in (slice(0, 1), slice(5, 6), slice(3, 20), slice(66, 67)):
        assert_array_equal(model.predict(tuple(part[rows] for part in parts)), together[rows])
