"""The softmax over many symbols, and the most probable of them."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.generation import find_best
from spacy_rnn.native import library

pytestmark = pytest.mark.skipif(library is None, reason="needs the compiled engine")

# Symbols, units, rows: below and above what fills vectors, tiles, blocks and pieces.
SIZES = [(1, 1, 1), (5, 3, 4), (16, 8, 7), (17, 8, 1), (255, 6, 5), (256, 6, 5), (257, 6, 200), (1000, 33, 193)]


def make_weights(kind, V, nH, R):
    random = numpy.random.default_rng(V + R)
    W, b, H = (random.normal(size=shape).astype("float32") for shape in ((V, nH), V, (R, nH)))
    if kind == "all equal":
        W[:], b[:] = 0, 0
    elif kind == "ties":
        W, b, H = numpy.round(W), numpy.round(b), numpy.round(H)
    elif kind == "nearly ties":
        # Scores differ by less than log-probabilities can.
        W, b = W * numpy.float32(1e-7), b * numpy.float32(1e-6)
        b[V // 2] = 3
    elif kind == "impossible":
        b[random.random(V) < 0.5] = -numpy.inf
        b[V // 2] = 0
    elif kind == "far apart":
        b = (1e4 * numpy.round(b)).astype("float32")
    return W, b, H


def score(scorer, H, V):
    Y = numpy.full((len(H), V), 7, "float32")
    scorer.score(H, Y)
    return Y


def best_of(scorer, H, k, is_forbidden):
    symbols, log_probabilities = numpy.full((len(H), k), 7), numpy.full((len(H), k), 7, "float32")
    scorer.best(H, k, is_forbidden, symbols, log_probabilities)
    return symbols, log_probabilities


@pytest.mark.parametrize("kind", ["any", "all equal", "ties", "nearly ties", "impossible", "far apart"])
@pytest.mark.parametrize("V, nH, R", SIZES)
def test_symbols_are_scored_and_the_best_are_those_of_the_best_scores(isa, kind, V, nH, R):
    W, b, H = make_weights(kind, V, nH, R)
    scorer = library.SymbolScorer(W, b)
    Y = score(scorer, H, V)
    scores = H.astype("float64") @ W.T.astype("float64") + b
    # Each sum begins with the bias, and each addition is rounded.
    rounding = nH * 6e-8 * abs(scores[numpy.isfinite(scores)]).max()
    shifted = scores - scores.max(axis=1, keepdims=True)
    assert_allclose(Y, shifted - numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True)), rtol=1e-5, atol=1e-5 + rounding)
    is_forbidden = numpy.zeros(V, "uint8")
    for forbidden in ([], [0, V - 2]) if V > 4 else ([],):
        is_forbidden[forbidden] = 1
        for k in (1, 3, 6, V, V + 3):
            found = best_of(scorer, H, k, is_forbidden)
            for one, other in zip(found, find_best(Y, k, forbidden), strict=True):
                assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["any", "nearly ties"])
def test_a_row_does_not_depend_on_the_others(isa, kind):
    V, R = 700, 400
    W, b, H = make_weights(kind, V, 24, R)
    scorer, is_forbidden = library.SymbolScorer(W, b), numpy.zeros(V, "uint8")
    Y, best = score(scorer, H, V), best_of(scorer, H, 5, is_forbidden)
    for n in (1, 2, 7, 193):
        index = numpy.random.default_rng(n).permutation(R)[:n]
        assert_array_equal(score(scorer, H[index], V), Y[index])
        for one, other in zip(best_of(scorer, H[index], 5, is_forbidden), best, strict=True):
            assert_array_equal(one, other[index])


def test_of_a_forbidden_symbol_the_probability_is_not_given_to_others(isa):
    scorer = library.SymbolScorer(numpy.zeros((4, 2), "float32"), numpy.log(numpy.asarray([0.7, 0.1, 0.15, 0.05], "float32")))
    symbols, log_probabilities = best_of(scorer, numpy.ones((1, 2), "float32"), 4, numpy.asarray([1, 0, 0, 0], "uint8"))
    assert_array_equal(symbols, [[2, 1, 3, -1]])
    assert_allclose(log_probabilities, [[*numpy.log([0.15, 0.1, 0.05]), -numpy.inf]], rtol=1e-5)


def test_all_symbols_are_forbidden(isa):
    scorer = library.SymbolScorer(*make_weights("any", 9, 4, 1)[:2])
    symbols, log_probabilities = best_of(scorer, numpy.ones((3, 4), "float32"), 2, numpy.ones(9, "uint8"))
    assert (symbols == -1).all() and (log_probabilities == -numpy.inf).all()


def test_rows_may_stand_apart(isa):
    W, b, H = make_weights("any", 40, 6, 10)
    scorer = library.SymbolScorer(W, b)
    assert_array_equal(score(scorer, numpy.repeat(H, 2, axis=0)[::2], 40), score(scorer, H, 40))


def test_no_rows(isa):
    scorer = library.SymbolScorer(*make_weights("any", 9, 4, 1)[:2])
    H = numpy.empty((0, 4), "float32")
    assert score(scorer, H, 9).shape == (0, 9)
    assert best_of(scorer, H, 3, numpy.zeros(9, "uint8"))[0].shape == (0, 3)


@pytest.mark.parametrize("where", ["row", "weight", "bias", "too large"])
@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
@pytest.mark.parametrize("at", [0, 5, 299])
def test_what_is_no_number_is_refused(isa, where, value, at):
    W, b, H = make_weights("any", 300, 5, 9)
    if where == "row":
        H[at % 9, 2] = value
    elif where == "weight":
        W[at, 2] = value
    elif where == "bias":
        b[at] = value
    else:
        W[at], H[:] = 1e30, 1e30
    with pytest.raises(ValueError, match="expected numbers, or -inf for what cannot come, got NaN or"):
        best_of(library.SymbolScorer(W, b), H, 2, numpy.zeros(300, "uint8"))


@pytest.mark.parametrize("shapes", [((0, 4), 0), ((5, 0), 5), ((5, 4), 4), ((5, 4), 6)])
def test_weights_of_other_shapes(shapes):
    with pytest.raises(ValueError):
        library.SymbolScorer(numpy.zeros(shapes[0], "float32"), numpy.zeros(shapes[1], "float32"))


def test_weights_are_packed_once():
    scorer = library.SymbolScorer(*make_weights("any", 9, 4, 1)[:2])
    with pytest.raises(ValueError, match="packed once"):
        scorer.__init__(*make_weights("any", 90, 4, 1)[:2])


GOOD = {
    "H": lambda: numpy.zeros((3, 4), "float32"),
    "k": lambda: 2,
    "forbidden": lambda: numpy.zeros(9, "uint8"),
    "symbols": lambda: numpy.zeros((3, 2), "int64"),
    "log_probabilities": lambda: numpy.zeros((3, 2), "float32"),
}
BAD = [
    ("H", numpy.zeros((3, 5), "float32")),
    ("H", numpy.zeros((2, 4), "float32")),
    ("H", numpy.zeros((3, 8), "float32")[:, ::2]),
    ("H", numpy.zeros((3, 4), "float64")),
    ("H", None),
    ("k", 0),
    ("k", -1),
    ("k", 3),
    ("forbidden", numpy.zeros(8, "uint8")),
    ("forbidden", numpy.zeros(9, "int64")),
    ("forbidden", None),
    ("symbols", numpy.zeros((3, 3), "int64")),
    ("symbols", numpy.zeros((4, 2), "int64")),
    ("symbols", numpy.zeros((3, 2), "int32")),
    ("symbols", None),
    ("log_probabilities", numpy.zeros((3, 3), "float32")),
    ("log_probabilities", numpy.zeros((2, 2), "float32")),
    ("log_probabilities", None),
]


@pytest.mark.parametrize("name, value", BAD)
def test_other_arguments(name, value):
    scorer = library.SymbolScorer(*make_weights("any", 9, 4, 1)[:2])
    arguments = {each: make() for each, make in GOOD.items()}
    scorer.best(*arguments.values())
    with pytest.raises((ValueError, TypeError)):
        scorer.best(*{**arguments, name: value}.values())


@pytest.mark.parametrize("H, Y", [((3, 5), (3, 9)), ((3, 4), (2, 9)), ((3, 4), (3, 8)), ((3, 4), (4, 9))])
def test_scores_of_other_shapes(H, Y):
    scorer = library.SymbolScorer(*make_weights("any", 9, 4, 1)[:2])
    with pytest.raises(ValueError, match="expected shape"):
        scorer.score(numpy.zeros(H, "float32"), numpy.zeros(Y, "float32"))
