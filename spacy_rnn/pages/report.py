"""The page of `report` and `compare`: what there is to say about one pipeline, or about two and the difference between them."""

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..evaluation.bootstrap import Difference
from ..evaluation.components import Evaluation
from ..evaluation.decisions import Decision
from ..evaluation.findings import Findings
from ..evaluation.known import GroupDifference
from ..evaluation.speed import Speed
from ..evaluation.training_log import HOW_TO, TrainingLog
from .environment import render_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# With fewer texts the percentiles of the draws are rough.
FEW_TEXTS = 100
LEFT_OUT = "texts are left out: of these, the annotation says none of the classes that"


class Side(NamedTuple):
    """What a page says about a pipeline.

    name (str): "A" or "B" where there are two; empty if it is the only one.
    pipeline (str): The pipeline's path or name.
    evaluation (Evaluation): What its component predicted.
    findings (Findings): What there is to say about that.
    speed (Speed): How fast the whole pipeline is.
    log (Optional[TrainingLog]): The log of its training, if there is one.
    """

    name: str
    pipeline: str
    evaluation: Evaluation
    findings: Findings
    speed: Speed
    log: Optional[TrainingLog]


class Comparison(NamedTuple):
    """How two pipelines differ.

    differences (List[Difference]): By each measure, the one that counts first.
    n_samples (int): How often the bootstrap drew texts.
    seed (int): What its draws began with.
    by_known (Sequence[GroupDifference]): The differences on known and on unknown words or entities; empty if these are not told
        apart.
    """

    differences: List[Difference]
    n_samples: int
    seed: int
    by_known: Sequence[GroupDifference] = ()


def render_report(
    sides: Sequence[Side],
    corpus: str,
    plots: Mapping[str, "Figure"],
    comparison: Optional[Comparison] = None,
    gold_preproc: bool = False,
    train: Optional[str] = None,
) -> str:
    """Make the page.

    sides (Sequence[Side]): The pipeline, or the two that are compared.
    corpus (str): What the corpus is called.
    plots (Mapping[str, Figure]): The plots, as from `draw_plots`.
    comparison (Optional[Comparison]): How the two differ, if there are two.
    gold_preproc (bool): Whether each text was a gold sentence with gold tokens.
    train (Optional[str]): What the training corpus is called, if known and unknown words or entities are told apart.
    RETURNS (str): An HTML page that needs no other file.
    RAISES (ModuleNotFoundError): If matplotlib is not installed.
    """
    from .plots import as_data

    images = {name: as_data(figure) for name, figure in plots.items()}
    return render_page(
        "report.html",
        corpus=corpus,
        sides=[_describe(side, sides, images) for side in sides],
        calibration_plot=images.get("calibration"),
        curve_plot=images.get("learning_curve"),
        how_to_log=HOW_TO,
        left_out=LEFT_OUT,
        gold_preproc=gold_preproc,
        train=train,
        known="an entity" if sides[0].evaluation.task.unit == "entity" else "a word",
        few=FEW_TEXTS if any(len(side.evaluation.texts) < FEW_TEXTS for side in sides) else None,
        few_of_group=FEW_TEXTS if comparison is not None and has_few_texts(comparison.by_known) else None,
        comparison=comparison,
        verdict=give_verdict(comparison.differences[0]) if comparison is not None else None,
    )


def draw_plots(sides: Sequence[Side]) -> Dict[str, "Figure"]:
    """Draw the plots of a page.

    sides (Sequence[Side]): The pipeline, or the two that are compared.
    RETURNS (Dict[str, Figure]): The plots by name, as far as there is something to show.
    RAISES (ModuleNotFoundError): If matplotlib is not installed.
    """
    # Imported here because the pictures of texts need no matplotlib.
    from .plots import draw_calibration, draw_confusion, draw_learning_curve

    plots = {}
    for side in sides:
        if side.findings.confusion is not None:
            plots[_name_confusion(side)] = draw_confusion(*side.findings.confusion)
    shown = [side.name or side.evaluation.component for side in sides]
    calibrations = {name: side.findings.calibration for name, side in zip(shown, sides, strict=True)}
    if any(calibrations.values()):
        plots["calibration"] = draw_calibration(calibrations)
    logs = {name: side.log for name, side in zip(shown, sides, strict=True)}
    if any(logs.values()):
        plots["learning_curve"] = draw_learning_curve(logs)
    return plots


def has_few_texts(by_known: Sequence[GroupDifference]) -> bool:
    """Tell whether one of the groups is of so few texts that interval and p are rough, or missing.

    by_known (Sequence[GroupDifference]): The differences on known and on unknown words or entities.
    RETURNS (bool): Whether that is so.
    """
    return any(group.n_texts < FEW_TEXTS for group in by_known)


def give_verdict(difference: Difference) -> str:
    """Say what a difference means.

    difference (Difference): The difference by one measure.
    RETURNS (str): A sentence.
    """
    better = "B" if difference.difference > 0 else "A"
    if difference.p < 0.05:
        return f"By {difference.measure}, {better} is better: p < 0.05."
    return f"By {difference.measure}, these texts do not show that one is better than the other: p is not below 0.05."


def _describe(side: Side, sides: Sequence[Side], images: Mapping[str, str]) -> Dict[str, Any]:
    """Give what the page shows of one pipeline."""
    calibration = side.findings.calibration
    others_errors = {
        _place(decision)
        for other in sides
        for decision in other.evaluation.decisions.decisions
        if other is not side and decision.gold != decision.predicted
    }
    return {
        **side._asdict(),
        "confusion_plot": images.get(_name_confusion(side)),
        "bins": list(zip(*calibration[:3], strict=True)) if calibration is not None else [],
        "own_scores": {key: value for key, value in side.evaluation.scores.items() if isinstance(value, float)},
        "others_right": [_place(error.decision) not in others_errors for error in side.findings.errors],
    }


def _place(decision: Decision) -> Tuple[int, int, int, Optional[str]]:
    """Say where a decision was made. A text that may have several classes is decided about once for each of them."""
    label = decision.gold if decision.gold is not None or decision.end > decision.start else decision.predicted
    return decision.text, decision.start, decision.end, label


def _name_confusion(side: Side) -> str:
    return "_".join(["confusion", *side.name.lower()])
