"""Calibration of a pipeline: the temperature of each of its components, fitted on annotated texts."""

from pathlib import Path
from typing import Callable, Iterable, List, NamedTuple, Optional, Sequence

from spacy.language import Language
from spacy.training import Corpus, Example

from ..pipeline.temperature import TemperedPipe
from .components import annotate, choose_components
from .evidence import Found, gather
from .scores import measure_calibration
from .temperature import search_temperature


class Reliability(NamedTuple):
    """How well the probabilities of a component agree with what comes true.

    loss (float): The mean negative log-likelihood of the annotation, nats a decision; of labels that are predicted together
        (`use_crf`), that of whole paths, shared among their tokens.
    error (float): The expected calibration error, as `measure_calibration` finds it.
    """

    loss: float
    error: float


class CalibratedComponent(NamedTuple):
    """What has become of a component.

    component (str): Its name.
    temperature (float): Its temperature from now on.
    at_bound (bool): Whether that is the lowest or the highest that was looked at: annotation and predictions agree, or disagree,
        so far that a better one lies beyond.
    before (Reliability): What its probabilities were like at the temperature that it had.
    after (Reliability): What they are like now, on the same texts.
    n_decisions (int): The number of decisions that were looked at.
    unit (str): What a decision is made for.
    unknown (List[str]): Labels of the annotation that the component does not have. What has them was left out.
    """

    component: str
    temperature: float
    at_bound: bool
    before: Reliability
    after: Reliability
    n_decisions: int
    unit: str
    unknown: List[str]


def calibrate_components(
    nlp: Language, examples: Iterable[Example], components: Optional[Sequence[str]] = None
) -> List[CalibratedComponent]:
    """Give components the temperature at which annotation is the most likely.

    nlp (Language): The pipeline.
    examples (Iterable[Example]): Annotated texts that it was not trained on, e.g. `spacy.training.Corpus("dev.spacy")(nlp)`. They
        are left as they are.
    components (Optional[Sequence[str]]): The names of the components; all that have a temperature if None.
    RETURNS (List[CalibratedComponent]): What has become of each of them.
    RAISES (ValueError): If there is no such component, if it gives no probabilities or has not been trained, if there are no
        texts, or if they have no annotation for it. Then no temperature has been changed.
    """
    names = _choose(nlp, components)
    annotated = annotate(nlp, list(examples))
    found = {name: gather(nlp, name, annotated) for name in names}
    return [_calibrate(nlp, name, each) for name, each in found.items()]


def measure_reliability(nlp: Language, examples: Iterable[Example], component: str) -> Reliability:
    """Measure how well the probabilities of a component agree with annotation.

    nlp (Language): The pipeline.
    examples (Iterable[Example]): Annotated texts, which are left as they are.
    component (str): The name of a component that has a temperature.
    RETURNS (Reliability): The measures, at the temperature that it has.
    RAISES (ValueError): As `calibrate_components`.
    """
    (name,) = _choose(nlp, [component])
    return _measure(gather(nlp, name, annotate(nlp, list(examples))), _tempered(nlp, name).temperature)


def build_calibrate(
    path: Optional[Path], components: Optional[List[str]] = None, gold_preproc: bool = False
) -> Callable[[Language], Language]:
    """Calibrate a pipeline before it is saved, as `[training.before_to_disk]`.

    path (Optional[Path]): Annotated texts that it is not trained on, in spaCy's binary format.
    components (Optional[List[str]]): The names of the components; all that have a temperature if None.
    gold_preproc (bool): Whether each gold sentence is a text, with gold tokens.
    RETURNS (Callable[[Language], Language]): The callback.
    RAISES (ValueError): When it is called without a path, and as `calibrate_components`.
    """

    def calibrate_pipeline(nlp: Language) -> Language:
        if path is None:
            raise ValueError("spacy_rnn.calibrate.v1 needs the path of annotated texts: set paths.dev")
        calibrate_components(nlp, Corpus(path, gold_preproc=gold_preproc)(nlp), components)
        return nlp

    return calibrate_pipeline


def _choose(nlp: Language, components: Optional[Sequence[str]]) -> List[str]:
    tempered = [name for name, pipe in nlp.pipeline if isinstance(pipe, TemperedPipe)]
    for name in components or ():
        if name in nlp.pipe_names and name not in tempered:
            raise ValueError(
                f"the component '{name}', a {nlp.get_pipe_meta(name).factory}, writes no probabilities that have a temperature: "
                f"{_THAT_HAVE_ONE}"
            )
    if components is None and not tempered:
        pipes = ", ".join(f"{name} ({nlp.get_pipe_meta(name).factory})" for name in nlp.pipe_names) or "none at all"
        raise ValueError(f"the pipeline has no component to calibrate, but {pipes}: {_THAT_HAVE_ONE}")
    names = tempered if components is None else list(dict.fromkeys(components))
    return [choose_components(nlp, tempered, name)[0] for name in names]


_THAT_HAVE_ONE = "expected rnn_tagger, rnn_pos_tagger, rnn_textcat or rnn_textcat_multilabel"


def _calibrate(nlp: Language, name: str, found: Found) -> CalibratedComponent:
    pipe = _tempered(nlp, name)
    before = _measure(found, pipe.temperature)
    fit = search_temperature(found.evidence.loss)
    # spaCy saves ten decimals.
    pipe.temperature = round(fit.temperature, 6)
    after = _measure(found, pipe.temperature)
    n_decisions = len(found.evidence)
    return CalibratedComponent(name, pipe.temperature, fit.at_bound, before, after, n_decisions, found.unit, found.unknown)


def _measure(found: Found, temperature: float) -> Reliability:
    loss, _ = found.evidence.loss(1 / temperature)
    return Reliability(loss, measure_calibration(*found.evidence.confidences(temperature)).error)


def _tempered(nlp: Language, name: str) -> TemperedPipe:
    pipe = nlp.get_pipe(name)
    assert isinstance(pipe, TemperedPipe)
    return pipe
