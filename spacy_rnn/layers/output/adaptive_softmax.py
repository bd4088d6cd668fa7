"""The adaptive softmax: rare symbols in clusters, scored by narrower vectors and only where the target is one of them."""

from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, cast

import numpy
from thinc.api import Model, glorot_uniform_init, zero_init
from thinc.types import Floats1d, Floats2d, Ints1d

from ..capabilities import ScoresSymbols, declare
from ..ops import multiply
from ..saved import Saved, Shapes
from .symbol_rows import check_rows, check_sizes, check_targets, infer_sizes
from .symbol_scores import Affine, log_likelihood, log_likelihood_gradients, log_softmax


def build_adaptive_softmax(
    nI: Optional[int] = None, nV: Optional[int] = None, cutoffs: Optional[Sequence[int]] = None, shrink: int = 4
) -> Model[Floats2d, Floats2d]:
    """Turn hidden rows into log-probabilities of symbols that are numbered from the most frequent to the rarest.

    The head scores the most frequent symbols and each cluster of the others; a cluster's probability is shared out among its
    symbols by a softmax of its own, over rows projected to nI // shrink, nI // shrink², … for the first cluster, the second, …
    (Grave et al. 2017, "Efficient softmax approximation for GPUs"). It is a model of its own, not an approximation of the full
    softmax: probabilities and gradients are exact.

    nI (Optional[int]): The width of the rows. Inferred from a sample if None.
    nV (Optional[int]): V, the number of symbols. If None, set it as dimension nV before the layer is initialized.
    cutoffs (Optional[Sequence[int]]): The first symbol of each cluster. If None, there are two, from V // 15 and V // 5 on.
    shrink (int): How many times narrower the vectors of a cluster are than those of the symbols before.
    RETURNS (Model[Floats2d, Floats2d]): The layer, from rows [N, nI] to log-probabilities [N, V], in nats.
    RAISES (ValueError): If a size or shrink is below 1, or cutoffs do not increase from 1 on, or there are none. When the layer
        is initialized: if a size remains unknown, or there are no symbols from a cutoff on.
    """
    check_sizes(nI, nV)
    if shrink < 1:
        raise ValueError(f"shrink must be at least 1, got {shrink}")
    cutoffs = None if cutoffs is None else [int(cutoff) for cutoff in cutoffs]
    if cutoffs is not None and (not cutoffs or [0, *cutoffs] != sorted({0, *cutoffs})):
        raise ValueError(f"cutoffs must be one or more numbers that increase, the first being at least 1, got {cutoffs}")
    model: Model[Floats2d, Floats2d] = Model(
        "rnn_adaptive_softmax",
        forward,
        init=init,
        dims={"nI": nI, "nV": nV},
        params=dict.fromkeys(("W", "b", "P", "T")),
        attrs={"cutoffs": cutoffs, "shrink": shrink},
    )
    _check(model)
    return model


class Cluster(NamedTuple):
    """Symbols that have an entry in the head together.

    first (int): The first of its symbols.
    last (int): The first after them.
    width (int): The width of their vectors.
    """

    first: int
    last: int
    width: int


class Tail(NamedTuple):
    """The parameters of a cluster, as parts of those of the layer; or their gradients.

    P (Floats2d): [width, nI], what projects rows.
    affine (Affine): What makes scores from projected rows.
    """

    P: Floats2d
    affine: Affine


def clusters_of(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Tuple[int, List[Cluster]]:
    """Share out the symbols of a layer.

    dims (Mapping[str, int]): Its dimensions.
    attrs (Mapping[str, Any]): Its attributes.
    RETURNS (Tuple[int, List[Cluster]]): The number of symbols of the head, and the clusters of the others.
    """
    nV, cutoffs = dims["nV"], attrs["cutoffs"]
    if cutoffs is None:
        cutoffs = sorted({max(1, nV // 15), max(1, nV // 5)} - {nV})
    widths = [max(1, dims["nI"] // attrs["shrink"] ** (i + 1)) for i in range(len(cutoffs))]
    ends = [*cutoffs, nV]
    return ends[0], [Cluster(*cluster) for cluster in zip(cutoffs, ends[1:], widths, strict=True)]


def init(model: Model[Floats2d, Floats2d], X: Optional[Floats2d] = None, Y: Optional[Floats2d] = None) -> None:
    infer_sizes(model, X, Y)
    _check(model)
    ops, nI = model.ops, model.get_dim("nI")
    n_head, clusters = _clusters(model)
    projections = [cast(Floats2d, glorot_uniform_init(ops, (cluster.width, nI))) for cluster in clusters]
    tails = [cast(Floats2d, glorot_uniform_init(ops, (last - first, width))) for first, last, width in clusters]
    model.set_param("W", glorot_uniform_init(ops, (n_head + len(clusters), nI)))
    model.set_param("b", zero_init(ops, (model.get_dim("nV") + len(clusters),)))
    model.set_param("P", ops.xp.concatenate(projections))
    model.set_param("T", ops.xp.concatenate([tail.ravel() for tail in tails]))


def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    check_rows(model, X)
    ops, (n_head, clusters) = model.ops, _clusters(model)
    head, tails = _parameters(model)
    head_Y, head_backprop = log_softmax(ops, X, head)
    projected = [multiply(ops, X, tail.P, trans2=True) for tail in tails]
    inside = [log_softmax(ops, rows, tail.affine) for rows, tail in zip(projected, tails, strict=True)]
    parts = [Y + head_Y[:, n_head + i : n_head + i + 1] for i, (Y, _) in enumerate(inside)]

    def backprop(dY: Floats2d) -> Floats2d:
        d_clusters = [dY[:, cluster.first : cluster.last] for cluster in clusters]
        d_head = [dY[:, :n_head], *(d_cluster.sum(axis=1, keepdims=True) for d_cluster in d_clusters)]
        dX, d_affine = head_backprop(ops.xp.concatenate(d_head, axis=1))
        d_tails = []
        for (_, tail_backprop), tail, d_cluster in zip(inside, tails, d_clusters, strict=True):
            d_projected, d_tail = tail_backprop(d_cluster)
            dX += multiply(ops, d_projected, tail.P)
            d_tails.append(Tail(multiply(ops, d_projected, X, trans1=True), d_tail))
        _add_gradients(model, d_affine, d_tails)
        return dX

    return ops.xp.concatenate([head_Y[:, :n_head], *parts], axis=1), backprop


def score(model: Model[Floats2d, Floats2d], H: Floats2d, targets: Ints1d) -> Floats1d:
    """Find the log-probability of one symbol for each row.

    model (Model[Floats2d, Floats2d]): A layer made by `build_adaptive_softmax`.
    H (Floats2d): The rows [N, nI].
    targets (Ints1d): The symbols [N].
    RETURNS (Floats1d): The log-probabilities [N], in nats.
    RAISES (ValueError): If a shape or type does not fit, or there is no such symbol.
    """
    check_rows(model, H)
    symbols, _ = check_targets(model, H, targets)
    head, tails = _parameters(model)
    head_targets, members = _share_out(model, symbols)
    Y = log_likelihood(model.ops, H, head, head_targets)
    for tail, (rows, inner_targets) in zip(tails, members, strict=True):
        projected = multiply(model.ops, H[rows], tail.P, trans2=True)
        Y[rows] += log_likelihood(model.ops, projected, tail.affine, inner_targets)
    return Y


def begin_update(
    model: Model[Floats2d, Floats2d], H: Floats2d, targets: Ints1d, weights: Optional[Any] = None
) -> Tuple[Floats1d, Callable[[], Floats2d]]:
    """Find the log-probability of one symbol for each row, to train on them.

    model (Model[Floats2d, Floats2d]): A layer made by `build_adaptive_softmax`.
    H (Floats2d): The rows [N, nI].
    targets (Ints1d): The symbols [N].
    weights (Optional[Floats1d]): What the loss of each row counts [N]; 1 if None.
    RETURNS (Tuple[Floats1d, Callable]): The log-probabilities [N]; and a function that adds the gradients of the weighted sum of
        their negatives to those of the parameters, and returns that of H [N, nI].
    RAISES (ValueError): If a shape or type does not fit, there is no such symbol, or a weight is not finite.
    """
    check_rows(model, H)
    symbols, weights = check_targets(model, H, targets, weights)
    ops, (head, tails) = model.ops, _parameters(model)
    head_targets, members = _share_out(model, symbols)
    Y, dH, d_head = log_likelihood_gradients(ops, H, head, head_targets, weights)
    d_tails = []
    for tail, (rows, inner_targets) in zip(tails, members, strict=True):
        H_inside, inner_weights = H[rows], None if weights is None else weights[rows]
        projected = multiply(ops, H_inside, tail.P, trans2=True)
        inner_Y, d_projected, d_affine = log_likelihood_gradients(ops, projected, tail.affine, inner_targets, inner_weights)
        Y[rows] += inner_Y
        dH[rows] += multiply(ops, d_projected, tail.P)
        d_tails.append(Tail(multiply(ops, d_projected, H_inside, trans1=True), d_affine))

    def backprop() -> Floats2d:
        _add_gradients(model, d_head, d_tails)
        return dH

    return Y, backprop


def _clusters(model: Model) -> Tuple[int, List[Cluster]]:
    return clusters_of({dim: model.get_dim(dim) for dim in ("nI", "nV")}, model.attrs)


def _parameters(model: Model) -> Tuple[Affine, List[Tail]]:
    """Give the parameters of the head and of each cluster."""
    W, b, P, T = (cast(Any, model.get_param(name)) for name in ("W", "b", "P", "T"))
    tails, bias, row, start = [], len(W), 0, 0
    for first, last, width in _clusters(model)[1]:
        n = last - first
        affine = Affine(T[start : start + n * width].reshape((n, width)), b[bias : bias + n])
        tails.append(Tail(P[row : row + width], affine))
        bias, row, start = bias + n, row + width, start + n * width
    return Affine(W, b[: len(W)]), tails


def _share_out(model: Model, targets: numpy.ndarray) -> Tuple[Ints1d, List[Tuple[Ints1d, Ints1d]]]:
    """Give the targets of the head; and for each cluster the rows whose target is in it, with those targets counted from 0."""
    asarray, (n_head, clusters) = model.ops.xp.asarray, _clusters(model)
    head_targets = targets.astype("int64")
    members = []
    for i, cluster in enumerate(clusters):
        rows = numpy.flatnonzero((targets >= cluster.first) & (targets < cluster.last))
        head_targets[rows] = n_head + i
        members.append((asarray(rows), asarray(targets[rows] - cluster.first)))
    return asarray(head_targets), members


def _add_gradients(model: Model, d_head: Affine, d_tails: List[Tail]) -> None:
    concatenate = model.ops.xp.concatenate
    model.inc_grad("W", d_head.W)
    model.inc_grad("b", concatenate([d_head.b, *(tail.affine.b for tail in d_tails)]))
    model.inc_grad("P", concatenate([tail.P for tail in d_tails]))
    model.inc_grad("T", concatenate([tail.affine.W.ravel() for tail in d_tails]))


def _shapes(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    n_head, clusters = clusters_of(dims, attrs)
    return {
        "W": (n_head + len(clusters), dims["nI"]),
        "b": (dims["nV"] + len(clusters),),
        "P": (sum(cluster.width for cluster in clusters), dims["nI"]),
        "T": (sum((last - first) * width for first, last, width in clusters),),
    }


def _check(model: Model) -> None:
    nV, cutoffs = model.maybe_get_dim("nV"), model.attrs["cutoffs"]
    if nV is not None and nV <= (cutoffs[-1] if cutoffs else 1):
        raise ValueError(f"there must be symbols from each cutoff on, got {nV} symbols and cutoffs {cutoffs}")


declare(forward, ScoresSymbols(score, begin_update), Saved(_shapes, _check))
