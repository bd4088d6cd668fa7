"""Text classification: `rnn_textcat` for exclusive classes, `rnn_textcat_multilabel` for any number of them."""

from typing import Callable, Dict, Iterable, List, Optional, Tuple

import numpy
from spacy.language import Language
from spacy.pipeline.textcat import TextCategorizer
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.pipeline.tok2vec import Tok2Vec, Tok2VecListener
from spacy.tokens import Doc
from spacy.training import Example, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, to_numpy
from thinc.types import Floats2d

from .attention import register_attention, write_attention
from .pipe import RNNPipe, learn_vocabularies, require_initialized

DEFAULT_MODEL_CONFIG = """
[model]
@architectures = "spacy_rnn.TextCat.v1"
exclusive_classes = {exclusive}
pooling = ["max", "mean"]
hidden_width = 0
dropout = 0.3

[model.tok2vec]
@architectures = "spacy_rnn.Tok2Vec.v1"

[model.tok2vec.embed]
@architectures = "spacy_rnn.HashEmbed.v1"
width = 64
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
rows = [5000, 1000, 2500, 2500]
include_static_vectors = false
cache_size = 100000

[model.tok2vec.encode]
@architectures = "spacy_rnn.RNNEncoder.v1"
width = 64
depth = 1
cell = "lstm"
bidirectional = true
"""
DEFAULT_EXCLUSIVE_MODEL = Config().from_str(DEFAULT_MODEL_CONFIG.format(exclusive="true"))["model"]
DEFAULT_MULTILABEL_MODEL = Config().from_str(DEFAULT_MODEL_CONFIG.format(exclusive="false"))["model"]

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
        "model": DEFAULT_EXCLUSIVE_MODEL,
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
    store_attention (bool): Whether texts get `doc._.rnn_attention`: float32 [n], how much each token counted; it sums to 1.
    RETURNS (RNNTextCategorizer): The component.
    RAISES (ValueError): If class_weight is unknown.
    """
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
        "model": DEFAULT_MULTILABEL_MODEL,
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
    threshold (float): The probability from which on a class counts as true.
    scorer (Optional[Callable]): The scoring method.
    store_attention (bool): Whether texts get `doc._.rnn_attention`: float32 [n], how much each token counted; it sums to 1.
    RETURNS (RNNMultiLabelTextCategorizer): The component.
    """
    return RNNMultiLabelTextCategorizer(
        nlp.vocab, model, name, threshold=threshold, scorer=scorer, store_attention=store_attention
    )


class _Categorizer(RNNPipe, TextCategorizer):
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
        RAISES (ValueError): If the attention of a model without attention pooling is to be stored.
        """
        super().__init__(vocab, model, name, threshold=threshold, scorer=scorer)
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
            return self.run_model(docs + company)[: len(docs)]
        # Some of spaCy's models cannot pool an empty text; zeros are what its component gives to one alone.
        scores = self.model.ops.alloc2f(len(docs), len(self.labels))
        if filled:
            scores[self.model.ops.xp.asarray(filled)] = self.run_model([docs[i] for i in filled])
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
        labels (Optional[Iterable[str]]): The classes, e.g. from `spacy init labels`; those of the examples if None.
        positive_label (Optional[str]): Of two classes the one whose score counts.
        RAISES (ValueError): If there are fewer than two classes or no examples, or if positive_label is not one of two classes.
        """
        _prepare(self, get_examples, nlp)
        super().initialize(get_examples, nlp=nlp, labels=labels, positive_label=positive_label)
        if self.cfg["class_weight"]:
            self.cfg["weights"] = _balanced(get_examples(), self.labels)
        learn_vocabularies(self.model, get_examples)

    def _examples_to_truth(self, examples: Iterable[Example]) -> Tuple[numpy.ndarray, numpy.ndarray]:
        examples = list(examples)
        _require_known_classes(self, examples)
        truths, not_missing = super()._examples_to_truth(examples)
        weights = self.cfg.get("weights", {})
        for i, example in enumerate(examples):
            cats = example.reference.cats
            # A text without annotation is true of no class, which exclusive classes cannot learn.
            if set(self.labels).isdisjoint(cats):
                not_missing[i] = 0.0
            elif weights:
                not_missing[i] *= sum(cats.get(label, 0.0) * weights.get(label, 1.0) for label in self.labels)
        return truths, not_missing


class RNNMultiLabelTextCategorizer(_Categorizer, MultiLabel_TextCategorizer):
    """spaCy's categorizer for classes that do not exclude each other."""

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
        self.cfg["all_labels"] = labels is None
        _prepare(self, get_examples, nlp)
        super().initialize(get_examples, nlp=nlp, labels=labels)
        learn_vocabularies(self.model, get_examples)

    def _examples_to_truth(self, examples: Iterable[Example]) -> Tuple[numpy.ndarray, numpy.ndarray]:
        examples = list(examples)
        if self.cfg.get("all_labels"):
            _require_known_classes(self, examples)
        return super()._examples_to_truth(examples)


def _balanced(examples: Iterable[Example], labels: Iterable[str]) -> Dict[str, float]:
    """Give each class a weight, so that all of them weigh the same and a text weighs 1 on average."""
    counts = dict.fromkeys(labels, 0.0)
    for example in examples:
        for label in counts:
            counts[label] += example.reference.cats.get(label, 0.0)
    filled = {label: count for label, count in counts.items() if count}
    return {label: sum(filled.values()) / (len(filled) * count) for label, count in filled.items()}


def _require_attention(component: TextCategorizer) -> None:
    # Imported here because importing a factory must stay cheap.
    from ..models.textcat import has_attention

    if not has_attention(component.model):
        raise ValueError(
            f"'{component.name}' has no attention to store: that takes a model spacy_rnn.TextCat.v1 that was trained with "
            'pooling = "attention", alone or among others; or set store_attention = false'
        )


def _require_known_classes(component: TextCategorizer, examples: Iterable[Example]) -> None:
    """Refuse texts of a class the component does not know."""
    known = set(component.labels)
    for example in examples:
        for label, value in example.reference.cats.items():
            if value == 1.0 and label not in known:
                raise ValueError(
                    f"'{component.name}' was given a text of class {label!r}, which it had not seen when it was initialized. Its "
                    f"classes are {', '.join(component.labels)}. Add the missing one with add_label, or in a labels file"
                )


def _prepare(component: TextCategorizer, get_examples: Callable[[], Iterable[Example]], nlp: Optional[Language]) -> None:
    """Check the examples, and tell the model what a shared encoder is like."""
    validate_get_examples(get_examples, f"{type(component).__name__}.initialize")
    # Imported here because importing a factory must stay cheap.
    from ..models.textcat import has_pool

    if nlp is not None and has_pool(component.model):
        _follow_listener(component, nlp)


def _follow_listener(component: TextCategorizer, nlp: Language) -> None:
    """Tell a pooling layer above a listener whether the shared model it listens to ends bidirectional."""
    # Imported here because importing a factory must stay cheap.
    from ..models.textcat import ends_bidirectional

    listened_to = {node.upstream_name for node in component.model.walk() if isinstance(node, Tok2VecListener)}
    # A frozen or resumed component is disabled while others are initialized; one that comes later cannot be listened to.
    for name, upstream in nlp.components:
        if upstream is component:
            break
        if isinstance(upstream, Tok2Vec) and listened_to & {"*", name}:
            component.model.get_ref("pool").attrs["bidirectional"] = ends_bidirectional(upstream.model)
