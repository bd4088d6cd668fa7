"""Lemmas, or other forms of words: `rnn_lemmatizer` writes what it has not seen, character by character."""

import random
import warnings
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

import numpy
import srsly
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model

from ..defaults import lemmatizer_model
from ..pipe import name_source
from ..seq2seq.transducer import TransducerPipe, find_transduces
from .attributes import WordAttribute, Words, check_tags, read_gold_words, read_words
from .cache import LemmaCache
from .dictionary import FormDictionary, Key
from .network import LemmaNetwork

if TYPE_CHECKING:
    from ...text.symbols import PairBatch

PART = "dictionary"
# Of the pairs that are learned from: see `LemmaNetwork.encode_pairs`.
_MASKED = 0.05

SETTINGS: Dict[str, Any] = {
    "model": lemmatizer_model(),
    "attr": "LEMMA",
    "tags": ["POS"],
    "gold_tags": False,
    "overwrite": False,
    "use_dictionary": True,
    "repetition": 0.0,
    "beam_width": 1,
    "max_length": 64,
    "cache_size": 100_000,
    "scorer": {"@scorers": "spacy.lemmatizer_scorer.v1"},
}


class RNNLemmatizer(TransducerPipe):
    """A lemmatizer in a pipeline."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str = "rnn_lemmatizer",
        *,
        attr: str,
        tags: Sequence[str],
        gold_tags: bool,
        overwrite: bool,
        use_dictionary: bool,
        repetition: float,
        beam_width: int,
        max_length: int,
        cache_size: int,
        scorer: Optional[Callable],
    ) -> None:
        """Make the component: see `make_rnn_lemmatizer`.

        RAISES (ValueError): If an argument is out of its range, or the model is no encoder-decoder.
        """
        transduces = find_transduces(name, model)
        if model.attrs["source"].unit != "character" or model.attrs["target"] is not model.attrs["source"]:
            raise ValueError(
                f"'{name}' reads and writes the same characters: set source to spacy_rnn.Characters.v1, and target = null, in "
                "components.*.model"
            )
        numbers = (("beam_width", beam_width, 1), ("max_length", max_length, 1), ("cache_size", cache_size, 0))
        for setting, value, least in numbers:
            if value < least:
                raise ValueError(f"'{name}': {setting} must be at least {least}, got {value}")
        if not 0 <= repetition <= 1:
            raise ValueError(f"'{name}': repetition must be from 0 to 1, got {repetition}")
        self.vocab, self.model, self.name = vocab, model, name
        check_tags(tags, name)
        self.attribute, self.tags = WordAttribute(attr, name), list(tags)
        self.gold_tags, self.overwrite, self.use_dictionary = gold_tags, overwrite, use_dictionary
        self.repetition, self.beam_width, self.max_length = repetition, beam_width, max_length
        self.cfg: Dict[str, Any] = {"attr": attr, "tags": list(tags)}
        self.scorer = scorer
        self.dictionary = FormDictionary()
        self.network = LemmaNetwork(model, transduces)
        self._transduces = transduces
        self._rehearsal_model = None
        self._cache = LemmaCache(cache_size)
        self._has_warned = False

    def initialize(
        self, get_examples: Callable[[], Iterable[Example]], *, nlp: Optional[Language] = None, labels: Optional[Any] = None
    ) -> None:
        """Learn the dictionary, characters and tags of a corpus, and make the weights.

        get_examples (Callable[[], Iterable[Example]]): Gives the training texts, all of which are read.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Any]): Not used: there are no labels.
        RAISES (ValueError): If no token has a lemma.
        """
        validate_get_examples(get_examples, f"{type(self).__name__}.initialize")
        dictionary = FormDictionary()
        for example in get_examples():
            for key, lemma in self._gold_of_reference(example.reference):
                dictionary.add(key, lemma)
        dictionary.finish()
        if not len(dictionary):
            raise ValueError(
                f"'{self.name}' has nothing to learn from: no token of the training corpus has {self.attribute.attr!r}"
            )
        self.dictionary = dictionary
        keys = list(dictionary)
        self.network.learn(keys, [dictionary.find(key) or "" for key in keys])
        self.model.initialize()

    def predict(self, docs: Iterable[Doc]) -> List[numpy.ndarray]:
        """Find the lemmas of texts.

        docs (Iterable[Doc]): The texts, with their tags.
        RETURNS (List[numpy.ndarray]): uint64 [n], the hash of each token's lemma in the component's string store.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized.
        """
        docs = list(docs)
        return self.run_model(docs, lambda model, docs: self._lemmatize([read_words(doc, self.tags) for doc in docs]))

    def _lemmatize(self, texts: Sequence[Words]) -> List[numpy.ndarray]:
        """Find the lemmas of the words of texts."""
        # Imported here because importing a factory must stay cheap.
        from ...layers.embedding.sources import parameters_of
        from ...layers.embedding.unique import distinct_rows

        ends = numpy.cumsum([len(words.rows) for words in texts])
        if not len(ends) or not ends[-1]:
            return [numpy.zeros(0, dtype="uint64") for _ in texts]
        rows = numpy.concatenate([words.rows for words in texts])
        first, inverse = distinct_rows(rows)

        def write(missing: List[int]) -> List[str]:
            places = first[missing]
            owners = numpy.searchsorted(ends, places, side="right")
            within = places - (ends[owners] - [len(texts[i].rows) for i in owners])
            return self.lemmatize([texts[i].key(k) for i, k in zip(owners.tolist(), within.tolist(), strict=True)])

        settings = [int(self.use_dictionary), self.beam_width, self.max_length, self.dictionary]
        found = self._cache.find([*settings, *parameters_of(self.model)], rows[first], write)
        # Strings may have been forgotten since, at the end of spaCy's memory zones.
        add = self.vocab.strings.add
        hashes = numpy.asarray([add(lemma) if lemma else 0 for lemma in found], dtype="uint64")
        return numpy.split(hashes[inverse], ends[:-1])

    def lemmatize(self, words: Sequence[Union[Key, Tuple[str, Sequence[str]]]]) -> List[str]:
        """Find the lemmas of words that stand in no text.

        words (Sequence[Tuple[str, Sequence[str]]]): The form of each, and the values of the attributes in `tags`, e.g.
            ("mice", ["NOUN"]).
        RETURNS (List[str]): Their lemmas. White space, and what is longer than `max_length`, is its own lemma.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized; or if a word has not as many tags as there
            are attributes.
        """
        self.prepare_update()
        for form, tags in words:
            if isinstance(tags, str):
                raise ValueError(f"'{self.name}' reads a list of tags of each word, e.g. [{tags!r}], got {tags!r} for {form!r}")
        keys = [Key(form, tuple(tags)) for form, tags in words]
        for key in keys:
            if len(key.tags) != len(self.tags):
                raise ValueError(f"'{self.name}' reads {self.tags} of each word, got {len(key.tags)} tags for {key.form!r}")
        lemmas: List[Optional[str]] = [self.dictionary.find(key) if self.use_dictionary else None for key in keys]
        for i, key in enumerate(keys):
            if not key.form.strip() or (lemmas[i] is None and len(key.form) > self.max_length):
                lemmas[i] = key.form
        unknown = list(dict.fromkeys(key for key, lemma in zip(keys, lemmas, strict=True) if lemma is None))
        written = dict(zip(unknown, self.network.write(unknown, self.beam_width), strict=True))
        return [written[key] if lemma is None else lemma for key, lemma in zip(keys, lemmas, strict=True)]

    def clear_cache(self) -> None:
        """Forget the lemmas that are kept across texts: needed only after a large array of the model was written to in place."""
        self._cache.clear()

    def set_annotations(self, docs: Iterable[Doc], lemmas: Iterable[numpy.ndarray]) -> None:
        """Set the lemmas of texts. Those that are there stay, unless they are to be overwritten.

        docs (Iterable[Doc]): The texts.
        lemmas (Iterable[numpy.ndarray]): What `predict` has given for them.
        """
        for doc, hashes in zip(docs, lemmas, strict=True):
            self.attribute.set(doc, hashes, self.vocab.strings, self.overwrite)

    def encode_gold(self, examples: Iterable[Example], is_train: bool) -> Optional["PairBatch"]:
        """Give what a batch teaches: in training a choice of its words, some of whose characters are masked.

        examples (Iterable[Example]): The batch.
        is_train (bool): Whether it is learned from, or only its loss is to be found.
        RETURNS (Optional[PairBatch]): Its pairs; None if there are none.
        """
        pairs = [pair for example in examples for pair in self._gold_of(example)]
        if is_train:
            self._warn_of_missing_tags(pairs)
            pairs = self._choose(pairs)
        if not pairs:
            return None
        keys, lemmas = zip(*pairs, strict=True)
        return self.network.encode_pairs(keys, lemmas, _MASKED if is_train else 0.0)

    def _warn_of_missing_tags(self, pairs: List[Tuple[Key, str]]) -> None:
        """Say once if there are no tags to learn from."""
        if pairs and self.tags and not self._has_warned and not any(tag for key, _ in pairs for tag in key.tags):
            self._has_warned = True
            warnings.warn(
                f"'{self.name}' reads {', '.join(self.tags)}, but no token of a batch has any. Name the components that set it "
                "in training.annotating_components; or set gold_tags = true for gold ones, or tags = [] for none",
                stacklevel=2,
            )

    def _choose(self, pairs: List[Tuple[Key, str]]) -> List[Tuple[Key, str]]:
        """Choose the pairs of a batch that are learned from: one that the corpus has n times n^repetition times in a pass."""
        if self.repetition == 1:
            return pairs
        counts = (max(1, self.dictionary.count(key)) for key, _ in pairs)
        return [pair for pair, count in zip(pairs, counts, strict=True) if random.random() < count ** (self.repetition - 1)]

    def _gold_of(self, example: Example) -> List[Tuple[Key, str]]:
        """List the words of a text that have lemmas, as the pipeline will see them."""
        if self.gold_tags:
            return self._gold_of_reference(example.reference)
        return self._pairs(example.predicted, self.attribute.aligned(example))

    def _gold_of_reference(self, reference: Doc) -> List[Tuple[Key, str]]:
        return self._pairs(reference, self.attribute.get(reference))

    def _pairs(self, doc: Doc, lemmas: Sequence[str]) -> List[Tuple[Key, str]]:
        words = read_words(doc, self.tags)
        pairs = [(words.key(i), lemma) for i, lemma in enumerate(lemmas) if lemma]
        return [(key, lemma) for key, lemma in pairs if key.form.strip() and len(key.form) <= self.max_length]

    def score(self, examples: Iterable[Example], **settings: Any) -> Dict[str, Any]:
        """Score a batch. With `gold_tags`, lemmas are found again under the gold tags, since texts have none in evaluation.

        examples (Iterable[Example]): Predictions and gold annotation.
        **settings (Any): What spaCy gives to every component.
        RETURNS (Dict[str, Any]): "lemma_acc", the share of annotated tokens that are right; or that of another attribute.
        """
        examples = list(examples)
        if self.gold_tags:
            self._lemmatize_again(examples)
        if self.scorer is None:
            return {}
        return self.scorer(examples, **settings) if self.attribute.attr == "LEMMA" else self.attribute.score(examples)

    def _lemmatize_again(self, examples: List[Example]) -> None:
        """Write the lemmas under the gold tags in place of those that this component has written."""
        texts = [read_gold_words(example, self.tags) for example in examples]
        docs = [example.predicted for example in examples]
        new = self.run_model(docs, lambda model, docs: self._lemmatize(texts))
        for doc, old, found in zip(docs, self.predict(docs), new, strict=True):
            self.attribute.replace(doc, old, found, self.vocab.strings)

    def check_settings(self, settings: Any) -> None:
        """Refuse settings that do not go with the component.

        settings (Any): What its file holds.
        RAISES (ValueError): If they are not those of the component, or it was trained for other attributes.
        """
        super().check_settings(settings)
        for name, value in settings.items():
            if value != self.cfg[name]:
                raise ValueError(f"by the config {name} = {self.cfg[name]!r}, but in the file {name} = {value!r}")

    def further_parts(self) -> Dict[str, Callable[[], bytes]]:
        """Say what a component saves besides its vocabulary, settings and weights.

        RETURNS (Dict[str, Callable[[], bytes]]): The dictionary.
        """
        return {PART: lambda: srsly.msgpack_dumps(self.dictionary.to_data())}

    def _load(self, data: Mapping[str, bytes], sources: Mapping[str, Any]) -> None:
        dictionary = self.dictionary
        if PART in data:
            with name_source(self.name, sources[PART]):
                dictionary = FormDictionary()
                dictionary.from_data(srsly.msgpack_loads(data[PART]), len(self.tags))
        super()._load(data, sources)
        self.dictionary = dictionary


@Language.factory(
    "rnn_lemmatizer",
    assigns=["token.lemma"],
    default_config=SETTINGS,
    default_score_weights={"lemma_acc": 1.0},
)
def make_rnn_lemmatizer(
    nlp: Language,
    name: str,
    model: Model,
    attr: str,
    tags: List[str],
    gold_tags: bool,
    overwrite: bool,
    use_dictionary: bool,
    repetition: float,
    beam_width: int,
    max_length: int,
    cache_size: int,
    scorer: Optional[Callable],
) -> RNNLemmatizer:
    """Make a lemmatizer: forms that were seen in training are looked up, others are written by a network of characters.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model): An encoder-decoder of characters, e.g. `spacy_rnn.Seq2Seq.v1` with `copy = true` and no target of its own.
    attr (str): What is written: "LEMMA", "NORM", or a string attribute of your own, as "_.name" (it is registered if it is not
        there). The same component then normalizes spelling, transliterates or inflects. Its score is "norm_acc", or "name_acc":
        set `training.score_weights`.
    tags (List[str]): The attributes of a token that its lemma depends on, beside its form: "POS", "TAG", "MORPH" or "DEP"; none
        if empty. A component before this one sets them.
    gold_tags (bool): Whether training and evaluation read the gold tags, as the only way where no component sets them. With
        `false` they are those of the text, as the components in `training.annotating_components` have set them.
    overwrite (bool): Whether lemmas that are already set are overwritten. Norms always are, since every token has one.
    use_dictionary (bool): Whether forms that were seen in training under the same tags get their most frequent lemma.
    repetition (float): From 0 to 1: a form that the corpus has n times under the same tags is learned n^repetition times in a
        pass over it. At 0 frequent forms, which are the most irregular, count as any other.
    beam_width (int): How many lemmas are kept at each step of the search; 1 is greedy.
    max_length (int): The number of characters of the longest form that is learned, and written: longer ones stay as they are, as
        white space does.
    cache_size (int): How many forms, under their tags, are kept with their lemmas across texts.
    scorer (Optional[Callable]): The scoring method for lemmas. Other attributes are scored alike; nothing is if None.
    RETURNS (RNNLemmatizer): The component.
    RAISES (ValueError): If an argument is out of its range, or the model is no encoder-decoder.
    """
    return RNNLemmatizer(
        nlp.vocab,
        model,
        name,
        attr=attr,
        tags=tags,
        gold_tags=gold_tags,
        overwrite=overwrite,
        use_dictionary=use_dictionary,
        repetition=repetition,
        beam_width=beam_width,
        max_length=max_length,
        cache_size=cache_size,
        scorer=scorer,
    )
