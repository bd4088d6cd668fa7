"""Part-of-speech tagging: `rnn_tagger` learns `token.tag`, `rnn_pos_tagger` learns `token.pos`."""

from itertools import islice
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, cast

import numpy
from spacy import util
from spacy.errors import Errors
from spacy.language import Language
from spacy.parts_of_speech import IDS as POS_IDS
from spacy.parts_of_speech import NAMES as POS_NAMES
from spacy.pipeline.tagger import Tagger
from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, SequenceCategoricalCrossentropy
from thinc.types import Floats2d

from .pipe import RNNPipe, learn_vocabularies

# The 17 tags of Universal Dependencies 2, and spaCy's SPACE; CONJ was of version 1, EOL has no use.
UNIVERSAL_POS = [name for name in POS_IDS if name not in ("", "CONJ", "EOL")]

DEFAULT_MODEL_CONFIG = """
[model]
@architectures = "spacy.Tagger.v2"

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = 96
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
rows = [5000, 1000, 2500, 2500]
include_static_vectors = false

[model.tok2vec.encode]
@architectures = "spacy_rnn.RNNEncoder.v1"
width = 96
depth = 1
cell = "lstm"
bidirectional = true
"""
SETTINGS = {
    "model": Config().from_str(DEFAULT_MODEL_CONFIG)["model"],
    "overwrite": False,
    "neg_prefix": "!",
    "label_smoothing": 0.0,
}


def pos_tagger_score(examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
    """Score `token.pos`.

    examples (Iterable[Example]): Predictions and gold annotation.
    RETURNS (Dict[str, Any]): "pos_acc", the share of annotated tokens that are right.
    """
    return Scorer.score_token_attr(examples, "pos", **kwargs)


def build_pos_tagger_scorer() -> Callable:
    """Give `pos_tagger_score` to a config.

    RETURNS (Callable): The scorer.
    """
    return pos_tagger_score


@Language.factory(
    "rnn_tagger",
    assigns=["token.tag"],
    default_config={**SETTINGS, "scorer": {"@scorers": "spacy.tagger_scorer.v1"}},
    default_score_weights={"tag_acc": 1.0},
)
def make_rnn_tagger(
    nlp: Language,
    name: str,
    model: Model[List[Doc], List[Floats2d]],
    overwrite: bool,
    scorer: Optional[Callable],
    neg_prefix: str,
    label_smoothing: float,
) -> "RNNTagger":
    """Make a component that predicts `token.tag`.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model[List[Doc], List[Floats2d]]): The model, from texts of n tokens to tag probabilities [n, labels].
    overwrite (bool): Whether tags that are already set are overwritten.
    scorer (Optional[Callable]): The scoring method.
    neg_prefix (str): What stands before a tag in the training data that says which tag a token does not have.
    label_smoothing (float): The share of the probability that is spread over the wrong tags in training, in [0, 0.5).
    RETURNS (RNNTagger): The component.
    """
    return RNNTagger(
        nlp.vocab,
        model,
        name,
        attr="TAG",
        overwrite=overwrite,
        scorer=scorer,
        neg_prefix=neg_prefix,
        label_smoothing=label_smoothing,
    )


@Language.factory(
    "rnn_pos_tagger",
    assigns=["token.pos"],
    default_config={**SETTINGS, "scorer": {"@scorers": "spacy_rnn.pos_tagger_scorer.v1"}},
    default_score_weights={"pos_acc": 1.0},
)
def make_rnn_pos_tagger(
    nlp: Language,
    name: str,
    model: Model[List[Doc], List[Floats2d]],
    overwrite: bool,
    scorer: Optional[Callable],
    neg_prefix: str,
    label_smoothing: float,
) -> "RNNTagger":
    """Make a component that predicts `token.pos`, which no component of spaCy's learns by itself. The arguments are those of
    `make_rnn_tagger`; `token.pos` holds universal tags only, so gold data cannot hold a tag with neg_prefix.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model[List[Doc], List[Floats2d]]): The model, from texts of n tokens to tag probabilities [n, labels].
    overwrite (bool): Whether tags that are already set are overwritten.
    scorer (Optional[Callable]): The scoring method.
    neg_prefix (str): As in `make_rnn_tagger`.
    label_smoothing (float): The share of the probability that is spread over the wrong tags in training, in [0, 0.5).
    RETURNS (RNNTagger): The component.
    """
    return RNNTagger(
        nlp.vocab,
        model,
        name,
        attr="POS",
        overwrite=overwrite,
        scorer=scorer,
        neg_prefix=neg_prefix,
        label_smoothing=label_smoothing,
    )


class RNNTagger(RNNPipe, Tagger):
    """spaCy's tagger, for either of the two tags a token has."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], List[Floats2d]],
        name: str = "rnn_tagger",
        *,
        attr: str,
        overwrite: bool,
        scorer: Optional[Callable],
        neg_prefix: str,
        label_smoothing: float,
    ) -> None:
        """Make the component.

        vocab (Vocab): The shared vocabulary.
        model (Model[List[Doc], List[Floats2d]]): The model.
        name (str): The component's name.
        attr (str): "TAG" or "POS".
        overwrite (bool): Whether tags that are already set are overwritten.
        scorer (Optional[Callable]): The scoring method.
        neg_prefix (str): What stands before a tag a token does not have.
        label_smoothing (float): In [0, 0.5).
        RAISES (ValueError): If label_smoothing is out of its range.
        """
        if not 0.0 <= label_smoothing < 0.5:
            raise ValueError(f"label_smoothing must be at least 0 and below 0.5, got {label_smoothing}")
        super().__init__(
            vocab,
            model,
            name,
            overwrite=overwrite,
            scorer=scorer,
            neg_prefix=neg_prefix,
            label_smoothing=label_smoothing,
        )
        self.attr = attr

    def set_annotations(self, docs: Iterable[Doc], batch_tag_ids: Sequence[Any]) -> None:
        """Write predicted labels to the texts.

        docs (Iterable[Doc]): The texts.
        batch_tag_ids (Sequence[Ints1d]): The numbers of the labels, as made by `predict`.
        """
        if isinstance(docs, Doc):
            docs = [docs]
        label_ids = self._label_ids()
        for doc, tag_ids in zip(docs, batch_tag_ids, strict=True):
            if not len(doc):
                continue
            if hasattr(tag_ids, "get"):
                tag_ids = tag_ids.get()
            values = label_ids[tag_ids]
            if not self.cfg["overwrite"]:
                present = doc.to_array([self.attr])
                values = numpy.where(present == 0, values, present)
            doc.from_array([self.attr], values)

    def get_loss(self, examples: Iterable[Example], scores: List[Floats2d]) -> Tuple[float, List[Floats2d]]:
        """Find the loss of a batch and its gradient. Tokens without annotation, or aligned to none, have no loss.

        examples (Iterable[Example]): The batch.
        scores (List[Floats2d]): Predicted probabilities, [n, labels] for each text of n tokens.
        RETURNS (Tuple[float, List[Floats2d]]): The loss, and its gradient in the shape of the scores.
        RAISES (ValueError): spaCy's E910, if the loss is not a number; or if a label is not among the component's.
        """
        validate_examples(examples, "RNNTagger.get_loss")
        truths = [self._aligned_labels(example) for example in examples]
        self._require_known_labels(truths)
        negative = [
            (i, row, self.labels.index(self._without_prefix(label)))
            for i, truth in enumerate(truths)
            for row, label in enumerate(truth)
            if label and self._without_prefix(label) != label
        ]
        for i, row, _ in negative:
            truths[i][row] = None
        loss_func = SequenceCategoricalCrossentropy(
            names=list(self.labels),
            normalize=False,
            label_smoothing=self.cfg["label_smoothing"],
        )
        d_scores, loss = loss_func(scores, cast(Any, truths))
        # Thinc's loss cannot smooth the labels of a batch that has negative ones.
        for i, row, column in negative:
            d_scores[i][row, column] = scores[i][row, column]
            loss += float(scores[i][row, column]) ** 2
        if self.model.ops.xp.isnan(loss):
            raise ValueError(Errors.E910.format(name=self.name))
        return float(loss), d_scores

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Iterable[str]] = None,
    ) -> None:
        """Learn the labels, and allocate the model.

        get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Iterable[str]]): The labels, e.g. from `spacy init labels`; those of the examples if None.
        RAISES (ValueError): If there are no labels or no examples, or if a label of `rnn_pos_tagger` is no universal tag.
        """
        validate_get_examples(get_examples, "RNNTagger.initialize")
        util.check_lexeme_norms(self.vocab, self.name)
        found = labels if labels is not None else self._gold_labels(get_examples())
        for label in found:
            self.add_label(label)
        self._require_labels()
        if any(node.name == "truncate" for node in self.model.walk()):
            raise ValueError(f"'{self.name}' tags every token, so spacy_rnn.Truncate.v1 cannot be part of its model")
        sample = list(islice(get_examples(), 10))
        if not sample:
            raise ValueError(Errors.E923.format(name=self.name))
        label_sample = [self._one_hot(example) for example in sample]
        self.model.initialize(X=[example.x for example in sample], Y=label_sample)
        learn_vocabularies(self.model, get_examples)

    def add_label(self, label: str) -> int:
        """Add a label.

        label (str): The label.
        RETURNS (int): 1, or 0 if the component had it already.
        RAISES (ValueError): If the label is no string, or no universal tag although the component predicts `token.pos`; or once
            the model has been initialized.
        """
        if self.attr == "POS" and label not in UNIVERSAL_POS:
            raise ValueError(
                f"'{self.name}' predicts token.pos, so its labels are universal part-of-speech tags, but it was given {label!r}; "
                f"expected one of {', '.join(UNIVERSAL_POS)}. Use rnn_tagger for other tag sets"
            )
        return super().add_label(label)

    def _gold_labels(self, examples: Iterable[Example]) -> List[str]:
        found = set()
        for example in examples:
            for key in numpy.unique(example.y.to_array([self.attr])):
                found.add(self._without_prefix(self._label_string(int(key))))
        return sorted(found - {""})

    def _without_prefix(self, label: str) -> str:
        return label.removeprefix(self.cfg["neg_prefix"])

    def _label_string(self, key: int) -> str:
        if self.attr == "POS":
            return POS_NAMES[key]
        return self.vocab.strings[key]

    def _label_ids(self) -> numpy.ndarray:
        """Give the values [labels] that a Doc stores for the labels."""
        if self.attr == "POS":
            keys = [POS_IDS[label] for label in self.labels]
        else:
            keys = [self.vocab.strings.add(label) for label in self.labels]
        return numpy.asarray(keys, dtype="uint64")

    def _aligned_labels(self, example: Example) -> List[Optional[str]]:
        aligned = example.get_aligned(self.attr, as_string=True)
        return [label if label else None for label in aligned]

    def _require_known_labels(self, truths: List[List[Optional[str]]]) -> None:
        known = set(self.labels)
        found = {label for truth in truths for label in truth if label}
        unknown = {label for label in found if self._without_prefix(label) not in known}
        if unknown:
            raise ValueError(
                f"'{self.name}' was given labels it had not seen when it was initialized: {', '.join(sorted(unknown))}. Its "
                f"labels are {', '.join(self.labels)}. Add the missing ones before initialization, by add_label or a labels "
                f"file; if a label really begins with {self.cfg['neg_prefix']!r}, set another neg_prefix"
            )

    def _one_hot(self, example: Example) -> Floats2d:
        truth = self._aligned_labels(example)
        rows = [[float(label == gold) for label in self.labels] for gold in truth]
        array = numpy.asarray(rows, dtype="float32").reshape(-1, len(self.labels))
        return self.model.ops.asarray2f(array)
