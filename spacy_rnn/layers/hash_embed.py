"""spaCy's hash embedding of several attributes, computed once for each distinct token of a batch."""

from typing import Any, Callable, List, Optional, Tuple, Union, cast

import numpy
from spacy.attrs import ORTH, intify_attr
from spacy.ml.models.tok2vec import MultiHashEmbed
from spacy.tokens import Doc
from spacy.vectors import Vectors
from thinc.api import Model
from thinc.layers.chain import init as init_chain
from thinc.types import Floats2d, Ints1d, Ragged

from .distinct import distinct_rows
from .embedding_network import EmbeddingNetwork, embed_keys
from .ops import use_engine_products
from .split_rows import split_rows
from .sum_rows import sum_rows
from .vector_cache import VectorCache, same_sources

# How many distinct rows go through the network at a time, unless it is trained.
_PIECE = 1024


def build_hash_embed(
    width: int,
    attrs: Union[List[str], List[int], List[Union[str, int]]],
    rows: List[int],
    include_static_vectors: bool,
    cache_size: int = 100_000,
) -> Model[List[Doc], List[Floats2d]]:
    """Embed tokens as `spacy.MultiHashEmbed.v2` does, with the same parameters, initial weights, outputs, gradients and dropout,
    but compute each distinct combination of attributes once in a batch, and when nothing is learned keep its vector for the
    batches to come. The vectors are forgotten when a parameter changes. After writing into the array of a parameter or into that
    of the static vectors, as `Vocab.set_vector` does for a word that has one, or giving a word another row of them
    (`Vectors.add(word, row=…)`, `Vectors.key2row`), call `clear_cache`.

    width (int): The width of the vectors and of the embedding tables.
    attrs (List[Union[str, int]]): The token attributes, e.g. ["NORM", "PREFIX", "SUFFIX", "SHAPE"].
    rows (List[int]): The number of rows of each attribute's table.
    include_static_vectors (bool): Whether the vectors of the vocabulary are an input, too. A token without a vector has zeros.
    cache_size (int): How many vectors are kept at most (each takes 4 · width + 8 · (number of attributes) bytes and some more);
        with 0 none.
    RETURNS (Model[List[Doc], List[Floats2d]]): The layer, from texts of n tokens to rows [n, width].
    RAISES (ValueError): If an attribute is unknown, there is none, or not one number of rows for each; or if a size is out of
        its range. When the layer is initialized or run: if the vocabulary's vectors are missing or of another width.
    """
    unknown = [attr for attr in attrs if not intify_attr(attr)]
    if unknown or not attrs:
        raise ValueError(f"attrs takes one or several token attributes such as NORM or SHAPE, got {unknown or attrs}")
    if len(rows) != len(attrs):
        raise ValueError(f"rows has the number of rows of each attribute's table: {len(attrs)} numbers, got {len(rows)}")
    if width < 1 or min(rows) < 1:
        raise ValueError(f"width and rows must be at least 1, got {width} and {rows}")
    if cache_size < 0:
        raise ValueError(f"cache_size must be at least 0, got {cache_size}")
    model = MultiHashEmbed(width, attrs, rows, include_static_vectors)
    model.replace_callbacks(forward, init=init)
    model.set_dim("nO", width)
    # Thinc does not save an attribute that is no plain data.
    model.attrs["cache"] = VectorCache(cache_size)
    return model


def is_hash_embed(model: Model) -> bool:
    """Tell whether a model is one of `build_hash_embed`.

    model (Model): Any model.
    RETURNS (bool): Whether `embed_rows` takes it.
    """
    return isinstance(model.attrs.get("cache"), VectorCache)


def clear_cache(model: Model) -> None:
    """Forget the vectors that the `HashEmbed` layers of a model have kept. Needed only after something was written into the array
    of a parameter or of the static vectors; training, loading, `use_params` and `set_param` are noticed.

    model (Model): Any model, e.g. that of a component.
    """
    for node in model.walk():
        if is_hash_embed(node):
            node.attrs["cache"].clear()


def init(
    model: Model[List[Doc], List[Floats2d]],
    X: Optional[List[Doc]] = None,
    Y: object = None,
) -> None:
    if X is not None and not any(len(doc) for doc in X):
        # Without tokens there are no widths to infer, but the vocabulary may have vectors.
        static = EmbeddingNetwork.of(model).static
        if X and static is not None:
            static.set_dim("nM", X[0].vocab.vectors.shape[1])
        X = None
    init_chain(model, X)


def forward(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[List[Floats2d], Callable]:
    Y, rows_backprop = embed_rows(model, docs, is_train)

    def backprop(dY: List[Floats2d]) -> List[Doc]:
        return rows_backprop(Ragged(model.ops.flatten(dY), Y.lengths))

    return split_rows(Y), backprop


def embed_rows(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[Ragged, Callable]:
    """Run a layer of `build_hash_embed` and give all rows of the batch together.

    model (Model[List[Doc], List[Floats2d]]): The layer.
    docs (List[Doc]): The texts.
    is_train (bool): Whether there is dropout, and is going to be a gradient.
    RETURNS (Tuple[Ragged, Callable]): The rows [N, width], their lengths on the host; and a function from their gradient to an
        empty list, which increments the gradients of the parameters.
    RAISES (ValueError): If the vocabulary's vectors are missing or of another width.
    """
    use_engine_products(model)
    network = EmbeddingNetwork.of(model)
    keys, lengths = _read_keys(network, docs)
    vectors = docs[0].vocab.vectors if docs else None
    if not len(keys):
        rows, backprop = model.ops.alloc2f(0, model.get_dim("nO")), _backprop_nothing
    elif is_train:
        rows, backprop = _begin_update(model.attrs["cache"], network, keys, vectors)
    else:
        rows, backprop = _predict(model.attrs["cache"], network, keys, vectors), _backprop_prediction
    return Ragged(rows, cast(Ints1d, lengths)), backprop


def _read_keys(network: EmbeddingNetwork, docs: List[Doc]) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Give the attributes of all tokens, uint64 [N, A], last what static vectors are looked up by; and the lengths, int32 [B]."""
    columns = [intify_attr(column) for column in network.features.attrs["columns"]]
    if network.static is not None and docs:
        columns.append(getattr(docs[0].vocab.vectors, "attr", ORTH))
    arrays = [doc.to_array(columns) for doc in docs]
    lengths = numpy.asarray([len(array) for array in arrays], dtype="int32")
    keys = numpy.concatenate(arrays) if arrays else numpy.zeros(0, dtype="uint64")
    return keys.reshape(-1, len(columns)), lengths


def _begin_update(cache: VectorCache, network: EmbeddingNetwork, keys: numpy.ndarray, vectors: Any) -> Tuple[Floats2d, Callable]:
    ops = network.mixer.ops
    first, inverse = distinct_rows(keys)
    distinct, distinct_backprop = embed_keys(network, keys.take(first, axis=0), vectors, True)
    Y, dropout_backprop = network.dropout(ops.xp.take(distinct, ops.xp.asarray(inverse), axis=0), True)

    def backprop(dY: Ragged) -> List[Doc]:
        cache.begin_training()
        d_rows = ops.as_contig(dropout_backprop(dY.dataXd))
        distinct_backprop(sum_rows(ops, d_rows, inverse, len(first)))
        return []

    return Y, backprop


def _backprop_nothing(dY: Ragged) -> List[Doc]:
    return []


def _predict(cache: VectorCache, network: EmbeddingNetwork, keys: numpy.ndarray, vectors: Any) -> Floats2d:
    xp = network.mixer.ops.xp
    sources = _sources(cache, network, vectors)
    Y, missing = (None, numpy.arange(len(keys))) if sources is None else cache.lookup(sources, keys)
    if not missing.size:
        return cast(Floats2d, Y)
    missing_keys = keys.take(missing, axis=0)
    first, inverse = distinct_rows(missing_keys)
    new_keys = missing_keys.take(first, axis=0)
    pieces = [new_keys[start : start + _PIECE] for start in range(0, len(new_keys), _PIECE)]
    new = xp.concatenate([embed_keys(network, piece, vectors, False)[0] for piece in pieces])
    # Another thread may have exchanged the parameters meanwhile.
    if sources is not None and same_sources(sources, _sources(cache, network, vectors) or ()):
        cache.add(sources, new_keys, new)
    rows = xp.take(new, xp.asarray(inverse), axis=0)
    if Y is None:
        return rows
    Y[xp.asarray(missing)] = rows
    return Y


def _sources(cache: VectorCache, network: EmbeddingNetwork, vectors: Any) -> Optional[List[Any]]:
    """Give what the network computes from; None if it may change unnoticed, so that nothing can be kept."""
    layers = [*network.tables, *([network.static] if network.static else []), *network.mixer.walk()]
    params = [(layer, name) for layer in layers for name in layer.param_names]
    if not cache.size or any(layer._params.proxy is not None for layer in layers):
        return None
    if cache.in_training:
        # An optimizer is about to write, perhaps into the arrays themselves.
        if any(layer.has_grad(name) and layer.get_grad(name).any() for layer, name in params):
            return None
        cache.in_training = False
    sources: List[Any] = [layer.get_param(name) for layer, name in params]
    if network.static is None:
        return sources
    return [*sources, vectors, vectors.data, vectors.n_keys] if isinstance(vectors, Vectors) else None


def _backprop_prediction(dY: Ragged) -> List[Doc]:
    raise ValueError("a prediction has no gradient: run the layer with begin_update")
