"""`report` and `compare`: a page about one pipeline, or about two and the difference between them."""

from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Optional, Set, Tuple

from matplotlib.figure import Figure
from wasabi import msg

from ..evaluation.bootstrap import Difference, compare_decisions
from ..evaluation.component import Evaluation, evaluate, find_subject
from ..evaluation.decisions import Decision
from ..evaluation.findings import Findings, find
from ..evaluation.training_log import HOW_TO
from ..pages.page import write_page
from ..pages.plots import as_data, draw_calibration, draw_confusion, draw_learning_curve, save_plots
from .errors import CommandError

# With fewer texts the percentiles of the draws are rough.
FEW_TEXTS = 100
LEFT_OUT = "texts are left out: of these, the annotation says none of the classes that"


class Options(NamedTuple):
    """What a user chooses for a page.

    output (Path): Where the page goes.
    plots (Optional[Path]): A folder for the plots as files.
    n_errors (int): How many errors are shown at most.
    gold_preproc (bool): Whether each gold sentence becomes a text, with gold tokens.
    gpu (int): The number of the GPU that computes, or -1.
    """

    output: Path
    plots: Optional[Path]
    n_errors: int
    gold_preproc: bool
    gpu: int


def report(pipeline: str, corpus: Path, component: Optional[str], log: Optional[Path], options: Options) -> None:
    """Write a page about a pipeline.

    pipeline (str): A directory, or the name of an installed package.
    corpus (Path): Annotated texts in spaCy's binary format.
    component (Optional[str]): The component's name; the first one that can be looked at if None.
    log (Optional[Path]): The log of the training; if None it is looked for beside the pipeline.
    options (Options): The rest.
    RAISES (CommandError): If something is missing, or is not what was expected.
    """
    subject = find_subject(pipeline, component, log)
    evaluation = evaluate(subject, corpus, gold_preproc=options.gold_preproc, gpu=options.gpu)
    findings = find(evaluation, options.n_errors)
    rows = [(row.label, *(f"{100 * share:.2f}" for share in row[1:4]), row.support) for row in findings.averages]
    msg.table(rows, header=("", "precision", "recall", "F", "support"), divider=True, aligns=("l", "r", "r", "r", "r"))
    _write(corpus, {"": (evaluation, findings)}, options, differences=None)


def compare(
    pipelines: Tuple[str, str],
    corpus: Path,
    components: Tuple[Optional[str], Optional[str]],
    logs: Tuple[Optional[Path], Optional[Path]],
    n_samples: int,
    seed: int,
    options: Options,
) -> None:
    """Write a page about two pipelines, and whether the difference between them is real.

    pipelines (Tuple[str, str]): Directories, or names of installed packages.
    corpus (Path): Annotated texts in spaCy's binary format.
    components (Tuple[Optional[str], Optional[str]]): The components' names, as in `report`.
    logs (Tuple[Optional[Path], Optional[Path]]): The logs of the trainings, as in `report`.
    n_samples (int): How often the bootstrap draws texts.
    seed (int): What its draws begin with.
    options (Options): The rest.
    RAISES (CommandError): If something is missing, or is not what was expected; if the two predict different things.
    """
    subjects = [find_subject(*named) for named in zip(pipelines, components, logs, strict=True)]
    tasks = [f"'{subject.component}' predicts {subject.task.name}" for subject in subjects]
    if subjects[0].task != subjects[1].task:
        raise CommandError(
            "The two components do not predict the same", f"{'; '.join(tasks)}. Choose others by --component-a and --component-b."
        )
    a, b = (evaluate(subject, corpus, gold_preproc=options.gold_preproc, gpu=options.gpu) for subject in subjects)
    _require_same_classes(a, b)
    differences = compare_decisions(a.task, a.found.decisions, b.found.decisions, len(a.texts), n_samples, seed)
    rows = [
        (
            row.measure,
            *(f"{100 * score:.2f}" for score in (row.a, row.b)),
            f"{100 * row.difference:+.2f}",
            f"{100 * row.low:+.2f} to {100 * row.high:+.2f}",
            f"{row.p:.4f}",
        )
        for row in differences
    ]
    msg.table(rows, header=("", "A", "B", "B - A", "95 % interval", "p"), divider=True, aligns=("l", "r", "r", "r", "r", "r"))
    msg.text(f"{verdict(differences[0])} Paired bootstrap: {n_samples:,} samples of {len(a.texts):,} texts, seed {seed}.")
    if len(a.texts) < FEW_TEXTS:
        msg.warn(f"There are only {len(a.texts)} texts: interval and p are rough.")
    sides = {name: (evaluation, find(evaluation, options.n_errors)) for name, evaluation in (("A", a), ("B", b))}
    _write(corpus, sides, options, differences=differences, verdict=verdict(differences[0]), samples=n_samples, seed=seed)


def verdict(difference: Difference) -> str:
    """Say what a difference means.

    difference (Difference): The difference by one measure.
    RETURNS (str): A sentence.
    """
    better = "B" if difference.difference > 0 else "A"
    if difference.p < 0.05:
        return f"By {difference.measure}, {better} is better: p < 0.05."
    return f"By {difference.measure}, these texts do not show that one is better than the other: p is not below 0.05."


def _require_same_classes(a: Evaluation, b: Evaluation) -> None:
    """Refuse pipelines of which only one is asked for some class: each would be scored on other decisions."""
    only_one = {label for label, _ in _asked(a) ^ _asked(b)}
    if only_one:
        raise CommandError(
            f"Only one of the two pipelines knows these classes of the corpus: {', '.join(sorted(only_one))}",
            "Train both on the same classes, or take the texts of these classes out of the corpus.",
        )


def _asked(evaluation: Evaluation) -> Set[Tuple[str, int]]:
    """List the gold labels that a component is scored by, with the number of each text."""
    return {(decision.gold, decision.text) for decision in evaluation.found.decisions if decision.gold is not None}


def _write(corpus: Path, sides: Mapping[str, Tuple[Evaluation, Findings]], options: Options, **values: Any) -> None:
    """Draw the plots, and write the page."""
    for name, (evaluation, findings) in sides.items():
        if findings.n_left_out:
            msg.warn(f"{f'{name}: ' if name else ''}{findings.n_left_out:,} {LEFT_OUT} '{evaluation.component}' knows.")
    plots = _draw(sides)
    write_page(
        options.output,
        "report.html",
        corpus=str(corpus),
        sides=[_side(name, sides, plots) for name in sides],
        calibration_plot=as_data(plots["calibration"]) if "calibration" in plots else None,
        curve_plot=as_data(plots["learning_curve"]) if "learning_curve" in plots else None,
        how_to_log=HOW_TO,
        left_out=LEFT_OUT,
        gold_preproc=options.gold_preproc,
        few=FEW_TEXTS if any(len(evaluation.texts) < FEW_TEXTS for evaluation, _ in sides.values()) else None,
        **values,
    )
    if options.plots is not None:
        save_plots(plots, options.plots)
        msg.good(f"Wrote the plots to {options.plots}")
    msg.good(f"Wrote the page to {options.output}")


def _draw(sides: Mapping[str, Tuple[Evaluation, Findings]]) -> Dict[str, Figure]:
    plots = {}
    for name, (_, findings) in sides.items():
        if findings.confusion is not None:
            plots[_confusion(name)] = draw_confusion(*findings.confusion)
    shown = {name: name or evaluation.component for name, (evaluation, _) in sides.items()}
    calibrations = {shown[name]: findings.calibration for name, (_, findings) in sides.items()}
    if any(calibrations.values()):
        plots["calibration"] = draw_calibration(calibrations)
    logs = {shown[name]: evaluation.log for name, (evaluation, _) in sides.items()}
    if any(logs.values()):
        plots["learning_curve"] = draw_learning_curve(logs)
    return plots


def _side(name: str, sides: Mapping[str, Tuple[Evaluation, Findings]], plots: Mapping[str, Figure]) -> Dict[str, Any]:
    """Give what the page shows of one pipeline."""
    evaluation, findings = sides[name]
    calibration = findings.calibration
    others_errors = {
        _place(decision)
        for key, (other, _) in sides.items()
        for decision in other.found.decisions
        if key != name and decision.gold != decision.predicted
    }
    return {
        "name": name,
        "evaluation": evaluation,
        "findings": findings,
        "plots": {"confusion": as_data(plots[_confusion(name)])} if _confusion(name) in plots else {},
        "bins": list(zip(*calibration[:3], strict=True)) if calibration is not None else [],
        "own_scores": {key: value for key, value in evaluation.scores.items() if isinstance(value, float)},
        "others_right": [_place(error.decision) not in others_errors for error in findings.errors],
    }


def _place(decision: Decision) -> Tuple[int, int, int, Optional[str]]:
    """Say where a decision was made. A text that may have several classes is decided about once for each of them."""
    label = decision.gold if decision.gold is not None or decision.end > decision.start else decision.predicted
    return decision.text, decision.start, decision.end, label


def _confusion(name: str) -> str:
    return "_".join(["confusion", *name.lower()])
