"""Mixtures, and the weights that EM finds."""

import numpy
import pytest
from language_models import as_batch, step_through
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.backoff import CacheModel, MixtureModel, fit_weights
from spacy_rnn.generation import LanguageModel


@pytest.fixture
def members(train, texts):
    return [train(texts[:30], 3, 9), train(texts[:30], 1, 9, "witten_bell"), CacheModel(9, 6)]


def test_probabilities_are_averaged(members, texts):
    weights = [0.5, 0.2, 0.3]
    mixture: LanguageModel = MixtureModel(members, weights)
    batch = as_batch(texts[40:])
    each = numpy.exp([member.score(*batch).log_probabilities.astype("float64") for member in members])
    assert_allclose(mixture.score(*batch).log_probabilities, numpy.log(weights @ each), rtol=1e-5)
    assert_allclose(step_through(mixture, texts[40:45]), mixture.score(*as_batch(texts[40:45])).log_probabilities, rtol=1e-5)


def test_a_member_that_gives_0(train, texts):
    impossible, other = train([[3]], 2, 9, "none"), train(texts, 2, 9)
    scores = MixtureModel([impossible, other], [0.5, 0.5]).score(*as_batch([[4, 4]]))
    expected = other.score(*as_batch([[4, 4]])).log_probabilities + numpy.log(0.5)
    # After the context 4, which it has not seen, the other one knows the end.
    assert_allclose(scores.log_probabilities[:2], expected[:2], rtol=1e-5)
    scores = MixtureModel([impossible, impossible], [1.0, 0.0]).score(*as_batch([[4, 4]]))
    assert scores.log_probabilities[0] == -numpy.inf


def test_states(members, texts):
    mixture = MixtureModel(members, [0.2, 0.3, 0.5])
    state = mixture.score(*as_batch(texts[:3])).state
    taken = mixture.reorder(state, numpy.array([2, 0]))
    rows, _ = mixture.step(numpy.array([3, 4]), taken)
    one, _ = mixture.step(numpy.array([4]), mixture.score(*as_batch(texts[:1])).state)
    assert_array_equal(rows[1:], one)
    assert_allclose(numpy.exp(rows).sum(axis=1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="one of each member"):
        mixture.step(numpy.array([3]), state[:2])
    with pytest.raises(ValueError, match="one of each member"):
        mixture.step(numpy.array([3]), state[0])


def test_em_finds_the_best_weights():
    random = numpy.random.default_rng(0)
    found = numpy.log(random.dirichlet([1.0, 1.0, 1.0], size=5000).T)
    weights = fit_weights(found, tolerance=1e-12)

    def loss(weights):
        return -numpy.log(weights @ numpy.exp(found)).mean()

    assert weights.sum() == pytest.approx(1)
    for _ in range(50):
        other = numpy.abs(weights + random.normal(0, 0.02, size=3))
        assert loss(weights) <= loss(other / other.sum()) + 1e-9


def test_em_by_hand():
    # One model is right in 3 of 4 places, the other one in 1: w1 = 3/4 is the best.
    found = numpy.log(numpy.array([[0.5, 0.5, 0.5, 0.0], [0.0, 0.0, 0.0, 0.5]], "float64").clip(1e-300))
    assert_allclose(fit_weights(found, tolerance=1e-14), [0.75, 0.25], rtol=1e-5)
    with numpy.errstate(divide="ignore"):
        assert_allclose(fit_weights(numpy.log([[0.5, 0.0], [0.0, 0.5]])), [0.5, 0.5])
    # Of very improbable symbols nothing underflows.
    assert_allclose(fit_weights(found - 5000, tolerance=1e-14), [0.75, 0.25], rtol=1e-5)


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (numpy.zeros((2, 0)), "of one symbol at least"),
        (numpy.zeros(3), "of one symbol at least"),
        (numpy.array([[0, -numpy.inf], [-1, -numpy.inf]]), "the texts' symbol 1 .* mix in a smoothed model"),
        (numpy.array([[numpy.nan], [-1]]), "symbol 0 has probability 0 in every model, or not a number"),
    ],
)
def test_what_em_cannot_fit(found, what):
    with pytest.raises(ValueError, match=what):
        fit_weights(found)


@pytest.mark.parametrize("weights", [[1.0], [0.5, 0.6, 0.1], [1.5, -0.5, 0.0], [numpy.nan, 0.5, 0.5]])
def test_bad_weights(members, weights):
    with pytest.raises(ValueError, match="weights"):
        MixtureModel(members, weights)


def test_bad_members(train, texts):
    with pytest.raises(ValueError, match="needs members"):
        MixtureModel([], [])
    with pytest.raises(ValueError, match="these have 9, 7 of them"):
        MixtureModel([train(texts, 2, 9), CacheModel(7)], [0.5, 0.5])
