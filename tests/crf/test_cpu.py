"""The compiled engine of conditional random fields against the reference in float64, on every instruction set there is."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy
import pytest
from fields import ANNOTATIONS, assert_close, draw, run
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import slices

from spacy_rnn.crf import Crf, log_likelihood, marginals, viterbi
from spacy_rnn.native import library
from spacy_rnn.recurrence import use_engine

if library is None:
    pytest.skip("the compiled engine is not built", allow_module_level=True)

LENGTHS = [9, 1, 0, 30, 4, 2, 17]
# Vectors hold 4, 8 or 16 labels, of up to four vectors at a time.
WIDTHS = [1, 3, 4, 16, 17, 33, 50, 64, 70, 130]


def run_reference(p):
    with use_engine("reference"):
        return run(p.astype("float64"))


@cache
def expected_results(n_labels, annotation, forbidden):
    return run_reference(draw(n_labels, LENGTHS, annotation, forbidden=forbidden))


@pytest.mark.parametrize("annotation", ANNOTATIONS)
@pytest.mark.parametrize("forbidden", [0.0, 0.4])
@pytest.mark.parametrize("n_labels", WIDTHS)
def test_results_are_those_of_the_reference(isa, n_labels, forbidden, annotation):
    assert_close(run(draw(n_labels, LENGTHS, annotation, forbidden=forbidden)), expected_results(n_labels, annotation, forbidden))


@pytest.mark.parametrize("n_labels", WIDTHS)
def test_labels_are_those_of_the_reference_in_float32(isa, n_labels):
    p = draw(n_labels, LENGTHS * 5, forbidden=0.4, scale=0.5)
    found = viterbi(p.crf, p.scores, p.lengths)
    with use_engine("reference"):
        expected = viterbi(p.crf, p.scores, p.lengths)
    for array, other in zip(found, expected, strict=True):
        assert_array_equal(array, other)


@settings(deadline=None, database=None)
@given(data=st.data())
def test_any_problem_gives_the_results_of_the_reference(data):
    """As many problems as the profile says: `--hypothesis-profile=thorough` draws 20,000."""
    before = library.selected()
    library.select(data.draw(st.sampled_from(library.instruction_sets())))
    try:
        p = data.draw(problems())
        found, (labels, best) = run(p), viterbi(p.crf, p.scores, p.lengths)
    finally:
        library.select(before)
    # Scores of different rows are added up, so what float32 cannot tell apart beside the largest is lost.
    assert_close(found, run_reference(p), 2e-5)
    with use_engine("reference"):
        expected_labels, expected_best = viterbi(p.crf, p.scores, p.lengths)
    assert_array_equal(labels, expected_labels)
    assert_array_equal(best, expected_best)


@st.composite
def problems(draw_one):
    """Any field, batch, annotation, size of scores and layout in memory."""
    p = draw(
        draw_one(st.one_of(st.integers(1, 70), st.sampled_from(WIDTHS))),
        draw_one(st.one_of(st.lists(st.integers(0, 12), max_size=8), st.lists(st.integers(0, 90), max_size=2))),
        draw_one(st.sampled_from(ANNOTATIONS)),
        scale=draw_one(st.sampled_from([0.1, 1.0, 10.0, 100.0, 1e4])),
        forbidden=draw_one(st.sampled_from([0.0, 0.1, 0.5, 0.98])),
        seed=draw_one(st.integers(0, 2**32 - 1)),
    )
    move = LAYOUTS[draw_one(st.sampled_from(list(LAYOUTS)))]
    return p._replace(scores=move(p.scores), allowed=move(p.allowed), crf=Crf(*map(move, p.crf)))


def _misaligned(array):
    copy = numpy.empty(array.nbytes + 1, "uint8")[1:].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS = {
    "without gaps": numpy.ascontiguousarray,
    "columns of a wider array": lambda array: numpy.repeat(array, 2, axis=-1)[..., ::2],
    "rows from the end": lambda array: array[::-1].copy()[::-1],
    "column after column": numpy.asfortranarray,
    "misaligned": _misaligned,
    "read-only": _read_only,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_in_memory_does_not_matter_to_the_last_bit(isa, layout):
    p = draw(19, LENGTHS)
    move = LAYOUTS[layout]
    found = run(p._replace(scores=move(p.scores), allowed=move(p.allowed), crf=Crf(*map(move, p.crf)), weights=move(p.weights)))
    for key, array in run(p).items():
        assert_array_equal(found[key], array, err_msg=key)


@pytest.mark.parametrize("scale", [1.0, 50.0, 1e4])
def test_a_sequence_alone_is_that_of_a_batch_to_the_last_bit(isa, scale):
    lengths = LENGTHS * 3
    p = draw(21, lengths, scale=scale)
    whole, (labels, best) = run(p), viterbi(p.crf, p.scores, lengths)
    for i, rows in enumerate(slices(lengths)):
        alone = p.alone(i)
        found, (alone_labels, alone_best) = run(alone), viterbi(p.crf, alone.scores, alone.lengths)
        assert_array_equal(found["log-likelihoods"], whole["log-likelihoods"][i : i + 1])
        assert_array_equal(found["gradient of scores"], whole["gradient of scores"][rows])
        assert_array_equal(found["marginals"], whole["marginals"][rows])
        assert_array_equal(alone_labels, labels[rows])
        assert_array_equal(alone_best, best[i : i + 1])


@pytest.mark.parametrize("weights", [[1.0] * 9, [1.0, -2.0, 0.5] * 3, [0.0] * 9], ids=["equal", "different", "zero"])
def test_transitions_of_long_and_short_sequences_are_counted_together(isa, weights):
    """Some of them in float32, some in float64, some counted one by one."""
    p, expected = long_and_short(tuple(weights))
    assert_close(run(p), expected, 2e-5)


@cache
def long_and_short(weights):
    lengths = [300, 1, 700, 2, 256, 257, 0, 40, 5]
    p = draw(18, lengths, "mixed", scale=2.0)._replace(weights=numpy.asarray(weights, "float32"))
    p.scores[310:340] *= 1e4
    p.allowed[-5:] = numpy.eye(18, dtype=bool)[:5]
    return p, run_reference(p)


def test_probabilities_that_float32_has_no_room_for(isa):
    """What comes after a row weighs e^300 times as much as the row itself."""
    p = draw(20, [5, 5, 5])
    for factor, row in ((1.0, 2), (40.0, 7), (300.0, 12)):
        p.scores[row, :] = numpy.linspace(-factor, factor, 20)
        p.scores[row + 1, :] = numpy.linspace(factor, -factor, 20)
    p.crf.transitions[...] = -100
    numpy.fill_diagonal(p.crf.transitions, 0)
    assert_close(run(p), run_reference(p), 2e-5)


@pytest.mark.parametrize("n_labels", [3, 17])
def test_error_of_float32_does_not_grow_with_the_sequence(isa, n_labels):
    p, expected = long(n_labels)
    found = run(p)
    assert_allclose(found["log-likelihoods"], expected["log-likelihoods"], rtol=1e-6)
    assert numpy.abs(found["marginals"] - expected["marginals"]).max() < 3e-6
    for name in Crf._fields:
        assert_allclose(found[f"gradient of {name}"], expected[f"gradient of {name}"], rtol=1e-5, atol=1e-4)


@cache
def long(n_labels):
    p = draw(n_labels, [1500, 10], scale=3.0)
    return p, run_reference(p)


def test_marginals_alone_are_those_of_training(isa):
    p = draw(13, LENGTHS, "known")
    _, backprop = log_likelihood(p.crf, p.scores, p.lengths, p.allowed)
    d_scores, _ = backprop(numpy.ones(len(LENGTHS), "float32"))
    assert_allclose(marginals(p.crf, p.scores, p.lengths), p.allowed - d_scores, atol=1e-7)


def test_many_python_threads_do_not_disturb_each_other(isa):
    drawn = [draw(10 + i, LENGTHS, scale=10.0**i, seed=i) for i in range(4)] * 4
    expected = [run(p) for p in drawn]
    with ThreadPoolExecutor(8) as pool:
        for found, results in zip(pool.map(run, drawn), expected, strict=True):
            for key, array in results.items():
                assert_array_equal(found[key], array, err_msg=key)


def test_exponential_is_right_to_a_few_units_in_the_last_place(isa):
    """Seen through the probability of one of two labels, the other of which has the score 0."""
    x = numpy.concatenate([numpy.linspace(-86, 0, 40001), numpy.linspace(-1, 0, 10001)]).astype("float32")
    scores = numpy.stack([numpy.zeros_like(x), x], axis=1)
    crf = Crf(*(numpy.zeros(shape, "float32") for shape in ((2,), (2, 2), (2,))))
    found = marginals(crf, scores, numpy.ones(len(x), "int32"))[:, 1]
    exp = numpy.exp(x.astype("float64"))
    assert numpy.abs(found / (exp / (1 + exp)) - 1).max() < 6e-7
