"""Attention of a decoder to the rows of an encoder."""

from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Tuple, cast

import numpy
from thinc.api import Model, glorot_uniform_init, zero_init
from thinc.types import Floats1d, Floats2d, FloatsXd, Ragged

from ..capabilities import declare
from ..ops import multiply
from ..ragged.list2ragged import host_lengths
from ..saved import Saved, Shapes
from .ragged import Attended, attend_rows

KINDS = ("dot", "general", "additive")


class Memory(NamedTuple):
    """What queries look at, with what is computed of it once.

    rows (Floats2d): [N, nK], the rows of all sequences, one sequence after the other.
    keys (Floats2d): [N, nK or nA], what queries are compared with.
    lengths (numpy.ndarray): int32 [B], the number of rows of each sequence, on the host.
    """

    rows: Floats2d
    keys: Floats2d
    lengths: numpy.ndarray


class MemoryGradient(NamedTuple):
    """The gradient of a memory.

    d_rows (Floats2d): [N, nK], that of the rows as what is found.
    d_keys (Floats2d): [N, nK or nA], that of the keys.
    """

    d_rows: Floats2d
    d_keys: Floats2d


AttendBackprop = Callable[[Floats2d, Optional[Floats1d]], Tuple[Floats2d, MemoryGradient]]


def build_cross_attention(
    kind: str = "general", nQ: Optional[int] = None, nK: Optional[int] = None, nA: Optional[int] = None
) -> Model[Tuple[Ragged, Ragged], Ragged]:
    """Let the rows of sequences attend to the rows of other sequences, each to those of the sequence beside its own.

    The score of a query q and a row k is, by the kind: "dot", q · k; "general", q · W k (Luong et al. 2015, "Effective approaches
    to attention-based neural machine translation", section 3.1); "additive", u · tanh(Wq q + Wk k + b) (Bahdanau et al. 2015,
    "Neural machine translation by jointly learning to align and translate", appendix A.1.2).

    kind (str): "dot", "general" or "additive".
    nQ (Optional[int]): The width of the queries. Inferred from a sample if None.
    nK (Optional[int]): The width of the rows that they look at. Inferred from a sample if None.
    nA (Optional[int]): The hidden width of "additive"; that of the rows if None.
    RETURNS (Model[Tuple[Ragged, Ragged], Ragged]): The layer, from queries [M, nQ] and rows [N, nK], of B sequences each, to
        contexts [M, nK].
    RAISES (ValueError): If the kind is unknown, a width is below 1, or "dot" compares rows of different widths.
    """
    if kind not in KINDS:
        raise ValueError(f"attention must be one of {', '.join(KINDS)}, got {kind!r}")
    for name, width in (("nQ", nQ), ("nK", nK), ("nA", nA)):
        if width is not None and width < 1:
            raise ValueError(f"{name} must be at least 1, got {width}")
    names: List[str] = {"dot": [], "general": ["W"], "additive": ["Wq", "Wk", "b", "u"]}[kind]
    model: Model[Tuple[Ragged, Ragged], Ragged] = Model(
        "cross_attention",
        forward,
        init=init,
        dims={"nQ": nQ, "nK": nK, "nO": nK, **({"nA": nA} if kind == "additive" else {})},
        params=dict.fromkeys(names),
        attrs={"kind": kind},
    )
    _check_widths(model)
    return model


def init(
    model: Model[Tuple[Ragged, Ragged], Ragged], X: Optional[Tuple[Ragged, Ragged]] = None, Y: Optional[Ragged] = None
) -> None:
    if X is not None:
        for dim, part in zip(("nQ", "nK"), X, strict=True):
            model.set_dim(dim, part.data.shape[1])
    model.set_dim("nO", model.get_dim("nK"))
    if model.has_dim("nA") is None:
        model.set_dim("nA", model.get_dim("nK"))
    _check_widths(model)
    dims = {dim: model.get_dim(dim) for dim in model.dim_names}
    for name, shape in _shapes(dims, model.attrs).items():
        if name == "u":
            model.set_param(name, cast(FloatsXd, glorot_uniform_init(model.ops, (1, *shape)).reshape(shape)))
        else:
            model.set_param(name, (zero_init if name == "b" else glorot_uniform_init)(model.ops, shape))


def forward(
    model: Model[Tuple[Ragged, Ragged], Ragged], X: Tuple[Ragged, Ragged], is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Tuple[Ragged, Ragged]]]:
    queries, rows = X
    owners = own_sequences(host_lengths(queries))
    memory, memory_backprop = remember(model, cast(Floats2d, rows.dataXd), host_lengths(rows))
    attended, attend_backprop = attend(model, memory, cast(Floats2d, queries.dataXd), owners)

    def backprop(dY: Ragged) -> Tuple[Ragged, Ragged]:
        dQ, gradient = attend_backprop(cast(Floats2d, dY.dataXd), None)
        return Ragged(dQ, queries.lengths), Ragged(memory_backprop(gradient), rows.lengths)

    return Ragged(attended.C, queries.lengths), backprop


def own_sequences(lengths: numpy.ndarray) -> numpy.ndarray:
    """Say which sequence each row of a ragged batch belongs to.

    lengths (numpy.ndarray): int32 [B], the number of rows of each sequence, on the host.
    RETURNS (numpy.ndarray): int64 [N].
    """
    return numpy.repeat(numpy.arange(len(lengths)), lengths)


def remember(model: Model, rows: Floats2d, lengths: numpy.ndarray) -> Tuple[Memory, Callable[[MemoryGradient], Floats2d]]:
    """Prepare rows for many queries.

    model (Model): A layer made by `build_cross_attention`.
    rows (Floats2d): [N, nK], the rows of all sequences, one sequence after the other.
    lengths (numpy.ndarray): int32 [B], the number of rows of each sequence, on the host.
    RETURNS (Tuple[Memory, Callable]): The rows; and a function from the gradient of the memory to that of the rows [N, nK], which
        increments the gradients of the parameters.
    RAISES (ValueError): If the lengths do not fit the rows.
    """
    if int(lengths.sum()) != len(rows):
        raise ValueError(f"attention: lengths add up to {int(lengths.sum())}, but there are {len(rows)} rows")
    if not model.has_param("Wk"):
        return Memory(rows, rows, lengths), lambda gradient: gradient.d_rows + gradient.d_keys
    ops, Wk = model.ops, model.get_param("Wk")

    def backprop(gradient: MemoryGradient) -> Floats2d:
        model.inc_grad("Wk", multiply(ops, gradient.d_keys, rows, trans1=True))
        return gradient.d_rows + multiply(ops, gradient.d_keys, Wk)

    return Memory(rows, multiply(ops, rows, Wk, trans2=True), lengths), backprop


def attend(model: Model, memory: Memory, Q: Floats2d, owners: numpy.ndarray) -> Tuple[Attended, AttendBackprop]:
    """Let queries look at the rows of their sequences. What a query finds does not depend on the others.

    model (Model): A layer made by `build_cross_attention`.
    memory (Memory): What `remember` has given.
    Q (Floats2d): [M, nQ], the queries.
    owners (numpy.ndarray): int64 [M], the sequence of each, on the host.
    RETURNS (Tuple[Attended, Callable]): Contexts [M, nK] and ragged weights; and a function (dC [M, nK], gradient of the weights
        [P] or None) -> (dQ [M, nQ], MemoryGradient) that increments the gradients of the parameters.
    RAISES (ValueError): If the queries are of another width.
    """
    attended, run_backprop = attend_rows(_project(model, Q), memory.keys, memory.rows, memory.lengths, owners, _weights_of(model))

    def backprop(dC: Floats2d, d_weights: Optional[Floats1d]) -> Tuple[Floats2d, MemoryGradient]:
        ops, grads = model.ops, run_backprop(dC, d_weights)
        gradient = MemoryGradient(grads.d_values, grads.d_keys)
        if model.attrs["kind"] == "dot":
            return grads.dQ, gradient
        if model.attrs["kind"] == "general":
            model.inc_grad("W", multiply(ops, Q, grads.dQ, trans1=True))
            return multiply(ops, grads.dQ, model.get_param("W"), trans2=True), gradient
        model.inc_grad("Wq", multiply(ops, grads.dQ, Q, trans1=True))
        model.inc_grad("b", grads.dQ.sum(axis=0))
        model.inc_grad("u", cast(FloatsXd, grads.du))
        return multiply(ops, grads.dQ, model.get_param("Wq")), gradient

    return attended, backprop


def _project(model: Model, Q: Floats2d) -> Floats2d:
    """Bring queries [M, nQ] to what keys are like."""
    nQ = model.get_dim("nQ")
    if Q.ndim != 2 or Q.shape[1] != nQ:
        raise ValueError(f"attention: expected queries [M, {nQ}], got {tuple(Q.shape)}")
    kind = model.attrs["kind"]
    if kind == "dot":
        return Q
    if kind == "general":
        return multiply(model.ops, Q, model.get_param("W"))
    return multiply(model.ops, Q, model.get_param("Wq"), trans2=True) + model.get_param("b")


def _weights_of(model: Model) -> Optional[Floats1d]:
    return cast(Floats1d, model.get_param("u")) if model.attrs["kind"] == "additive" else None


def _check_widths(model: Model) -> None:
    nQ, nK = model.maybe_get_dim("nQ"), model.maybe_get_dim("nK")
    if model.attrs["kind"] == "dot" and None not in (nQ, nK) and nQ != nK:
        raise ValueError(
            f"dot attention compares rows of one width, got queries of {nQ} and rows of {nK}: make the two equal, or use "
            "'general'"
        )


def _shapes(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    nQ, nK = dims["nQ"], dims["nK"]
    if attrs["kind"] == "dot":
        return {}
    if attrs["kind"] == "general":
        return {"W": (nQ, nK)}
    nA = dims["nA"]
    return {"Wq": (nA, nQ), "Wk": (nA, nK), "b": (nA,), "u": (nA,)}


declare(forward, Saved(_shapes, _check_widths))
