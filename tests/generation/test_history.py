import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.generation import History


def blocked(history, n_symbols):
    scores = numpy.zeros((len(history.lengths), n_symbols))
    history.discourage(scores)
    return [set(numpy.flatnonzero(row == -numpy.inf).tolist()) for row in scores]


def slow_blocked(symbols, n):
    last = tuple(symbols[len(symbols) - n + 1 :])
    if len(symbols) < n:
        return set()
    return {symbols[i + n - 1] for i in range(len(symbols) - n + 1) if tuple(symbols[i : i + n - 1]) == last}


def test_what_has_come_is_penalized_once():
    history = History([[0, 2, 2], []], 4, repetition_penalty=1.5)
    scores = numpy.log(numpy.tile([0.1, 0.2, 0.3, 0.4], (2, 1)))
    history.discourage(scores)
    assert_allclose(numpy.exp(scores), [[0.1**1.5, 0.2, 0.3**1.5, 0.4], [0.1, 0.2, 0.3, 0.4]])
    history.append(numpy.asarray([1, 3]))
    scores = numpy.full((2, 4), -1.0)
    history.discourage(scores)
    assert scores.tolist() == [[-1.5, -1.5, -1.5, -1.0], [-1.0, -1.0, -1.0, -1.5]]


def test_an_ngram_does_not_come_again():
    history = History([[5, 6, 7, 5, 6], [5, 6, 7, 6, 5], [5], []], 8, no_repeat_ngram=3)
    assert blocked(history, 8) == [{7}, set(), set(), set()]
    assert blocked(History([[1, 2, 1, 3, 1]], 4, no_repeat_ngram=2), 4) == [{2, 3}]
    assert blocked(History([[1, 2, 1], []], 4, no_repeat_ngram=1), 4) == [{1, 2}, set()]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_blocked_symbols_are_those_of_the_definition(n):
    rng = numpy.random.default_rng(n)
    texts = [rng.integers(0, 3, size=size).tolist() for size in (0, 1, 2, 3, 5, 9, 17)]
    history = History(texts, 3, no_repeat_ngram=n)
    # Longer than what there is room for at first.
    for _ in range(200):
        assert blocked(history, 3) == [slow_blocked(text, n) for text in texts]
        symbols = rng.integers(0, 3, size=len(texts))
        history.append(symbols)
        for text, symbol in zip(texts, symbols.tolist(), strict=True):
            text.append(symbol)


def test_sequences_are_kept_in_any_order_and_number():
    history = History([[1, 2, 1], [3, 1, 3], [0]], 4, repetition_penalty=2.0, no_repeat_ngram=2)
    history.keep(numpy.asarray([1, 0, 1]))
    history.append(numpy.asarray([1, 3, 0]))
    expected = History([[3, 1, 3, 1], [1, 2, 1, 3], [3, 1, 3, 0]], 4, repetition_penalty=2.0, no_repeat_ngram=2)
    scores, expected_scores = numpy.full((3, 4), -1.0), numpy.full((3, 4), -1.0)
    history.discourage(scores)
    expected.discourage(expected_scores)
    assert_array_equal(scores, expected_scores)
    history.keep(numpy.asarray([False, True, False]))
    assert blocked(history, 4) == [set()]
