"""Confusions, calibration, and which errors are the worst."""

import warnings

import numpy
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import f1_score

from spacy_rnn.evaluation.decisions import Decision
from spacy_rnn.evaluation.scores import NOTHING, confuse, frequent_confusions, measure_calibration, score_all, worst_errors


def decisions(*pairs):
    return [Decision(i, 0, 1, gold or None, predicted or None, None) for i, (gold, predicted) in enumerate(pairs)]


def test_macro_averages_are_over_the_labels_of_the_annotation():
    found = decisions(("a", "a"), ("a", "b"), ("b", "b"), ("b", "c"))
    micro, macro = score_all(found)
    assert macro.f == pytest.approx(f1_score(list("aabb"), list("abbc"), labels=["a", "b"], average="macro"))
    assert micro.f == pytest.approx(0.5)
    assert (micro.support, macro.support) == (4, 4)


def test_predictions_without_annotation_have_no_macro_average():
    (micro,) = score_all(decisions(("", "a")))
    assert (micro.f, micro.support) == (0.0, 0)
    assert score_all([]) == []


def test_a_confusion_matrix_has_gold_labels_down():
    labels, counts = confuse(decisions(("a", "b"), ("a", "b"), ("b", "b")))
    assert labels == ["a", "b"]
    assert counts.tolist() == [[0, 2], [0, 1]]


def test_what_stands_on_one_side_only_is_confused_with_nothing():
    labels, counts = confuse(decisions(("a", ""), ("", "b"), ("b", "b")))
    assert labels == ["a", "b", NOTHING]
    assert counts.tolist() == [[0, 0, 1], [0, 1, 0], [0, 1, 0]]


def test_the_most_frequent_errors_come_first():
    found = decisions(("a", "b"), ("b", ""), ("a", "b"), ("a", "a"), ("a", "a"), ("a", "a"))
    assert frequent_confusions(found, 5) == [("a", "b", 2), ("b", NOTHING, 1)]
    assert frequent_confusions(found, 1) == [("a", "b", 2)]


def test_the_calibration_error_is_the_weighted_mean_distance():
    found = measure_calibration([0.95] * 4 + [0.65] * 6, [True, True, False, False] + [True] * 3 + [False] * 3)
    assert found.counts == [6, 4]
    assert found.predicted == pytest.approx([0.65, 0.95])
    assert found.observed == pytest.approx([0.5, 0.5])
    assert found.error == pytest.approx(0.6 * 0.15 + 0.4 * 0.45)


def test_probabilities_that_say_what_happens_have_no_calibration_error():
    rng = numpy.random.default_rng(0)
    probabilities = rng.uniform(size=200_000)
    found = measure_calibration(probabilities, rng.uniform(size=200_000) < probabilities)
    assert len(found.counts) == 10
    assert sum(found.counts) == 200_000
    assert found.error < 0.005


@pytest.mark.parametrize("came_true", [True, False])
def test_calibration_of_what_always_or_never_comes_true(came_true):
    found = measure_calibration([0.0, 1.0, 1.0], [came_true] * 3)
    assert found.counts == [1, 2]
    assert found.error == pytest.approx(1 / 3 if came_true else 2 / 3)


def test_the_most_confident_errors_are_the_worst():
    confidences = [0.5, None, 0.9, 0.99, 0.7, None]
    found = [Decision(i, 0, 1, "a", "a" if i == 3 else "b", confidence) for i, confidence in enumerate(confidences)]
    assert [error.text for error in worst_errors(found, 10)] == [2, 4, 0, 1, 5]
    assert [error.text for error in worst_errors(found, 2)] == [2, 4]


def test_a_single_label_is_nothing_to_warn_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels, counts = confuse(decisions(("a", "a"), ("a", "a")))
    assert (labels, counts.tolist()) == (["a"], [[2]])


def test_the_bins_are_scikit_learns():
    rng = numpy.random.default_rng(0)
    probabilities = numpy.concatenate([rng.uniform(size=500), numpy.arange(11) / 10])
    came_true = rng.uniform(size=511) < 0.5
    observed, predicted = calibration_curve(came_true, probabilities, n_bins=10)
    found = measure_calibration(probabilities, came_true)
    assert found.observed == pytest.approx(observed.tolist())
    assert found.predicted == pytest.approx(predicted.tolist())
    assert sum(found.counts) == 511


@pytest.mark.parametrize(
    "probabilities, came_true, message",
    [
        ([], [], "at least one"),
        ([0.5], [True, False], r"\(1,\) and \(2,\)"),
        ([numpy.nan], [True], "NaN"),
        ([[0.5]], [[True]], "M"),
    ],
)
def test_what_is_no_probability_is_refused(probabilities, came_true, message):
    with pytest.raises(ValueError, match=message):
        measure_calibration(probabilities, came_true)
