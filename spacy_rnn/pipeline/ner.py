"""Named entity recognition: `rnn_ner` learns `doc.ents`."""

import math
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy
from spacy import util
from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, to_numpy
from thinc.types import Floats2d, Ints1d

from .annotation.entities import OUTSIDE, entity_labels, forbid_spaces, gold_entities, possible_labels, set_entities
from .defaults import tagger_tok2vec
from .heads import Gold
from .listeners import require_whole_texts
from .pipe import require_initialized
from .sequence import SequencePipe

DEFAULT_MODEL = {
    "@architectures": "spacy_rnn.CRF.v1",
    "nO": None,
    "constraints": "BILUO",
    "scores": {"@architectures": "spacy.Tagger.v2", "nO": None, "normalize": False, "tok2vec": tagger_tok2vec(width=96)},
}

SCORE_WEIGHTS: Dict[str, Optional[float]] = {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}


@Language.factory(
    "rnn_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_MODEL,
        "outside_penalty": 0.0,
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    },
    default_score_weights=SCORE_WEIGHTS,
)
def make_rnn_ner(
    nlp: Language, name: str, model: Model[List[Doc], List[Floats2d]], outside_penalty: float, scorer: Optional[Callable]
) -> "RNNEntityRecognizer":
    """Make a component that predicts `doc.ents` by a conditional random field.

    Its labels say for each token whether it is outside of all entities, or the first, an inner, the last, or the only token of
    one.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model[List[Doc], List[Floats2d]]): The model, from texts of n tokens to scores of labels [n, labels]. Unless it is a
        `spacy_rnn.CRF.v1` with constraints "BILUO", one is put around it.
    outside_penalty (float): What the score of the label outside is lowered by in prediction. Above 0 more entities are
        found, and more of them are wrong, which helps where the names in new texts are others than in the training data; below 0
        fewer are. It needs no training. (Minkov et al. 2006, "NER systems that suit user's preferences: adjusting the
        recall-precision trade-off for entity extraction".)
    scorer (Optional[Callable]): The scoring method.
    RETURNS (RNNEntityRecognizer): The component.
    RAISES (ValueError): If outside_penalty is not finite, or the model is a CRF without the constraints "BILUO".
    """
    require_whole_texts(nlp, name, model)
    return RNNEntityRecognizer(nlp.vocab, model, name, outside_penalty=outside_penalty, scorer=scorer)


class RNNEntityRecognizer(SequencePipe):
    """Recognize named entities by a recurrent network and a conditional random field.

    (Huang, Xu & Yu 2015, "Bidirectional LSTM-CRF models for sequence tagging"; Lample et al. 2016, "Neural architectures for
    named entity recognition".)"""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], List[Floats2d]],
        name: str = "rnn_ner",
        *,
        outside_penalty: float = 0.0,
        scorer: Optional[Callable],
    ) -> None:
        """Make the component.

        vocab (Vocab): The shared vocabulary.
        model (Model[List[Doc], List[Floats2d]]): The model.
        name (str): The component's name.
        outside_penalty (float): What the score of the label outside is lowered by in prediction.
        scorer (Optional[Callable]): The scoring method.
        RAISES (ValueError): If outside_penalty is not finite, or the model is a CRF without the constraints "BILUO".
        """
        if not math.isfinite(outside_penalty):
            raise ValueError(f"outside_penalty must be finite, got {outside_penalty}")
        super().__init__(vocab, model, name, labels=[], all_labels=False)
        self.outside_penalty = outside_penalty
        self.scorer = scorer
        self._rehearsal_model = None
        self.set_head(True, model, "BILUO")

    @property
    def labels(self) -> Tuple[str, ...]:
        """The types of entities.

        RETURNS (Tuple[str, ...]): Sorted.
        """
        return tuple(sorted(self.cfg["labels"]))

    @property
    def score_names(self) -> Sequence[str]:
        """RETURNS (Sequence[str]): What the scores of the model are those of: "O", "B-X", "I-X", and so on."""
        return entity_labels(self.labels).names

    @property
    def label_data(self) -> Tuple[str, ...]:
        """What `spacy init labels` writes, and `initialize` reads.

        RETURNS (Tuple[str, ...]): The types of entities.
        """
        return self.labels

    def add_label(self, label: str) -> int:
        """Add a type of entities.

        label (str): The type.
        RETURNS (int): 1, or 0 if the component had it already.
        RAISES (ValueError): If the type is no string, or empty; or once the model has been initialized.
        """
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if not label:
            raise ValueError(f"'{self.name}' predicts entities of a type, which cannot be an empty string")
        if label in self.cfg["labels"]:
            return 0
        if self.model.has_param("start"):
            raise ValueError(Errors.E922.format(name=self.name, nO=self.model.get_dim("nO")))
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Iterable[str]] = None,
    ) -> None:
        """Learn the types of entities, and allocate the model.

        get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Iterable[str]]): The types that are learned, of all that the examples have, e.g. from
            `spacy init labels`; every one of them if None. To the component, entities of other types are none.
        RAISES (ValueError): If there are no types or no examples.
        """
        validate_get_examples(get_examples, "RNNEntityRecognizer.initialize")
        util.check_lexeme_norms(self.vocab, self.name)
        if isinstance(labels, dict):
            raise ValueError(
                f"'{self.name}' is initialized with a list of types of entities, but was given a dictionary, as spaCy's ner "
                "writes it: take the types out of it, or let `spacy init labels` write them"
            )
        found = labels if labels is not None else sorted({ent.label_ for example in get_examples() for ent in example.y.ents})
        self.cfg["all_labels"] = labels is None
        for label in found:
            self.add_label(label)
        self._require_labels()
        self.initialize_model(get_examples, nlp, entity_labels(self.labels).names)

    def predict(self, docs: Iterable[Doc]) -> List[Ints1d]:
        """Predict the labels of a batch. Entities that have been set in a text, and tokens that have been blocked, are kept.

        docs (Iterable[Doc]): The texts.
        RETURNS (List[Ints1d]): The numbers of the labels as in `entity_labels`, on the host, [n] for each text of n tokens.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized.
        """
        # Imported here because importing a factory must stay cheap.
        from ..layers import split_array

        docs = list(docs)
        lengths = [len(doc) for doc in docs]
        if not any(lengths):
            require_initialized(self.name, self.model)
            return split_array(numpy.zeros(0, dtype="int64"), lengths)
        types = self.labels
        possible = [possible_labels(doc, types, entity_labels(types)) for doc in docs]
        scores = self._forbid(self._lower_outside(self.run_model(docs)), possible)
        return split_array(self.head.predict(self.model, scores), lengths)

    def set_annotations(self, docs: Iterable[Doc], batch_tag_ids: Sequence[Ints1d]) -> None:
        """Write predicted entities to the texts.

        docs (Iterable[Doc]): The texts.
        batch_tag_ids (Sequence[Ints1d]): The numbers of the labels, as made by `predict`.
        RAISES (ValueError): If a text has not as many of them as tokens, or they are not well-formed.
        """
        docs = [docs] if isinstance(docs, Doc) else docs
        types = self.labels
        for doc, tag_ids in zip(docs, batch_tag_ids, strict=True):
            set_entities(doc, types, to_numpy(tag_ids))

    def get_loss(self, examples: Iterable[Example], scores: List[Floats2d]) -> Tuple[float, List[Floats2d]]:
        """Find the negative log-likelihood of the entities of a batch and its gradient. What is not annotated may be anything.

        examples (Iterable[Example]): The batch.
        scores (List[Floats2d]): What the model gave, [n, labels] for each text of n tokens.
        RETURNS (Tuple[float, List[Floats2d]]): The loss, and its gradient in the shape of the scores.
        RAISES (ValueError): If a type of entities is not among the component's, unless it was given these; if an entity begins or
            ends with whitespace; if the scores are not one for each token and label, or no numbers.
        """
        validate_examples(examples, "RNNEntityRecognizer.get_loss")
        examples = list(examples)
        if not examples:
            return 0.0, []
        labels = entity_labels(self.labels)
        n_labels = len(labels.names)
        self.require_shapes(examples, scores, n_labels)
        # Each label is a kind of annotation, and the last kind is that there is none.
        truth, known = numpy.eye(n_labels + 1, n_labels, dtype="float32"), numpy.ones((n_labels + 1, n_labels), dtype="float32")
        known[-1] = 0
        spaces = [forbid_spaces(example.x, labels) for example in examples]
        kinds = [self._gold_numbers(example, allowed) for example, allowed in zip(examples, spaces, strict=True)]
        gold = Gold(truth, known, numpy.concatenate(kinds))
        return self.find_loss(examples, self._forbid(scores, spaces), gold)

    def gold_labels(self, example: Example) -> Sequence[Optional[str]]:
        """Give the annotation of a text, for messages.

        example (Example): The text, of n tokens.
        RETURNS (Sequence[Optional[str]]): n labels, None where there is none.
        """
        return gold_entities(example)

    def _gold_numbers(self, example: Example, allowed: Optional[numpy.ndarray]) -> numpy.ndarray:
        """Give the numbers of a text's gold labels [n], one more than the last where there is none."""
        labels = entity_labels(self.labels)
        unknown = sorted({entity.label_ for entity in example.y.ents}.difference(self.labels))
        if unknown and self.cfg.get("all_labels"):
            raise ValueError(
                f"'{self.name}' was given types of entities it had not seen when it was initialized: {', '.join(unknown)}. Its "
                f"types are {', '.join(self.labels)}. Add the missing ones before initialization, by add_label or a labels file"
            )
        names = [name or "" for name in gold_entities(example)]
        missing = len(labels.names)
        # Entities of other types, e.g. "B-X", are none.
        numbers = numpy.asarray([labels.numbers.get(name, OUTSIDE if name[1:2] == "-" else missing) for name in names], "int64")
        if allowed is not None:
            known = numpy.flatnonzero(numbers < missing)
            wrong = known[~allowed[known, numbers[known]]]
            if len(wrong):
                i = int(wrong[0])
                raise ValueError(
                    f"'{self.name}' could not learn: the text that begins with {example.x[:8].text!r} has an entity of type "
                    f"{names[i][2:]} that begins or ends with whitespace, at {example.x[max(0, i - 3) : i + 4].text!r}: set "
                    "its boundaries to other tokens"
                )
        return numbers

    def _lower_outside(self, scores: List[Floats2d]) -> List[Floats2d]:
        """Subtract the penalty from the scores of the label outside."""
        if not self.outside_penalty:
            return scores
        penalties = self.model.ops.xp.zeros((1, len(entity_labels(self.labels).names)), dtype="float32")
        penalties[0, OUTSIDE] = self.outside_penalty
        return [rows - penalties for rows in scores]

    def _forbid(self, scores: List[Floats2d], allowed: List[Optional[numpy.ndarray]]) -> List[Floats2d]:
        xp = self.model.ops.xp
        return [
            rows if mask is None else xp.where(xp.asarray(mask), rows, -numpy.inf)
            for rows, mask in zip(scores, allowed, strict=True)
        ]
