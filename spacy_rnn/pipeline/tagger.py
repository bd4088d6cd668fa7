"""Part-of-speech tagging: `rnn_tagger` learns `token.tag`, `rnn_pos_tagger` learns `token.pos`."""

from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union, cast

import numpy
from spacy import util
from spacy.attrs import IDS
from spacy.errors import Errors
from spacy.language import Language
from spacy.parts_of_speech import IDS as POS_IDS
from spacy.pipeline.tagger import Tagger
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, to_numpy
from thinc.types import Floats2d, Ints1d

from .annotation.gold import gold_keys, gold_strings, label_keys, targets
from .annotation.probabilities import register_extensions, store_probabilities
from .defaults import tagger_tok2vec
from .heads import Gold, SoftmaxHead, constraints_of
from .listeners import require_whole_texts
from .pipe import require_initialized
from .sequence import SequencePipe
from .temperature import TemperedPipe

# The 17 tags of Universal Dependencies 2, and spaCy's SPACE; CONJ was of version 1, EOL has no use.
UNIVERSAL_POS = [name for name in POS_IDS if name not in ("", "CONJ", "EOL")]

SETTINGS: Dict[str, Any] = {
    "model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tagger_tok2vec(width=96)},
    "overwrite": False,
    "neg_prefix": "!",
    "label_smoothing": 0.0,
    "use_crf": False,
    "constraints": None,
    "store_probs": False,
}


class LabelsWithProbabilities(NamedTuple):
    """What is predicted where probabilities are stored.

    tag_ids (List[Ints1d]): The numbers of the labels, [n] for each text of n tokens.
    probabilities (List[numpy.ndarray]): float32 [n, labels] for each of them, on the host.
    """

    tag_ids: List[Ints1d]
    probabilities: List[numpy.ndarray]


Predicted = Union[LabelsWithProbabilities, Sequence[Ints1d]]


class RNNTagger(TemperedPipe, SequencePipe, Tagger):
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
        use_crf: bool,
        constraints: Optional[str],
        store_probs: bool,
    ) -> None:
        """Make the component.

        vocab (Vocab): The shared vocabulary.
        model (Model[List[Doc], List[Floats2d]]): The model.
        name (str): The component's name.
        attr (str): "TAG" or "POS".
        overwrite (bool): Whether tags that are already set are overwritten.
        scorer (Optional[Callable]): The scoring method.
        neg_prefix (str): What stands before a tag a token does not have.
        label_smoothing (float): In [0, 0.5); 0 with use_crf.
        use_crf (bool): Whether the labels of a text are predicted together, by a conditional random field.
        constraints (Optional[str]): "BIO", "BILUO" or None.
        store_probs (bool): Whether probabilities are kept with a text.
        RAISES (ValueError): If label_smoothing is out of its range, or the model, use_crf and constraints do not go together.
        """
        _check_smoothing(label_smoothing)
        if use_crf and label_smoothing:
            raise ValueError(
                "use_crf predicts the tags of a text together, for which label_smoothing is not defined: set it to 0, "
                f"got {label_smoothing}; or set use_crf = false"
            )
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
        self.set_head(use_crf, model, constraints)
        self.cfg["temperature"] = 1.0
        self.store_probs = store_probs

    @property
    def store_probs(self) -> bool:
        """Whether the probabilities of all labels are kept with a text. It may be changed at any time.

        RETURNS (bool): Whether they are.
        """
        return self._store_probs

    @store_probs.setter
    def store_probs(self, store_probs: bool) -> None:
        self._store_probs = store_probs
        if store_probs:
            register_extensions()

    def predict(self, docs: Iterable[Doc]) -> Predicted:
        """Predict the labels of a batch.

        docs (Iterable[Doc]): The texts.
        RETURNS (Union[List[Ints1d], LabelsWithProbabilities]): The numbers of the labels, on the host, [n] for each text of n
            tokens; with their probabilities if these are to be stored.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized.
        """
        # Imported here because importing a factory must stay cheap.
        from ..layers import predict_rows, split_array

        docs = list(docs)
        lengths = [len(doc) for doc in docs]
        if any(lengths):
            # Where a label follows from its token's scores alone, they need not be taken apart into texts.
            together = isinstance(self.head, SoftmaxHead) and not self.store_probs
            scores = [self.run_model(docs, predict_rows)] if together else self.run_model(docs)
            rows = self.head.predict(self.model, scores)
        else:
            require_initialized(self.name, self.model)
            scores, rows = [], numpy.zeros(0, dtype="int64")
        tag_ids = split_array(rows, lengths)
        if not self.store_probs:
            return tag_ids
        probabilities = numpy.zeros((0, len(self.labels)), dtype="f")
        if scores:
            probabilities = self.head.probabilities(self.model, scores, self.temperature)
        return LabelsWithProbabilities(tag_ids, split_array(probabilities, lengths))

    def set_annotations(self, docs: Iterable[Doc], predicted: Predicted) -> None:  # type: ignore[override]
        """Write predicted labels to the texts.

        docs (Iterable[Doc]): The texts.
        predicted (Union[Sequence[Ints1d], LabelsWithProbabilities]): What `predict` has made.
        RAISES (ValueError): If a text has not as many of them as tokens.
        """
        # Imported here because importing a factory must stay cheap.
        from ..layers import split_array

        docs = [docs] if isinstance(docs, Doc) else list(docs)
        if isinstance(predicted, LabelsWithProbabilities):
            for doc, probabilities in zip(docs, predicted.probabilities, strict=True):
                store_probabilities(doc, self.name, self.attr, self.labels, probabilities)
            predicted = predicted.tag_ids
        for doc, tag_ids in zip(docs, predicted, strict=True):
            if len(doc) != len(tag_ids):
                raise ValueError(Errors.E971.format(array_length=len(tag_ids), doc_length=len(doc)))
        for vocab in {id(doc.vocab): doc.vocab for doc in docs}.values():
            self._add_labels(vocab)
        if self.attr == "TAG":
            super().set_annotations(docs, [to_numpy(tag_ids).tolist() for tag_ids in predicted])
            return
        filled = [(doc, to_numpy(tag_ids)) for doc, tag_ids in zip(docs, predicted, strict=True) if len(doc)]
        if not filled:
            return
        # One column of a matrix is what Doc.from_array reads fastest.
        keys = numpy.asarray(label_keys(self.labels), dtype="uint64")[
            numpy.concatenate([tag_ids for _, tag_ids in filled])
        ].reshape(-1, 1)
        attr = IDS[self.attr]
        for (doc, _), values in zip(filled, split_array(keys, [len(tag_ids) for _, tag_ids in filled]), strict=True):
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
            only has no need of it, and does not wait for it: it predicts what it would predict of the whole text. With
            use_crf a label waits for as many scores behind it besides; with constraints for one at least.
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
        """Annotate a text that is too long to be annotated at once.

        Beside the text itself, the memory this takes hardly depends on its length. No probabilities are stored.

        doc (Doc): The text.
        piece (int): As in `stream`.
        lookahead (int): As in `stream`.
        RETURNS (Doc): The same text.
        RAISES (ValueError): As `stream`, or if it is given no text.
        """
        if not isinstance(doc, Doc):
            raise ValueError(f"tag_in_pieces takes a text (Doc), e.g. from nlp.make_doc, got {type(doc).__name__}")
        tag_ids = [tag_ids for _, tag_ids in self._stream([doc], piece, lookahead)]
        self.set_annotations([doc], [cast(Ints1d, numpy.concatenate([numpy.zeros(0, dtype="int64"), *tag_ids]))])
        return doc

    def _stream(self, source: Iterable[Union[str, Doc]], piece: int, lookahead: int) -> Iterator[Tuple[List[str], numpy.ndarray]]:
        """Give the words of each piece, and the numbers of their labels."""
        # Imported here because importing a factory must stay cheap.
        from ..streaming import StreamingTagger, label_stream

        require_initialized(self.name, self.model)
        tagger = StreamingTagger.of(self.model)
        return label_stream(tagger, source, self.vocab, piece, lookahead)

    def get_loss(self, examples: Iterable[Example], scores: List[Floats2d]) -> Tuple[float, List[Floats2d]]:
        """Find the loss of a batch and its gradient, as the head defines them.

        Tokens without annotation, or aligned to none, have no loss.

        examples (Iterable[Example]): The batch.
        scores (List[Floats2d]): What the model gave in training, [n, labels] for each text of n tokens.
        RETURNS (Tuple[float, List[Floats2d]]): The loss, and its gradient in the shape of the scores.
        RAISES (ValueError): If a label is not among the component's; if constraints do not allow the annotation; if the scores
            are not one for each token and label, or none that the head can learn from; or spaCy's E910, if the loss is not a
            number.
        """
        validate_examples(examples, "RNNTagger.get_loss")
        examples = list(examples)
        if not examples:
            return 0.0, []
        of_spans = constraints_of(self.model) is not None
        keys = [gold_keys(example, self.attr, of_spans) for example in examples]
        distinct, kinds = numpy.unique(numpy.concatenate(keys), return_inverse=True)
        gold = Gold(*self._targets(distinct.tolist(), examples), kinds)
        self.require_shapes(examples, scores, len(self.labels))
        return self.find_loss(examples, scores, gold)

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
        self.temperature = 1.0
        found = labels if labels is not None else self._gold_labels(get_examples())
        for label in found:
            self.add_label(label)
        self._require_labels()
        self.initialize_model(get_examples, nlp, self.labels)

    def add_label(self, label: str) -> int:
        """Add a label.

        label (str): The label.
        RETURNS (int): 1, or 0 if the component had it already.
        RAISES (ValueError): If the label is no string, or no universal tag although the component predicts `token.pos`; or once
            the model has been initialized.
        """
        self._require_universal(label)
        return super().add_label(label)

    def check_settings(self, settings: Any) -> None:
        """Refuse settings that do not go with the component.

        settings (Any): What its file holds.
        RAISES (ValueError): If they are not those of the component, one of them has a value that it cannot have, or a label of
            `rnn_pos_tagger` is no universal tag.
        """
        super().check_settings(settings)
        for label in settings.get("labels", ()):
            self._require_universal(label)
        _check_smoothing(settings.get("label_smoothing", 0.0))

    def _require_universal(self, label: str) -> None:
        if self.attr == "POS" and label not in UNIVERSAL_POS:
            raise ValueError(
                f"'{self.name}' predicts token.pos, so its labels are universal part-of-speech tags, but it was given {label!r}; "
                f"expected one of {', '.join(UNIVERSAL_POS)}. Use rnn_tagger for other tag sets"
            )

    def _gold_labels(self, examples: Iterable[Example]) -> List[str]:
        return sorted({self._without_prefix(label) for label in gold_strings(examples, self.attr).values()} - {""})

    def _without_prefix(self, label: str) -> str:
        return label.removeprefix(self.cfg["neg_prefix"])

    def _add_labels(self, vocab: Vocab) -> None:
        """Let a vocabulary know the labels: one that was loaded later, or is that of other texts, may lack them."""
        # To add them whenever they are written takes longer than to look.
        strings = cast(Any, vocab.strings)
        if not all(key in strings for key in label_keys(self.labels)):
            for label in self.labels:
                strings.add(label)

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

    def gold_labels(self, example: Example) -> Sequence[Optional[str]]:
        """Give the annotation of a text, for messages.

        example (Example): The text, of n tokens.
        RETURNS (Sequence[Optional[str]]): n labels, None or "" where there is none.
        """
        return example.get_aligned(self.attr, as_string=True)


def _check_smoothing(share: float) -> None:
    if not 0.0 <= share < 0.5:
        raise ValueError(f"label_smoothing must be at least 0 and below 0.5, got {share}")


def _factory(name: str, attr: str) -> Callable:
    """Make the factory of a tagger."""

    def make(
        nlp: Language,
        name: str,
        model: Model[List[Doc], List[Floats2d]],
        overwrite: bool,
        scorer: Optional[Callable],
        neg_prefix: str,
        label_smoothing: float,
        use_crf: bool,
        constraints: Optional[str],
        store_probs: bool,
    ) -> RNNTagger:
        """Make a component that predicts `token.tag` (`rnn_tagger`) or `token.pos` (`rnn_pos_tagger`).

        No component of spaCy's learns `token.pos` by itself.

        nlp (Language): The pipeline.
        name (str): The component's name.
        model (Model[List[Doc], List[Floats2d]]): The model, from texts of n tokens to tag probabilities [n, labels].
        overwrite (bool): Whether tags that are already set are overwritten.
        scorer (Optional[Callable]): The scoring method.
        neg_prefix (str): What stands before a tag in the training data that says which tag a token does not have. `token.pos`
            holds universal tags only, so there are none such for `rnn_pos_tagger`.
        label_smoothing (float): The share of the probability that is spread over the wrong tags in training, in [0, 0.5); 0 with
            use_crf.
        use_crf (bool): Whether the tags of a text are predicted together, by a conditional random field, which is put around the
            model unless it is one; each by itself otherwise.
        constraints (Optional[str]): "BIO" or "BILUO" if tags stand for spans and must be well-formed, with use_crf only.
        store_probs (bool): Whether the probabilities of all tags are kept with a text, for `token._.rnn_tag_probs` or
            `token._.rnn_pos_probs`.
        RETURNS (RNNTagger): The component.
        RAISES (ValueError): If label_smoothing is out of its range, or the model, use_crf and constraints do not go together.
        """
        require_whole_texts(nlp, name, model)
        return RNNTagger(
            nlp.vocab,
            model,
            name,
            attr=attr,
            overwrite=overwrite,
            scorer=scorer,
            neg_prefix=neg_prefix,
            label_smoothing=label_smoothing,
            use_crf=use_crf,
            constraints=constraints,
            store_probs=store_probs,
        )

    # spaCy tells functions of one name and place for one function.
    make.__name__ = make.__qualname__ = f"make_{name}"
    return make


make_rnn_tagger = Language.factory(
    "rnn_tagger",
    assigns=["token.tag"],
    default_config={**SETTINGS, "scorer": {"@scorers": "spacy.tagger_scorer.v1"}},
    default_score_weights={"tag_acc": 1.0},
    func=_factory("rnn_tagger", "TAG"),
)
make_rnn_pos_tagger = Language.factory(
    "rnn_pos_tagger",
    assigns=["token.pos"],
    default_config={**SETTINGS, "scorer": {"@scorers": "spacy_rnn.pos_tagger_scorer.v1"}},
    default_score_weights={"pos_acc": 1.0},
    func=_factory("rnn_pos_tagger", "POS"),
)
