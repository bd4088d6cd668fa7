"""Scores, confusions and calibration of decisions."""

from collections import Counter
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import numpy

from .decisions import Decision, Decisions
from .extras import requires_extra

# Stands in the place of a label where there is none; spaCy takes it for missing annotation, so it cannot be a label.
NOTHING = ""
N_BINS = 10


class LabelScores(NamedTuple):
    """The scores of a label, or of all of them.

    label (str): The label.
    precision (float): The share of what was predicted that is right.
    recall (float): The share of what is right that was predicted.
    f (float): The harmonic mean of the two.
    support (int): How often the label is right.
    """

    label: str
    precision: float
    recall: float
    f: float
    support: int


class Calibration(NamedTuple):
    """How often what had a certain probability came true.

    predicted (Sequence[float]): The mean probability in each bin that is not empty.
    observed (Sequence[float]): The share that came true.
    counts (Sequence[int]): The number of probabilities.
    error (float): The expected calibration error: the mean distance of the two, weighted by the counts (Naeini, Cooper &
        Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning"; Guo et al. 2017, "On calibration of
        modern neural networks", equation 3).
    """

    predicted: Sequence[float]
    observed: Sequence[float]
    counts: Sequence[int]
    error: float


def gold_labels(decisions: Sequence[Decision]) -> List[str]:
    """Find the labels of the annotation.

    decisions (Sequence[Decision]): The decisions.
    RETURNS (List[str]): The labels, sorted.
    """
    return sorted({decision.gold for decision in decisions if decision.gold is not None})


def all_labels(decisions: Sequence[Decision]) -> List[str]:
    """Find the labels of the annotation and of the predictions.

    decisions (Sequence[Decision]): The decisions.
    RETURNS (List[str]): The labels, sorted.
    """
    return sorted({label for decision in decisions for label in decision[3:5] if label is not None})


def score_labels(decisions: Sequence[Decision]) -> List[LabelScores]:
    """Score each label.

    decisions (Sequence[Decision]): The decisions.
    RETURNS (List[LabelScores]): The scores, most frequent label first. Where nothing was predicted precision is 0, where nothing
        is right recall is.
    RAISES (ModuleNotFoundError): If scikit-learn is not installed.
    """
    with requires_extra():
        from sklearn.metrics import precision_recall_fscore_support

    labels = all_labels(decisions)
    if not labels:
        return []
    p, r, f, support = precision_recall_fscore_support(*_sides(decisions), labels=labels, average=None, zero_division=0)
    rows = [LabelScores(label, float(p[i]), float(r[i]), float(f[i]), int(support[i])) for i, label in enumerate(labels)]
    return sorted(rows, key=lambda row: (-row.support, row.label))


def score_all(decisions: Sequence[Decision]) -> List[LabelScores]:
    """Score all labels together: micro, of all decisions alike, and macro, the mean over the labels that the annotation has.

    decisions (Sequence[Decision]): The decisions.
    RETURNS (List[LabelScores]): The two; the second only if the annotation has labels.
    RAISES (ModuleNotFoundError): If scikit-learn is not installed.
    """
    with requires_extra():
        from sklearn.metrics import precision_recall_fscore_support

    n_gold = sum(decision.gold is not None for decision in decisions)
    rows = []
    for average, labels in (("micro", all_labels(decisions)), ("macro", gold_labels(decisions))):
        if labels:
            p, r, f, _ = precision_recall_fscore_support(*_sides(decisions), labels=labels, average=average, zero_division=0)
            rows.append(LabelScores(average, float(p), float(r), float(f), n_gold))
    return rows


def confuse(decisions: Sequence[Decision]) -> Tuple[List[str], numpy.ndarray]:
    """Count which label was predicted in the place of which.

    decisions (Sequence[Decision]): The decisions.
    RETURNS (Tuple[List[str], numpy.ndarray]): The labels, and int [labels, labels], gold labels down, predicted ones across. If
        there were decisions on one side only, the last label is `NOTHING`.
    RAISES (ModuleNotFoundError): If scikit-learn is not installed.
    """
    with requires_extra():
        from sklearn.metrics import confusion_matrix

    labels = all_labels(decisions)
    if any(None in decision[3:5] for decision in decisions):
        labels.append(NOTHING)
    if len(labels) == 1:
        # Of a single label scikit-learn warns.
        return labels, numpy.asarray([[len(decisions)]])
    return labels, confusion_matrix(*_sides(decisions), labels=labels)


def count_binary(found: Decisions) -> Dict[str, Tuple[int, int, int, int]]:
    """Count the decisions about each class, where classes do not exclude each other.

    found (Decisions): The decisions.
    RETURNS (Dict[str, Tuple[int, int, int, int]]): By class: how often it was predicted and true, predicted and not true, not
        predicted and true, neither.
    """
    kinds = Counter((decision.gold, decision.predicted) for decision in found.decisions)
    counts = {}
    for label, n in found.n_annotated.items():
        three = kinds[label, label], kinds[None, label], kinds[label, None]
        counts[label] = (*three, n - sum(three))
    return counts


def measure_calibration(probabilities: Any, came_true: Any) -> Calibration:
    """Compare probabilities with what came true, in bins of equal width.

    probabilities (Array): [M], in [0, 1], e.g. those of a component's decisions.
    came_true (Array): bool [M], whether what had each of these probabilities was right.
    RETURNS (Calibration): The comparison.
    RAISES (ValueError): If there are no probabilities, not as many of one as of the other, or one is no number.
    """
    probabilities, came_true = numpy.asarray(probabilities, "float64"), numpy.asarray(came_true, bool)
    if probabilities.ndim != 1 or probabilities.shape != came_true.shape or not probabilities.size:
        raise ValueError(
            "expected probabilities [M], at least one, and for each of them whether it came true, got "
            f"{probabilities.shape} and {came_true.shape}"
        )
    if numpy.isnan(probabilities).any():
        raise ValueError("a probability is a number in [0, 1], got NaN")
    probabilities = numpy.clip(probabilities, 0, 1)
    # A bin has its upper edge, but not its lower one; the first one has both.
    bins = numpy.searchsorted(numpy.linspace(0, 1, N_BINS + 1)[1:-1], probabilities)
    counts = numpy.bincount(bins, minlength=N_BINS)
    filled = counts > 0
    counts = counts[filled]
    predicted, observed = (numpy.bincount(bins, values, N_BINS)[filled] / counts for values in (probabilities, came_true))
    error = float((counts / counts.sum() * abs(observed - predicted)).sum())
    return Calibration(predicted.tolist(), observed.tolist(), counts.tolist(), error)


def worst_errors(decisions: Sequence[Decision], n: int) -> List[Decision]:
    """Find the errors that a component was surest of.

    decisions (Sequence[Decision]): The decisions.
    n (int): How many at most.
    RETURNS (List[Decision]): The errors, most confident first; those without a probability come last, in the order of the texts.
    """
    errors = [decision for decision in decisions if decision.gold != decision.predicted]
    return sorted(errors, key=lambda error: -1.0 if error.confidence is None else error.confidence, reverse=True)[:n]


def frequent_confusions(decisions: Sequence[Decision], n: int) -> List[Tuple[str, str, int]]:
    """Find the errors that a component makes most often.

    decisions (Sequence[Decision]): The decisions.
    n (int): How many at most.
    RETURNS (List[Tuple[str, str, int]]): Gold label, predicted label, and how often.
    """
    errors = Counter((d.gold or NOTHING, d.predicted or NOTHING) for d in decisions if d.gold != d.predicted)
    return [(gold, predicted, count) for (gold, predicted), count in errors.most_common(n)]


def _sides(decisions: Sequence[Decision]) -> Tuple[List[str], List[str]]:
    return [d.gold or NOTHING for d in decisions], [d.predicted or NOTHING for d in decisions]
