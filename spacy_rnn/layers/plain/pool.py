"""Pooling: a sequence to one vector."""

from typing import Any, Callable, Mapping, Optional, Sequence, Tuple, Union, cast

import numpy
from thinc.api import Model, glorot_uniform_init, zero_init
from thinc.types import Floats1d, Floats2d, FloatsXd, Ragged

from ..capabilities import Pools, declare, find
from ..ragged.list2ragged import host_lengths
from ..ragged.width import known_width
from ..saved import Saved, Shapes
from .segments import Reduced, Segments, make_segments

POOLINGS = ("last", "mean", "max", "attention")


def build_pool(
    pooling: Union[str, Sequence[str]] = "mean",
    *,
    bidirectional: Optional[bool] = False,
    nI: Optional[int] = None,
    attention_width: Optional[int] = None,
) -> Model[Ragged, Floats2d]:
    """Pool every sequence to one vector. A sequence with no rows gives zeros.

    pooling (Union[str, Sequence[str]]): One of the following, or several, whose vectors then stand side by side.
        "last": the last state of each direction; "mean" and "max": over the rows; "attention": the mean of the rows, weighted by
        a softmax over uᵀ tanh(A h + a) (Yang et al. 2016, "Hierarchical attention networks", equations 5-7).
    bidirectional (Optional[bool]): Whether the second half of the columns comes from a backward direction: its last state is
        that of the first row. Matters to "last" only. None if that is yet to be found out, before the layer is initialized.
    nI (Optional[int]): The width of the rows. Inferred from the data if None.
    attention_width (Optional[int]): The width of the attention's hidden layer; as wide as the rows if None.
    RETURNS (Model[Ragged, Floats2d]): The layer, from rows [N, nI] to vectors [B, nI · number of poolings].
    RAISES (ValueError): If a pooling is unknown or named twice, or none is named; or if a width is out of its range. When the
        layer is initialized: if "last" does not know the directions.
    """
    names = [pooling] if isinstance(pooling, str) else list(pooling)
    unknown = [name for name in names if name not in POOLINGS]
    if unknown or not names or len(set(names)) < len(names):
        raise ValueError(f"pooling takes one or several of {', '.join(POOLINGS)}, each once; got {pooling!r}")
    if attention_width is not None and attention_width < 1:
        raise ValueError(f"attention_width must be at least 1, got {attention_width}")
    with_attention = "attention" in names
    model: Model[Ragged, Floats2d] = Model(
        "pool",
        forward,
        init=init,
        dims={
            "nI": nI,
            "nO": None if nI is None else nI * len(names),
            **({"nA": attention_width} if with_attention else {}),
        },
        params={"A": None, "a": None, "u": None} if with_attention else {},
        attrs={"pooling": names, "bidirectional": bidirectional},
    )
    _check_width(model)
    return model


def _check_width(model: Model[Ragged, Floats2d]) -> None:
    nI = model.maybe_get_dim("nI")
    if nI is not None and nI % 2 and "last" in model.attrs["pooling"] and model.attrs["bidirectional"]:
        raise ValueError(f"the width nI is shared by two directions, so it must be even, got {nI}")


def init(
    model: Model[Ragged, Floats2d],
    X: Optional[Ragged] = None,
    Y: Optional[Floats2d] = None,
) -> None:
    width = known_width(X)
    if width is not None:
        model.set_dim("nI", width)
    if "last" in model.attrs["pooling"] and model.attrs["bidirectional"] is None:
        raise ValueError(
            "pooling 'last' has to know whether the encoder is bidirectional, which a listener cannot tell: use the component "
            "rnn_textcat or rnn_textcat_multilabel, which looks at the shared encoder, or another pooling"
        )
    _check_width(model)
    nI = model.get_dim("nI")
    model.set_dim("nO", nI * len(model.attrs["pooling"]))
    if model.has_dim("nA") is not False:
        nA = model.maybe_get_dim("nA") or nI
        model.set_dim("nA", nA)
        model.set_param("A", glorot_uniform_init(model.ops, (nA, nI)))
        model.set_param("a", zero_init(model.ops, (nA,)))
        model.set_param("u", cast(FloatsXd, glorot_uniform_init(model.ops, (nA, 1)).reshape((nA,))))


def forward(model: Model[Ragged, Floats2d], X: Ragged, is_train: bool) -> Tuple[Floats2d, Callable]:
    lengths = host_lengths(X)
    nI = model.get_dim("nI")
    if X.data.size and X.data.shape[1] != nI:
        raise ValueError(f"the pooling layer reads rows of width {nI}, but was given rows of width {X.data.shape[1]}")
    # Only sequences with rows are pooled: the others stay zero.
    filled = model.ops.xp.asarray(numpy.flatnonzero(lengths))
    rows = cast(Floats2d, X.data)
    n_rows = rows.shape[0]
    segments = make_segments(model.ops, lengths[lengths > 0])
    pooled = [_POOLS[name](model, rows, segments) if n_rows else None for name in model.attrs["pooling"]]
    Y = model.ops.xp.zeros((len(lengths), model.get_dim("nO")), dtype=X.data.dtype)
    for i, result in enumerate(pooled):
        if result is not None:
            Y[filled, i * nI : (i + 1) * nI] = result[0]

    def backprop(dY: Floats2d) -> Ragged:
        dX = None
        for i, result in enumerate(pooled):
            if result is not None:
                d_pooled = dY[filled, i * nI : (i + 1) * nI]
                d_rows = result[1](model.ops.xp.ascontiguousarray(d_pooled))
                if dX is None:
                    dX = d_rows
                else:
                    dX += d_rows
        return Ragged(model.ops.xp.zeros((0, nI), dtype=X.data.dtype) if dX is None else dX, X.lengths)

    return Y, backprop


def attention_weights(model: Model[Ragged, Floats2d], X: Ragged) -> Floats1d:
    """Say how much each row of a batch counts in attention pooling.

    model (Model[Ragged, Floats2d]): A layer made by `build_pool`.
    X (Ragged): The batch, rows [N, nI].
    RETURNS (Floats1d): [N], the weights; those of a sequence sum to 1.
    RAISES (ValueError): If "attention" is not among the layer's poolings.
    """
    pooling = model.attrs["pooling"] if find(model, Pools) else None
    if pooling is None or "attention" not in pooling:
        raise ValueError(f"only a layer with attention pooling has attention weights; it pools by {pooling}")
    lengths = host_lengths(X)
    lengths = lengths[lengths > 0]
    if not len(lengths):
        return model.ops.alloc1f(0)
    _, weights = _attend(model, cast(Floats2d, X.data), make_segments(model.ops, lengths))
    return cast(Floats1d, weights.reshape((-1,)))


def _pool_last(model: Model, X: Floats2d, segments: Segments) -> Reduced:
    xp = model.ops.xp
    ends = numpy.cumsum(segments.lengths)
    last, first = xp.asarray(ends - 1), xp.asarray(ends - segments.lengths)
    half = X.shape[1] // 2 if model.attrs["bidirectional"] else X.shape[1]
    pieces = [(last, slice(0, half)), (first, slice(half, X.shape[1]))]

    def backprop(dY: Floats2d) -> Floats2d:
        dX = xp.zeros_like(X)
        for rows, columns in pieces:
            dX[rows, columns] = dY[:, columns]
        return dX

    Y = xp.concatenate([X[rows, columns] for rows, columns in pieces], axis=1)
    return Y, backprop


def _pool_mean(model: Model, X: Floats2d, segments: Segments) -> Reduced:
    return segments.mean(X)


def _pool_max(model: Model, X: Floats2d, segments: Segments) -> Reduced:
    return segments.max(X)


def _pool_attention(model: Model, X: Floats2d, segments: Segments) -> Reduced:
    A, u = model.get_param("A"), model.get_param("u")
    hidden, weights = _attend(model, X, segments)

    def backprop(dY: Floats2d) -> Floats2d:
        d_sums = segments.spread(dY)
        d_weights = (d_sums * X).sum(axis=1, keepdims=True)
        weighted = segments.spread(segments.sum(weights * d_weights))
        d_scores = weights * (d_weights - weighted)
        d_hidden = d_scores * u * (1.0 - hidden * hidden)
        model.inc_grad("u", (hidden * d_scores).sum(axis=0))
        model.inc_grad("a", d_hidden.sum(axis=0))
        model.inc_grad("A", d_hidden.T @ X)
        return weights * d_sums + d_hidden @ A

    return segments.sum(weights * X), backprop


def _attend(model: Model, X: Floats2d, segments: Segments) -> Tuple[Floats2d, Floats2d]:
    """Compute the attention's hidden layer [N, nA], and the weight of each row in its sequence [N, 1]."""
    xp = model.ops.xp
    A, a, u = (model.get_param(name) for name in ("A", "a", "u"))
    hidden = xp.tanh(X @ A.T + a)
    scores = (hidden @ u).reshape(-1, 1)
    exp = xp.exp(scores - segments.spread(segments.max(scores)[0]))
    return hidden, exp / segments.spread(segments.sum(exp))


_POOLS = {
    "last": _pool_last,
    "mean": _pool_mean,
    "max": _pool_max,
    "attention": _pool_attention,
}


def _shapes(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    if "attention" not in attrs["pooling"]:
        return {}
    return {"A": (dims["nA"], dims["nI"]), "a": (dims["nA"],), "u": (dims["nA"],)}


def _check(model: Model) -> None:
    if type(model.attrs["bidirectional"]) not in (bool, type(None)):
        raise ValueError(f"whether it is bidirectional is not known from {model.attrs['bidirectional']!r}")
    nI, nO = model.maybe_get_dim("nI"), model.maybe_get_dim("nO")
    if nI is not None and nO is not None and nO != nI * len(model.attrs["pooling"]):
        raise ValueError(f"its width nO = {nO} is not that of {len(model.attrs['pooling'])} vectors of width nI = {nI}")
    _check_width(model)


declare(forward, Pools(), Saved(_shapes, _check, learned=["bidirectional"]))
