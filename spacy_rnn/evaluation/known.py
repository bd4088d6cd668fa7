"""Known and unknown words apart: how well a component does on what its training corpus has, and on what it has never seen.

Words are known by their exact text, whatever their labels in the training corpus. So are entities: one is known if the training
corpus has an entity, of any type, with the same text.
"""

from collections.abc import Set as AbstractSet
from typing import Callable, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc

from .bootstrap import Difference, check_comparable, compare_decisions
from .components import Evaluation
from .decisions import Decision, Task


class GroupScores(NamedTuple):
    """The scores of known words or entities, or of unknown ones. A share of nothing is None.

    label (str): What they are, e.g. "unknown words".
    precision (Optional[float]): The share of what was predicted that is right.
    recall (Optional[float]): The share of what is right that was predicted.
    f (Optional[float]): The harmonic mean of the two: of words the accuracy, as from spaCy's `Scorer.score_token_attr`.
    support (int): The annotated words or entities.
    """

    label: str
    precision: Optional[float]
    recall: Optional[float]
    f: Optional[float]
    support: int


class GroupDifference(NamedTuple):
    """How two components differ on known words or entities, or on unknown ones.

    label (str): What they are, e.g. "unknown words".
    support (int): The annotated words or entities.
    n_texts (int): The texts that have one of them, or of which one of the two components says so.
    difference (Optional[Difference]): The difference by the measure that counts first, accuracy or F; None if there are fewer
        than two such texts to draw from.
    """

    label: str
    support: int
    n_texts: int
    difference: Optional[Difference]


class Kind(NamedTuple):
    """What is known or unknown.

    name (str): The plural of what it is.
    find (Callable): Doc -> the exact texts in it.
    """

    name: str
    find: Callable[[Doc], Iterator[str]]


# By the unit that decisions are made for. Of a whole text neither is said.
KINDS: Mapping[str, Kind] = {
    "token": Kind("words", lambda doc: (token.text for token in doc)),
    "entity": Kind("entities", lambda doc: (entity.text for entity in doc.ents)),
}


def can_be_known(task: Task) -> bool:
    """Tell whether what a component decides about can be known from a training corpus: words and entities can, whole texts not.

    task (Task): What the component predicts.
    RETURNS (bool): Whether the functions here take it.
    """
    return task.unit in KINDS


def find_known(task: Task, docs: Iterable[Doc]) -> Set[str]:
    """Collect the words, or entities, of a training corpus.

    task (Task): What a component predicts, as from `find_task`: words for labels of tokens, entities for entities.
    docs (Iterable[Doc]): The annotated texts that the component was trained on, e.g. from a `DocBin`, or the references of
        examples.
    RETURNS (Set[str]): The exact text of each.
    RAISES (ValueError): If the component predicts neither, if something else than a Doc is given, or if there are none.
    """
    kind = _kind(task)
    known: Set[str] = set()
    for doc in docs:
        if not isinstance(doc, Doc):
            raise ValueError(
                f"expected Docs, as from a DocBin or the references of examples, got {type(doc).__name__}: {doc!r:.40}"
            )
        known.update(kind.find(doc))
    if not known:
        raise ValueError(f"there are no {kind.name}: expected the annotated texts that the component was trained on")
    return known


def score_by_known(evaluation: Evaluation, known: AbstractSet[str]) -> Tuple[GroupScores, GroupScores]:
    """Score known and unknown words, or entities, apart.

    A word is one of the annotation, and what was predicted for it is found as spaCy's scorer finds it: so both belong to the
    same group however a tokenizer has cut the text. Entities belong to the group of the annotated words that they cover.

    evaluation (Evaluation): A component and its decisions.
    known (AbstractSet[str]): The exact texts that the training corpus has, as from `find_known`.
    RETURNS (Tuple[GroupScores, GroupScores]): The scores of known and of unknown ones.
    RAISES (ValueError): If the component predicts labels of whole texts, or if `known` is no set.
    """
    names, groups = _names(evaluation.task), _split(evaluation, known)
    return _score(names[0], groups[0]), _score(names[1], groups[1])


def compare_by_known(
    a: Evaluation, b: Evaluation, known: AbstractSet[str], n_samples: int = 10_000, seed: int = 0
) -> Tuple[GroupDifference, GroupDifference]:
    """Compare two components on known and on unknown words, or entities, by the paired bootstrap.

    The draws are from the texts that have a word, or an entity, of the group.

    a (Evaluation): What one predicted.
    b (Evaluation): What the other predicted.
    known (AbstractSet[str]): The exact texts that the training corpus has, as from `find_known`.
    n_samples (int): How often texts are drawn.
    seed (int): What the draws begin with.
    RETURNS (Tuple[GroupDifference, GroupDifference]): The differences on known and on unknown ones.
    RAISES (ValueError): As `compare` and `score_by_known` do; few texts in a group are no error.
    """
    check_comparable(a, b)
    names, groups = _names(a.task), zip(_split(a, known), _split(b, known), strict=True)
    first, second = (_compare(name, a.task, *group, n_samples, seed) for name, group in zip(names, groups, strict=True))
    return first, second


def _kind(task: Task) -> Kind:
    if not can_be_known(task):
        raise ValueError(
            f"expected a component that labels words or entities, of which some can be unknown, got one that predicts {task.name}"
        )
    return KINDS[task.unit]


def _names(task: Task) -> Tuple[str, str]:
    name = _kind(task).name
    return f"known {name}", f"unknown {name}"


def _split(evaluation: Evaluation, known: AbstractSet[str]) -> Tuple[List[Decision], List[Decision]]:
    """Give the decisions about known and about unknown words or entities."""
    # Of a string each part would be known, and in a list each look-up takes as long as the list is.
    if not isinstance(known, AbstractSet):
        raise ValueError(f"expected the set of known texts, as from find_known, got {type(known).__name__}: {known!r:.40}")
    groups: Tuple[List[Decision], List[Decision]] = ([], [])
    for decision in evaluation.decisions.decisions:
        groups[evaluation.texts[decision.text][decision.start : decision.end] not in known].append(decision)
    return groups


def _score(label: str, decisions: Sequence[Decision]) -> GroupScores:
    gold = sum(decision.gold is not None for decision in decisions)
    predicted = sum(decision.predicted is not None for decision in decisions)
    hits = sum(decision.gold == decision.predicted for decision in decisions)
    return GroupScores(label, _share(hits, predicted), _share(hits, gold), _share(2 * hits, predicted + gold), gold)


def _share(part: int, whole: int) -> Optional[float]:
    return part / whole if whole else None


def _compare(label: str, task: Task, a: Sequence[Decision], b: Sequence[Decision], n_samples: int, seed: int) -> GroupDifference:
    # Without the texts that have none of the group no draw is without any.
    numbers = {text: i for i, text in enumerate(sorted({decision.text for decision in [*a, *b]}))}
    a, b = ([decision._replace(text=numbers[decision.text]) for decision in side] for side in (a, b))
    drawn = compare_decisions(task, a, b, len(numbers), n_samples, seed) if len(numbers) > 1 else [None]
    return GroupDifference(label, sum(decision.gold is not None for decision in a), len(numbers), drawn[0])
