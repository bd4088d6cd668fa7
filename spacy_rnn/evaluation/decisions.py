"""What a component decided about each token, text or entity, and what would have been right.

Tokens and entities are aligned as spaCy's `Scorer` aligns them, so counts of decisions give spaCy's own scores.
"""

from collections import Counter
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch
from tqdm import tqdm

from ..pipeline.heads import softmax_probabilities
from ..pipeline.listeners import find_shared_encoder


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
    decide (Callable): (pipeline, name of the component, examples) -> Decisions.
    """

    name: str
    unit: str
    exclusive: bool
    decide: Callable[[Language, str, List[Example]], Decisions]


def find_decisions(nlp: Language, name: str, task: Task, examples: List[Example]) -> Decisions:
    """Compare what a component has predicted with the annotation.

    nlp (Language): The pipeline.
    name (str): The component's name.
    task (Task): What it predicts.
    examples (List[Example]): Annotated texts that the pipeline has been run over.
    RETURNS (Decisions): The decisions.
    RAISES (ValueError): If the texts have no annotation of the kind.
    """
    found = task.decide(nlp, name, examples)
    if not found.decisions and not found.n_annotated:
        raise ValueError(f"the texts have no gold annotation of {task.name}, which is what the component '{name}' predicts")
    return found


def decide_tokens(attr: str, nlp: Language, name: str, examples: List[Example]) -> Decisions:
    """Compare labels of tokens.

    attr (str): "tag" or "pos".
    nlp (Language): The pipeline.
    name (str): The name of a tagger.
    examples (List[Example]): Annotated texts that the pipeline has been run over.
    RETURNS (Decisions): The decisions.
    """
    pipe: Any = nlp.get_pipe(name)
    label_of = {"tag": lambda token: token.tag_, "pos": lambda token: token.pos_}[attr]
    probabilities = _tag_probabilities(nlp, name, [example.predicted for example in examples])
    numbers = {label: i for i, label in enumerate(pipe.labels)}
    decisions: List[Decision] = []
    for text, example in enumerate(examples):
        rows = None if probabilities is None else probabilities[text]
        decisions += _token_decisions(text, example, label_of, rows, numbers)
    return _with_confidences(decisions)


def decide_class(nlp: Language, name: str, examples: List[Example]) -> Decisions:
    """Compare classes that exclude each other. A text that is true of no class is left out: it has no annotation.

    nlp (Language): The pipeline.
    name (str): The name of a text categorizer.
    examples (List[Example]): Annotated texts that the pipeline has been run over.
    RETURNS (Decisions): The decisions.
    """
    pipe: Any = nlp.get_pipe(name)
    decisions = []
    for text, example in enumerate(examples):
        gold = {label: value for label, value in example.reference.cats.items() if label in pipe.labels and value > 0}
        if gold:
            scores = {label: example.predicted.cats[label] for label in pipe.labels}
            predicted = max(scores, key=scores.__getitem__)
            decisions.append(Decision(text, 0, 0, max(gold, key=gold.__getitem__), predicted, scores[predicted]))
    return _with_confidences(decisions)


def decide_classes(nlp: Language, name: str, examples: List[Example]) -> Decisions:
    """Compare classes that do not exclude each other. Of a class that a text does not mention nothing is known.

    nlp (Language): The pipeline.
    name (str): The name of a text categorizer.
    examples (List[Example]): Annotated texts that the pipeline has been run over.
    RETURNS (Decisions): The decisions; the probabilities are those of the classes, whether they were predicted or not.
    """
    pipe: Any = nlp.get_pipe(name)
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


def decide_entities(nlp: Language, name: str, examples: List[Example]) -> Decisions:
    """Compare entities. Where the annotation says that it does not know, a prediction is neither right nor wrong.

    nlp (Language): The pipeline.
    name (str): The name of an entity recognizer.
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


def _tag_probabilities(nlp: Language, name: str, docs: Sequence[Doc]) -> Optional[List[numpy.ndarray]]:
    """Give the probabilities [n, labels] of each text of n tokens; None if that is not what the model's scores stand for."""
    pipe: Any = nlp.get_pipe(name)
    # A tagger of spaCy's has no head of its own.
    find_probabilities = softmax_probabilities
    if hasattr(pipe, "head"):
        find_probabilities = partial(pipe.head.probabilities, temperature=pipe.temperature)
    found: List[numpy.ndarray] = []
    for batch in encoded_batches(nlp, name, docs):
        rows = find_probabilities(pipe.model, pipe.model.predict(batch)).astype("float64")
        if rows.size and (rows.min() < 0 or abs(rows.sum(axis=1) - 1).max() > 1e-3):
            return None
        found += numpy.split(rows, numpy.cumsum([len(doc) for doc in batch])[:-1])
    return found


def encoded_batches(nlp: Language, name: str, docs: Sequence[Doc]) -> Iterator[List[Doc]]:
    """Give texts that a pipeline has been run over to the model of one of its components once more.

    nlp (Language): The pipeline.
    name (str): The component's name.
    docs (Sequence[Doc]): The texts.
    RETURNS (Iterator[List[Doc]]): Batches of them, each with the token vectors of the encoder that the component listens to.
    """
    shared = find_shared_encoder(nlp, name)
    with tqdm(total=len(docs), desc="Probabilities", unit="text", disable=None, leave=False) as progress:
        for batch in minibatch(docs, nlp.batch_size):
            if shared is not None:
                # An encoder that comes later in the pipeline has written over what this one had given to the texts.
                shared.set_annotations(batch, shared.predict(batch))
            yield batch
            progress.update(len(batch))


TAG = Task("token.tag", "token", True, partial(decide_tokens, "tag"))
POS = Task("token.pos", "token", True, partial(decide_tokens, "pos"))
CLASS = Task("doc.cats, classes that exclude each other", "text", True, decide_class)
CLASSES = Task("doc.cats, classes that do not exclude each other", "text and class", False, decide_classes)
ENTITIES = Task("doc.ents", "entity", False, decide_entities)

# What the components of each factory predict.
TASKS: Mapping[str, Task] = {
    "rnn_tagger": TAG,
    "tagger": TAG,
    "rnn_pos_tagger": POS,
    "rnn_textcat": CLASS,
    "textcat": CLASS,
    "rnn_textcat_multilabel": CLASSES,
    "textcat_multilabel": CLASSES,
    "rnn_ner": ENTITIES,
    "ner": ENTITIES,
}


def find_tasks(nlp: Language) -> Dict[str, Task]:
    """Find the components of a pipeline whose predictions can be compared with annotation.

    nlp (Language): The pipeline.
    RETURNS (Dict[str, Task]): What each of them predicts, by its name, in the order of the pipeline.
    """
    factories: List[str] = [nlp.get_pipe_meta(name).factory for name in nlp.pipe_names]
    return {name: TASKS[factory] for name, factory in zip(nlp.pipe_names, factories, strict=True) if factory in TASKS}
