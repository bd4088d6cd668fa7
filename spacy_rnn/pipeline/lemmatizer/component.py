"""Lemmas, or other forms of words: `rnn_lemmatizer` writes what it has not seen, character by character."""

import random
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy
import srsly
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model

from ..defaults import lemmatizer_model
from ..pipe import RNNPipe, name_source
from .attributes import WordAttribute, read_tags
from .dictionary import FormDictionary, Key
from .network import LemmaNetwork

PART = "dictionary"

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


class RNNLemmatizer(RNNPipe):
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
        # Imported here because importing a factory must stay cheap.
        from ...layers.capabilities import Transduces, find

        transduces = find(model, Transduces)
        if transduces is None or "source" not in model.attrs:
            raise ValueError(
                f"'{name}' needs an encoder-decoder that reads symbols, e.g. spacy_rnn.Seq2Seq.v1, but {model.name!r} is "
                "none: set components.*.model"
            )
        numbers = (("beam_width", beam_width, 1), ("max_length", max_length, 1), ("cache_size", cache_size, 0))
        for setting, value, least in numbers:
            if value < least:
                raise ValueError(f"'{name}': {setting} must be at least {least}, got {value}")
        if not 0 <= repetition <= 1:
            raise ValueError(f"'{name}': repetition must be from 0 to 1, got {repetition}")
        self.vocab, self.model, self.name = vocab, model, name
        self.attribute, self.tags = WordAttribute(attr, name), list(tags)
        read_tags(Doc(vocab), self.tags)
        self.gold_tags, self.overwrite, self.use_dictionary = gold_tags, overwrite, use_dictionary
        self.repetition, self.beam_width, self.max_length, self.cache_size = repetition, beam_width, max_length, cache_size
        self.cfg: Dict[str, Any] = {"attr": attr, "tags": self.tags, "overwrite": overwrite}
        self.scorer = scorer
        self.dictionary = FormDictionary()
        self.network = LemmaNetwork(model, transduces)
        self._transduces = transduces
        self._rehearsal_model = None
        self._cache: Dict[Tuple[int, ...], int] = {}

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
                f"'{self.name}' has nothing to learn from: no token of the training corpus has {self.attribute.name!r}"
            )
        self.dictionary = dictionary
        keys = list(dictionary)
        self.network.learn(keys, [dictionary.find(key) or "" for key in keys], self.vocab)
        self.model.initialize()
        self._cache.clear()

    def predict(self, docs: Iterable[Doc]) -> List[numpy.ndarray]:
        """Find the lemmas of texts.

        docs (Iterable[Doc]): The texts, with their tags.
        RETURNS (List[numpy.ndarray]): uint64 [n], the hash of each token's lemma in the string store, 0 for white space.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized.
        """
        docs = list(docs)
        return self.run_model(docs, lambda model, docs: self._lemmatize(docs, [read_tags(doc, self.tags) for doc in docs]))

    def _lemmatize(self, docs: Sequence[Doc], words: Sequence[numpy.ndarray]) -> List[numpy.ndarray]:
        """Find the lemmas of words, each a row of the hashes of its form and tags."""
        if not docs:
            return []
        rows = numpy.concatenate(words)
        distinct, index = _distinct_rows(rows)
        found = numpy.asarray(self._find(distinct), dtype="uint64")
        return numpy.split(found[index] if len(rows) else found, numpy.cumsum([len(each) for each in words])[:-1])

    def _find(self, rows: numpy.ndarray) -> List[int]:
        """Find lemmas in the cache, in the dictionary, or by the network."""
        hashes = [tuple(row) for row in rows.tolist()]
        found = [self._cache.get(each) for each in hashes]
        missing = [i for i, lemma in enumerate(found) if lemma is None]
        if missing:
            strings = self.vocab.strings
            keys = [Key(strings[hashes[i][0]], tuple(strings[tag] if tag else "" for tag in hashes[i][1:])) for i in missing]
            if len(self._cache) + len(missing) > self.cache_size:
                self._cache.clear()
            for i, lemma in zip(missing, self.lemmatize(keys), strict=True):
                found[i] = strings.add(lemma) if lemma else 0
            for i in missing[: self.cache_size]:
                self._cache[hashes[i]] = found[i] or 0
        return [lemma or 0 for lemma in found]

    def lemmatize(self, words: Sequence[Union[Key, Tuple[str, Sequence[str]]]]) -> List[str]:
        """Find the lemmas of words that stand in no text.

        words (Sequence[Tuple[str, Sequence[str]]]): The form of each, and the values of the attributes in `tags`, e.g.
            ("mice", ["NOUN"]).
        RETURNS (List[str]): Their lemmas; empty ones for white space.
        RAISES (ValueError): If the network has no weights yet, or a word has not as many tags as there are attributes.
        """
        self.prepare_update()
        keys = [Key(form, tuple(tags)) for form, tags in words]
        for key in keys:
            if len(key.tags) != len(self.tags):
                raise ValueError(f"'{self.name}' reads {self.tags} of each word, got {len(key.tags)} tags for {key.form!r}")
        lemmas: List[Optional[str]] = [self.dictionary.find(key) if self.use_dictionary else None for key in keys]
        for i, key in enumerate(keys):
            if not key.form or key.form.isspace():
                lemmas[i] = ""
            elif lemmas[i] is None and len(key.form) > self.max_length:
                lemmas[i] = key.form
        unknown = list(dict.fromkeys(key for key, lemma in zip(keys, lemmas, strict=True) if lemma is None))
        written = dict(zip(unknown, self.network.write(unknown, self.beam_width), strict=True))
        return [written[key] if lemma is None else lemma for key, lemma in zip(keys, lemmas, strict=True)]

    def set_annotations(self, docs: Iterable[Doc], lemmas: Iterable[numpy.ndarray]) -> None:
        """Set the lemmas of texts. Those that are there stay, unless they are to be overwritten.

        docs (Iterable[Doc]): The texts.
        lemmas (Iterable[numpy.ndarray]): What `predict` has given for them.
        """
        for doc, hashes in zip(docs, lemmas, strict=True):
            self.attribute.set(doc, hashes, self.overwrite)

    def run_update(self, examples: Iterable[Example], **settings: Any) -> Dict[str, float]:
        """Learn from a batch, with the model ready.

        examples (Iterable[Example]): The batch.
        **settings (Any): `drop`, `sgd` and `losses`, as in `update`. Dropout is the model's own.
        RETURNS (Dict[str, float]): The losses: this one's is the mean of a symbol, in nats.
        """
        losses: Dict[str, float] = {} if settings["losses"] is None else settings["losses"]
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.update")
        pairs = self._choose([pair for example in examples for pair in self._gold_of(example)])
        if pairs:
            keys, lemmas = zip(*pairs, strict=True)
            batch = self.network.encode_pairs(keys, lemmas)
            n = len(batch.targets.inputs)
            weights = self.model.ops.xp.full(n, 1 / n, dtype="float32")
            log_probabilities, backprop = self._transduces.begin_update(self.model, batch, weights)
            backprop()
            losses[self.name] -= float(log_probabilities.mean())
            self._cache.clear()
        if settings["sgd"] is not None:
            self.finish_update(settings["sgd"])
        return losses

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
        lemmas = self.attribute.aligned(example)
        return self._pairs(example.predicted, lemmas)

    def _gold_of_reference(self, reference: Doc) -> List[Tuple[Key, str]]:
        return self._pairs(reference, self.attribute.get(reference))

    def _pairs(self, doc: Doc, lemmas: Sequence[Optional[str]]) -> List[Tuple[Key, str]]:
        pairs = []
        for token, row, lemma in zip(doc, read_tags(doc, self.tags).tolist(), lemmas, strict=True):
            if lemma and not token.is_space and len(token) <= self.max_length:
                pairs.append((Key(token.text, tuple(doc.vocab.strings[tag] if tag else "" for tag in row[1:])), lemma))
        return pairs

    def get_loss(self, examples: Iterable[Example], scores: Any) -> Tuple[float, Any]:
        """Find the loss of a batch, without learning from it.

        examples (Iterable[Example]): The batch.
        scores (Any): Not used: lemmas are written one symbol after the other, and the loss is that of the gold symbols.
        RETURNS (Tuple[float, Any]): The mean loss of a symbol, in nats; and its gradient with regard to the log-probability of
            each symbol.
        """
        pairs = [pair for example in examples for pair in self._gold_of(example)]
        if not pairs:
            return 0.0, numpy.zeros(0, dtype="float32")
        keys, lemmas = zip(*pairs, strict=True)
        log_probabilities = self.model.predict(self.network.encode_pairs(keys, lemmas))
        return -float(log_probabilities.mean()), numpy.full(len(log_probabilities), -1 / len(log_probabilities), "float32")

    def rehearse(self, examples: Iterable[Example], **settings: Any) -> Dict[str, float]:
        """Do nothing: the lemmas of known forms are in the dictionary, and are not forgotten.

        examples (Iterable[Example]): A batch.
        **settings (Any): `drop`, `sgd` and `losses`, as in `update`.
        RETURNS (Dict[str, float]): The losses, unchanged.
        """
        losses = settings.get("losses")
        return {} if losses is None else losses

    def score(self, examples: Iterable[Example], **settings: Any) -> Dict[str, Any]:
        """Score a batch. With `gold_tags`, lemmas are found again under the gold tags, since texts have none in evaluation.

        examples (Iterable[Example]): Predictions and gold annotation.
        **settings (Any): What spaCy gives to every component.
        RETURNS (Dict[str, Any]): "lemma_acc", the share of annotated tokens that are right; or that of another attribute.
        """
        examples = list(examples)
        if self.gold_tags:
            for example in examples:
                tags = _aligned_tags(example, self.tags)
                self.attribute.set(example.predicted, self._lemmatize([example.predicted], [tags])[0], overwrite=True)
        if self.scorer is None:
            return {}
        return self.scorer(examples, **settings) if self.attribute.name == "LEMMA" else self.attribute.score(examples)

    def check_labels(self) -> None:
        """Do nothing: a lemmatizer has a dictionary and characters in place of labels."""

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Save the component as bytes.

        exclude (Iterable[str]): Names of what is left out.
        RETURNS (bytes): What `from_bytes` takes.
        """
        exclude = list(exclude)
        saved = srsly.msgpack_loads(super().to_bytes(exclude=exclude))
        if PART not in exclude:
            saved[PART] = self._dictionary_bytes()
        return srsly.msgpack_dumps(saved)

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "RNNLemmatizer":
        """Load the component from bytes.

        bytes_data (bytes): What `to_bytes` has made.
        exclude (Iterable[str]): Names of what is left out.
        RETURNS (RNNLemmatizer): The component.
        RAISES (ValueError): If the bytes are damaged, or were made under another config.
        """
        super().from_bytes(bytes_data, exclude=exclude)
        if PART not in list(exclude):
            with name_source(self.name, "bytes"):
                self._load_dictionary(srsly.msgpack_loads(bytes_data)[PART])
        return self

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Save the component to a directory.

        path (Union[str, Path]): The directory.
        exclude (Iterable[str]): Names of what is left out.
        """
        exclude = list(exclude)
        super().to_disk(path, exclude=exclude)
        if PART not in exclude:
            (Path(path) / PART).write_bytes(self._dictionary_bytes())

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "RNNLemmatizer":
        """Load the component from a directory.

        path (Union[str, Path]): The directory.
        exclude (Iterable[str]): Names of what is left out.
        RETURNS (RNNLemmatizer): The component.
        RAISES (FileNotFoundError): If a file is missing.
        RAISES (ValueError): If a file is damaged, or was saved under another config.
        """
        exclude = list(exclude)
        super().from_disk(path, exclude=exclude)
        if PART not in exclude:
            file = Path(path) / PART
            if not file.exists():
                raise FileNotFoundError(f"'{self.name}' could not be loaded: {file} is missing")
            with name_source(self.name, file):
                self._load_dictionary(file.read_bytes())
        return self

    def _dictionary_bytes(self) -> bytes:
        return srsly.msgpack_dumps(self.dictionary.to_data())

    def _load_dictionary(self, data: bytes) -> None:
        self.dictionary.from_data(srsly.msgpack_loads(data))
        self._cache.clear()


def _distinct_rows(rows: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Give each row of hashes once, and which of them each is. Rows are told by a hash of theirs, as spaCy tells strings."""
    if not len(rows):
        return rows, numpy.zeros(0, dtype="int64")
    factors = numpy.asarray([0x9E3779B97F4A7C15 * (2 * i + 1) & 0xFFFFFFFFFFFFFFFF for i in range(rows.shape[1])], "uint64")
    mixed = rows * factors
    mixed ^= mixed >> numpy.uint64(29)
    _, first, index = numpy.unique(mixed.sum(axis=1, dtype="uint64"), return_index=True, return_inverse=True)
    return rows[first], index


def _aligned_tags(example: Example, tags: Sequence[str]) -> numpy.ndarray:
    """Read the forms of a text that has been tokenized by the pipeline, with the gold tags."""
    rows = read_tags(example.predicted, tags)
    for column, tag in enumerate(tags, 1):
        rows[:, column] = [value or 0 for value in example.get_aligned(tag)]
    return rows


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
        there). The same component then normalizes spelling, transliterates or inflects.
    tags (List[str]): The attributes of a token that its lemma depends on, beside its form: "POS", "TAG", "MORPH" or "DEP"; none
        if empty. A component before this one sets them.
    gold_tags (bool): Whether training and evaluation read the gold tags, as the only way where no component sets them. With
        `false` they are those of the text, as the components in `training.annotating_components` have set them.
    overwrite (bool): Whether lemmas that are already set are overwritten.
    use_dictionary (bool): Whether forms that were seen in training under the same tags get their most frequent lemma.
    repetition (float): From 0 to 1: a form that the corpus has n times under the same tags is learned n^repetition times in a
        pass over it. At 0 frequent forms, which are the most irregular, count as any other.
    beam_width (int): How many lemmas are kept at each step of the search; 1 is greedy.
    max_length (int): The number of characters of the longest form that is learned, and written: longer ones stay as they are.
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
