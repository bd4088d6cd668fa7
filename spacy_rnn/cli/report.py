"""`report` and `compare`: a page about one pipeline, or about two and the difference between them."""

from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from spacy.language import Language
from wasabi import msg

from ..evaluation.bootstrap import Difference, compare
from ..evaluation.components import evaluate_component, find_task
from ..evaluation.decisions import Task
from ..evaluation.extras import check_packages
from ..evaluation.findings import summarize
from ..evaluation.known import GroupScores, can_be_known, compare_by_known
from ..evaluation.scores import LabelScores
from ..evaluation.speed import measure_speed
from ..evaluation.training_log import TrainingLog, find_log, read_log
from ..pages.files import write_file
from ..pages.plots import save_plots
from ..pages.report import FEW_TEXTS, LEFT_OUT, Comparison, Side, draw_plots, give_verdict, has_few_texts, render_report
from ..pages.text import percent
from .errors import CommandError, writing
from .loading import check_corpus, load_pipeline, read_corpus, read_known


class Options(NamedTuple):
    """What a user chooses for a page.

    output (Path): Where the page goes.
    plots (Optional[Path]): A folder for the plots as files.
    n_errors (int): How many errors are shown at most.
    gold_preproc (bool): Whether each gold sentence becomes a text, with gold tokens.
    gpu (int): The number of the GPU that computes, or -1.
    train (Optional[Path]): The training corpus, by which known and unknown words or entities are told apart.
    """

    output: Path
    plots: Optional[Path]
    n_errors: int
    gold_preproc: bool
    gpu: int
    train: Optional[Path]


class Subject(NamedTuple):
    """A component that is to be looked at.

    pipeline (str): The pipeline's path or name.
    nlp (Language): The pipeline.
    component (str): The component's name.
    task (Task): What it predicts.
    log (Optional[TrainingLog]): The log of its training, if there is one.
    """

    pipeline: str
    nlp: Language
    component: str
    task: Task
    log: Optional[TrainingLog]


def report_pipeline(pipeline: str, corpus: Path, component: Optional[str], log: Optional[Path], options: Options) -> None:
    """Write a page about a pipeline.

    pipeline (str): A directory, or the name of an installed package.
    corpus (Path): Annotated texts in spaCy's binary format.
    component (Optional[str]): The component's name; the first one that can be looked at if None.
    log (Optional[Path]): The log of the training; if None it is looked for beside the pipeline.
    options (Options): The rest.
    RAISES (CommandError): If a file is missing or cannot be written.
    RAISES (ValueError): If something is not what was expected.
    """
    check_packages()
    subject = _find_subject(pipeline, component, log)
    side = _look_at(subject, "", corpus, options, _find_known(subject, corpus, options))
    found: List[Union[LabelScores, GroupScores]] = [*side.findings.averages, *side.findings.by_known]
    rows = [(row.label, *(percent(share) for share in row[1:4]), row.support) for row in found]
    msg.table(rows, header=("", "precision", "recall", "F", "support"), divider=True, aligns=("l", "r", "r", "r", "r"))
    _write(corpus, [side], options)


def compare_pipelines(
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
    components (Tuple[Optional[str], Optional[str]]): The components' names, as in `report_pipeline`.
    logs (Tuple[Optional[Path], Optional[Path]]): The logs of the trainings, as in `report_pipeline`.
    n_samples (int): How often the bootstrap draws texts.
    seed (int): What its draws begin with.
    options (Options): The rest.
    RAISES (CommandError): If a file is missing or cannot be written; if the two predict different things.
    RAISES (ValueError): If something is not what was expected.
    """
    check_packages()
    subjects = [_find_subject(*named) for named in zip(pipelines, components, logs, strict=True)]
    tasks = [f"'{subject.component}' predicts {subject.task.name}" for subject in subjects]
    if subjects[0].task != subjects[1].task:
        raise CommandError(
            "The two components do not predict the same", f"{'; '.join(tasks)}. Choose others by --component-a and --component-b."
        )
    known = _find_known(subjects[0], corpus, options)
    sides = [_look_at(subject, name, corpus, options, known) for subject, name in zip(subjects, "AB", strict=True)]
    a, b = (side.evaluation for side in sides)
    by_known = compare_by_known(a, b, known, n_samples, seed) if known is not None else ()
    comparison = Comparison(compare(a, b, n_samples, seed), n_samples, seed, by_known)
    _print_comparison(comparison, len(a.texts))
    _write(corpus, sides, options, comparison)


def _print_comparison(comparison: Comparison, n_texts: int) -> None:
    """Print the differences, and what they mean."""
    differences, n_samples, seed, by_known = comparison
    header = ("A", "B", "B - A", "95 % interval", "p")
    rows = [(row.measure, *_cells(row)) for row in differences]
    msg.table(rows, header=("", *header), divider=True, aligns=("l", "r", "r", "r", "r", "r"))
    if by_known:
        groups = [(group.label, group.support, group.n_texts, *_cells(group.difference)) for group in by_known]
        more = (differences[0].measure, "support", "texts")
        msg.table(groups, header=(*more, *header), divider=True, aligns=("l", *["r"] * 7))
    msg.text(f"{give_verdict(differences[0])} Paired bootstrap: {n_samples:,} samples of {n_texts:,} texts, seed {seed}.")
    if n_texts < FEW_TEXTS:
        msg.warn(f"There are only {n_texts} texts: interval and p are rough.")
    elif has_few_texts(by_known):
        msg.warn(f"Fewer than {FEW_TEXTS} texts have some of these words or entities: interval and p are rough there.")


def _cells(difference: Optional[Difference]) -> Tuple[str, ...]:
    """Write the scores of A and B, the difference, its interval and p."""
    if difference is None:
        return (percent(None),) * 5
    _, a, b, found, low, high, p = difference
    return percent(a), percent(b), f"{100 * found:+.2f}", f"{100 * low:+.2f} to {100 * high:+.2f}", f"{p:.4f}"


def _find_subject(pipeline: str, component: Optional[str], log: Optional[Path]) -> Subject:
    """Load a pipeline, and find the component that is to be looked at."""
    nlp = load_pipeline(pipeline)
    name, task = find_task(nlp, component)
    found = read_log(log, nlp.meta.get("performance")) if log is not None else find_log(nlp)
    return Subject(pipeline, nlp, name, task, found)


def _find_known(subject: Subject, corpus: Path, options: Options) -> Optional[Set[str]]:
    """Collect the words or entities of the training corpus, if one was named and there are decisions about them."""
    train = options.train
    if train is None:
        return None
    check_corpus(train)
    if not can_be_known(subject.task):
        msg.warn(f"--train changes nothing: '{subject.component}' labels whole texts, not words or entities.")
        return None
    if train.resolve() in (corpus.resolve(), *corpus.resolve().parents):
        msg.warn(f"{corpus} is part of the training corpus {train}, so all in it is known.")
    return read_known(subject.task, train)


def _look_at(subject: Subject, name: str, corpus: Path, options: Options, known: Optional[Set[str]]) -> Side:
    """Look at a component through a corpus."""
    nlp = subject.nlp
    evaluation = evaluate_component(nlp, read_corpus(nlp, corpus, options.gold_preproc), subject.component)
    findings = summarize(evaluation, options.n_errors, known)
    return Side(name, subject.pipeline, evaluation, findings, measure_speed(nlp, evaluation.texts, options.gpu), subject.log)


def _write(corpus: Path, sides: Sequence[Side], options: Options, comparison: Optional[Comparison] = None) -> None:
    """Draw the plots, and write the page."""
    for side in sides:
        if side.findings.n_left_out:
            title = f"{side.name}: " if side.name else ""
            msg.warn(f"{title}{side.findings.n_left_out:,} {LEFT_OUT} '{side.evaluation.component}' knows.")
    plots = draw_plots(sides)
    is_split = any(side.findings.by_known for side in sides)
    page = render_report(sides, str(corpus), plots, comparison, options.gold_preproc, str(options.train) if is_split else None)
    with writing("page", options.output):
        write_file(options.output, page)
    if options.plots is not None:
        with writing("plots", options.plots):
            save_plots(plots, options.plots)
