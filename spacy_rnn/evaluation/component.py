"""A pipeline, looked at through a corpus."""

from pathlib import Path
from typing import Any, List, Mapping, NamedTuple, Optional

from spacy.language import Language

from ..cli.loading import choose_components, load_pipeline, read_corpus
from .decisions import Decisions, Task, annotate, find_decisions
from .speed import Speed, measure_speed
from .tasks import find_tasks
from .training_log import TrainingLog, find_log, read_log


class Evaluation(NamedTuple):
    """What is known about a component of a pipeline.

    pipeline (str): The pipeline's path or name.
    component (str): The component's name.
    factory (str): Its factory.
    task (Task): What it predicts.
    texts (List[str]): The texts of the corpus.
    found (Decisions): What it decided about them.
    scores (Mapping[str, Any]): What its own scorer says.
    speed (Speed): How fast the whole pipeline is.
    log (Optional[TrainingLog]): The log of its training, if there is one.
    """

    pipeline: str
    component: str
    factory: str
    task: Task
    texts: List[str]
    found: Decisions
    scores: Mapping[str, Any]
    speed: Speed
    log: Optional[TrainingLog]


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


def find_subject(pipeline: str, component: Optional[str], log: Optional[Path]) -> Subject:
    """Load a pipeline, and find the component that is to be looked at.

    pipeline (str): A directory, or the name of an installed package.
    component (Optional[str]): The component's name; the first one that can be looked at if None.
    log (Optional[Path]): The log of the training; if None it is looked for beside the pipeline.
    RETURNS (Subject): The component.
    RAISES (CommandError): If something is missing, or is not what was expected.
    """
    nlp = load_pipeline(pipeline)
    tasks = find_tasks(nlp)
    name = choose_components(nlp, list(tasks), component)[0]
    found = read_log(log, nlp.meta.get("performance", {})) if log is not None else find_log(nlp)
    return Subject(pipeline, nlp, name, tasks[name], found)


def evaluate(subject: Subject, corpus: Path, *, gold_preproc: bool, gpu: int) -> Evaluation:
    """Look at a component through a corpus.

    subject (Subject): The component.
    corpus (Path): Annotated texts in spaCy's binary format.
    gold_preproc (bool): Whether each gold sentence becomes a text, with gold tokens.
    gpu (int): The number of the GPU that computes, or -1.
    RETURNS (Evaluation): What was found.
    RAISES (CommandError): If the corpus is missing, or is not what was expected.
    """
    pipeline, nlp, name, task, log = subject
    pipe: Any = nlp.get_pipe(name)
    examples = read_corpus(nlp, corpus, gold_preproc)
    annotate(nlp, examples, pipeline)
    found = find_decisions(nlp, name, task, examples)
    texts = [example.reference.text for example in examples]
    return Evaluation(
        pipeline=pipeline,
        component=name,
        factory=nlp.get_pipe_meta(name).factory,
        task=task,
        texts=texts,
        found=found,
        scores=pipe.score(examples),
        speed=measure_speed(nlp, texts, gpu),
        log=log,
    )
