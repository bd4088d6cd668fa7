"""What embeddings are made of: tables, static vectors, and their concatenation."""

from itertools import groupby
from typing import Any, List, Tuple, Union, cast

import numpy
from spacy.tokens import Doc
from spacy.vectors import Mode, Vectors
from thinc.api import Model, NumpyOps, Ops
from thinc.types import Floats2d
from thinc.util import get_array_module

from ..ragged.sums import sum_rows, take_sums
from .network import Embedded
from .static import lookup_attrs
from .unique import distinct_rows

# Keys are on the host, whatever the parameters are on.
_HOST = NumpyOps()


def embed_ids(table: Model, ids: numpy.ndarray, is_train: bool) -> Embedded:
    """Look numbers up in a hash embedding.

    table (Model): Thinc's `HashEmbed`.
    ids (numpy.ndarray): uint64 [D], the numbers.
    is_train (bool): Whether to drop columns.
    RETURNS (Tuple[Floats2d, Callable]): The vectors [D, nO], and a function from their gradient that increments the table's.
    """
    ops = table.ops
    E = cast(Floats2d, table.get_param("E"))
    buckets = _HOST.hash(_HOST.as_contig(ids), table.attrs["seed"]) % E.shape[0]

    def backprop(dY: Floats2d) -> None:
        table.inc_grad("E", sum_rows(ops, dY, buckets, E.shape[0]))

    return _drop_columns(table, (take_sums(ops, E, buckets), backprop), is_train)


def project_static(static: Model, ids: numpy.ndarray, vectors: Any, is_train: bool) -> Embedded:
    """Project static vectors.

    static (Model): spaCy's `StaticVectors`.
    ids (numpy.ndarray): uint64 [D, A], what they are looked up by: the first of these that has a vector.
    vectors (Any): The table of static vectors, as of `vocab.vectors`.
    is_train (bool): Whether to drop columns.
    RETURNS (Tuple[Floats2d, Callable]): The projections [D, nO], and a function from their gradient that increments that of the
        matrix.
    RAISES (ValueError): If the static vectors have not the width the layer was initialized with.
    """
    ops = static.ops
    W = cast(Floats2d, static.get_param("W"))
    V = _look_up(ops, vectors, ids, W.shape[1])

    def backprop(dY: Floats2d) -> None:
        static.inc_grad("W", ops.gemm(dY, V, trans1=True))

    return _drop_columns(static, (ops.gemm(V, W, trans2=True), backprop), is_train)


def project_tokens(static: Model, docs: List[Doc], is_train: bool) -> Embedded:
    """Project the static vectors of all tokens of a batch.

    static (Model): The projection in use.
    docs (List[Doc]): The texts, of one vocabulary or of several, N tokens in all.
    is_train (bool): Whether to drop columns.
    RETURNS (Tuple[Floats2d, Callable]): The projections [N, nO], and a function from their gradient that increments that of the
        matrix.
    RAISES (ValueError): If the static vectors have not the width the layer was initialized with.
    """
    ops = static.ops
    parts: List[Tuple[Embedded, numpy.ndarray]] = []
    for vocab, group in groupby([doc for doc in docs if len(doc)], key=lambda doc: doc.vocab):
        columns: List[Union[int, str]] = [*lookup_attrs(static, vocab)]
        keys = numpy.concatenate([doc.to_array(columns).reshape(-1, len(columns)) for doc in group])
        first, inverse = distinct_rows(keys)
        parts.append((project_static(static, keys.take(first, axis=0), vocab.vectors, is_train), inverse))

    def backprop(dY: Floats2d) -> None:
        start = 0
        for (distinct, distinct_backprop), inverse in parts:
            end = start + len(inverse)
            distinct_backprop(sum_rows(ops, ops.as_contig(dY[start:end]), inverse, len(distinct)))
            start = end

    rows = [ops.xp.take(distinct, ops.xp.asarray(inverse), axis=0) for (distinct, _), inverse in parts]
    return ops.xp.concatenate([ops.alloc2f(0, static.get_dim("nO")), *rows]), backprop


def side_by_side(ops: Ops, parts: List[Embedded]) -> Embedded:
    """Put vectors side by side.

    ops (Ops): Their backend.
    parts (List[Tuple[Floats2d, Callable]]): Vectors [D, width], each with its backpropagation.
    RETURNS (Tuple[Floats2d, Callable]): The vectors [D, sum of the widths], and their backpropagation; of one part alone its own.
    """
    if len(parts) == 1:
        return parts[0]

    def backprop(dY: Floats2d) -> None:
        start = 0
        for part, part_backprop in parts:
            end = start + part.shape[1]
            part_backprop(ops.as_contig(dY[:, start:end]))
            start = end

    return ops.xp.hstack([part for part, _ in parts]), backprop


def _look_up(ops: Ops, vectors: Any, ids: numpy.ndarray, width: int) -> Floats2d:
    """Give the static vectors [D, width]; zeros where there is none."""
    if vectors.shape[1] != width:
        raise ValueError(
            f"the embedding was initialized with static vectors of width {width}, but those of the texts' vocabulary have width "
            f"{vectors.shape[1]}: load the vectors that it was trained with, or set include_static_vectors = false"
        )
    if isinstance(vectors, Vectors) and vectors.mode == Mode.default:
        rows = vectors.find(keys=ids[:, 0])
        for column in ids.T[1:]:
            rows = get_array_module(rows).where(rows >= 0, rows, vectors.find(keys=column))
        if not isinstance(vectors.data, numpy.ndarray):
            # On a device, where a mask as an index would wait until it has been counted.
            return ops.asarray2f(ops.xp.where((rows >= 0)[:, numpy.newaxis], vectors.data[rows], 0))
        found = numpy.flatnonzero(rows >= 0)
        V = ops.alloc2f(len(ids), width)
        V[ops.xp.asarray(found)] = ops.asarray2f(vectors.data[rows[found]])
        return V
    return ops.as_contig(ops.asarray2f(vectors.get_batch(ids[:, 0])))


def _drop_columns(layer: Model, part: Embedded, is_train: bool) -> Embedded:
    """Drop columns of a part, the same ones in all rows, as Thinc's `HashEmbed` and spaCy's `StaticVectors` do."""
    Y, backprop = part
    rate = layer.attrs.get("dropout_rate")
    if not is_train or not rate:
        return part
    mask = layer.ops.get_dropout_mask((Y.shape[1],), rate)
    return Y * mask, lambda dY: backprop(dY * mask)
