"""Embeddings that are functions of a token's attributes: computed once for each distinct token of a batch, and kept."""

from functools import partial
from typing import Any, Callable, List, Optional, Tuple, Union, cast

import numpy
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.types import Floats2d, Ints1d, Ragged

from ...recurrence import Table, TableRows
from ..ragged.sums import sum_rows
from ..ragged.taken import TakenRows
from .network import TokenNetwork, TrainedNetwork
from .sources import same_sources
from .unique import distinct_rows
from .vector_cache import VectorCache

# From the attributes [N, A] of a batch, N >= 1, and the vocabulary of its texts to its rows [N, width] and their backpropagation.
Compute = Callable[[numpy.ndarray, Vocab], Tuple[Union[Floats2d, TableRows], Callable]]


def embed_tokens(network: TrainedNetwork, cache: VectorCache, docs: List[Doc], is_train: bool) -> Tuple[Ragged, Callable]:
    """Embed the tokens of a batch.

    network (TrainedNetwork): What computes vectors.
    cache (VectorCache): Where they are kept when nothing is learned.
    docs (List[Doc]): The texts, of one vocabulary or of several.
    is_train (bool): Whether there is dropout, and is going to be a gradient.
    RETURNS (Tuple[Ragged, Callable]): The rows [N, width], their lengths on the host; and a function from their gradient to an
        empty list, which increments the gradients of the parameters.
    """
    if is_train:
        return _embed(network, docs, partial(_begin_update, cache, network))
    return predict_tokens(network, cache, docs)


def predict_tokens(network: TokenNetwork, cache: VectorCache, docs: List[Doc]) -> Tuple[Ragged, Callable]:
    """Embed the tokens of a batch when nothing is learned.

    network (TokenNetwork): What computes vectors.
    cache (VectorCache): Where they are kept.
    docs (List[Doc]): The texts, of one vocabulary or of several.
    RETURNS (Tuple[Ragged, Callable]): The rows [N, width], their lengths on the host; and no backpropagation: a function that
        says so.
    """
    return _embed(network, docs, partial(_predict, cache, network))


def _embed(network: TokenNetwork, docs: List[Doc], compute: Compute) -> Tuple[Ragged, Callable]:
    """Read the attributes of a batch, and compute its rows."""
    vocabs = {id(doc.vocab): doc.vocab for doc in docs} if network.reads_vocabulary() else {}
    if len(vocabs) > 1:
        return _embed_groups(network, docs, list(vocabs.values()), compute)
    keys, lengths = _read_keys(network, docs)
    if not len(keys):
        return Ragged(network.ops.alloc2f(0, network.width), cast(Ints1d, lengths)), _backprop_nothing
    rows, backprop = compute(keys, docs[0].vocab)
    if isinstance(rows, TableRows):
        return TakenRows(rows, cast(Ints1d, lengths)), backprop
    return Ragged(rows, cast(Ints1d, lengths)), backprop


def _embed_groups(network: TokenNetwork, docs: List[Doc], vocabs: List[Vocab], compute: Compute) -> Tuple[Ragged, Callable]:
    """Embed the texts of each vocabulary by themselves, and put the rows where they belong."""
    xp = network.ops.xp
    lengths = numpy.asarray([len(doc) for doc in docs], dtype="int32")
    owner = numpy.repeat([next(i for i, vocab in enumerate(vocabs) if vocab is doc.vocab) for doc in docs], lengths)
    places = [xp.asarray(numpy.flatnonzero(owner == i)) for i in range(len(vocabs))]
    groups = [_embed(network, [doc for doc in docs if doc.vocab is vocab], compute) for vocab in vocabs]
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


def _begin_update(cache: VectorCache, network: TrainedNetwork, keys: numpy.ndarray, vocab: Vocab) -> Tuple[Floats2d, Callable]:
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


def _predict(
    cache: VectorCache, network: TokenNetwork, keys: numpy.ndarray, vocab: Vocab
) -> Tuple[Union[Floats2d, TableRows], Callable]:
    sources = _sources(cache, network, vocab)
    table, numbers = (None, numpy.full(len(keys), -1)) if sources is None else cache.lookup(sources, keys)
    missing = numpy.flatnonzero(numbers < 0)
    if table is not None and not missing.size:
        return TableRows(table, numbers), _backprop_prediction
    missing_keys = keys.take(missing, axis=0)
    first, inverse = distinct_rows(missing_keys)
    new_keys = missing_keys.take(first, axis=0)
    new = network.predict(new_keys, vocab)
    # Another thread may have exchanged the parameters meanwhile.
    if sources is not None and same_sources(sources, _sources(cache, network, vocab) or ()):
        cache.add(sources, new_keys, new)
        table_now, found = cache.lookup(sources, new_keys)
        # Not if vectors have been forgotten, for want of room or by another thread.
        if table_now is not None and table in (None, table_now) and (found >= 0).all():
            numbers[missing] = found.take(inverse)
            return TableRows(table_now, numbers), _backprop_prediction
    if table is None:
        return TableRows(Table(new), inverse), _backprop_prediction
    xp = network.ops.xp
    rows = xp.take(table.rows, xp.asarray(numbers), axis=0)
    rows[xp.asarray(missing)] = xp.take(new, xp.asarray(inverse), axis=0)
    return rows, _backprop_prediction


def _sources(cache: VectorCache, network: TokenNetwork, vocab: Vocab) -> Optional[List[Any]]:
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
    others = network.sources(vocab)
    if others is None:
        return None
    return [
        *(layer.get_param(name) for layer, name in params if layer.has_param(name)),
        *map(int, network.columns(vocab)),
        *others,
    ]


def _backprop_prediction(dY: Ragged) -> List[Doc]:
    raise ValueError("a prediction has no gradient: run the layer with begin_update")
