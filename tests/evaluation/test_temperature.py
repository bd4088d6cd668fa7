"""The temperature of the least negative log-likelihood."""

import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn.evaluation import fit_temperature
from spacy_rnn.evaluation.temperature import HIGHEST, LOWEST, search_temperature, softmax_loss

N = 40_000


def draw(temperature, n_labels=5, seed=0):
    """Scores, and labels drawn with the probabilities that these have at a temperature."""
    rng = numpy.random.default_rng(seed)
    scores = rng.normal(scale=3.0, size=(N, n_labels))
    # The largest of scores with Gumbel noise is drawn with the probabilities of a softmax.
    return scores, (scores / temperature + rng.gumbel(size=scores.shape)).argmax(axis=1)


def draw_binary(temperature, seed=0):
    rng = numpy.random.default_rng(seed)
    scores = rng.normal(scale=4.0, size=N)
    return scores, rng.logistic(size=N) < scores / temperature


@pytest.mark.parametrize("temperature", [0.3, 0.8, 1.0, 1.7, 4.0, 15.0])
@pytest.mark.parametrize("drawn", [draw, draw_binary], ids=["softmax", "sigmoid"])
def test_the_temperature_that_labels_were_drawn_with_is_found(drawn, temperature):
    fit = fit_temperature(*drawn(temperature))
    assert fit.temperature == pytest.approx(temperature, rel=0.05)
    assert not fit.at_bound
    assert fit.after <= fit.before


def test_scores_and_their_log_probabilities_have_the_same_temperature():
    scores, truths = draw(2.5)
    log_probabilities = scores - numpy.log(numpy.exp(scores).sum(axis=1, keepdims=True))
    assert fit_temperature(log_probabilities, truths).temperature == pytest.approx(fit_temperature(scores, truths).temperature)


def test_a_sigmoid_is_a_softmax_of_two():
    scores, truths = draw_binary(2.5)
    both = numpy.stack([numpy.zeros(N), scores], axis=1)
    assert fit_temperature(scores, truths) == fit_temperature(both, truths.astype(int))


def test_no_temperature_has_a_smaller_loss():
    scores, truths = draw(2.5)
    fit = fit_temperature(scores[:500], truths[:500])
    losses = [softmax_loss(scores[:500], truths[:500], 1 / temperature)[0] for temperature in numpy.geomspace(0.1, 100, 2000)]
    assert fit.after <= min(losses)
    assert fit.after == pytest.approx(min(losses), abs=1e-5)
    assert abs(softmax_loss(scores[:500], truths[:500], 1 / fit.temperature)[1]) < 1e-6


@pytest.mark.parametrize("inverse", [0.05, 0.4, 1.0, 3.0])
def test_the_derivative_matches_central_differences(inverse):
    scores, truths = draw(1.0)
    scores, truths = scores[:50] + 1000, truths[:50]
    eps = 1e-5
    numeric = (softmax_loss(scores, truths, inverse + eps)[0] - softmax_loss(scores, truths, inverse - eps)[0]) / (2 * eps)
    assert softmax_loss(scores, truths, inverse)[1] == pytest.approx(numeric, rel=1e-6)


def test_the_loss_is_the_negative_log_likelihood():
    scores, truths = draw(1.0)
    probabilities = numpy.exp(scores / 2) / numpy.exp(scores / 2).sum(axis=1, keepdims=True)
    assert softmax_loss(scores, truths, 0.5)[0] == pytest.approx(-numpy.log(probabilities[numpy.arange(N), truths]).mean())


@given(
    st.lists(st.tuples(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3), st.integers(0, 2)), min_size=1, max_size=8),
)
@settings(deadline=None)
def test_whatever_the_scores_the_loss_does_not_rise(pairs):
    scores, truths = numpy.asarray([row for row, _ in pairs]), numpy.asarray([truth for _, truth in pairs])
    fit = fit_temperature(scores, truths)
    assert LOWEST <= fit.temperature <= HIGHEST
    assert 0 <= fit.after <= fit.before < math.inf
    for temperature in (LOWEST, 0.5, 1.0, 3.0, HIGHEST):
        assert fit.after <= softmax_loss(scores, truths, 1 / temperature)[0] * (1 + 1e-6) + 1e-9


def test_where_every_decision_is_right_the_lowest_temperature_is_taken():
    scores, _ = draw(1.0)
    assert fit_temperature(scores, scores.argmax(axis=1))[::3] == (LOWEST, True)
    assert fit_temperature(scores, scores.argmax(axis=1), lowest=0.5)[::3] == (0.5, True)


def test_where_every_decision_is_wrong_the_highest_temperature_is_taken():
    scores, _ = draw(1.0)
    assert fit_temperature(scores, scores.argmin(axis=1))[::3] == (HIGHEST, True)
    assert fit_temperature(scores, scores.argmin(axis=1), highest=8)[::3] == (8, True)


@pytest.mark.parametrize("scores, truths", [(numpy.zeros((4, 3)), [0, 1, 2, 0]), (numpy.zeros((4, 1)), [0] * 4), ([0.0], [1])])
def test_where_no_temperature_is_better_it_stays_1(scores, truths):
    assert fit_temperature(scores, truths)[::3] == (1.0, False)


@pytest.mark.parametrize(
    "scores, truths, message",
    [
        (numpy.zeros((0, 3)), [], "at least one"),
        (numpy.zeros((2, 3)), [0], r"got scores \(2, 3\) and truths \(1,\)"),
        (numpy.zeros((2, 3, 1)), [0, 0], "expected scores"),
        ([[0.0, -numpy.inf]], [0], "finite"),
        ([[0.0, numpy.nan]], [0], "finite"),
        ([[0.0, 1.0]], [2], "from 0 to 1"),
        ([[0.0, 1.0]], [-1], "from 0 to 1"),
        ([[0.0, 1.0]], [0.5], "from 0 to 1, got float64"),
        ([0.0], [2], "from 0 to 1"),
    ],
)
def test_what_is_no_score_or_label_is_refused(scores, truths, message):
    with pytest.raises(ValueError, match=message):
        fit_temperature(scores, truths)


@pytest.mark.parametrize("lowest, highest", [(0, 10), (2, 10), (0.1, 0.5), (0.1, math.inf), (math.nan, 10)])
def test_bounds_have_1_between_them(lowest, highest):
    with pytest.raises(ValueError, match="from above 0 to 1"):
        fit_temperature([0.0, 1.0], [0, 1], lowest=lowest, highest=highest)


def test_few_evaluations_are_enough():
    scores, truths = draw(3.0)
    seen = []

    def loss(inverse):
        seen.append(inverse)
        return softmax_loss(scores, truths, inverse)

    search_temperature(loss)
    assert len(seen) < 20
