"""Conditional random fields against all paths tried one by one, central differences, and closed forms."""

import numpy
import pytest
from fields import ANNOTATIONS, all_paths, draw, log_sum, path_score, run, sequences
from numpy.testing import assert_allclose, assert_array_equal
from problems import slices

from spacy_rnn.crf import Crf, log_likelihood, marginals, viterbi
from spacy_rnn.native import library
from spacy_rnn.recurrence import use_engine
from spacy_rnn.recurrence.engines import cpu

LENGTHS = [3, 0, 1, 5, 2]
both_dtypes = pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 1e-5)])
some_fields = pytest.mark.parametrize("n_labels, forbidden", [(1, 0.0), (2, 0.0), (3, 0.0), (3, 0.5), (4, 0.9)])


@pytest.fixture(params=["auto", "reference"], autouse=True)
def engine(request):
    with use_engine(request.param):
        yield request.param


@pytest.mark.parametrize("annotation", ANNOTATIONS)
@some_fields
@both_dtypes
def test_log_likelihood_is_that_of_all_paths(dtype, tolerance, n_labels, forbidden, annotation):
    p = draw(n_labels, LENGTHS, annotation, forbidden=forbidden, dtype=dtype)
    found, _ = log_likelihood(p.crf, p.scores, p.lengths, p.allowed)
    assert found.dtype == "float64"
    for value, (scores, allowed) in zip(found, sequences(p), strict=True):
        if not len(scores):
            assert value == 0
            continue
        paths = all_paths(p.crf, scores)
        right = [score for path, score in paths.items() if allowed[numpy.arange(len(path)), path].all()]
        assert_allclose(value, log_sum(right) - log_sum(list(paths.values())), atol=tolerance, rtol=tolerance)


@some_fields
@both_dtypes
def test_best_path_is_that_of_all_paths(dtype, tolerance, n_labels, forbidden):
    p = draw(n_labels, LENGTHS, forbidden=forbidden, dtype=dtype)
    labels, best = viterbi(p.crf, p.scores, p.lengths)
    assert labels.dtype == "int64" and best.dtype == "float64"
    for rows, score, (scores, _) in zip(slices(p.lengths), best, sequences(p), strict=True):
        if not len(scores):
            assert score == 0
            continue
        paths = all_paths(p.crf, scores)
        assert tuple(labels[rows]) == max(paths, key=paths.get)
        assert_allclose(score, max(paths.values()), atol=tolerance, rtol=tolerance)


@some_fields
@both_dtypes
def test_marginals_are_those_of_all_paths(dtype, tolerance, n_labels, forbidden):
    p = draw(n_labels, LENGTHS, forbidden=forbidden, dtype=dtype)
    found = marginals(p.crf, p.scores, p.lengths)
    assert found.dtype == dtype
    for rows, (scores, _) in zip(slices(p.lengths), sequences(p), strict=True):
        expected = numpy.zeros(scores.shape)
        paths = all_paths(p.crf, scores) if len(scores) else {}
        for path, score in paths.items():
            expected[numpy.arange(len(path)), path] += numpy.exp(score - log_sum(list(paths.values())))
        assert_allclose(found[rows], expected, atol=tolerance)


@pytest.mark.parametrize("seed", range(20))
def test_of_equally_good_paths_that_with_the_smallest_last_labels_is_chosen(seed):
    rng = numpy.random.default_rng(seed)
    small = [rng.integers(0, 2, shape).astype("float32") for shape in ((3,), (3, 3), (3,), (5, 3))]
    crf, scores = Crf(*small[:3]), small[3]
    paths = all_paths(crf, scores)
    best = [path for path, score in paths.items() if score == max(paths.values())]
    labels, _ = viterbi(crf, scores, [5])
    assert tuple(labels) == min(best, key=lambda path: path[::-1])


def test_without_scores_the_smallest_label_is_chosen():
    crf = Crf(numpy.zeros(20, "float32"), numpy.zeros((20, 20), "float32"), numpy.zeros(20, "float32"))
    assert_array_equal(viterbi(crf, numpy.zeros((9, 20), "float32"), [4, 5])[0], 0)


def test_what_is_forbidden_has_no_gradient():
    p = draw(5, [30, 4], forbidden=0.6)
    found = run(p)
    assert (found["gradient of transitions"][numpy.isinf(p.crf.transitions)] == 0).all()
    p.crf.start[2] = p.crf.end[3] = -numpy.inf
    p.scores[7, 1] = -numpy.inf
    p.allowed[:] = True
    p.allowed[9] = [True, False, False, False, False]
    found = run(p)
    assert found["gradient of start"][2] == found["gradient of end"][3] == found["gradient of scores"][7, 1] == 0
    assert found["marginals"][0, 2] == found["marginals"][29, 3] == found["marginals"][7, 1] == 0


def test_annotation_that_says_nothing_has_the_probability_one():
    p = draw(17, [40, 3], "missing")
    found = run(p)
    assert_allclose(found["log-likelihoods"], 0, atol=1e-6)
    assert_array_equal(found["gradient of transitions"], 0)


def test_what_is_allowed_may_be_bytes():
    p = draw(3, LENGTHS)
    found = run(p)
    for key, array in run(p._replace(allowed=p.allowed.astype("uint8"))).items():
        assert_array_equal(array, found[key])


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]])
@both_dtypes
def test_without_rows_there_is_nothing_to_find(dtype, tolerance, lengths):
    p = draw(4, lengths, dtype=dtype)
    found = run(p)
    assert_array_equal(found["log-likelihoods"], numpy.zeros(len(lengths)))
    assert found["marginals"].shape == found["gradient of scores"].shape == (0, 4)
    for name, shape in (("start", (4,)), ("transitions", (4, 4)), ("end", (4,))):
        assert_array_equal(found[f"gradient of {name}"], numpy.zeros(shape))
    labels, best = viterbi(p.crf, p.scores, lengths)
    assert labels.shape == (0,) and best.tolist() == [0.0] * len(lengths)


def independent_rows(n, n_labels, scale):
    """A sequence whose transitions are sums of a number of each label, so that its rows do not depend on each other; and the
    scores that its rows then have."""
    rng = numpy.random.default_rng(0)
    start, into, out_of, end = (rng.normal(scale=scale, size=n_labels).astype("float32").astype("float64") for _ in range(4))
    scores = rng.normal(scale=scale, size=(n, n_labels)).astype("float32")
    # In float32 a sum of these is exact.
    into, out_of = (numpy.round(array * 8) / 8 for array in (into, out_of))
    crf = Crf(*(array.astype("float32") for array in (start, out_of[:, None] + into, end)))
    alone = scores.astype("float64")
    alone[:-1] += out_of
    alone[1:] += into
    alone[0] += start
    alone[-1] += end
    return crf, scores, alone


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_a_hundred_thousand_rows(engine, scale):
    if engine == "reference" or library is None:
        pytest.skip("too slow on the reference engine")
    n, L = 100_000, 5
    crf, scores, alone = independent_rows(n, L, scale)
    gold = numpy.random.default_rng(1).integers(0, L, n)
    allowed = numpy.eye(L, dtype=bool)[gold]
    allowed[::7] = True
    log_probabilities = alone - numpy.log(numpy.exp(alone - alone.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True))
    log_probabilities -= alone.max(axis=1, keepdims=True)
    probabilities = numpy.exp(log_probabilities)
    expected = log_probabilities[numpy.arange(n), gold] * (numpy.arange(n) % 7 > 0)

    found, backprop = log_likelihood(crf, scores, [n], allowed)
    assert_allclose(found, expected.sum(), rtol=1e-6)
    d_scores, _ = backprop(numpy.ones(1, "float32"))
    known = numpy.arange(n) % 7 > 0
    assert_allclose(d_scores[known], (allowed - probabilities)[known], atol=2e-5)
    assert_allclose(d_scores[~known], 0, atol=2e-5)
    assert_allclose(marginals(crf, scores, [n]), probabilities, atol=2e-5)
    labels, best = viterbi(crf, scores, [n])
    assert_array_equal(labels, alone.argmax(axis=1))
    assert_allclose(best, alone.max(axis=1).sum(), rtol=1e-9)


@pytest.mark.parametrize("what", ["scores", "transitions", "both"])
@pytest.mark.parametrize("scale", [100.0, 1e4])
def test_extreme_scores_are_those_of_all_paths(what, scale):
    p = draw(3, [6, 1, 4], forbidden=0.3)
    factors = {"scores": (scale, 1.0), "transitions": (1.0, scale), "both": (scale, scale)}[what]
    p = p._replace(scores=p.scores * factors[0], crf=p.crf._replace(transitions=p.crf.transitions * factors[1]))
    p = p._replace(scores=p.scores.astype("float32"))
    found = run(p)
    with use_engine("reference"):
        expected = run(p.astype("float64"))
    for i, (scores, allowed) in enumerate(sequences(p)):
        paths = all_paths(p.crf, scores)
        right = [score for path, score in paths.items() if allowed[numpy.arange(len(path)), path].all()]
        value = log_sum(right) - log_sum(list(paths.values()))
        assert_allclose(expected["log-likelihoods"][i], value, rtol=1e-9, atol=1e-9)
        assert_allclose(found["log-likelihoods"][i], value, rtol=1e-5, atol=1e-2)
    for key, array in found.items():
        if key != "log-likelihoods":
            assert_allclose(array, expected[key], atol=1e-2, err_msg=key)


def test_what_is_likely_but_leads_nowhere_does_not_hide_what_goes_on():
    """Label 0 has all of the probability until it turns out that nothing comes after it."""
    forbidden = -numpy.inf
    crf = Crf(
        numpy.zeros(3, "float32"),
        numpy.asarray([[0, forbidden, forbidden], [forbidden, 0, 1], [forbidden, 2, 0]], "float32"),
        numpy.asarray([forbidden, 0, 0], "float32"),
    )
    scores = numpy.asarray([[1000, 1, 2]] * 6, "float32")
    paths = all_paths(crf, scores)
    allowed = numpy.ones(scores.shape, dtype=bool)
    allowed[0] = [True, True, False]
    right = [score for path, score in paths.items() if path[0] != 2]
    found, _ = log_likelihood(crf, scores, [6], allowed)
    # Beside 1000 float32 has steps of 6e-5.
    assert_allclose(found, log_sum(right) - log_sum(list(paths.values())), atol=2e-4)
    labels, best = viterbi(crf, scores, [6])
    assert tuple(labels) == max(paths, key=paths.get) and best == max(paths.values())
    assert_allclose(marginals(crf, scores, [6]).sum(axis=1), 1, atol=1e-6)
    assert (marginals(crf, scores, [6])[:, 0] == 0).all()


def test_a_path_that_only_just_is_possible_is_found():
    """All labels but one are forbidden at each row, also where the one that is left is very unlikely."""
    rng = numpy.random.default_rng(0)
    n, L = 50, 20
    path = rng.integers(0, L, n)
    scores = numpy.full((n, L), -numpy.inf, "float32")
    scores[numpy.arange(n), path] = rng.normal(scale=1e4, size=n)
    crf = Crf(*(rng.normal(scale=1e3, size=shape).astype("float32") for shape in ((L,), (L, L), (L,))))
    labels, best = viterbi(crf, scores, [n])
    assert_array_equal(labels, path)
    assert_allclose(best, path_score(crf, scores, path), rtol=1e-6)
    assert_allclose(marginals(crf, scores, [n]), numpy.eye(L)[path], atol=1e-6)


def test_a_sequence_does_not_depend_on_its_neighbours():
    lengths = [4, 0, 9, 1, 9, 30, 2]
    p = draw(6, lengths, forbidden=0.3)
    whole = run(p)
    labels, best = viterbi(p.crf, p.scores, lengths)
    for i, rows in enumerate(slices(lengths)):
        alone = p.alone(i)
        found = run(alone)
        assert_array_equal(found["log-likelihoods"], whole["log-likelihoods"][i : i + 1])
        assert_array_equal(found["gradient of scores"], whole["gradient of scores"][rows])
        assert_array_equal(found["marginals"], whole["marginals"][rows])
        alone_labels, alone_best = viterbi(p.crf, alone.scores, alone.lengths)
        assert_array_equal(alone_labels, labels[rows])
        assert_array_equal(alone_best, best[i : i + 1])


def test_arguments_stay_as_they_are_and_backpropagation_can_be_repeated():
    p = draw(6, LENGTHS)
    before = draw(6, LENGTHS)
    log_likelihoods, backprop = log_likelihood(p.crf, p.scores, p.lengths, p.allowed)
    (d_scores, grads), (d_again, grads_again) = backprop(p.weights), backprop(p.weights)
    for one, other in zip((d_scores, *grads), (d_again, *grads_again), strict=True):
        assert_array_equal(one, other)
    viterbi(p.crf, p.scores, p.lengths)
    for one, other in zip((*p.crf, p.scores, p.allowed), (*before.crf, before.scores, before.allowed), strict=True):
        assert_array_equal(one, other)


def test_without_the_compiled_engine_the_reference_takes_over(engine, monkeypatch):
    p = draw(5, LENGTHS)
    with use_engine("reference"):
        expected = run(p)
    monkeypatch.setattr(cpu, "library", None)
    monkeypatch.setattr("spacy_rnn.recurrence.engines.cpu._warned", True)
    for key, array in run(p).items():
        assert_array_equal(array, expected[key])


class TestWhatIsRefused:
    def test_annotation_that_is_impossible(self):
        p = draw(3, [2, 0, 4], "known")
        path = p.allowed[2:].argmax(axis=1)
        p.crf.transitions[path[0], path[1]] = -numpy.inf
        with pytest.raises(ValueError, match="sequence 2 of 4 rows: no path .* annotation"):
            log_likelihood(p.crf, p.scores, p.lengths, p.allowed)

    def test_annotation_that_allows_no_label(self):
        p = draw(3, [2, 0, 4], "missing")
        p.allowed[1] = False
        with pytest.raises(ValueError, match="sequence 0 of 2 rows: no path .* annotation"):
            log_likelihood(p.crf, p.scores, p.lengths, p.allowed)

    def test_sequences_without_a_path(self):
        p = draw(3, [2, 0, 4])
        crf = p.crf._replace(transitions=numpy.full((3, 3), -numpy.inf, "float32"))
        for function in (viterbi, marginals):
            with pytest.raises(ValueError, match="sequence 0 of 2 rows: no path .* allowed"):
                function(crf, p.scores, p.lengths)
            function(crf, p.scores, [1] * 6)
        p.scores[4] = -numpy.inf
        for function in (viterbi, marginals):
            with pytest.raises(ValueError, match="sequence 2 of 4 rows: no path"):
                function(p.crf, p.scores, p.lengths)

    @pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
    @pytest.mark.parametrize("what", ["scores", *Crf._fields])
    def test_what_is_not_a_number(self, what, value):
        p = draw(3, [2, 0, 4])
        array = p.scores if what == "scores" else getattr(p.crf, what)
        array.reshape(-1)[-1] = value
        for function in (viterbi, marginals):
            with pytest.raises(ValueError, match=f"{what}.*NaN"):
                function(p.crf, p.scores, p.lengths)
        with pytest.raises(ValueError, match=f"{what}.*NaN"):
            log_likelihood(p.crf, p.scores, p.lengths, p.allowed)

    @pytest.mark.parametrize(
        "change, message",
        [
            (lambda p: p._replace(scores=p.scores[:, :2]), "start scores of 2 labels: expected shape"),
            (lambda p: p._replace(scores=p.scores[0]), "matrix"),
            (lambda p: p._replace(scores=p.scores[:, :0]), "one label at least"),
            (lambda p: p._replace(scores=p.scores.astype("int32")), "float32 or float64, got int32"),
            (lambda p: p._replace(scores=p.scores.astype("float16")), "float32 or float64, got float16"),
            (lambda p: p._replace(crf=p.crf._replace(transitions=p.crf.transitions[:2])), "transitions scores of 3 labels"),
            (lambda p: p._replace(crf=p.crf._replace(end=p.crf.end[:2])), "end scores of 3 labels"),
            (lambda p: p._replace(lengths=[2, 5]), "lengths add up to 7, but the batch has 6 rows"),
            (lambda p: p._replace(lengths=[-1, 7]), "negative"),
            (lambda p: p._replace(allowed=p.allowed[:5]), "allowed labels: expected shape"),
            (lambda p: p._replace(allowed=p.allowed.astype("float32")), "bool or uint8, got float32"),
        ],
    )
    def test_arrays_that_do_not_fit(self, change, message):
        p = change(draw(3, [2, 0, 4]))
        with pytest.raises(ValueError, match=message):
            log_likelihood(p.crf, p.scores, p.lengths, p.allowed)

    def test_a_gradient_of_another_shape(self):
        p = draw(3, [2, 0, 4])
        _, backprop = log_likelihood(p.crf, p.scores, p.lengths, p.allowed)
        for n in (2, 4):
            with pytest.raises(ValueError, match="gradient of the log-likelihoods: expected shape"):
                backprop(numpy.ones(n, "float32"))
