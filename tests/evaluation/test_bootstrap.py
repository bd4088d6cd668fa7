"""The paired bootstrap: what it says of equal pipelines, of better ones, and of luck."""

import numpy
import pytest
from sklearn.metrics import precision_recall_fscore_support

from spacy_rnn.evaluation.bootstrap import compare_decisions, count, macro_f, macro_recall, micro_f, micro_precision, micro_recall
from spacy_rnn.evaluation.decisions import CLASS, ENTITIES, Decision


def decide(gold, predicted):
    return [Decision(i, 0, 0, g or None, p or None, None) for i, (g, p) in enumerate(zip(gold, predicted, strict=True))]


def compare(gold, a, b, task=CLASS, n_samples=2000, seed=0):
    found = compare_decisions(task, decide(gold, a), decide(gold, b), len(gold), n_samples, seed)
    return {difference.measure: difference for difference in found}


@pytest.fixture
def noisy():
    """(accuracy, seed) -> gold labels of 400 texts, the same in each call, and predictions of that accuracy."""
    gold = numpy.random.default_rng(0).choice(list("abc"), size=400).tolist()

    def make(accuracy, seed):
        rng = numpy.random.default_rng(seed)
        return gold, [g if rng.uniform() < accuracy else "abc"["bca".index(g)] for g in gold]

    return make


def test_the_same_decisions_do_not_differ(noisy):
    gold, predicted = noisy(0.8, 1)
    for difference in compare(gold, predicted, predicted).values():
        assert difference.a == difference.b
        assert (difference.difference, difference.low, difference.high, difference.p) == (0, 0, 0, 1)


def test_a_clearly_better_pipeline_is_better(noisy):
    gold, a = noisy(0.6, 1)
    _, b = noisy(0.8, 2)
    for difference in compare(gold, a, b).values():
        assert difference.low > 0
        assert difference.p == pytest.approx(1 / 2001)
        assert difference.difference == pytest.approx(difference.b - difference.a)


def test_the_order_turns_the_difference_around(noisy):
    gold, a = noisy(0.7, 1)
    _, b = noisy(0.75, 2)
    one, other = compare(gold, a, b)["accuracy"], compare(gold, b, a)["accuracy"]
    assert (other.difference, other.low, other.high) == pytest.approx((-one.difference, -one.high, -one.low))
    assert other.p == one.p


def test_equally_good_pipelines_are_rarely_told_apart(noisy):
    found = []
    for seed in range(60):
        gold, a = noisy(0.7, 2 * seed + 10)
        _, b = noisy(0.7, 2 * seed + 11)
        found.append(compare(gold, a, b, n_samples=400)["accuracy"].p)
    # Five percent is what p < 0.05 means; more than 9 of 60 would be one chance in a thousand.
    assert sum(p < 0.05 for p in found) <= 9
    assert sum(p < 0.5 for p in found) >= 15


def test_the_interval_is_that_of_the_normal_distribution(noisy):
    gold, a = noisy(0.7, 1)
    _, b = noisy(0.8, 2)
    right = numpy.asarray([[g == p for g, p in zip(gold, side, strict=True)] for side in (a, b)], dtype=float)
    per_text = right[1] - right[0]
    error = per_text.std() / numpy.sqrt(len(gold))
    found = compare(gold, a, b, n_samples=20_000)["accuracy"]
    assert found.low == pytest.approx(per_text.mean() - 1.96 * error, abs=0.005)
    assert found.high == pytest.approx(per_text.mean() + 1.96 * error, abs=0.005)


def test_the_same_seed_gives_the_same_draws(noisy):
    gold, a = noisy(0.7, 1)
    _, b = noisy(0.72, 2)
    assert compare(gold, a, b) == compare(gold, a, b)
    assert compare(gold, a, b)["accuracy"].p != compare(gold, a, b, seed=1)["accuracy"].p


def test_measures_are_scikit_learns(noisy):
    gold, predicted = noisy(0.7, 1)
    # Some decisions stand on one side only.
    gold, predicted = [*gold, "", "c"], [*predicted, "a", ""]
    labels = ["a", "b", "c"]
    counts = count(decide(gold, predicted), len(gold), labels).sums(numpy.ones((1, len(gold))))
    p, r, f, _ = precision_recall_fscore_support(gold, predicted, labels=labels, average="micro")
    assert [float(measure(counts)[0]) for measure in (micro_precision, micro_recall, micro_f)] == pytest.approx([p, r, f])
    _, r, f, _ = precision_recall_fscore_support(gold, predicted, labels=labels, average="macro")
    assert [float(measure(counts)[0]) for measure in (macro_recall, macro_f)] == pytest.approx([r, f])


def test_macro_averages_leave_out_labels_that_are_only_predicted():
    found = compare(["a", "a", "b"], ["a", "x", "b"], ["a", "a", "y"])
    assert found["macro recall"].a == pytest.approx(0.75)
    assert found["macro recall"].b == pytest.approx(0.5)


def test_entities_are_compared_by_f_precision_and_recall():
    found = compare(["a", "a", ""], ["a", "", ""], ["a", "a", "a"], task=ENTITIES)
    assert list(found) == ["F", "precision", "recall", "macro F"]
    assert (found["precision"].a, found["recall"].a) == (1.0, 0.5)
    assert found["precision"].b == pytest.approx(2 / 3)


def test_without_gold_labels_there_are_no_macro_averages():
    found = compare(["", ""], ["a", ""], ["", ""], task=ENTITIES)
    assert list(found) == ["F", "precision", "recall"]
    assert found["F"].difference == 0


def test_several_decisions_about_a_text_are_drawn_together():
    # B is right about all of one long text, and wrong about another: with two texts that is no evidence at all.
    a = [Decision(text, 0, 0, "x", "y" if text else "x", None) for text in (0, 1) for _ in range(500)]
    b = [Decision(text, 0, 0, "x", "x" if text else "y", None) for text in (0, 1) for _ in range(510 if text else 490)]
    (accuracy, *_) = compare_decisions(CLASS, a, b, 2, 1000, 0)
    assert accuracy.p > 0.4


def test_a_single_text_is_refused():
    with pytest.raises(ValueError, match="at least two"):
        compare(["a"], ["a"], ["b"])
