"""Norms of gradients by distance, against what is known of them."""

import numpy
import pytest
from thinc.api import fix_random_seed
from thinc.types import Ragged

from spacy_rnn.evaluation.jacobians import clipped_norm, jacobian_norms, mean_reach, measure_cell, parameter_gradient
from spacy_rnn.layers import build_rnn
from spacy_rnn.recurrence import CELLS


def run(rnn, rows):
    return rnn.predict(Ragged(rows, numpy.asarray([len(rows)], dtype="int32"))).dataXd


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.2])
def test_a_linear_recurrence_has_the_powers_of_its_factor(factor):
    # With positive input and weights the rectifier is the identity, and h_t = factor * h_(t-1) + x_t.
    rnn = build_rnn(5, 5, cell="elman_relu").initialize()
    direction = rnn.layers[0]
    direction.set_param("W", numpy.eye(5, dtype="float32"))
    direction.set_param("R", factor * numpy.eye(5, dtype="float32"))
    norms = jacobian_norms(rnn, numpy.ones((101, 5), dtype="float32"))
    numpy.testing.assert_allclose(norms, factor ** numpy.arange(101.0), rtol=1e-4)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_norms_are_those_of_the_differences(cell, backward):
    fix_random_seed(0)
    rnn = build_rnn(6, 3, cell=cell, bidirectional=True, depth=2).initialize()
    rows = numpy.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    place = (0, slice(3, 6)) if backward else (5, slice(0, 3))
    jacobians = numpy.zeros((6, 3, 3))
    for t, i in numpy.ndindex(6, 3):
        above, below = rows.copy(), rows.copy()
        above[t, i] += 1e-3
        below[t, i] -= 1e-3
        jacobians[t, :, i] = (run(rnn, above)[place] - run(rnn, below)[place]) / (above[t, i] - below[t, i])
    expected = numpy.linalg.norm(jacobians, ord=2, axis=(1, 2))
    norms = jacobian_norms(rnn, rows, backward)
    numpy.testing.assert_allclose(norms, expected if backward else expected[::-1], rtol=0.02, atol=2e-3)


def test_more_outputs_than_one_sweep_takes_give_the_same(monkeypatch):
    fix_random_seed(0)
    rnn = build_rnn(7, 4, cell="gru").initialize()
    rows = numpy.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    whole = jacobian_norms(rnn, rows)
    monkeypatch.setattr("spacy_rnn.evaluation.jacobians.CHUNK", 3)
    numpy.testing.assert_allclose(jacobian_norms(rnn, rows), whole, rtol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_the_gradient_of_every_fresh_cell_vanishes(cell):
    norms = measure_cell(cell, 16, 61, threshold=1.0, seed=0).norms
    assert norms[60] < 1e-3 * norms[20] < 1e-3 * norms[0]


def test_a_gated_cell_keeps_more_than_one_without_gates():
    samples = {cell: mean_reach([measure_cell(cell, 32, 51, 1.0, seed) for seed in range(3)]) for cell in ("elman_tanh", "lstm")}
    relative = {cell: reach.norms[50] / reach.norms[0] for cell, reach in samples.items()}
    assert relative["lstm"] > 1000 * relative["elman_tanh"]


def test_the_same_seed_gives_the_same_norms():
    one, again, other = (measure_cell("gru", 8, 10, 1.0, seed).norms for seed in (3, 3, 4))
    numpy.testing.assert_array_equal(one, again)
    assert not numpy.allclose(one, other)


def test_the_gradient_of_the_parameters_is_that_of_the_differences():
    fix_random_seed(0)
    rnn = build_rnn(3, 2, cell="elman_tanh").initialize()
    rows = numpy.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    direction = numpy.random.default_rng(7).normal(size=3)
    direction /= numpy.linalg.norm(direction)
    expected = []
    for name in rnn.layers[0].param_names:
        value = rnn.layers[0].get_param(name)
        for i in numpy.ndindex(*value.shape):
            sides = []
            for step in (1e-2, -1e-2):
                changed = value.copy()
                changed[i] += step
                rnn.layers[0].set_param(name, changed)
                sides.append(run(rnn, rows)[-1] @ direction)
            rnn.layers[0].set_param(name, value)
            expected.append((sides[0] - sides[1]) / 2e-2)
    # The second time what the first one has left must not count.
    for _ in range(2):
        numpy.testing.assert_allclose(parameter_gradient(rnn, rows, seed=7), expected, rtol=0.01, atol=1e-3)


def test_clipping_shortens_what_is_too_long_and_nothing_else():
    assert clipped_norm(numpy.asarray([3.0, 4.0]), 1.0) == pytest.approx(1.0)
    assert clipped_norm(numpy.asarray([0.3, 0.4]), 1.0) == pytest.approx(0.5)
    gradient = numpy.asarray([3.0, 4.0])
    clipped_norm(gradient, 1.0)
    assert gradient.tolist() == [3.0, 4.0]


def test_samples_are_averaged_geometrically_over_the_distances_they_share():
    samples = [measure_cell("elman_tanh", 4, length, 1.0, seed) for seed, length in enumerate((5, 7))]
    found = mean_reach(samples)
    numpy.testing.assert_allclose(found.norms, numpy.sqrt(samples[0].norms * samples[1].norms[:5]))
    assert found.before == pytest.approx((samples[0].before * samples[1].before) ** 0.5)
