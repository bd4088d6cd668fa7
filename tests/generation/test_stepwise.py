import numpy
import pytest
from next_symbols import Chain, Memory
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.generation import score_stepwise

LENGTHS = numpy.asarray([3, 0, 5, 1, 3], dtype="int32")


def batch(n_symbols):
    rng = numpy.random.default_rng(0)
    return rng.integers(0, n_symbols, size=(2, LENGTHS.sum()))


def test_scores_are_those_of_each_sequence_alone():
    model = Memory(5)
    inputs, targets = batch(5)
    scores = score_stepwise(model, inputs, targets, LENGTHS, join=numpy.concatenate)
    assert scores.log_probabilities.dtype == "float32"
    ends = numpy.cumsum(LENGTHS)
    for i, (begin, end) in enumerate(zip(ends - LENGTHS, ends, strict=True)):
        state, expected = model.start(1), []
        for symbol, target in zip(inputs[begin:end], targets[begin:end], strict=True):
            found, state = model.step([symbol], state)
            expected.append(found[0, target])
        assert_array_equal(scores.log_probabilities[begin:end], numpy.asarray(expected, dtype="float32"))
        assert_array_equal(scores.state[i], state[0])


def test_sequences_leave_the_batch():
    model = Chain(5)
    inputs, targets = batch(5)
    score_stepwise(model, inputs, targets, LENGTHS)
    assert model.batches == [4, 3, 3, 1, 1]


def test_a_state_goes_on():
    model = Memory(5)
    inputs, targets = batch(5)
    whole = score_stepwise(model, inputs[:6], targets[:6], [6])
    first = score_stepwise(model, inputs[:2], targets[:2], [2])
    second = score_stepwise(model, inputs[2:6], targets[2:6], [4], first.state)
    assert_array_equal(numpy.concatenate([first.log_probabilities, second.log_probabilities]), whole.log_probabilities)
    assert_allclose(second.state, whole.state)


def test_without_join_the_state_of_different_lengths_is_none():
    inputs, targets = batch(5)
    assert score_stepwise(Chain(5), inputs, targets, LENGTHS).state is None
    assert score_stepwise(Chain(5), inputs[:6], targets[:6], [3, 3]).state is not None


def test_nothing_is_scored_of_nothing():
    scores = score_stepwise(Chain(5), numpy.empty(0, int), numpy.empty(0, int), [0, 0])
    assert len(scores.log_probabilities) == 0
    assert len(scores.state) == 2
    assert len(score_stepwise(Chain(5), numpy.empty(0, int), numpy.empty(0, int), []).state) == 0


@pytest.mark.parametrize(
    "inputs, targets, lengths, message",
    [
        ([1, 5], [1, 1], [2], "inputs: expected symbols from 0 to 4"),
        ([1, 1], [1, -1], [2], "targets: .* got -1 at position 1"),
        ([1, 1], [1], [2], "lengths: expected a sum of 2 inputs and 1 targets, got 2"),
        ([1, 1], [1, 1], [1], "lengths"),
        ([1, 1], [1, 1], [3, -1], "length of sequence 1"),
        ([1, 1], [1, 1], 2, "lengths"),
    ],
)
def test_what_does_not_fit_is_refused(inputs, targets, lengths, message):
    with pytest.raises(ValueError, match=message):
        score_stepwise(Chain(5), numpy.asarray(inputs), numpy.asarray(targets), lengths)
