import numpy
import pytest
from device_arrays import on_device, record
from numpy.testing import assert_array_equal

from spacy_rnn.generation import best as best_module
from spacy_rnn.generation import find_best

R, V = 20, 130


def expected(scores, k, forbidden):
    """The definition, row by row."""
    symbols, values = numpy.full((len(scores), k), -1), numpy.full((len(scores), k), -numpy.inf, scores.dtype)
    for row, all_values in enumerate(scores):
        possible = [(-v, s) for s, v in enumerate(all_values) if s not in forbidden and v > -numpy.inf]
        for rank, (value, symbol) in enumerate(sorted(possible)[:k]):
            symbols[row, rank], values[row, rank] = symbol, -value
    return symbols, values


def make_scores(kind, dtype="float32"):
    random = numpy.random.default_rng(3)
    scores = random.normal(size=(R, V)) - 5
    if kind == "ties":
        scores = numpy.round(scores)
    if kind == "impossible":
        scores[random.random((R, V)) < 0.95] = -numpy.inf
        scores[4] = -numpy.inf
    scores = scores.astype(dtype)
    scores.flags.writeable = False
    return scores


@pytest.mark.parametrize("k", [1, 2, 5, 64, 65, V - 1, V, V + 7])
@pytest.mark.parametrize("kind", ["different", "ties", "impossible"])
@pytest.mark.parametrize("forbidden", [(), (0, 1), (V - 1, 5, 5)])
def test_the_best_are_found(kind, k, forbidden):
    for dtype in ("float32", "float64"):
        scores = make_scores(kind, dtype)
        best = find_best(scores, k, forbidden)
        symbols, values = expected(scores, k, forbidden)
        assert_array_equal(best.symbols, symbols)
        assert_array_equal(best.log_probabilities, values)
        assert (best.symbols.dtype, best.log_probabilities.dtype) == ("int64", dtype)


@pytest.mark.parametrize("k", [3, 100])
def test_pieces_give_the_same(k, monkeypatch):
    together = find_best(make_scores("ties"), k)
    monkeypatch.setattr(best_module, "_PIECE", 3 * V)
    for one, other in zip(find_best(make_scores("ties"), k), together, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("k", [3, 100])
def test_on_a_device_it_is_the_same(k, monkeypatch):
    import device_arrays

    device_arrays.install(monkeypatch)
    scores = make_scores("ties")
    best = find_best(on_device(scores), k, [3])
    for one, other in zip(best, expected(scores, k, [3]), strict=True):
        assert_array_equal(one, other)
    # Of few symbols only these are copied to the host.
    assert sum(record.waits.values()) == (2 if k == 3 else 1)


@pytest.mark.parametrize("k", [1, 100])
@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
def test_what_is_no_number_is_refused(k, value):
    scores = make_scores("different").copy()
    scores[7, 9] = value
    with pytest.raises(ValueError, match="NaN or"):
        find_best(scores, k)


def test_of_no_rows_there_are_none():
    best = find_best(numpy.empty((0, V), "float32"), 3)
    assert best.symbols.shape == best.log_probabilities.shape == (0, 3)


@pytest.mark.parametrize(
    "k, forbidden, message", [(0, (), "k: expected"), (1, [V], "forbidden symbols"), (1, "ab", "forbidden symbols")]
)
def test_bad_arguments_are_refused(k, forbidden, message):
    with pytest.raises(ValueError, match=message):
        find_best(make_scores("different"), k, forbidden)
