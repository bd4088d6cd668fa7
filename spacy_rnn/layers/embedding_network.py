"""The network of a hash embedding: from the attributes of tokens to their vectors."""

from typing import Any, Callable, List, NamedTuple, Optional, Tuple, cast

import numpy
from spacy.vectors import Mode, Vectors
from thinc.api import Model, NumpyOps, Ops
from thinc.types import Floats2d

from .sum_rows import sum_rows

Part = Tuple[Floats2d, Callable[[Floats2d], None]]

# Keys are on the host, whatever the parameters are on.
_HOST = NumpyOps()


class EmbeddingNetwork(NamedTuple):
    """The layers of a `spacy.MultiHashEmbed.v2`.

    features (Model): What knows the attributes (`columns`).
    tables (List[Model]): The hash embedding of each attribute.
    static (Optional[Model]): The projection of the static vectors, if there are any.
    mixer (Model): From all embeddings of a token, side by side, to its vector.
    dropout (Model): The dropout of that vector.
    """

    features: Model
    tables: List[Model]
    static: Optional[Model]
    mixer: Model
    dropout: Model

    @classmethod
    def of(cls, model: Model) -> "EmbeddingNetwork":
        """Find the layers.

        model (Model): A model made by `spacy.MultiHashEmbed.v2` or `build_hash_embed`.
        RETURNS (EmbeddingNetwork): Its layers.
        """
        nodes = list(model.walk())
        mixer, dropout = model.layers[-2].layers[0].layers
        return cls(
            features=next(node for node in nodes if node.name == "extract_features"),
            tables=[node for node in nodes if node.name == "hashembed"],
            static=next((node for node in nodes if node.name == "static_vectors"), None),
            mixer=mixer,
            dropout=dropout,
        )


def embed_keys(network: EmbeddingNetwork, keys: numpy.ndarray, vectors: Any, is_train: bool) -> Part:
    """Compute the vectors of rows of attributes, all but their dropout. That of the tables drops columns of the whole batch.

    network (EmbeddingNetwork): The layers.
    keys (numpy.ndarray): uint64 [D, A], D >= 1: each attribute, and with static vectors last what they are looked up by.
    vectors (Any): The table of static vectors, as of `vocab.vectors`; not used if the network has none.
    is_train (bool): Whether to drop columns of the tables.
    RETURNS (Tuple[Floats2d, Callable]): The vectors [D, nO], and a function from their gradient that increments those of the
        parameters.
    RAISES (ValueError): If the static vectors have not the width the network was initialized with.
    """
    parts = [_embed(table, keys[:, table.attrs["column"]], is_train) for table in network.tables]
    if network.static is not None:
        parts.append(_project(network.static, keys[:, -1], vectors, is_train))
    ops = network.mixer.ops
    Y, mixer_backprop = network.mixer(ops.xp.hstack([part for part, _ in parts]), is_train)

    def backprop(dY: Floats2d) -> None:
        d_parts = mixer_backprop(dY)
        start = 0
        for part, part_backprop in parts:
            end = start + part.shape[1]
            part_backprop(ops.as_contig(d_parts[:, start:end]))
            start = end

    return Y, backprop


def _embed(table: Model, ids: numpy.ndarray, is_train: bool) -> Part:
    ops = table.ops
    E = cast(Floats2d, table.get_param("E"))
    buckets = _HOST.hash(_HOST.as_contig(ids), table.attrs["seed"]) % E.shape[0]

    def backprop(dY: Floats2d) -> None:
        table.inc_grad("E", sum_rows(ops, dY, buckets, E.shape[0]))

    return _drop_columns(table, (ops.gather_add(E, ops.xp.asarray(buckets)), backprop), is_train)


def _project(static: Model, ids: numpy.ndarray, vectors: Any, is_train: bool) -> Part:
    ops = static.ops
    W = cast(Floats2d, static.get_param("W"))
    V = _look_up(ops, vectors, ids, W.shape[1])

    def backprop(dY: Floats2d) -> None:
        static.inc_grad("W", ops.gemm(dY, V, trans1=True))

    return _drop_columns(static, (ops.gemm(V, W, trans2=True), backprop), is_train)


def _look_up(ops: Ops, vectors: Any, ids: numpy.ndarray, width: int) -> Floats2d:
    """Give the static vectors [D, width]; zeros where there is none."""
    if vectors.shape[1] != width:
        raise ValueError(
            f"the embedding was initialized with static vectors of width {width}, but those of the texts' vocabulary have width "
            f"{vectors.shape[1]}: load the vectors that it was trained with, or set include_static_vectors = false"
        )
    if isinstance(vectors, Vectors) and vectors.mode == Mode.default:
        rows = vectors.find(keys=ids)
        V = ops.alloc2f(len(ids), width)
        V[ops.asarray(rows >= 0)] = ops.asarray2f(vectors.data[rows[rows >= 0]])
        return V
    return ops.as_contig(ops.asarray2f(vectors.get_batch(ids)))


def _drop_columns(layer: Model, part: Part, is_train: bool) -> Part:
    """Drop columns of a part, the same ones in all rows, as Thinc's `HashEmbed` and spaCy's `StaticVectors` do."""
    Y, backprop = part
    rate = layer.attrs.get("dropout_rate")
    if not is_train or not rate:
        return part
    mask = layer.ops.get_dropout_mask((Y.shape[1],), rate)
    return Y * mask, lambda dY: backprop(dY * mask)
