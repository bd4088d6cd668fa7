"""The n-grams a linear model knows."""

from typing import Any, List, Sequence, Tuple, Union

import numpy
import srsly
from spacy.attrs import intify_attr
from spacy.tokens import Doc
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr

from .hashing import hash_rows

_ABSENT = -1
# How many n-grams of texts are kept at most before they are counted.
_PENDING = 1 << 22


class NGramVocabulary:
    """N-grams by their hashes, each with its inverse document frequency."""

    def __init__(
        self, keys: Union[numpy.ndarray, Sequence[int]] = (), weights: Union[numpy.ndarray, Sequence[float]] = ()
    ) -> None:
        """Make a vocabulary of given n-grams.

        keys (Union[numpy.ndarray, Sequence[int]]): uint64 [V], their hashes in increasing order.
        weights (Union[numpy.ndarray, Sequence[float]]): float32 [V], their inverse document frequencies.
        """
        self.keys = numpy.asarray(keys, dtype="uint64")
        self.weights = numpy.asarray(weights, dtype="float32")

    def __len__(self) -> int:
        """RETURNS (int): The number of n-grams."""
        return len(self.keys)

    def rows(self, keys: numpy.ndarray) -> numpy.ndarray:
        """Look n-grams up.

        keys (numpy.ndarray): uint64 [N], their hashes.
        RETURNS (numpy.ndarray): int64 [N], the number of each n-gram, -1 if it is unknown.
        """
        if not len(self.keys):
            return numpy.full(keys.shape, _ABSENT, dtype="int64")
        found = numpy.minimum(numpy.searchsorted(self.keys, keys), len(self.keys) - 1)
        return numpy.where(self.keys[found] == keys, found, _ABSENT)


class NGramCounter:
    """Count in how many texts each n-gram occurs."""

    def __init__(self, attr: str, longest: int) -> None:
        """Begin to count.

        attr (str): The token attribute that is compared, e.g. "LOWER".
        longest (int): The number of tokens of the longest n-grams.
        """
        self._attr = attr
        self._longest = longest
        self._pending: List[numpy.ndarray] = []
        self._n_pending = 0
        self._keys = numpy.zeros(0, dtype="uint64")
        self._counts = numpy.zeros(0, dtype="int64")
        self._n_texts = 0

    def add(self, doc: Doc) -> None:
        """Count a text.

        doc (Doc): The text.
        """
        keys = numpy.unique(hash_ngrams([doc], self._attr, self._longest)[0])
        self._pending.append(keys)
        self._n_pending += len(keys)
        self._n_texts += 1
        if self._n_pending > _PENDING:
            self._merge()

    def vocabulary(self, size: int) -> NGramVocabulary:
        """Take the n-grams that occur in the most texts.

        Their weights are log((1 + T) / (1 + t)) + 1 for an n-gram in t of T texts (Salton & Buckley 1988, "Term-weighting
        approaches in automatic text retrieval", in the form of scikit-learn).

        size (int): The number of n-grams at most.
        RETURNS (NGramVocabulary): The vocabulary.
        """
        self._merge()
        frequent = numpy.sort(numpy.lexsort((self._keys, -self._counts))[:size])
        weights = numpy.log((1 + self._n_texts) / (1 + self._counts[frequent])) + 1
        return NGramVocabulary(self._keys[frequent], weights)

    def _merge(self) -> None:
        """Add what is pending to the counts."""
        keys, inverse = numpy.unique(numpy.concatenate([self._keys, *self._pending]), return_inverse=True)
        counts = numpy.bincount(inverse[len(self._keys) :], minlength=len(keys))
        counts[inverse[: len(self._keys)]] += self._counts
        self._keys, self._counts = keys, counts
        self._pending, self._n_pending = [], 0


def hash_ngrams(docs: Sequence[Doc], attr: str, longest: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Hash all n-grams of some texts.

    docs (Sequence[Doc]): B texts.
    attr (str): The token attribute that is compared, e.g. "LOWER".
    longest (int): The number of tokens of the longest n-grams; all shorter ones are hashed as well.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): uint64 [N], the hashes; and int64 [N], the number of the text each is from.
    """
    tokens = [doc.to_array([intify_attr(attr)]).reshape(-1) for doc in docs]
    ids = numpy.concatenate([*tokens, numpy.zeros(0, dtype="uint64")]).astype("uint64", copy=False)
    owners = numpy.repeat(numpy.arange(len(docs)), [len(text) for text in tokens])
    keys, texts = [], []
    for length in range(1, longest + 1):
        n = max(len(ids) - length + 1, 0)
        inside = numpy.flatnonzero(owners[:n] == owners[length - 1 :])
        keys.append(hash_rows(numpy.stack([ids[inside + i] for i in range(length)], axis=1)))
        texts.append(owners[inside])
    return numpy.concatenate(keys), numpy.concatenate(texts)


@serialize_attr.register(NGramVocabulary)
def _serialize(_: NGramVocabulary, value: NGramVocabulary, name: str, model: Model) -> bytes:
    return srsly.msgpack_dumps({"keys": value.keys, "weights": value.weights})


@deserialize_attr.register(NGramVocabulary)
def _deserialize(_: NGramVocabulary, value: bytes, name: str, model: Model) -> Any:
    saved = srsly.msgpack_loads(value)
    keys, weights = (numpy.asarray(saved[part]) for part in ("keys", "weights"))
    if keys.dtype != "uint64" or weights.dtype != "float32" or keys.ndim != 1 or keys.shape != weights.shape:
        raise ValueError(f"the attribute {name} of layer {model.name!r} is not a vocabulary of n-grams")
    if not (keys[1:] > keys[:-1]).all() or not (numpy.isfinite(weights) & (weights > 0)).all():
        raise ValueError(f"the attribute {name} of layer {model.name!r} is not a vocabulary of n-grams")
    return NGramVocabulary(keys, weights)
