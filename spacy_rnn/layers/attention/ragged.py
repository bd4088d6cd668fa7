"""Attention over ragged rows: each query looks at the rows of one sequence, which are as many as it has."""

from typing import Any, Callable, NamedTuple, Optional, Tuple

import numpy
from thinc.types import Floats1d, Floats2d
from thinc.util import get_array_module

from ...cuda.segments import max_segments, sum_segments
from ...native import library
from ...recurrence.engines.cpu import is_float32, whole
from ...recurrence.tables import sum_by_number


class Attended(NamedTuple):
    """What queries have found.

    C (Floats2d): [M, nV], their contexts: the means of the values that each looked at, by weight.
    weights (Floats1d): [P], the weights, query after query: as many of each as its sequence has rows.
    """

    C: Floats2d
    weights: Floats1d


class Gradients(NamedTuple):
    """The gradients of what attention was given.

    dQ (Floats2d): [M, nK], of the queries.
    d_keys (Floats2d): [N, nK], of the keys.
    d_values (Floats2d): [N, nV], of the values.
    du (Optional[Floats1d]): [nK], of the weights of additive scores.
    """

    dQ: Floats2d
    d_keys: Floats2d
    d_values: Floats2d
    du: Optional[Floats1d]


Backprop = Callable[[Floats2d, Optional[Floats1d]], Gradients]


def attend_rows(
    Q: Floats2d,
    keys: Floats2d,
    values: Floats2d,
    lengths: numpy.ndarray,
    owners: numpy.ndarray,
    u: Optional[Floats1d] = None,
) -> Tuple[Attended, Backprop]:
    """Let queries attend to the rows of their sequences. What a query finds does not depend on the others.

    Q (Floats2d): [M, nK], the queries.
    keys (Floats2d): [N, nK], what they are compared with, sequence after sequence.
    values (Floats2d): [N, nV], what they get of it.
    lengths (numpy.ndarray): int32 [B], the number of rows of each sequence, on the host.
    owners (numpy.ndarray): int64 [M], which sequence each query looks at, on the host.
    u (Optional[Floats1d]): [nK]. If given, the score of query q and key k is u · tanh(q + k) (Bahdanau et al. 2015); q · k
        otherwise.
    RETURNS (Tuple[Attended, Callable]): Contexts and weights, which sum to 1 for each query, the softmax of its scores; where a
        sequence has no rows there are no weights, and the context is zero. And a function (dC [M, nV], the gradient of the
        weights [P] or None) -> Gradients.
    RAISES (ValueError): If the arrays do not fit each other, or there is no such sequence.
    """
    _check(Q, keys, values, lengths, owners, u)
    is_compiled = library is not None and all(is_float32(array) for array in (Q, keys, values)) and (u is None or is_float32(u))
    return (_attend_compiled if is_compiled else _attend_pairs)(Q, keys, values, lengths, owners, u)


def list_pairs(lengths: numpy.ndarray, owners: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """List the pairs of a query and a row that it looks at, query after query, as their weights are listed.

    lengths (numpy.ndarray): Integers [B], the number of rows of each sequence, on the host.
    owners (numpy.ndarray): int64 [M], which sequence each query looks at, on the host.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): int64 [P], the queries; int64 [P], the rows, among those of all sequences.
    """
    sizes = lengths[owners].astype("int64")
    starts = numpy.cumsum(lengths, dtype="int64") - lengths
    queries = numpy.repeat(numpy.arange(len(owners)), sizes)
    return queries, numpy.arange(len(queries)) + numpy.repeat(starts[owners] - (numpy.cumsum(sizes) - sizes), sizes)


def _check(Q: Any, keys: Any, values: Any, lengths: numpy.ndarray, owners: numpy.ndarray, u: Any) -> None:
    n_rows, width = int(lengths.sum()), keys.shape[1]
    if len(keys) != n_rows or len(values) != n_rows:
        raise ValueError(f"attention: lengths add up to {n_rows}, but there are {len(keys)} keys and {len(values)} values")
    if Q.shape[1] != width or (u is not None and u.shape != (width,)):
        weights = "" if u is None else f" and weights of shape {u.shape}"
        raise ValueError(f"attention: keys have width {width}, but queries have {Q.shape[1]}{weights}")
    if len(owners) != len(Q):
        raise ValueError(f"attention: expected the sequence of each of the {len(Q)} queries, got {len(owners)}")
    if len(owners) and not 0 <= owners.min() <= owners.max() < len(lengths):
        raise ValueError(
            f"attention: there are {len(lengths)} sequences, from 0 on, but queries look at {owners.min()} to {owners.max()}"
        )


def _attend_compiled(
    Q: Any, keys: Any, values: Any, lengths: numpy.ndarray, owners: numpy.ndarray, u: Any
) -> Tuple[Attended, Backprop]:
    """Run `attend_rows` in compiled code, which keeps nothing of the pairs but their weights."""
    starts = numpy.concatenate([[0], numpy.cumsum(lengths, dtype="int64")])
    owners = numpy.require(owners, "int64", ["C", "A"])
    given = whole(Q), whole(keys), whole(values), starts, owners, None if u is None else whole(u)
    C: Any = numpy.empty((len(Q), values.shape[1]), "float32")
    weights: Any = numpy.empty(int(lengths[owners].sum(dtype="int64")), "float32")
    library.attend(*given, weights, C)

    def backprop(dC: Any, d_weights: Any) -> Gradients:
        written: Any = (None if array is None else numpy.empty(array.shape, "float32") for array in (Q, keys, values, u))
        gradients = Gradients(*written)
        library.attend_backward(*given, weights, whole(dC), None if d_weights is None else whole(d_weights), *gradients)
        return gradients

    return Attended(C, weights), backprop


def _attend_pairs(
    Q: Any, keys: Any, values: Any, lengths: numpy.ndarray, owners: numpy.ndarray, u: Any
) -> Tuple[Attended, Backprop]:
    """Run `attend_rows` on arrays of any backend and type, over all pairs at once."""
    pairs = _Pairs(get_array_module(Q), lengths, owners)
    query_rows, key_rows, value_rows = Q[pairs.query], keys[pairs.key], values[pairs.key]
    hidden = None if u is None else pairs.xp.tanh(query_rows + key_rows)
    scores = (query_rows * key_rows).sum(axis=1) if hidden is None else (hidden * u).sum(axis=1)
    weights = pairs.softmax(scores)
    C = pairs.sum(weights[:, None] * value_rows)

    def backprop(dC: Floats2d, d_weights: Optional[Floats1d]) -> Gradients:
        d_rows = dC[pairs.query]
        d_own = (d_rows * value_rows).sum(axis=1)
        if d_weights is not None:
            d_own = d_own + d_weights
        d_scores = weights * (d_own - pairs.sum((weights * d_own)[:, None])[pairs.query, 0])
        d_values = sum_by_number(weights[:, None] * d_rows, pairs.key_numbers, len(values))
        if hidden is None:
            dQ = pairs.sum(d_scores[:, None] * key_rows)
            return Gradients(dQ, sum_by_number(d_scores[:, None] * query_rows, pairs.key_numbers, len(keys)), d_values, None)
        d_hidden = d_scores[:, None] * u * (1 - hidden * hidden)
        d_keys = sum_by_number(d_hidden, pairs.key_numbers, len(keys))
        return Gradients(pairs.sum(d_hidden), d_keys, d_values, (d_scores[:, None] * hidden).sum(axis=0))

    return Attended(C, weights), backprop


class _Pairs:
    """The pairs of a query and a row that it looks at, query after query."""

    def __init__(self, xp: Any, lengths: numpy.ndarray, owners: numpy.ndarray) -> None:
        query, self.key_numbers = list_pairs(lengths, owners)
        sizes = lengths[owners]
        self.xp, self._ends, self._filled = xp, numpy.cumsum(sizes, dtype="int64"), numpy.flatnonzero(sizes)
        self.query, self.key = xp.asarray(query), xp.asarray(self.key_numbers)

    def sum(self, X: Any) -> Any:
        """Sum the rows [P, width] of each query: [M, width], zeros where it looks at nothing."""
        if self.xp is not numpy:
            return sum_segments(self.xp, X, numpy.arange(len(X)), self._ends)
        Y = numpy.zeros((len(self._ends), X.shape[1]), dtype=X.dtype)
        if len(self._filled):
            Y[self._filled] = numpy.add.reduceat(X, self._starts, axis=0)
        return Y

    def softmax(self, scores: Any) -> Any:
        """Give the softmax of the scores [P] of each query."""
        if not len(self._filled):
            return scores
        if self.xp is numpy:
            highest = numpy.maximum.reduceat(scores, self._starts)
        else:
            highest = max_segments(self.xp, scores[:, None], self._ends[self._filled])[0][:, 0]
        sizes = numpy.diff(self._ends[self._filled], prepend=0)
        exponentials = self.xp.exp(scores - highest[self.xp.asarray(numpy.repeat(numpy.arange(len(sizes)), sizes))])
        return exponentials / self.sum(exponentials[:, None])[self.query, 0]

    @property
    def _starts(self) -> numpy.ndarray:
        """Where the pairs of each query that looks at anything begin."""
        ends = self._ends[self._filled]
        return numpy.concatenate([[0], ends[:-1]])
