"""Part-of-speech tagging: `rnn_tagger` learns `token.tag`, `rnn_pos_tagger` learns `token.pos`."""

import math
from itertools import accumulate, islice
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union, cast

import numpy
from spacy import util
from spacy.attrs import IDS
from spacy.errors import Errors
from spacy.language import Language
from spacy.parts_of_speech import IDS as POS_IDS
from spacy.pipeline import TrainablePipe
from spacy.pipeline.tagger import Tagger
from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer, to_numpy
from thinc.types import Floats2d, Ints1d

from .gold import gold_keys, gold_strings, label_keys, targets
from .pipe import RNNPipe, learn_vocabularies, require_initialized
from .stream import label_stream

# The 17 tags of Universal Dependencies 2, and spaCy's SPACE; CONJ was of version 1, EOL has no use.
UNIVERSAL_POS = [name for name in POS_IDS if name not in ("", "CONJ", "EOL")]

DEFAULT_MODEL_CONFIG = """
[model]
@architectures = "spacy.Tagger.v2"

[model.tok2vec]
@architectures = "spacy_rnn.Tok2Vec.v1"

[model.tok2vec.embed]
@architectures = "spacy_rnn.HashEmbed.v1"
width = 96
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
rows = [5000, 1000, 2500, 2500]
include_static_vectors = false
cache_size = 100000

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

    def predict(self, docs: Iterable[Doc]) -> List[Ints1d]:
        """Predict the labels of a batch.

        docs (Iterable[Doc]): The texts.
        RETURNS (List[Ints1d]): The numbers of the labels, on the host, [n] for each text of n tokens.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized.
        """
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            require_initialized(self.name, self.model)
            return [cast(Ints1d, numpy.zeros(0, dtype="int64")) for _ in docs]
        scores = self.run_model(docs)
        tag_ids = to_numpy(self.model.ops.flatten(scores).argmax(axis=1))
        return _split(tag_ids, [len(doc_scores) for doc_scores in scores])

    def set_annotations(self, docs: Iterable[Doc], batch_tag_ids: Sequence[Ints1d]) -> None:
        """Write predicted labels to the texts.

        docs (Iterable[Doc]): The texts.
        batch_tag_ids (Sequence[Ints1d]): The numbers of the labels, as made by `predict`.
        RAISES (ValueError): If a text has not as many of them as tokens.
        """
        if isinstance(docs, Doc):
            docs = [docs]
        filled = [(doc, to_numpy(tag_ids)) for doc, tag_ids in zip(docs, batch_tag_ids, strict=True) if len(doc)]
        if not filled:
            return
        # One column of a matrix is what Doc.from_array reads fastest.
        keys = self._label_keys()[numpy.concatenate([tag_ids for _, tag_ids in filled])].reshape(-1, 1)
        attr = IDS[self.attr]
        for (doc, _), values in zip(filled, _split(keys, [len(tag_ids) for _, tag_ids in filled]), strict=True):
            if not self.cfg["overwrite"] and doc.has_annotation(attr):
                present = doc.to_array([attr]).reshape(-1, 1)
                values = numpy.where(present == 0, values, present)
            doc.from_array([attr], values)

    def stream(
        self, source: Union[Doc, Iterable[Union[str, Doc]]], *, piece: int = 1000, lookahead: int = 50
    ) -> Iterator[Tuple[str, str]]:
        """Predict the labels of a stream of any length in bounded memory, as if it were one text. No text is annotated.

        source (Union[Doc, Iterable[Union[str, Doc]]]): Words, or texts that continue one another, e.g. from `nlp.tokenizer.pipe`.
        piece (int): How many tokens are encoded at a time. A label comes when the piece that its token is in, and the look ahead
            behind it, have been read.
        lookahead (int): How many tokens behind the piece a backward direction sees at least. A model with forward directions
            only has no need of it, and does not wait for it: it predicts what it would predict of the whole text.
        RETURNS (Iterator[Tuple[str, str]]): Each word and its label.
        RAISES (ValueError): If the model cannot read a text piece by piece; if a number is out of its range; spaCy's E109, if the
            component has not been initialized; while the stream is read, if it holds neither words nor texts.
        """
        if isinstance(source, str):
            raise ValueError(
                "a stream consists of words, but was given a single string: split it, or tokenize it by nlp.make_doc"
            )
        labelled = self._stream(iter([source] if isinstance(source, Doc) else source), piece, lookahead)
        labels = self.labels
        return ((word, labels[i]) for words, tag_ids in labelled for word, i in zip(words, tag_ids.tolist(), strict=True))

    def tag_in_pieces(self, doc: Doc, *, piece: int = 1000, lookahead: int = 50) -> Doc:
        """Annotate a text that is too long to be annotated at once: the memory this takes, beside the text itself, hardly
        depends on its length.

        doc (Doc): The text.
        piece (int): As in `stream`.
        lookahead (int): As in `stream`.
        RETURNS (Doc): The same text.
        RAISES (ValueError): As `stream`.
        """
        tag_ids = [tag_ids for _, tag_ids in self._stream([doc], piece, lookahead)]
        self.set_annotations([doc], [cast(Ints1d, numpy.concatenate([numpy.zeros(0, dtype="int64"), *tag_ids]))])
        return doc

    def _stream(self, source: Iterable[Union[str, Doc]], piece: int, lookahead: int) -> Iterator[Tuple[List[str], numpy.ndarray]]:
        """Give the words of each piece, and the numbers of their labels."""
        # Imported here because importing a factory must stay cheap.
        from ..models import StreamingTagger

        require_initialized(self.name, self.model)
        tagger = StreamingTagger.of(self.model)
        return label_stream(tagger, source, self.vocab, piece, tagger.check_sizes(piece, lookahead))

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch.

        examples (Iterable[Example]): The batch.
        drop (float): The dropout rate, where the model does not have its own.
        sgd (Optional[Optimizer]): The optimizer; without one, gradients are only accumulated.
        losses (Optional[Dict[str, float]]): Losses by component, which this one's is added to.
        RETURNS (Dict[str, float]): The losses.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized; or what `get_loss` raises.
        """
        self.prepare_update()
        # Tagger.update looks for NaN in the scores of one text after the other; get_loss does it for all of them at once.
        return TrainablePipe.update(self, examples, drop=drop, sgd=sgd, losses=losses)

    def get_loss(self, examples: Iterable[Example], scores: List[Floats2d]) -> Tuple[float, List[Floats2d]]:
        """Find the loss of a batch and its gradient, those of Thinc's `SequenceCategoricalCrossentropy`. Tokens without
        annotation, or aligned to none, have no loss.

        examples (Iterable[Example]): The batch.
        scores (List[Floats2d]): Predicted probabilities, [n, labels] for each text of n tokens.
        RETURNS (Tuple[float, List[Floats2d]]): The loss, and its gradient in the shape of the scores.
        RAISES (ValueError): If a label is not among the component's; if the scores are no probabilities, or not one for each
            token and label; or spaCy's E910, if the loss is not a number.
        """
        validate_examples(examples, "RNNTagger.get_loss")
        examples = list(examples)
        if not examples:
            return 0.0, []
        gold = [gold_keys(example, self.attr) for example in examples]
        distinct, rows = numpy.unique(numpy.concatenate(gold), return_inverse=True)
        truth, known = self._targets(distinct.tolist(), examples)
        self._require_shapes(scores, gold)
        ops = self.model.ops
        d_scores = ops.flatten(scores)
        if d_scores.size and (d_scores.min() < 0 or d_scores.max() > 1):
            raise ValueError(f"'{self.name}' learns from probabilities, but its model gave scores that are not between 0 and 1")
        rows = ops.asarray1i(rows)
        d_scores -= ops.asarray2f(truth)[rows]
        d_scores *= ops.asarray2f(known)[rows]
        loss = float((d_scores**2).sum())
        if math.isnan(loss):
            raise ValueError(Errors.E910.format(name=self.name))
        return loss, _split(d_scores, [len(keys) for keys in gold])

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
        return sorted({self._without_prefix(label) for label in gold_strings(examples, self.attr).values()} - {""})

    def _without_prefix(self, label: str) -> str:
        return label.removeprefix(self.cfg["neg_prefix"])

    def _label_keys(self) -> numpy.ndarray:
        """Give the values [labels] that a Doc stores for the labels."""
        keys, strings = label_keys(self.labels), self.vocab.strings
        # A vocabulary that was loaded later may lack them; to add them whenever they are written takes longer than to look.
        if not all(key in strings for key in keys):
            for label in self.labels:
                strings.add(label)
        return numpy.asarray(keys, dtype="uint64")

    def _targets(self, keys: List[int], examples: List[Example]) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Give the probabilities [K, labels] of K gold values, and which of them are known [K, labels]."""
        smoothing = self.cfg["label_smoothing"]
        if smoothing and len(self.labels) < 2:
            raise ValueError(f"'{self.name}' has one label only, and no wrong one to spread label_smoothing {smoothing} over")
        truth, known, unknown = targets(keys, self.labels, self.cfg["neg_prefix"], smoothing)
        if unknown:
            strings = gold_strings(examples, self.attr)
            raise ValueError(
                f"'{self.name}' was given labels it had not seen when it was initialized: "
                f"{', '.join(sorted(strings[key] for key in unknown))}. Its "
                f"labels are {', '.join(self.labels)}. Add the missing ones before initialization, by add_label or a labels "
                f"file; if a label really begins with {self.cfg['neg_prefix']!r}, set another neg_prefix"
            )
        return truth, known

    def _require_shapes(self, scores: List[Floats2d], gold: List[numpy.ndarray]) -> None:
        n_labels = len(self.labels)
        for doc_scores, keys in zip(scores, gold, strict=True):
            if doc_scores.shape != (len(keys), n_labels):
                expected = f"{(len(keys), n_labels)}, for each token and label"
                raise ValueError(f"'{self.name}' needs scores {expected}, but its model gave {doc_scores.shape}")

    def _one_hot(self, example: Example) -> Floats2d:
        keys = gold_keys(example, self.attr)
        return self.model.ops.asarray2f((keys[:, None] == self._label_keys()).astype("float32"))


def _split(rows: Any, lengths: Sequence[int]) -> List[Any]:
    return [rows[end - length : end] for length, end in zip(lengths, accumulate(lengths), strict=True)]
