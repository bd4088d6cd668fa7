"""What a component decided about each token, text or entity, and what would have been right.

Tokens and entities are aligned as spaCy's `Scorer` aligns them, so counts of decisions give spaCy's own scores.
"""

from collections import Counter
from itertools import takewhile
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.language import Language
from spacy.pipeline.tok2vec import Tok2Vec, Tok2VecListener
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch
from thinc.api import Model, to_numpy
from thinc.types import Floats2d
from tqdm import tqdm

from .errors import CommandError
from .loading import refusals_shown


class Decision(NamedTuple):
    """One decision.

    text (int): The number of the text.
    start (int): Where in it the token or entity begins, in characters; 0 for a text.
    end (int): Where it ends.
    gold (Optional[str]): The right label; None where there should have been no decision.
    predicted (Optional[str]): The predicted label; None where none was predicted.
    confidence (Optional[float]): The probability that the component gave to what it predicted, if it gives any.
    """

    text: int
    start: int
    end: int
    gold: Optional[str]
    predicted: Optional[str]
    confidence: Optional[float]


class Decisions(NamedTuple):
    """All decisions of a component on a corpus.

    decisions (List[Decision]): Those where there is a gold or a predicted label.
    probabilities (Optional[numpy.ndarray]): float64 [M], those that can be compared with what came true; None if the component
        gives none.
    came_true (numpy.ndarray): bool [M], whether what had each of these probabilities was right.
    n_annotated (Mapping[str, int]): For classes that do not exclude each other, the number of texts that say of each class
        whether it is true; else empty.
    """

    decisions: List[Decision]
    probabilities: Optional[numpy.ndarray]
    came_true: numpy.ndarray
    n_annotated: Mapping[str, int]


class Task(NamedTuple):
    """What a component predicts.

    name (str): What the decisions are about.
    unit (str): What a decision is made for.
    exclusive (bool): Whether each unit has exactly one label.
    decide (Callable): (pipeline, component, examples) -> Decisions.
    """

    name: str
    unit: str
    exclusive: bool
    decide: Callable[[Language, Any, List[Example]], Decisions]


def annotate(nlp: Language, examples: List[Example], title: str) -> None:
    """Run a pipeline over the texts of a corpus.

    nlp (Language): The pipeline.
    examples (List[Example]): The texts, whose predicted sides are annotated.
    title (str): What stands before the progress bar.
    RAISES (CommandError): If the pipeline refuses to, e.g. because it has not been trained.
    """
    docs = tqdm([example.predicted for example in examples], desc=title, unit="text", disable=None, leave=False)
    with refusals_shown():
        for example, doc in zip(examples, nlp.pipe(docs), strict=True):
            example.predicted = doc


def find_decisions(nlp: Language, name: str, task: Task, examples: List[Example]) -> Decisions:
    """Compare what a component has predicted with the annotation.

    nlp (Language): The pipeline.
    name (str): The component's name.
    task (Task): What it predicts.
    examples (List[Example]): Annotated texts that the pipeline has been run over.
    RETURNS (Decisions): The decisions.
    RAISES (CommandError): If the corpus has no annotation of the kind.
    """
    found = task.decide(nlp, nlp.get_pipe(name), examples)
    if not found.decisions and not found.n_annotated:
        raise CommandError(f"The corpus has no gold annotation of {task.name}", f"That is what the component '{name}' predicts.")
    return found


def decide_tokens(attr: str, nlp: Language, pipe: Any, examples: List[Example]) -> Decisions:
    """Compare labels of tokens.

    attr (str): "tag" or "pos".
    nlp (Language): The pipeline.
    pipe (Any): A tagger.
    examples (List[Example]): Annotated texts that the pipeline has been run over.
    RETURNS (Decisions): The decisions.
    """
    label_of = {"tag": lambda token: token.tag_, "pos": lambda token: token.pos_}[attr]
    probabilities = _tag_probabilities(nlp, pipe, [example.predicted for example in examples])
    numbers = {label: i for i, label in enumerate(pipe.labels)}
    decisions: List[Decision] = []
    for text, example in enumerate(examples):
        rows = None if probabilities is None else probabilities[text]
        decisions += _token_decisions(text, example, label_of, rows, numbers)
    return _with_confidences(decisions)


def decide_class(nlp: Language, pipe: Any, examples: List[Example]) -> Decisions:
    """Compare classes that exclude each other. A text that is true of no class is left out: it has no annotation.

    nlp (Language): The pipeline.
    pipe (Any): A text categorizer.
    examples (List[Example]): Annotated texts that the pipeline has been run over.
    RETURNS (Decisions): The decisions.
    """
    decisions = []
    for text, example in enumerate(examples):
        gold = {label: value for label, value in example.reference.cats.items() if label in pipe.labels and value > 0}
        if gold:
            scores = {label: example.predicted.cats[label] for label in pipe.labels}
            predicted = max(scores, key=scores.__getitem__)
            decisions.append(Decision(text, 0, 0, max(gold, key=gold.__getitem__), predicted, scores[predicted]))
    return _with_confidences(decisions)


def decide_classes(nlp: Language, pipe: Any, examples: List[Example]) -> Decisions:
    """Compare classes that do not exclude each other. Of a class that a text does not mention nothing is known.

    nlp (Language): The pipeline.
    pipe (Any): A text categorizer.
    examples (List[Example]): Annotated texts that the pipeline has been run over.
    RETURNS (Decisions): The decisions; the probabilities are those of the classes, whether they were predicted or not.
    """
    decisions, probabilities, came_true = [], [], []
    n_annotated: Counter = Counter()
    for text, example in enumerate(examples):
        for label in pipe.labels:
            gold = example.reference.cats.get(label)
            if gold is None:
                continue
            probability = float(example.predicted.cats[label])
            is_true, is_predicted = gold > 0, probability >= pipe.cfg["threshold"]
            n_annotated[label] += 1
            probabilities.append(probability)
            came_true.append(is_true)
            if is_true or is_predicted:
                confidence = probability if is_predicted else 1 - probability
                decisions.append(Decision(text, 0, 0, label if is_true else None, label if is_predicted else None, confidence))
    return Decisions(decisions, numpy.asarray(probabilities), numpy.asarray(came_true, dtype=bool), n_annotated)


def decide_entities(nlp: Language, pipe: Any, examples: List[Example]) -> Decisions:
    """Compare entities. Where the annotation says that it does not know, a prediction is neither right nor wrong.

    nlp (Language): The pipeline.
    pipe (Any): An entity recognizer.
    examples (List[Example]): Annotated texts that the pipeline has been run over.
    RETURNS (Decisions): The decisions, without probabilities.
    """
    annotated = [(text, example) for text, example in enumerate(examples) if example.reference.has_annotation("ENT_IOB")]
    decisions = [decision for text, example in annotated for decision in _entity_decisions(text, example)]
    return Decisions(decisions, None, numpy.zeros(0, dtype=bool), {})


def _token_decisions(
    text: int,
    example: Example,
    label_of: Callable,
    rows: Optional[numpy.ndarray],
    numbers: Mapping[str, int],
) -> Iterator[Decision]:
    aligned: Dict[int, Dict[str, int]] = {}
    x2y = example.alignment.x2y
    for token in example.predicted:
        if not token.orth_.isspace() and x2y.lengths[token.i] == 1 and label_of(token):
            aligned.setdefault(int(x2y[token.i][0]), {}).setdefault(label_of(token), token.i)
    for token in example.reference:
        gold = label_of(token)
        if not gold:
            continue
        found = aligned.get(token.i, {})
        # Of several tokens in the place of one, one stands against it, the right one if there is one.
        matched = gold if gold in found else next(iter(found), None)
        start, end = token.idx, token.idx + len(token)
        for label, i in found.items():
            confidence = float(rows[i, numbers[label]]) if rows is not None and label in numbers else None
            yield Decision(text, start, end, gold if label == matched else None, label, confidence)
        if matched is None:
            yield Decision(text, start, end, gold, None, None)


def _entity_decisions(text: int, example: Example) -> Iterator[Decision]:
    gold = {(span.start, span.end): span for span in example.reference.ents}
    predicted = [(_aligned(example, span), span) for span in example.predicted.ents]
    known = [(where, span) for where, span in predicted if where and _is_annotated(example.reference, where)]
    # What is right comes first, so that nothing wrong takes its place.
    for where, span in sorted(known, key=lambda found: gold.get(found[0]) is None or gold[found[0]].label != found[1].label):
        match = gold.pop(where, None)
        place = match if match is not None else example.reference[where[0] : where[1]]
        yield Decision(text, place.start_char, place.end_char, match.label_ if match else None, span.label_, None)
    for span in gold.values():
        yield Decision(text, span.start_char, span.end_char, span.label_, None, None)


def _aligned(example: Example, span: Span) -> Optional[Tuple[int, int]]:
    """Give the gold tokens that a predicted span covers, from and to."""
    indices = example.alignment.x2y[span.start : span.end]
    return (int(indices[0]), int(indices[-1]) + 1) if len(indices) else None


def _is_annotated(doc: Doc, where: Tuple[int, int]) -> bool:
    return all(token.ent_iob != 0 for token in doc[where[0] : where[1]])


def _with_confidences(decisions: List[Decision]) -> Decisions:
    """Add the probabilities of the decisions that can be right or wrong, if there are any."""
    known = [decision for decision in decisions if decision.gold is not None and decision.confidence is not None]
    probabilities = numpy.asarray([decision.confidence for decision in known], dtype="float64") if known else None
    came_true = numpy.asarray([decision.gold == decision.predicted for decision in known], dtype=bool)
    return Decisions(decisions, probabilities, came_true, {})


def _tag_probabilities(nlp: Language, pipe: Any, docs: Sequence[Doc]) -> Optional[List[numpy.ndarray]]:
    """Give the probabilities [n, labels] of each text of n tokens; None if that is not what the model's scores stand for."""
    find_probabilities = getattr(pipe, "head", _Softmax()).probabilities
    shared = _shared_encoder(nlp, pipe)
    found: List[numpy.ndarray] = []
    with tqdm(total=len(docs), desc="Probabilities", unit="text", disable=None, leave=False) as progress:
        for batch in minibatch(docs, nlp.batch_size):
            if shared is not None:
                # An encoder that comes later in the pipeline has written over what this one had given to the texts.
                shared.set_annotations(batch, shared.predict(batch))
            rows = to_numpy(find_probabilities(pipe.model, pipe.model.predict(batch))).astype("float64")
            if rows.size and (rows.min() < 0 or abs(rows.sum(axis=1) - 1).max() > 1e-3):
                return None
            found += numpy.split(rows, numpy.cumsum([len(doc) for doc in batch])[:-1])
            progress.update(len(batch))
    return found


def _shared_encoder(nlp: Language, pipe: Any) -> Optional[Tok2Vec]:
    """Find the component whose token vectors a component reads: the last one before it that it listens to."""
    listened_to = {node.upstream_name for node in pipe.model.walk() if isinstance(node, Tok2VecListener)}
    before = takewhile(lambda named: named[1] is not pipe, nlp.pipeline)
    found = [each for name, each in before if isinstance(each, Tok2Vec) and listened_to & {"*", name}]
    return found[-1] if found else None


class _Softmax:
    """What becomes of the scores of a tagger without a head of its own, such as spaCy's."""

    def probabilities(self, model: Model, scores: List[Floats2d]) -> Floats2d:
        """Give the probabilities [N, labels] of the tokens of all texts."""
        rows = model.ops.flatten(scores)
        softmax = next((node for node in model.walk() if "softmax_normalize" in node.attrs), None)
        # spaCy's Tagger.v2 leaves the normalization out when it predicts, because it does not change what is greatest.
        if softmax is not None and not softmax.attrs["softmax_normalize"]:
            return model.ops.softmax(rows, temperature=softmax.attrs["softmax_temperature"])
        return rows
