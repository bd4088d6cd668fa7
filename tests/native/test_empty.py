"""Batches, rows and factors without numbers. `scripts/sanitize.sh` runs these tests where a compiler looks at what they do."""

import numpy
import pytest
from attended import Attended
from numpy.testing import assert_array_equal
from sweeps import Layer, field

from spacy_rnn.native import library
from spacy_rnn.recurrence import CELLS

pytestmark = pytest.mark.skipif(library is None, reason="needs the compiled engine")


@pytest.mark.parametrize("lengths", [[], [0, 0], [3, 0, 200], [1] * 100], ids=["no sequences", "no rows", "rows", "groups"])
@pytest.mark.parametrize("cell", CELLS)
def test_rows_without_columns(isa, cell, lengths):
    found = []
    # Columns of zeros say as little as none.
    for nI in (0, 1):
        layer = Layer(cell, lengths, nI, 5, X=numpy.zeros((sum(lengths), nI), "float32"))
        sweep = layer.sweep()
        library.forward([sweep], False)
        arguments, gradients = layer.gradients()
        library.backward([library.BackwardSweep(sweep, *arguments)], False)
        Y = numpy.zeros_like(layer.Y)
        library.infer((layer.weights,), layer.X, layer.lengths, Y, False)
        assert_array_equal(Y, layer.Y)
        assert_array_equal(gradients.pop("W"), 0)
        del gradients["dX"]
        found.append([layer.Y, *layer.final, *gradients.values()])
    for array, other in zip(*found, strict=True):
        assert_array_equal(array, other)


@pytest.mark.parametrize("n, k, m", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0), (3, 0, 0), (0, 3, 0)])
@pytest.mark.parametrize("transposed", [(False, False), (False, True), (True, False)])
def test_products_of_nothing(isa, n, k, m, transposed):
    A = numpy.ones((k, n) if transposed[0] else (n, k), "float32")
    B = numpy.ones((m, k) if transposed[1] else (k, m), "float32")
    C = numpy.full((n, m), 7, "float32")
    library.multiply(A, B, C, *transposed)
    assert (C == 0).all()


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_normalized_rows_of_nothing(isa, shape):
    X, Y = numpy.empty((2, *shape), "float32")
    G, b = numpy.ones((2, shape[1]), "float32")
    library.normalize(X, G, b, 1e-8, Y)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_paths_of_nothing(isa, lengths):
    lengths = numpy.array(lengths, "int32")
    labels, best = numpy.empty(0, "int64"), numpy.full(len(lengths), 7.0)
    library.find_best(*field(3), numpy.empty((0, 3), "float32"), lengths, labels, best)
    assert (best == 0).all()
    for allowed in (None, numpy.empty((0, 3), "uint8")):
        log_sums, counts = numpy.full(len(lengths), 7.0), numpy.full((3, 3), 7.0)
        scores, marginals = numpy.empty((2, 0, 3), "float32")
        sums = library.PathSums(*field(3), scores, allowed, lengths, True, log_sums, marginals)
        sums.count_transitions(numpy.ones(len(lengths), "float32"), counts)
        assert (log_sums == 0).all() and (counts == 0).all()


@pytest.mark.parametrize("lengths, owners", [([], []), ([0], []), ([0, 0], [1, 0, 0]), ([3], []), ([0, 2], [1, 0, 1])])
@pytest.mark.parametrize("widths", [(0, 0), (0, 5), (5, 0), (5, 4)])
@pytest.mark.parametrize("is_additive", [False, True])
def test_attention_to_nothing(isa, lengths, owners, widths, is_additive):
    attended = Attended(lengths, owners, *widths, is_additive)
    weights, C = attended.run()
    gradients = attended.run_backward(weights, C, None)
    for owner, row in zip(owners, C, strict=True):
        assert lengths[owner] or (row == 0).all()
    if widths[0] == 0:
        assert (weights == [1 / lengths[owner] for owner in owners for _ in range(lengths[owner])]).all()
    for gradient in gradients.values():
        assert numpy.isfinite(gradient).all()
        assert len(weights) or (gradient == 0).all()
