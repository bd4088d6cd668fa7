"""The components of a pipeline, and what one of them makes of annotated texts."""

from typing import Any, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Type, TypeVar

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model
from tqdm import tqdm

from ..pipeline.language_model.component import RNNLanguageModel
from ..pipeline.seq2seq.component import RNNSeq2Seq
from .decisions import Decisions, Task, find_decisions, find_tasks

_Pipe = TypeVar("_Pipe")


class Evaluation(NamedTuple):
    """What a component predicted on annotated texts.

    component (str): The component's name.
    factory (str): Its factory.
    task (Task): What it predicts.
    texts (List[str]): The texts.
    decisions (Decisions): What it decided about them.
    scores (Mapping[str, Any]): What its own scorer returns.
    """

    component: str
    factory: str
    task: Task
    texts: List[str]
    decisions: Decisions
    scores: Mapping[str, Any]


def evaluate_component(nlp: Language, examples: Iterable[Example], component: Optional[str] = None) -> Evaluation:
    """Compare the predictions of a component with annotation.

    nlp (Language): The pipeline.
    examples (Iterable[Example]): Annotated texts, e.g. `spacy.training.Corpus(path)(nlp)`. They are left as they are.
    component (Optional[str]): The component's name; the first one that can be evaluated if None.
    RETURNS (Evaluation): The decisions and the scores.
    RAISES (ValueError): If there is no such component, if it cannot be evaluated or has not been trained, if there are no texts,
        or if they have no annotation of the kind.
    """
    name, task = find_task(nlp, component)
    annotated = annotate(nlp, list(examples))
    pipe: Any = nlp.get_pipe(name)
    return Evaluation(
        component=name,
        factory=nlp.get_pipe_meta(name).factory,
        task=task,
        texts=[example.reference.text for example in annotated],
        decisions=find_decisions(nlp, name, task, annotated),
        scores=pipe.score(annotated),
    )


def find_task(nlp: Language, component: Optional[str] = None) -> Tuple[str, Task]:
    """Find out what a component predicts.

    nlp (Language): The pipeline.
    component (Optional[str]): The component's name; the first one that can be evaluated if None.
    RETURNS (Tuple[str, Task]): The component's name, and what it predicts.
    RAISES (ValueError): If there is no such component, or if it cannot be evaluated.
    """
    tasks = find_tasks(nlp)
    name = choose_components(nlp, list(tasks), component)[0]
    return name, tasks[name]


def find_language_model(nlp: Language, component: Optional[str] = None) -> Tuple[str, RNNLanguageModel]:
    """Find a language model in a pipeline.

    nlp (Language): The pipeline.
    component (Optional[str]): The component's name; the first language model if None.
    RETURNS (Tuple[str, RNNLanguageModel]): The component's name, and the component.
    RAISES (ValueError): If there is no such component, or if it is no language model.
    """
    return _find_pipe(nlp, component, RNNLanguageModel, "language model", "rnn_lm")


def find_seq2seq(nlp: Language, component: Optional[str] = None) -> Tuple[str, RNNSeq2Seq]:
    """Find an encoder-decoder that writes a text for a text in a pipeline.

    nlp (Language): The pipeline.
    component (Optional[str]): The component's name; the first encoder-decoder if None.
    RETURNS (Tuple[str, RNNSeq2Seq]): The component's name, and the component.
    RAISES (ValueError): If there is no such component, or if it is no encoder-decoder.
    """
    return _find_pipe(nlp, component, RNNSeq2Seq, "encoder-decoder", "rnn_seq2seq")


def _find_pipe(nlp: Language, component: Optional[str], kind: Type[_Pipe], what: str, factory: str) -> Tuple[str, _Pipe]:
    """Find the first component of a class, or that with a name."""
    found = {name: pipe for name, pipe in nlp.pipeline if isinstance(pipe, kind)}
    if not found and component is None:
        pipes = ", ".join(nlp.pipe_names) or "none at all"
        raise ValueError(f"the pipeline has no {what}: expected a component {factory}, but it has {pipes}")
    name = choose_components(nlp, list(found), component)[0]
    return name, found[name]


def annotate(nlp: Language, examples: Sequence[Example]) -> List[Example]:
    """Run a pipeline over annotated texts.

    nlp (Language): The pipeline.
    examples (Sequence[Example]): The texts, which are left as they are.
    RETURNS (List[Example]): Copies, whose predicted sides the pipeline has annotated.
    RAISES (ValueError): If there are no texts, or if a component refuses them, e.g. because it has not been trained.
    """
    for example in examples:
        if not isinstance(example, Example):
            raise ValueError(
                f"expected examples, as from spacy.training.Corpus(path)(nlp), got {type(example).__name__}: {example!r:.40}"
            )
    if not examples:
        raise ValueError("there are no texts: expected at least one example")
    docs = tqdm([own_copy(nlp, example.predicted) for example in examples], desc="Texts", unit="text", disable=None, leave=False)
    return [Example(doc, example.reference) for doc, example in zip(nlp.pipe(docs), examples, strict=True)]


def own_copy(nlp: Language, doc: Doc) -> Doc:
    """Copy a text for a pipeline.

    nlp (Language): The pipeline.
    doc (Doc): The text, of any vocabulary.
    RETURNS (Doc): A copy with the pipeline's vocabulary, in which the names of its labels are.
    """
    return doc.copy() if doc.vocab is nlp.vocab else Doc(nlp.vocab).from_bytes(doc.to_bytes())


def find_trainable(nlp: Language) -> List[str]:
    """Find the components that have a model.

    nlp (Language): The pipeline.
    RETURNS (List[str]): Their names, in the order of the pipeline.
    """
    return [name for name, pipe in nlp.pipeline if isinstance(getattr(pipe, "model", None), Model)]


def get_model(nlp: Language, name: str) -> Model:
    """Give the model of a trainable component.

    nlp (Language): The pipeline.
    name (str): The component's name.
    RETURNS (Model): Its model.
    """
    pipe: Any = nlp.get_pipe(name)
    return pipe.model


def choose_components(nlp: Language, usable: Sequence[str], name: Optional[str]) -> List[str]:
    """Choose the components to work on.

    nlp (Language): The pipeline.
    usable (Sequence[str]): The components that can be chosen.
    name (Optional[str]): The one that was asked for.
    RETURNS (List[str]): That one; without a name all that are usable, of which there is at least one.
    RAISES (ValueError): If the name is not one of these, or if there are none.
    """
    pipes = ", ".join(f"{each} ({nlp.get_pipe_meta(each).factory})" for each in nlp.pipe_names) or "none at all"
    if name is None:
        if not usable:
            raise ValueError(f"the pipeline has no component that can be taken here: it has {pipes}")
        return list(usable)
    if name not in nlp.pipe_names:
        raise ValueError(f"the pipeline has no component '{name}': it has {pipes}")
    if name not in usable:
        raise ValueError(
            f"the component '{name}', a {nlp.get_pipe_meta(name).factory}, cannot be taken here: expected one of "
            f"{', '.join(usable) or 'none that this pipeline has'}"
        )
    return [name]
