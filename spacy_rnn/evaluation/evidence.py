"""What annotated texts say about the temperature of a component: how likely their labels are at each."""

from typing import Any, Iterator, List, NamedTuple, Protocol, Sequence, Set, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model, to_numpy
from thinc.types import Floats2d

from ..crf import Crf, log_likelihood
from ..layers import crf_decode, crf_marginals
from ..layers.output.crf import get_field
from ..pipeline.annotation.classes import own_cats
from ..pipeline.annotation.gold import gold_keys, gold_strings, targets
from ..pipeline.heads import CRFHead, Gold
from ..pipeline.tagger import RNNTagger
from ..pipeline.temperature import TemperedPipe, log_odds, log_probabilities, temper_exclusive, temper_independent
from .decisions import encoded_batches
from .temperature import softmax_loss


class Evidence(Protocol):
    """Annotated decisions of a component, at any temperature."""

    def __len__(self) -> int:
        """RETURNS (int): The number M of decisions."""
        ...

    def loss(self, inverse: float) -> Tuple[float, float]:
        """Find the mean negative log-likelihood of the annotation.

        inverse (float): The inverse temperature.
        RETURNS (Tuple[float, float]): The loss, nats a decision, and its derivative by the inverse temperature.
        """
        ...

    def confidences(self, temperature: float) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Give the probabilities that can be compared with what came true.

        temperature (float): The temperature.
        RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): float32 [M], the probabilities, and bool [M], whether it was right.
        """
        ...


class ExclusiveLabels:
    """Decisions for one of several labels. Compared is the probability of the most probable one."""

    def __init__(self, probabilities: numpy.ndarray, truths: numpy.ndarray) -> None:
        """Keep the decisions.

        probabilities (numpy.ndarray): float32 [M, labels], at temperature 1.
        truths (numpy.ndarray): int64 [M], the numbers of the right labels.
        """
        self.probabilities, self.truths = probabilities, truths
        self._scores = log_probabilities(probabilities)

    def __len__(self) -> int:
        return len(self.truths)

    def loss(self, inverse: float) -> Tuple[float, float]:
        return softmax_loss(self._scores, self.truths, inverse)

    def confidences(self, temperature: float) -> Tuple[numpy.ndarray, numpy.ndarray]:
        return temper_exclusive(self.probabilities, temperature).max(axis=1), self.probabilities.argmax(axis=1) == self.truths


class IndependentLabels:
    """Decisions whether a label is true. Compared is the probability that it is."""

    def __init__(self, probabilities: numpy.ndarray, truths: numpy.ndarray) -> None:
        """Keep the decisions.

        probabilities (numpy.ndarray): float32 [M], at temperature 1.
        truths (numpy.ndarray): bool [M].
        """
        self.probabilities, self.truths = probabilities, truths
        scores = log_odds(probabilities)
        # A sigmoid is a softmax whose other score is 0.
        self._scores = numpy.stack([numpy.zeros_like(scores), scores], axis=1)

    def __len__(self) -> int:
        return len(self.truths)

    def loss(self, inverse: float) -> Tuple[float, float]:
        return softmax_loss(self._scores, self.truths.astype("int64"), inverse)

    def confidences(self, temperature: float) -> Tuple[numpy.ndarray, numpy.ndarray]:
        return temper_independent(self.probabilities, temperature), self.truths


class PathsOfLabels:
    """Labels that a conditional random field predicts together.

    The likelihood is that of whole paths, a decision's share of it. Compared is the probability of the best path's label at each
    token that has annotation."""

    def __init__(self, model: Model, scores: List[Floats2d], gold: Gold, truths: numpy.ndarray) -> None:
        """Keep the decisions.

        model (Model): A layer made by `build_crf`.
        scores (List[Floats2d]): Its output, [n, labels] for each text of n tokens, N altogether.
        gold (Gold): The annotation of the N tokens.
        truths (numpy.ndarray): int64 [N], the numbers of the right labels, -1 where they are not known.
        """
        self.model, self.scores, self.allowed, self.truths = model, scores, gold.allowed(), truths

    def __len__(self) -> int:
        return int((self.truths >= 0).sum())

    def loss(self, inverse: float) -> Tuple[float, float]:
        field, rows = get_field(self.model), self.model.ops.flatten(self.scores)
        lengths = numpy.asarray([len(each) for each in self.scores], "int32")
        log_likelihoods, backprop = log_likelihood(
            Crf(*(param * inverse for param in field)), rows * inverse, lengths, self.allowed
        )
        d_rows, d_field = backprop(numpy.full(len(lengths), -1.0, dtype=rows.dtype))
        derivative = _inner_product(d_rows, rows) + sum(map(_inner_product, d_field, field))
        # Where every path is right, what is left of the gradient is rounding.
        if abs(derivative) < numpy.finfo(rows.dtype).eps * float(abs(rows).max(axis=1).sum()):
            derivative = 0.0
        return -float(log_likelihoods.sum()) / len(self), derivative / len(self)

    def confidences(self, temperature: float) -> Tuple[numpy.ndarray, numpy.ndarray]:
        best = to_numpy(self.model.ops.xp.concatenate(crf_decode(self.model, self.scores)))
        marginals = to_numpy(self.model.ops.flatten(crf_marginals(self.model, self.scores, temperature)))
        known = numpy.flatnonzero(self.truths >= 0)
        return marginals[known, best[known]], best[known] == self.truths[known]


def _inner_product(gradient: Any, values: Any) -> float:
    gradient, values = to_numpy(gradient).astype("float64"), to_numpy(values).astype("float64")
    # What is forbidden has the score -inf, and no gradient.
    return float((gradient * numpy.where(numpy.isfinite(values), values, 0)).sum())


class Found(NamedTuple):
    """What annotated texts have for a component.

    evidence (Evidence): The decisions.
    unit (str): What a decision is made for.
    unknown (List[str]): Labels of the annotation that the component does not have. What has them is left out.
    """

    evidence: Evidence
    unit: str
    unknown: List[str]


def gather(nlp: Language, name: str, examples: Sequence[Example]) -> Found:
    """Gather the decisions of a component on annotated texts.

    nlp (Language): The pipeline.
    name (str): The name of a component that has a temperature.
    examples (Sequence[Example]): Annotated texts that the pipeline has been run over.
    RETURNS (Found): The decisions.
    RAISES (ValueError): If the annotation has nothing for the component, or nothing that it can learn from; or if its model gives
        no probabilities.
    """
    pipe: Any = nlp.get_pipe(name)
    filled = [example for example in examples if len(example.predicted)]
    find = _gather_tags if isinstance(pipe, RNNTagger) else _gather_class if pipe.is_exclusive else _gather_classes
    found = find(nlp, pipe, filled)
    if not len(found.evidence):
        known = f"; it has the labels {', '.join(found.unknown)}, none of which is the component's" if found.unknown else ""
        raise ValueError(
            f"the texts have no gold annotation of what the component '{name}' predicts{known}. Take texts that have "
            "some, or name the components that these are for"
        )
    return found


def _gather_tags(nlp: Language, pipe: RNNTagger, examples: List[Example]) -> Found:
    is_crf = isinstance(pipe.head, CRFHead)
    of_spans = is_crf and pipe.model.attrs["constraints"] is not None
    keys = [numpy.zeros(0, "uint64"), *(gold_keys(example, pipe.attr, of_spans) for example in examples)]
    distinct, kinds = numpy.unique(numpy.concatenate(keys), return_inverse=True)
    truth, known, unknown = targets(distinct.tolist(), pipe.labels, pipe.cfg["neg_prefix"], 0.0)
    truths = numpy.where(known.all(axis=1), truth.argmax(axis=1), -1)[kinds]
    strings = gold_strings(examples, pipe.attr) if unknown else {}
    unknown_labels = sorted(strings[key] for key in unknown)
    if not (truths >= 0).any():
        return Found(ExclusiveLabels(numpy.zeros((0, len(pipe.labels)), "float32"), truths[:0]), "token", unknown_labels)
    scores = [rows for batch in _batches(nlp, pipe, examples) for rows in pipe.run_model(batch)]
    if is_crf:
        gold = Gold(truth, known, kinds)
        impossible = pipe.head.find_impossible(pipe.model, scores, gold)
        if impossible is not None:
            raise ValueError(f"'{pipe.name}' could not be calibrated: {pipe.describe_impossible(examples, *impossible)}")
        return Found(PathsOfLabels(pipe.model, scores, gold, truths), "token", unknown_labels)
    rows = pipe.head.probabilities(pipe.model, scores)
    require_probabilities(pipe, rows)
    return Found(ExclusiveLabels(rows[truths >= 0], truths[truths >= 0]), "token", unknown_labels)


def _gather_class(nlp: Language, pipe: Any, examples: List[Example]) -> Found:
    pipe._validate_categories(examples)
    numbers = {label: i for i, label in enumerate(pipe.labels)}
    truths: List[int] = []
    unknown: Set[str] = set()
    for example in examples:
        true = [label for label, value in own_cats(pipe, example).items() if value]
        truths.append(numbers.get(true[0], -1) if true else -1)
        unknown.update(label for label in true if label not in numbers)
    known = numpy.asarray(truths, "int64") >= 0
    rows = _probabilities(nlp, pipe, [example for example, is_known in zip(examples, known, strict=True) if is_known])
    return Found(ExclusiveLabels(rows, numpy.asarray(truths, "int64")[known]), "text", sorted(unknown))


def _gather_classes(nlp: Language, pipe: Any, examples: List[Example]) -> Found:
    pipe._validate_categories(examples)
    cats = [own_cats(pipe, example) for example in examples]
    unknown = {label for each in cats for label, value in each.items() if value and label not in pipe.labels}
    values = numpy.asarray([[each.get(label, numpy.nan) for label in pipe.labels] for each in cats]).reshape(-1, len(pipe.labels))
    known = ~numpy.isnan(values)
    rows = _probabilities(nlp, pipe, examples)
    return Found(IndependentLabels(rows[known], values[known] > 0), "text and class", sorted(unknown))


def _batches(nlp: Language, pipe: TemperedPipe, examples: Sequence[Example]) -> Iterator[List[Doc]]:
    return encoded_batches(nlp, pipe.name, [example.predicted for example in examples])


def _probabilities(nlp: Language, pipe: TemperedPipe, examples: Sequence[Example]) -> numpy.ndarray:
    """Give the probabilities [texts, classes] of a categorizer, at temperature 1."""
    batches = [to_numpy(pipe.run_model(batch)) for batch in _batches(nlp, pipe, examples)]
    rows = numpy.concatenate([numpy.zeros((0, len(pipe.labels)), "float32"), *batches])
    require_probabilities(pipe, rows)
    return rows


def require_probabilities(pipe: TemperedPipe, rows: numpy.ndarray) -> None:
    """Refuse a model's output that is none of probabilities.

    pipe (TemperedPipe): The component.
    rows (numpy.ndarray): [N, labels], the output.
    RAISES (ValueError): If a number is not in [0, 1], or those of labels that exclude each other do not sum to 1.
    """
    is_right = bool((rows >= 0).all() and (rows <= 1).all())
    if is_right and pipe.is_exclusive and len(rows):
        is_right = abs(rows.sum(axis=1, dtype="float64") - 1).max() < 1e-3
    if not is_right:
        raise ValueError(f"'{pipe.name}' cannot be calibrated: what its model gives are no probabilities")
