"""What there is to say about a component's decisions, in numbers."""

from collections.abc import Set as AbstractSet
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy

from .components import Evaluation
from .decisions import Decision, Task
from .known import GroupScores, score_by_known
from .scores import (
    Calibration,
    LabelScores,
    confuse,
    count_binary,
    frequent_confusions,
    measure_calibration,
    score_all,
    score_labels,
    worst_errors,
)

N_CONFUSIONS = 10
# A matrix of more labels cannot be read.
MOST_LABELS = 60
# Characters that are shown around a token or entity, and of a whole text.
AROUND = 70
OF_TEXT = 400


class Error(NamedTuple):
    """A wrong decision and where it was made.

    before (str): The text before the token or entity; of a text, the text itself.
    focus (str): The token or entity.
    after (str): The text behind it.
    decision (Decision): The decision.
    """

    before: str
    focus: str
    after: str
    decision: Decision


class Findings(NamedTuple):
    """What there is to say about a component's decisions.

    averages (List[LabelScores]): The scores of all labels together.
    labels (List[LabelScores]): The scores of each label.
    confusion (Optional[Tuple[List[str], numpy.ndarray]]): The labels, and int [labels, labels], how often which label was
        predicted, across, in the place of which, down; None where classes do not exclude each other, or where there are too many.
    binary (Dict[str, Tuple[int, int, int, int]]): Where classes do not exclude each other, the counts of each as made by
        `count_binary`.
    confusions (List[Tuple[str, str, int]]): The most frequent errors.
    calibration (Optional[Calibration]): Whether probabilities can be believed; None without probabilities.
    errors (List[Error]): The most confident errors.
    n_unaligned (int): The tokens of either side that have no counterpart on the other, because the tokenizer cut the text in
        another way. They count in the scores, but not as errors of the component.
    n_left_out (int): Where each text has one class, the texts of which the annotation says no class that the component knows.
    by_known (Sequence[GroupScores]): The scores of known and of unknown words or entities; empty if these are not told apart.
    """

    averages: List[LabelScores]
    labels: List[LabelScores]
    confusion: Optional[Tuple[List[str], numpy.ndarray]]
    binary: Dict[str, Tuple[int, int, int, int]]
    confusions: List[Tuple[str, str, int]]
    calibration: Optional[Calibration]
    errors: List[Error]
    n_unaligned: int
    n_left_out: int
    by_known: Sequence[GroupScores]


def summarize(evaluation: Evaluation, n_errors: int = 20, known: Optional[AbstractSet[str]] = None) -> Findings:
    """Sum up the decisions of a component.

    evaluation (Evaluation): The component and its decisions.
    n_errors (int): How many errors are listed at most.
    known (Optional[AbstractSet[str]]): The words or entities of the training corpus, as from `find_known`, if the scores of known
        and unknown ones are wanted.
    RETURNS (Findings): The summary.
    RAISES (ValueError): If something is said to be known, and the component predicts labels of whole texts.
    RAISES (ModuleNotFoundError): If scikit-learn is not installed.
    """
    found = evaluation.decisions
    compared = [d for d in found.decisions if not _is_unaligned(d, evaluation.task)]
    matrix = confuse(found.decisions) if not found.n_annotated else None
    return Findings(
        averages=score_all(found.decisions),
        labels=score_labels(found.decisions),
        confusion=matrix if matrix is not None and len(matrix[0]) <= MOST_LABELS else None,
        binary=count_binary(found),
        confusions=frequent_confusions(compared, N_CONFUSIONS),
        calibration=measure_calibration(found.probabilities, found.came_true) if found.probabilities is not None else None,
        errors=[_in_context(error, evaluation.texts[error.text]) for error in worst_errors(compared, n_errors)],
        n_unaligned=len(found.decisions) - len(compared),
        n_left_out=len(evaluation.texts) - len(found.decisions) if evaluation.task.unit == "text" else 0,
        by_known=score_by_known(evaluation, known) if known is not None else (),
    )


def _is_unaligned(decision: Decision, task: Task) -> bool:
    return task.unit == "token" and None in (decision.gold, decision.predicted)


def _in_context(decision: Decision, text: str) -> Error:
    if decision.start == decision.end:
        return Error(_beginning(text, OF_TEXT), "", "", decision)
    before, after = text[: decision.start], text[decision.end :]
    if len(before) > AROUND:
        before = f"…{before[-AROUND:]}"
    return Error(before, text[decision.start : decision.end], _beginning(after, AROUND), decision)


def _beginning(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
