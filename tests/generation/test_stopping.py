import numpy
import pytest

from spacy_rnn.generation import Stopping
from spacy_rnn.generation.stopping import Watch


def counts_of(stopping, texts):
    """How many symbols stop each text, symbol by symbol."""
    watch = Watch(stopping, 10, len(texts))
    return [watch.append(numpy.asarray(column)).tolist() for column in zip(*texts, strict=True)]


def test_sequences_stop_at_symbols_and_at_several_in_a_row():
    stopping = Stopping(symbols={2, 9}, sequences=[[4, 5], [3, 4, 5]])
    assert counts_of(stopping, [[1, 4, 5], [3, 4, 5], [4, 1, 5], [5, 4, 9]]) == [[0, 0, 0, 0], [0, 0, 0, 0], [2, 3, 0, 1]]


def test_one_symbol_may_stand_in_a_row_of_its_own():
    assert counts_of(Stopping(symbols=(), sequences=[[7]]), [[7, 2], [2, 7]]) == [[1, 0], [0, 1]]


def test_the_beginning_of_a_sequence_is_no_match():
    assert counts_of(Stopping(sequences=[[4, 4, 4]]), [[4, 4, 4]]) == [[0], [0], [3]]


def test_what_came_last_goes_with_its_sequence():
    watch = Watch(Stopping(sequences=[[4, 5]]), 10, 2)
    watch.append(numpy.asarray([4, 6]))
    watch.keep(numpy.asarray([1, 0, 0]))
    assert watch.append(numpy.asarray([5, 5, 6])).tolist() == [0, 2, 0]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"max_symbols": -1}, "max_symbols: expected a whole number of at least 0, got -1"),
        ({"max_symbols": 1.5}, "max_symbols"),
        ({"symbols": ["a"]}, "stop symbols"),
        ({"symbols": [-1]}, "stop symbols"),
        ({"sequences": [[1], []]}, "stop sequence 1: expected a symbol at least"),
        ({"sequences": ["ab"]}, "stop sequence 0: .* encode it first"),
        ({"sequences": "ab"}, "encode it first"),
        ({"sequences": [3]}, "stop sequence 0"),
        ({"symbols": 3}, "stop symbols"),
    ],
)
def test_what_is_no_way_to_stop_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Stopping(**arguments)


def test_symbols_that_a_model_does_not_have_are_refused():
    for stopping in (Stopping(symbols=[10]), Stopping(sequences=[[1, 10]])):
        with pytest.raises(ValueError, match="from 0 to 9, which the model has, got 10"):
            Watch(stopping, 10, 1)
