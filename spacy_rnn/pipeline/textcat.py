"""Text classification: `rnn_textcat` for exclusive classes, `rnn_textcat_multilabel` for any number of them."""

import math
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import numpy
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline.textcat import TextCategorizer
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, set_dropout_rate, to_numpy
from thinc.types import Floats2d

from .annotation.attention import register_attention, write_attention
from .annotation.classes import balanced_weights, own_cats, require_known_classes, require_known_values
from .defaults import categorizer_model
from .listeners import find_shared_encoder, require_whole_texts
from .pipe import learn_vocabularies, require_initialized
from .temperature import TemperedPipe

SCORE_WEIGHTS: Dict[str, Optional[float]] = {
    "cats_score": 1.0,
    "cats_score_desc": None,
    "cats_micro_p": None,
    "cats_micro_r": None,
    "cats_micro_f": None,
    "cats_macro_p": None,
    "cats_macro_r": None,
    "cats_macro_f": None,
    "cats_macro_auc": None,
    "cats_f_per_type": None,
}


@Language.factory(
    "rnn_textcat",
    assigns=["doc.cats"],
    default_config={
        "model": categorizer_model(exclusive_classes=True),
        "threshold": 0.0,
        "class_weight": None,
        "store_attention": False,
        "scorer": {"@scorers": "spacy.textcat_scorer.v2"},
    },
    default_score_weights=SCORE_WEIGHTS,
)
def make_rnn_textcat(
    nlp: Language,
    name: str,
    model: Model[List[Doc], Floats2d],
    threshold: float,
    class_weight: Optional[str],
    scorer: Optional[Callable],
    store_attention: bool,
) -> "RNNTextCategorizer":
    """Make a component that predicts which one class is true of a text.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model[List[Doc], Floats2d]): The model, from B texts to probabilities [B, classes].
    threshold (float): Without effect, as in spaCy's own component: of exclusive classes the most probable one is predicted.
    class_weight (Optional[str]): "balanced" if all classes count the same in training, however many texts each has: where recall
        averaged over the classes matters, or where later texts are of other classes than the training texts are. None if all
        texts count the same.
    scorer (Optional[Callable]): The scoring method.
    store_attention (bool): Whether texts get `doc._.rnn_attention`: [n], how much each token counted; it sums to 1.
    RETURNS (RNNTextCategorizer): The component.
    RAISES (ValueError): If class_weight is unknown.
    """
    require_whole_texts(nlp, name, model)
    return RNNTextCategorizer(
        nlp.vocab,
        model,
        name,
        threshold=threshold,
        class_weight=class_weight,
        scorer=scorer,
        store_attention=store_attention,
    )


@Language.factory(
    "rnn_textcat_multilabel",
    assigns=["doc.cats"],
    default_config={
        "model": categorizer_model(exclusive_classes=False),
        "threshold": 0.5,
        "store_attention": False,
        "scorer": {"@scorers": "spacy.textcat_multilabel_scorer.v2"},
    },
    default_score_weights=SCORE_WEIGHTS,
)
def make_rnn_textcat_multilabel(
    nlp: Language,
    name: str,
    model: Model[List[Doc], Floats2d],
    threshold: float,
    scorer: Optional[Callable],
    store_attention: bool,
) -> "RNNMultiLabelTextCategorizer":
    """Make a component that predicts which classes are true of a text.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model[List[Doc], Floats2d]): The model, from B texts to probabilities [B, classes].
    threshold (float): The probability from which on a class counts as true in scores: `doc.cats` has all probabilities.
    scorer (Optional[Callable]): The scoring method.
    store_attention (bool): Whether texts get `doc._.rnn_attention`: [n], how much each token counted; it sums to 1.
    RETURNS (RNNMultiLabelTextCategorizer): The component.
    RAISES (ValueError): If the threshold is no probability.
    """
    require_whole_texts(nlp, name, model)
    return RNNMultiLabelTextCategorizer(
        nlp.vocab, model, name, threshold=threshold, scorer=scorer, store_attention=store_attention
    )


class _Categorizer(TemperedPipe, TextCategorizer):
    """What the two categorizers change in spaCy's."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str,
        *,
        threshold: float,
        scorer: Optional[Callable],
        store_attention: bool = False,
    ) -> None:
        """Make a component.

        vocab (Vocab): The vocabulary.
        model (Model[List[Doc], Floats2d]): The model, from B texts to probabilities [B, classes].
        name (str): The component's name.
        threshold (float): The probability from which on a class counts as true, where classes do not exclude each other.
        scorer (Optional[Callable]): The scoring method.
        store_attention (bool): Whether texts get `doc._.rnn_attention`.
        RAISES (ValueError): If the threshold is no probability; or if the attention of a model without attention pooling is to be
            stored.
        """
        # Imported here because importing a factory must stay cheap.
        from ..models.tok2vec import allow_truncation

        _require_probability(threshold)
        super().__init__(vocab, model, name, threshold=threshold, scorer=scorer)
        allow_truncation(model)
        self.cfg["all_labels"] = False
        self.cfg["temperature"] = 1.0
        self.store_attention = store_attention

    @property
    def store_attention(self) -> bool:
        """Whether texts get `doc._.rnn_attention`; may be set at any time. A second pass through the encoder computes it.

        RAISES (ValueError): When it is set to true, if the model has no attention pooling.
        """
        return self._store_attention

    @store_attention.setter
    def store_attention(self, value: bool) -> None:
        if value:
            _require_attention(self)
            register_attention()
        self._store_attention = value

    def check_settings(self, settings: Any) -> None:
        """Refuse settings that do not go with the component.

        settings (Any): What its file holds.
        RAISES (ValueError): If they are not those of the component, or one of them has a value that it cannot have.
        """
        super().check_settings(settings)
        _require_probability(settings.get("threshold", 0.0))
        labels, positive = settings.get("labels", ()), settings.get("positive_label")
        if positive is not None and positive not in labels:
            raise ValueError(f"its positive_label {positive!r} is none of its labels {', '.join(labels)}")
        if settings.get("class_weight") not in (None, "balanced"):
            raise ValueError(f"class_weight must be null or 'balanced', got {settings['class_weight']!r}")
        for label, weight in settings.get("weights", {}).items():
            if label not in labels or not isinstance(weight, (int, float)) or not 0 < weight < math.inf:
                raise ValueError(f"its weights are positive numbers of its labels, got {weight!r} for {label!r}")

    def run_update(self, examples: Iterable[Example], **settings: Any) -> Dict[str, float]:
        """Learn from a batch. Each member of an ensemble has a loss of its own; their mean is the component's.

        examples (Iterable[Example]): The batch.
        **settings (Any): `drop`, `sgd` and `losses`, as in `update`.
        RETURNS (Dict[str, float]): The losses.
        """
        # Imported here because importing a factory must stay cheap.
        from ..layers.capabilities import Averages, find

        ensemble = find(self.model, Averages)
        if ensemble is None:
            return super().run_update(examples, **settings)
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.update")
        self._validate_categories(examples)
        losses: Dict[str, float] = {} if settings["losses"] is None else settings["losses"]
        losses.setdefault(self.name, 0.0)
        if any(len(example.predicted) for example in examples):
            set_dropout_rate(self.model, settings["drop"])
            members, backprop = ensemble.begin(self.model, [example.predicted for example in examples])
            results = [self.get_loss(examples, probabilities) for probabilities in members]
            backprop([gradient for _, gradient in results])
            if settings["sgd"] is not None:
                self.finish_update(settings["sgd"])
            losses[self.name] += sum(loss for loss, _ in results) / len(results)
        return losses

    def predict(self, docs: Iterable[Doc]) -> Floats2d:
        """Predict the class probabilities of a batch. A text's are the same alone and in any batch, also an empty text's.

        docs (Iterable[Doc]): The texts.
        RETURNS (Floats2d): Probabilities [B, classes].
        RAISES (ValueError): spaCy's E109, if the component has not been initialized.
        """
        # Imported here because importing a factory must stay cheap.
        from ..models.textcat import has_pool

        docs = list(docs)
        filled = [i for i, doc in enumerate(docs) if len(doc)]
        if has_pool(self.model) and docs:
            # Not every embedding can run on no tokens at all, so texts that are all empty get company.
            company = [] if filled else [Doc(self.vocab, words=["x"])]
            return self.temper(self.run_model(docs + company)[: len(docs)])
        # Some of spaCy's models cannot pool an empty text; zeros are what its component gives to one alone.
        scores = self.model.ops.alloc2f(len(docs), len(self.labels))
        if filled:
            scores[self.model.ops.xp.asarray(filled)] = self.temper(self.run_model([docs[i] for i in filled]))
        else:
            require_initialized(self.name, self.model)
        return scores

    def set_annotations(self, docs: Iterable[Doc], scores: Floats2d) -> None:
        """Write predicted class probabilities to the texts.

        docs (Iterable[Doc]): B texts.
        scores (Floats2d): Probabilities [B, classes], as made by `predict`.
        """
        docs = list(docs)
        # All at once, because spaCy reads them one by one.
        super().set_annotations(docs, to_numpy(scores))
        if self.store_attention:
            # Imported here because importing a factory must stay cheap.
            from ..models.textcat import attend

            for doc, shares in zip(docs, attend(self.model, docs), strict=True):
                write_attention(doc, shares)


class RNNTextCategorizer(_Categorizer):
    """spaCy's categorizer for exclusive classes."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], Floats2d],
        name: str = "rnn_textcat",
        *,
        threshold: float,
        class_weight: Optional[str] = None,
        scorer: Optional[Callable],
        store_attention: bool = False,
    ) -> None:
        """Make the component.

        vocab (Vocab): The shared vocabulary.
        model (Model[List[Doc], Floats2d]): The model.
        name (str): The component's name.
        threshold (float): Without effect.
        class_weight (Optional[str]): "balanced" or None.
        scorer (Optional[Callable]): The scoring method.
        store_attention (bool): Whether texts get `doc._.rnn_attention`.
        RAISES (ValueError): If class_weight is unknown, or if the attention of a model without attention pooling is to be stored.
        """
        if class_weight not in (None, "balanced"):
            raise ValueError(f"class_weight must be null or 'balanced', got {class_weight!r}")
        super().__init__(vocab, model, name, threshold=threshold, scorer=scorer, store_attention=store_attention)
        self.cfg["class_weight"] = class_weight
        self.cfg["weights"] = {}

    def initialize(  # type: ignore[override]
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Iterable[str]] = None,
        positive_label: Optional[str] = None,
    ) -> None:
        """Learn the classes, and allocate the model.

        get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Iterable[str]]): The classes that are learned, of all that the examples have, e.g. from
            `spacy init labels`; every one of them if None.
        positive_label (Optional[str]): Of two classes the one whose score counts.
        RAISES (ValueError): If there are fewer than two classes or no examples, or if positive_label is not one of two classes.
        """
        labels = _prepare(self, get_examples, nlp, labels)
        super().initialize(get_examples, nlp=nlp, labels=labels, positive_label=positive_label)
        if self.cfg["class_weight"]:
            self.cfg["weights"] = balanced_weights(get_examples(), self.labels)
        learn_vocabularies(self.model, get_examples)

    def add_label(self, label: str) -> int:
        """Add a class. To a trained model it is so improbable at first that no text's class changes, and is learned from there.

        label (str): The class.
        RETURNS (int): 1, or 0 if the component had it already.
        RAISES (ValueError): If the class is no string; or spaCy's E922, if the model is trained and takes no further classes.
        """
        # Imported here because importing a factory must stay cheap.
        from ..models.textcat import has_pool, start_classes

        n_old = self.model.maybe_get_dim("nO")
        added = super().add_label(label)
        # spaCy's own models give a new class a score of -5000, from which it is never learned.
        if added and n_old and not has_pool(self.model):
            start_classes(self.model, n_old)
        return added

    def _examples_to_truth(self, examples: Iterable[Example]) -> Tuple[numpy.ndarray, numpy.ndarray]:
        examples = list(examples)
        require_known_classes(self, examples)
        truths, not_missing = super()._examples_to_truth(examples)
        weights = self.cfg.get("weights", {})
        for i, example in enumerate(examples):
            cats = example.reference.cats
            true = [label for label in self.labels if cats.get(label)]
            # What belongs to none of exclusive classes is without annotation, or of another task: it says nothing.
            not_missing[i] *= weights.get(true[0], 1.0) if true else 0.0
        return truths, not_missing

    def _validate_categories(self, examples: Iterable[Example]) -> None:
        for example in examples:
            cats = own_cats(self, example)
            if sum(value == 1.0 for value in cats.values()) > 1:
                raise ValueError(Errors.E895.format(value=cats))
            require_known_values(cats)


class RNNMultiLabelTextCategorizer(_Categorizer, MultiLabel_TextCategorizer):
    """spaCy's categorizer for classes that do not exclude each other."""

    is_exclusive = False

    def initialize(  # type: ignore[override]
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Iterable[str]] = None,
    ) -> None:
        """Learn the classes, and allocate the model.

        get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Iterable[str]]): The classes that are learned, of all that the examples have; every one of them if None.
        RAISES (ValueError): If there are no classes or no examples.
        """
        labels = _prepare(self, get_examples, nlp, labels)
        super().initialize(get_examples, nlp=nlp, labels=labels)
        learn_vocabularies(self.model, get_examples)

    def _examples_to_truth(self, examples: Iterable[Example]) -> Tuple[numpy.ndarray, numpy.ndarray]:
        examples = list(examples)
        require_known_classes(self, examples)
        return super()._examples_to_truth(examples)

    def _validate_categories(self, examples: Iterable[Example]) -> None:
        for example in examples:
            require_known_values(own_cats(self, example))


def _require_probability(threshold: float) -> None:
    if not 0 <= threshold <= 1:
        raise ValueError(f"the threshold must be a probability, from 0 to 1, got {threshold!r}")


def _require_attention(component: TextCategorizer) -> None:
    # Imported here because importing a factory must stay cheap.
    from ..models.textcat import has_attention

    if not has_attention(component.model):
        raise ValueError(
            f"'{component.name}' has no attention to store: that takes a model spacy_rnn.TextCat.v1 that was trained with "
            'pooling = "attention", alone or among others; or set store_attention = false'
        )


def _prepare(
    component: _Categorizer,
    get_examples: Callable[[], Iterable[Example]],
    nlp: Optional[Language],
    labels: Optional[Iterable[str]],
) -> Optional[List[str]]:
    """Check the examples, learn the classes that were given, and tell the model what a shared encoder is like."""
    validate_get_examples(get_examples, f"{type(component).__name__}.initialize")
    # Imported here because importing a factory must stay cheap.
    from ..models.textcat import has_pool

    component.cfg["all_labels"] = labels is None
    component.temperature = 1.0
    labels = None if labels is None else list(labels)
    for label in labels or ():
        component.add_label(label)
    if nlp is not None:
        require_whole_texts(nlp, component.name, component.model)
    if nlp is not None and component.name in nlp.component_names and has_pool(component.model):
        _follow_listener(component, nlp)
    return labels


def _follow_listener(component: TextCategorizer, nlp: Language) -> None:
    """Tell a pooling layer above a listener whether the shared model it listens to ends bidirectional."""
    # Imported here because importing a factory must stay cheap.
    from ..models.textcat import ends_bidirectional

    upstream = find_shared_encoder(nlp, component.name, include_disabled=True)
    if upstream is not None:
        component.model.get_ref("pool").attrs["bidirectional"] = ends_bidirectional(upstream.model)
