"""Embeddings that are functions of a token's attributes: computed once for each distinct token of a batch, and kept."""

from typing import Any, Callable, List, Optional, Protocol, Tuple, Union, cast

import numpy
from spacy.tokens import Doc
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import Model, Ops
from thinc.types import Floats2d, Ints1d, Ragged

from ..ragged.sums import sum_rows
from .unique import distinct_rows
from .vector_cache import VectorCache, same_sources

Embedded = Tuple[Floats2d, Callable[[Floats2d], None]]


class TokenNetwork(Protocol):
    """What computes vectors from attributes.

    ops (Ops): The backend of its parameters.
    width (int): The width of a vector.
    static (Optional[Model]): The projection of the static vectors, if there are any.
    dropout (Model): The dropout of the vectors, drawn for each token.
    piece (int): How many rows are computed at a time, unless the network is trained.
    """

    @property
    def ops(self) -> Ops: ...

    @property
    def width(self) -> int: ...

    @property
    def static(self) -> Optional[Model]: ...

    @property
    def dropout(self) -> Model: ...

    @property
    def piece(self) -> int: ...

    def columns(self, vocab: Vocab) -> List[Union[int, str]]:
        """List the attributes, last those that static vectors are looked up by if there are any.

        vocab (Vocab): The vocabulary of the texts.
        RETURNS (List[int]): spaCy's numbers of the attributes.
        """

    def layers(self) -> List[Model]:
        """RETURNS (List[Model]): Everything with parameters."""

    def reads_vocabulary(self) -> bool:
        """RETURNS (bool): Whether a vector depends on more than the attributes, on what the vocabulary of a text has for them."""

    def count_rows(self, keys: numpy.ndarray, vocab: Vocab) -> numpy.ndarray:
        """Count what is computed for each vector.

        keys (numpy.ndarray): uint64 [D, A], the attributes.
        vocab (Vocab): The vocabulary of the texts.
        RETURNS (numpy.ndarray): int64 [D], the number of rows that go through the network; 1, or that of a word's characters.
        """

    def embed(self, keys: numpy.ndarray, vocab: Vocab, is_train: bool) -> Embedded:
        """Compute vectors, all but their dropout.

        keys (numpy.ndarray): uint64 [D, A], D >= 1, the attributes.
        vocab (Vocab): The vocabulary of the texts.
        is_train (bool): Whether there is going to be a gradient.
        RETURNS (Tuple[Floats2d, Callable]): The vectors [D, width], and a function from their gradient that increments those of
            the parameters.
        """


def embed_tokens(network: TokenNetwork, cache: VectorCache, docs: List[Doc], is_train: bool) -> Tuple[Ragged, Callable]:
    """Embed the tokens of a batch.

    network (TokenNetwork): What computes vectors.
    cache (VectorCache): Where they are kept when nothing is learned.
    docs (List[Doc]): The texts, of one vocabulary or of several.
    is_train (bool): Whether there is dropout, and is going to be a gradient.
    RETURNS (Tuple[Ragged, Callable]): The rows [N, width], their lengths on the host; and a function from their gradient to an
        empty list, which increments the gradients of the parameters.
    """
    vocabs = {id(doc.vocab): doc.vocab for doc in docs} if network.reads_vocabulary() else {}
    if len(vocabs) > 1:
        return _embed_groups(network, cache, docs, list(vocabs.values()), is_train)
    keys, lengths = _read_keys(network, docs)
    rows: Floats2d
    backprop: Callable
    if not len(keys):
        rows, backprop = network.ops.alloc2f(0, network.width), _backprop_nothing
    elif is_train:
        rows, backprop = _begin_update(cache, network, keys, docs[0].vocab)
    else:
        rows, backprop = _predict(cache, network, keys, docs[0].vocab), _backprop_prediction
    return Ragged(rows, cast(Ints1d, lengths)), backprop


def _embed_groups(
    network: TokenNetwork, cache: VectorCache, docs: List[Doc], vocabs: List[Vocab], is_train: bool
) -> Tuple[Ragged, Callable]:
    """Embed the texts of each vocabulary by themselves, and put the rows where they belong."""
    xp = network.ops.xp
    lengths = numpy.asarray([len(doc) for doc in docs], dtype="int32")
    owner = numpy.repeat([next(i for i, vocab in enumerate(vocabs) if vocab is doc.vocab) for doc in docs], lengths)
    places = [xp.asarray(numpy.flatnonzero(owner == i)) for i in range(len(vocabs))]
    groups = [embed_tokens(network, cache, [doc for doc in docs if doc.vocab is vocab], is_train) for vocab in vocabs]
    rows = network.ops.alloc2f(len(owner), network.width)
    for place, (group, _) in zip(places, groups, strict=True):
        rows[place] = cast(Floats2d, group.dataXd)

    def backprop(dY: Ragged) -> List[Doc]:
        for place, (group, group_backprop) in zip(places, groups, strict=True):
            group_backprop(Ragged(network.ops.as_contig(dY.dataXd[place]), group.lengths))
        return []

    return Ragged(rows, cast(Ints1d, lengths)), backprop


def _read_keys(network: TokenNetwork, docs: List[Doc]) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Give the attributes of all tokens, uint64 [N, A], and the lengths, int32 [B]."""
    if not docs:
        return numpy.zeros((0, 1), dtype="uint64"), numpy.zeros(0, dtype="int32")
    columns = network.columns(docs[0].vocab)
    arrays = [doc.to_array(columns) for doc in docs]
    lengths = numpy.asarray([len(array) for array in arrays], dtype="int32")
    return numpy.concatenate(arrays).reshape(-1, len(columns)), lengths


def _begin_update(cache: VectorCache, network: TokenNetwork, keys: numpy.ndarray, vocab: Vocab) -> Tuple[Floats2d, Callable]:
    ops = network.ops
    first, inverse = distinct_rows(keys)
    distinct, distinct_backprop = network.embed(keys.take(first, axis=0), vocab, True)
    Y, dropout_backprop = network.dropout(ops.xp.take(distinct, ops.xp.asarray(inverse), axis=0), True)

    def backprop(dY: Ragged) -> List[Doc]:
        cache.begin_training()
        d_rows = ops.as_contig(dropout_backprop(dY.dataXd))
        distinct_backprop(sum_rows(ops, d_rows, inverse, len(first)))
        return []

    return Y, backprop


def _backprop_nothing(dY: Ragged) -> List[Doc]:
    return []


def _predict(cache: VectorCache, network: TokenNetwork, keys: numpy.ndarray, vocab: Vocab) -> Floats2d:
    xp = network.ops.xp
    sources = _sources(cache, network, vocab.vectors)
    Y, missing = (None, numpy.arange(len(keys))) if sources is None else cache.lookup(sources, keys)
    if not missing.size:
        return cast(Floats2d, Y)
    missing_keys = keys.take(missing, axis=0)
    first, inverse = distinct_rows(missing_keys)
    new_keys = missing_keys.take(first, axis=0)
    new = xp.concatenate([network.embed(piece, vocab, False)[0] for piece in _cut(network, new_keys, vocab)])
    # Another thread may have exchanged the parameters meanwhile.
    if sources is not None and same_sources(sources, _sources(cache, network, vocab.vectors) or ()):
        cache.add(sources, new_keys, new)
    rows = xp.take(new, xp.asarray(inverse), axis=0)
    if Y is None:
        return rows
    Y[xp.asarray(missing)] = rows
    return Y


def _cut(network: TokenNetwork, keys: numpy.ndarray, vocab: Vocab) -> List[numpy.ndarray]:
    """Cut keys into pieces for which the network computes at most `piece` rows, or more for one key only."""
    ends = numpy.cumsum(network.count_rows(keys, vocab))
    pieces = []
    start, before = 0, 0
    while start < len(keys):
        stop = max(start + 1, int(numpy.searchsorted(ends, before + network.piece, side="right")))
        pieces.append(keys[start:stop])
        start, before = stop, int(ends[stop - 1])
    return pieces


def _sources(cache: VectorCache, network: TokenNetwork, vectors: Any) -> Optional[List[Any]]:
    """Give what the network computes from; None if it may change unnoticed, so that nothing can be kept."""
    layers = network.layers()
    params = [(layer, name) for layer in layers for name in layer.param_names]
    if not cache.size or any(layer._params.proxy is not None for layer in layers):
        return None
    if cache.in_training:
        # An optimizer is about to write, perhaps into the arrays themselves.
        if any(layer.has_grad(name) and layer.get_grad(name).any() for layer, name in params):
            return None
        cache.in_training = False
    sources: List[Any] = [layer.get_param(name) for layer, name in params if layer.has_param(name)]
    if network.static is None:
        return sources
    return [*sources, vectors, vectors.data, vectors.n_keys] if isinstance(vectors, Vectors) else None


def _backprop_prediction(dY: Ragged) -> List[Doc]:
    raise ValueError("a prediction has no gradient: run the layer with begin_update")
