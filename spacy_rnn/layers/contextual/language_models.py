"""The language models that embed tokens: loaded from a pipeline, saved, and held once however many layers read them."""

import hashlib
from pathlib import Path
from typing import Any, Callable, List, Sequence, Tuple, Union
from weakref import WeakValueDictionary

import numpy
import srsly
from spacy.tokens import Doc
from spacy.util import load_model
from thinc.api import Model, Ops
from thinc.types import Floats2d

from ...text.spans import token_spans
from ..capabilities import PredictsSymbols, find
from ..embedding.parts import side_by_side
from ..recurrent.precision import set_precision
from .character_reader import CharacterReader
from .text_cache import TextCache


class LanguageModels:
    """The networks of one or two language models of characters, forward or backward, whose states stand for tokens.

    A token has the state after its last character in the order of reading (Akbik et al. 2018, "Contextual string embeddings for
    sequence labeling", equations 8 and 9, without the white space around it).
    """

    def __init__(self, readers: Sequence[CharacterReader]) -> None:
        """Take networks.

        readers (Sequence[CharacterReader]): The networks; their states stand side by side in this order.
        """
        self.readers = list(readers)
        self.cache = TextCache(0)

    @property
    def width(self) -> int:
        """RETURNS (int): The number of states of a token."""
        return sum(reader.width for reader in self.readers)

    @property
    def ops(self) -> Ops:
        """RETURNS (Ops): The backend of the weights."""
        return self.readers[0].ops

    def layers(self) -> List[Model]:
        """RETURNS (List[Model]): Everything with parameters."""
        return [layer for reader in self.readers for layer in reader.layers()]

    def embed(self, docs: Sequence[Doc]) -> Floats2d:
        """Give the states of tokens, when nothing is learned. Those that are in the cache are not computed again.

        docs (Sequence[Doc]): The texts, N tokens in all.
        RETURNS (Floats2d): The states [N, width].
        """
        keys = [(doc.text, *(places.tobytes() for places in token_spans(doc))) for doc in docs]
        known = {key: self.cache.find(key) for key in keys}
        missing = {key: doc for key, doc in zip(keys, docs, strict=True) if known[key] is None}
        for key, rows in zip(missing, self._compute(list(missing.values())), strict=True):
            known[key] = rows
            self.cache.add(key, rows)
        return self.ops.xp.concatenate([self.ops.alloc2f(0, self.width), *(known[key] for key in keys)])

    def _compute(self, docs: List[Doc]) -> List[Floats2d]:
        texts, ends = [doc.text for doc in docs], numpy.cumsum([len(doc) for doc in docs]).tolist()
        # Each has an array of its own: one that is kept must not hold on to those of all others.
        rows = [self.ops.alloc2f(len(doc), self.width) for doc in docs]
        start = 0
        for reader in self.readers:
            states = reader.read(texts, _places(reader, docs, texts))
            for own, end in zip(rows, ends, strict=True):
                own[:, start : start + reader.width] = states[end - len(own) : end]
            start += reader.width
        return rows

    def begin_update(self, docs: Sequence[Doc]) -> Tuple[Floats2d, Callable[[Floats2d], None]]:
        """Give the states of tokens, to learn from them.

        docs (Sequence[Doc]): The texts, N tokens in all.
        RETURNS (Tuple[Floats2d, Callable]): The states [N, width]; and a function from their gradient that increments those of
            the parameters.
        """
        texts = [doc.text for doc in docs]
        return side_by_side(self.ops, [reader.begin_update(texts, _places(reader, docs, texts)) for reader in self.readers])

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The networks."""
        return srsly.msgpack_dumps([reader.to_data() for reader in self.readers])

    @classmethod
    def from_bytes(cls, data: bytes) -> "LanguageModels":
        """Make networks of what was saved.

        data (bytes): What `to_bytes` has given.
        RETURNS (LanguageModels): The networks.
        RAISES (ValueError): If the weights do not fit. Damaged data can raise anything.
        """
        return cls([CharacterReader.from_data(reader) for reader in srsly.msgpack_loads(data)])

    def set_precision(self, precision: str) -> None:
        """Set the precision of the recurrent layers.

        precision (str): As `spacy_rnn.layers.set_precision` takes it.
        """
        for reader in self.readers:
            set_precision(reader.rnn, precision)

    def to_ops(self, ops: Ops) -> None:
        """Move the weights to where other arrays are.

        ops (Ops): Their backend.
        """
        for reader in self.readers:
            reader.to_ops(ops)
        self.cache.clear()

    def freeze(self) -> None:
        """Promise that the weights do not change any more."""
        for reader in self.readers:
            reader.freeze()

    def __reduce__(self) -> Tuple[Any, ...]:
        return LanguageModels.from_bytes, (self.to_bytes(),)


def _places(reader: CharacterReader, docs: Sequence[Doc], texts: Sequence[str]) -> List[numpy.ndarray]:
    return [reader.places(*token_spans(doc), len(text)) for doc, text in zip(docs, texts, strict=True)]


def load_language_models(source: Union[str, Path], names: Sequence[str]) -> LanguageModels:
    """Take the language models of a pipeline.

    source (Union[str, Path]): The name of an installed package, or the path of a pipeline.
    names (Sequence[str]): The components, as `rnn_lm` makes them.
    RETURNS (LanguageModels): Copies of their networks.
    RAISES (OSError): spaCy's E050 or E052, if there is no such pipeline.
    RAISES (ValueError): If it has no such component, or that is no recurrent language model of characters.
    """
    nlp = load_model(source)
    readers = []
    for name in names:
        if name not in nlp.component_names:
            raise ValueError(f"the pipeline {str(source)!r} has no component {name!r}: it has {', '.join(nlp.component_names)}")
        model: Any = getattr(nlp.get_pipe(name), "model", None)
        predicts = find(model, PredictsSymbols) if isinstance(model, Model) else None
        if predicts is None or predicts.network is None:
            raise ValueError(
                f"{name!r} of the pipeline {str(source)!r} is no recurrent language model: expected a component rnn_lm"
            )
        try:
            readers.append(CharacterReader.of(model.attrs["symbols"], *predicts.network(model)))
        except ValueError as error:
            raise ValueError(f"{name!r} of the pipeline {str(source)!r} cannot embed words: {error}") from error
    return LanguageModels(readers)


_shared: "WeakValueDictionary[Any, LanguageModels]" = WeakValueDictionary()


def share(data: bytes, ops: Ops, precision: str, cache_size: int) -> LanguageModels:
    """Give the networks that other layers have as well, if they are the same; they are not to be trained.

    data (bytes): The networks, as `LanguageModels.to_bytes` gives them.
    ops (Ops): The backend of their weights.
    precision (str): The precision of the recurrent layers.
    cache_size (int): How many tokens' states are kept at least.
    RETURNS (LanguageModels): The networks.
    """
    key = (hashlib.sha256(data).digest(), ops.device_type, ops.device_id, precision)
    models = _shared.get(key)
    if models is None:
        models = LanguageModels.from_bytes(data)
        models.set_precision(precision)
        models.to_ops(ops)
        models.freeze()
        models = _shared.setdefault(key, models)
    models.cache.grow(cache_size)
    return models
