"""The cache against counts in a loop."""

import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language_models import as_batch, step_through
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.backoff import CacheModel
from spacy_rnn.generation import LanguageModel

texts_of_symbols = st.lists(st.lists(st.integers(3, 6), max_size=20), min_size=1, max_size=4)


def probability(history, symbol, size, order, share, n_symbols):
    """By the definition: what came after the last symbols, among those remembered."""
    remembered = ([1, *history])[-size:]
    found = 1 / (n_symbols - 1)
    for n in range(1, order + 1):
        context = remembered[len(remembered) - n + 1 :]
        if len(context) < n - 1:
            break
        after = [remembered[i + n - 1] for i in range(len(remembered) - n + 1) if remembered[i : i + n - 1] == context]
        after = [each for each in after if each != 1]
        if after:
            found = share * found + (1 - share) * after.count(symbol) / len(after)
    return found


@settings(max_examples=60, deadline=None)
@given(texts_of_symbols, st.integers(3, 12), st.integers(1, 3), st.sampled_from([0.05, 0.5, 1.0]))
def test_by_the_definition(texts, size, order, share):
    model: LanguageModel = CacheModel(7, size, order, share)
    batch = as_batch(texts)
    scores = model.score(*batch)
    expected = [
        math.log(probability(text[:i], symbol, size, order, share, 7)) for text in texts for i, symbol in enumerate([*text, 2])
    ]
    assert_allclose(scores.log_probabilities, expected, rtol=1e-5)
    assert_allclose(step_through(model, texts), expected, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(texts_of_symbols, st.lists(st.integers(0, 9), max_size=6), st.integers(1, 3))
def test_states_are_carried(texts, cuts, order):
    model = CacheModel(7, 5, order)
    inputs, targets, lengths = as_batch(texts)
    whole = model.score(inputs, targets, numpy.array([len(inputs)]))
    assert_allclose(whole.log_probabilities, model.score(inputs, targets, lengths).log_probabilities, rtol=1e-6)
    found, state, begin = [], None, 0
    for n in [*cuts, len(inputs)]:
        n = min(n, len(inputs) - begin)
        part = model.score(inputs[begin : begin + n], targets[begin : begin + n], numpy.array([n]), state)
        found.append(part.log_probabilities)
        state, begin = part.state, begin + n
    assert_allclose(numpy.concatenate(found), whole.log_probabilities, rtol=1e-6)
    assert_array_equal(state, whole.state)


def test_sums_to_one():
    model = CacheModel(9, 20, 2)
    state = model.score(*as_batch([[3, 4, 3, 5], [8], []])).state
    rows, after = model.step(numpy.array([3, 8, 4]), state)
    assert_allclose(numpy.exp(rows).sum(axis=1), 1, rtol=1e-6)
    assert (rows[:, 1] == -numpy.inf).all()
    assert (rows[:, [0, *range(2, 9)]] > -numpy.inf).all()
    assert_array_equal(after[:, -1], [3, 8, 4])
    assert_array_equal(model.reorder(after, numpy.array([2, 2])), after[[2, 2]])


def test_nothing():
    none = numpy.zeros(0, "int32")
    scores = CacheModel(9, 4).score(none, none, none)
    assert scores.log_probabilities.shape == (0,)
    assert scores.state.shape == (0, 4)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ((2,), "n_symbols must be at least 3"),
        ((9, 0), "size must be"),
        ((9, 5, 6), "order must be from 1 to the size of the cache, 5"),
        ((9, 5, 0), "order must be"),
        ((9, 5, 1, 0.0), "share must be above 0"),
        ((9, 5, 1, 1.5), "share must be above 0"),
    ],
)
def test_bad_arguments(arguments, what):
    with pytest.raises(ValueError, match=what):
        CacheModel(*arguments)


def test_bad_symbols():
    model = CacheModel(9, 4)
    with pytest.raises(ValueError, match="there is no symbol 9"):
        model.step(numpy.array([9]), model.start(1))
    with pytest.raises(ValueError, match="expected the state of 2 sequences"):
        model.step(numpy.array([3, 3]), model.start(1))
