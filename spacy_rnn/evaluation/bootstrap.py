"""Whether one pipeline is better than another, or was lucky with these texts: the paired bootstrap.

Texts are drawn from the corpus with replacement, as many as it has, and both pipelines are scored on the same draw, again and
again (Efron & Tibshirani 1993, "An introduction to the bootstrap", chapters 6, 13 and 16; Koehn 2004, "Statistical significance
tests for machine translation evaluation").
"""

from typing import Callable, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Set, Tuple

import numpy
from tqdm import tqdm

from .components import Evaluation
from .decisions import Decision, Task
from .scores import all_labels, gold_labels

# Draws whose counts are summed in one matrix product.
CHUNK = 100


class Difference(NamedTuple):
    """The scores of two pipelines, A and B, by one measure.

    measure (str): Its name.
    a (float): The score of A.
    b (float): The score of B.
    difference (float): B - A.
    low (float): The lower end of the difference's 95 % interval (percentiles of the draws, Efron & Tibshirani, section 13.3).
    high (float): Its upper end.
    p (float): How often, if the two were equally good, a difference at least as large would come about by chance, in either
        direction: the share of draws, the corpus itself being one of them, whose difference lies at least that far from the
        corpus's.
    """

    measure: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float


class Counts(NamedTuple):
    """What scores are computed from, by text or by draw.

    hits (numpy.ndarray): float64 [any, labels], how often the label was predicted and right.
    predicted (numpy.ndarray): float64 [any, labels], how often it was predicted.
    gold (numpy.ndarray): float64 [any, labels], how often it was right.
    """

    hits: numpy.ndarray
    predicted: numpy.ndarray
    gold: numpy.ndarray

    def sums(self, draws: numpy.ndarray) -> "Counts":
        """Sum over draws.

        draws (numpy.ndarray): float64 [S, texts], how often each draw has each text.
        RETURNS (Counts): [S, labels].
        """
        return Counts(*(draws @ counts for counts in self))


def count(decisions: Sequence[Decision], n_texts: int, labels: Sequence[str]) -> Counts:
    """Count decisions by text.

    decisions (Sequence[Decision]): The decisions.
    n_texts (int): The number of texts.
    labels (Sequence[str]): The labels, of which there may be more than occur.
    RETURNS (Counts): [texts, labels].
    """
    numbers = {label: i for i, label in enumerate(labels)}
    counts = Counts(*numpy.zeros((3, n_texts, len(labels))))
    for decision in decisions:
        if decision.gold is not None:
            counts.gold[decision.text, numbers[decision.gold]] += 1
        if decision.predicted is not None:
            counts.predicted[decision.text, numbers[decision.predicted]] += 1
            if decision.predicted == decision.gold:
                counts.hits[decision.text, numbers[decision.predicted]] += 1
    return counts


def micro_precision(counts: Counts) -> numpy.ndarray:
    """Find the share of all predictions that are right.

    counts (Counts): [S, labels].
    RETURNS (numpy.ndarray): float64 [S].
    """
    return _share(counts.hits.sum(axis=1), counts.predicted.sum(axis=1))


def micro_recall(counts: Counts) -> numpy.ndarray:
    """Find the share of all that is right that was predicted.

    counts (Counts): [S, labels].
    RETURNS (numpy.ndarray): float64 [S].
    """
    return _share(counts.hits.sum(axis=1), counts.gold.sum(axis=1))


def micro_f(counts: Counts) -> numpy.ndarray:
    """Find the harmonic mean of precision and recall of all decisions; where each unit has one label, the accuracy.

    counts (Counts): [S, labels].
    RETURNS (numpy.ndarray): float64 [S].
    """
    return _share(2 * counts.hits.sum(axis=1), (counts.predicted + counts.gold).sum(axis=1))


def macro_f(counts: Counts) -> numpy.ndarray:
    """Find the mean over labels of their F.

    counts (Counts): [S, labels].
    RETURNS (numpy.ndarray): float64 [S].
    """
    return _share(2 * counts.hits, counts.predicted + counts.gold).mean(axis=1)


def macro_recall(counts: Counts) -> numpy.ndarray:
    """Find the mean over labels of their recall.

    counts (Counts): [S, labels].
    RETURNS (numpy.ndarray): float64 [S].
    """
    return _share(counts.hits, counts.gold).mean(axis=1)


Measure = Callable[[Counts], numpy.ndarray]


def measures(task: Task) -> Dict[str, Measure]:
    """Choose the measures that pipelines are compared by.

    task (Task): What they predict.
    RETURNS (Dict[str, Callable]): Functions of counts by name, the one that counts first.
    """
    if task.exclusive:
        return {"accuracy": micro_f, "macro F": macro_f, "macro recall": macro_recall}
    return {"F": micro_f, "precision": micro_precision, "recall": micro_recall, "macro F": macro_f}


def compare(a: Evaluation, b: Evaluation, n_samples: int = 10_000, seed: int = 0) -> List[Difference]:
    """Compare two components on the same texts.

    a (Evaluation): What one predicted.
    b (Evaluation): What the other predicted.
    n_samples (int): How often texts are drawn.
    seed (int): What the draws begin with.
    RETURNS (List[Difference]): The differences by each measure, as from `compare_decisions`.
    RAISES (ValueError): If the two predict different things, were evaluated on different texts, or know different classes of
        the corpus; if there are fewer than two texts or no draws.
    """
    check_comparable(a, b)
    return compare_decisions(a.task, a.decisions.decisions, b.decisions.decisions, len(a.texts), n_samples, seed)


def check_comparable(a: Evaluation, b: Evaluation) -> None:
    """Check that two components were evaluated on the same decisions.

    a (Evaluation): What one predicted.
    b (Evaluation): What the other predicted.
    RAISES (ValueError): If the two predict different things, were evaluated on different texts, or know different classes of
        the corpus.
    """
    if a.task != b.task:
        raise ValueError(
            f"the two components do not predict the same: '{a.component}' predicts {a.task.name}, '{b.component}' predicts "
            f"{b.task.name}"
        )
    if a.texts != b.texts:
        raise ValueError(f"expected two evaluations on the same texts, got {len(a.texts)} and {len(b.texts)} that differ")
    # Each would be scored on other decisions.
    only_one = {label for label, _ in _asked(a) ^ _asked(b)}
    if only_one:
        raise ValueError(
            f"only one of the two pipelines knows these classes of the corpus: {', '.join(sorted(only_one))}. Train both on the "
            "same classes, or take the texts of these classes out of the corpus"
        )


def _asked(evaluation: Evaluation) -> Set[Tuple[str, int]]:
    """List the gold labels that a component is scored by, with the number of each text."""
    return {(decision.gold, decision.text) for decision in evaluation.decisions.decisions if decision.gold is not None}


def compare_decisions(
    task: Task, a: Sequence[Decision], b: Sequence[Decision], n_texts: int, n_samples: int = 10_000, seed: int = 0
) -> List[Difference]:
    """Compare two lists of decisions about the same texts.

    task (Task): What was predicted.
    a (Sequence[Decision]): The decisions of one component.
    b (Sequence[Decision]): Those of the other.
    n_texts (int): The number of texts.
    n_samples (int): How often texts are drawn.
    seed (int): What the draws begin with.
    RETURNS (List[Difference]): The differences by each measure; macro-averages are over the labels that the annotation has, if
        it has any.
    RAISES (ValueError): If there are not at least two texts to draw from, or no draws.
    """
    if n_texts < 2:
        raise ValueError(f"the bootstrap draws texts, at least two, better hundreds: the corpus has {n_texts}")
    if n_samples < 1:
        raise ValueError(f"expected at least one draw, better 10,000, got n_samples={n_samples}")
    gold = gold_labels([*a, *b])
    # The labels of the annotation come first, since macro-averages are over these.
    labels = gold + [label for label in all_labels([*a, *b]) if label not in gold]
    counted = {"a": count(a, n_texts, labels), "b": count(b, n_texts, labels)}
    chosen = {name: measure for name, measure in measures(task).items() if gold or not name.startswith("macro")}
    observed = {name: _scores(counts.sums(numpy.ones((1, n_texts))), chosen, len(gold)) for name, counts in counted.items()}
    differences: Dict[str, List[numpy.ndarray]] = {measure: [] for measure in chosen}
    for draws in _draws(n_texts, n_samples, seed):
        drawn = {name: _scores(counts.sums(draws), chosen, len(gold)) for name, counts in counted.items()}
        for measure, found in differences.items():
            found.append(drawn["b"][measure] - drawn["a"][measure])
    return [
        _difference(measure, float(observed["a"][measure][0]), float(observed["b"][measure][0]), numpy.concatenate(found))
        for measure, found in differences.items()
    ]


def _draws(n_texts: int, n_samples: int, seed: int) -> Iterator[numpy.ndarray]:
    """Give draws as float64 [chunk, texts], how often each has each text."""
    rng = numpy.random.default_rng(seed)
    with tqdm(total=n_samples, desc="Bootstrap", unit="sample", disable=None, leave=False) as progress:
        for start in range(0, n_samples, CHUNK):
            size = min(CHUNK, n_samples - start)
            chosen = rng.integers(0, n_texts, size=(size, n_texts))
            yield numpy.stack([numpy.bincount(row, minlength=n_texts) for row in chosen]).astype("float64")
            progress.update(size)


def _scores(counts: Counts, chosen: Mapping[str, Measure], n_gold: int) -> Dict[str, numpy.ndarray]:
    of_gold = Counts(*(array[:, :n_gold] for array in counts))
    return {name: measure(of_gold if name.startswith("macro") else counts) for name, measure in chosen.items()}


def _difference(measure: str, a: float, b: float, drawn: numpy.ndarray) -> Difference:
    difference = b - a
    low, high = numpy.percentile(drawn, [2.5, 97.5])
    # Rounding must not make a draw that differs as much as the corpus differ a little less.
    at_least = abs(drawn - difference) >= abs(difference) - 1e-12
    p = float((1 + at_least.sum()) / (1 + len(drawn)))
    return Difference(measure, a, b, difference, float(low), float(high), p)


def _share(part: numpy.ndarray, whole: numpy.ndarray) -> numpy.ndarray:
    return numpy.divide(part, whole, out=numpy.zeros_like(part), where=whole > 0)
