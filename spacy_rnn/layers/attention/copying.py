"""Copying what is attended to (See et al. 2017, "Get to the point: summarization with pointer-generator networks")."""

from typing import Any, Callable, Mapping, NamedTuple, Optional, Tuple, cast

import numpy
from thinc.api import Model, glorot_uniform_init, zero_init
from thinc.types import Floats1d, Floats2d, FloatsXd
from thinc.util import get_array_module

from ...recurrence.tables import sum_by_number
from ..capabilities import RowWise, declare
from ..saved import Saved, Shapes
from .ragged import list_pairs

# What a logarithm of a probability that may be 0 is taken of.
_LEAST = 1e-30


class Copied(NamedTuple):
    """Which of the weights of a batch of queries are on a symbol that is asked for, and which on what cannot be copied.

    rows (numpy.ndarray): int64 [K], the queries, in ascending order.
    places (numpy.ndarray): int64 [K], the place of each weight among those of the batch.
    other_rows, other_places (numpy.ndarray): The same of what is no symbol, such as a feature that stands before them.
    n (int): M, how many queries there are.
    """

    rows: numpy.ndarray
    places: numpy.ndarray
    other_rows: numpy.ndarray
    other_places: numpy.ndarray
    n: int


def build_copy_gate(nX: int, nH: int, nC: int) -> Model[Tuple[Floats2d, Floats2d, Floats2d], Floats1d]:
    """Decide between writing and copying: σ(u_x · x + u_h · h + u_c · c + b), the probability of writing (equation 8).

    nX (int): The width of the rows that the decoder reads.
    nH (int): That of its hidden states.
    nC (int): That of contexts.
    RETURNS (Model[Tuple[Floats2d, Floats2d, Floats2d], Floats1d]): The layer, from rows [M, nX], [M, nH] and [M, nC] to
        probabilities [M].
    """
    return Model(
        "copy_gate",
        forward,
        init=init,
        dims={"nX": nX, "nH": nH, "nC": nC},
        params={"ux": None, "uh": None, "uc": None, "b": None},
    )


def init(model: Model, X: Optional[Any] = None, Y: Optional[Any] = None) -> None:
    for name, shape in _shapes({dim: model.get_dim(dim) for dim in model.dim_names}, model.attrs).items():
        if name == "b":
            model.set_param(name, zero_init(model.ops, shape))
        else:
            model.set_param(name, cast(FloatsXd, glorot_uniform_init(model.ops, (1, *shape)).reshape(shape)))


def forward(
    model: Model, X: Tuple[Floats2d, Floats2d, Floats2d], is_train: bool
) -> Tuple[Floats1d, Callable[[Floats1d], Tuple[Floats2d, Floats2d, Floats2d]]]:
    names = ("ux", "uh", "uc")
    vectors: Any = [model.get_param(name) for name in names]
    # Not as products: of a matrix and a vector these depend on the number of rows, in the last bits.
    score = sum((part * vector).sum(axis=1) for part, vector in zip(X, vectors, strict=True)) + model.get_param("b")
    gate = model.ops.sigmoid(score)

    def backprop(d_gate: Floats1d) -> Tuple[Floats2d, Floats2d, Floats2d]:
        d_score: Any = d_gate * gate * (1 - gate)
        for name, part in zip(names, X, strict=True):
            model.inc_grad(name, d_score @ part)
        model.inc_grad("b", d_score.sum(keepdims=True))
        return cast(Any, tuple(d_score[:, None] * vector for vector in vectors))

    return gate, backprop


def find_copied(
    sources: numpy.ndarray, lengths: numpy.ndarray, owners: numpy.ndarray, targets: numpy.ndarray, n_symbols: int
) -> Copied:
    """Find where the symbol that each query is to write stands in what it looks at.

    sources (numpy.ndarray): int64 [N], the symbols, sequence after sequence.
    lengths (numpy.ndarray): int32 [B], the number of symbols of each sequence.
    owners (numpy.ndarray): int64 [M], which sequence each query looks at.
    targets (numpy.ndarray): int64 [M], the symbol of each query.
    n_symbols (int): V. What is numbered V or above in the sources cannot be copied.
    RETURNS (Copied): The places.
    """
    seen, rows = symbols_in_view(sources, lengths, owners)
    places, others = numpy.flatnonzero(seen == targets[rows]), numpy.flatnonzero(seen >= n_symbols)
    return Copied(rows[places], places, rows[others], others, len(owners))


def symbols_in_view(sources: numpy.ndarray, lengths: numpy.ndarray, owners: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """List the symbols that queries look at, as their weights are listed.

    sources, lengths, owners: As `find_copied` takes them.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): int64 [P], the symbols, query after query; int64 [P], the query of each.
    """
    rows, places = list_pairs(lengths, owners)
    return sources[places], rows


def mix(
    gate: Floats1d, written: Floats1d, weights: Floats1d, copied: Copied
) -> Tuple[Floats1d, Floats1d, Callable[[Floats1d], Tuple[Floats1d, Floats1d]]]:
    """Find the probability of one symbol for each query: it is written, or copied from where it stands (equation 9).

    Attention to what cannot be copied counts for writing, so that probabilities sum to 1.

    gate (Floats1d): [M], the probability of writing.
    written (Floats1d): [M], the log-probability of the symbol if it is written.
    weights (Floats1d): [P], the attention of all queries.
    copied (Copied): Where the symbols stand.
    RETURNS (Tuple[Floats1d, Floats1d, Callable]): The log-probability of each [M]; the share of it that is due to writing [M],
        which is the gradient with regard to `written`; and a function from the gradient of the log-probabilities to those of the
        gate [M] and of the weights [P].
    """
    xp: Any = get_array_module(gate)
    places, others = xp.asarray(copied.places), xp.asarray(copied.other_places)
    shares = _sum(weights[places], copied.rows, copied.n)
    not_copied = _sum(weights[others], copied.other_rows, copied.n)
    by_writing = xp.exp(written)
    share_written: Any = gate + (1 - gate) * not_copied
    probability = share_written * by_writing + (1 - gate) * shares
    safe = xp.maximum(probability, _LEAST)

    def backprop(dY: Floats1d) -> Tuple[Floats1d, Floats1d]:
        d_probability: Any = dY / safe
        d_copied, d_weights = d_probability * (1 - gate), xp.zeros_like(weights)
        d_weights[places] = d_copied[xp.asarray(copied.rows)]
        d_weights[others] = (d_copied * by_writing)[xp.asarray(copied.other_rows)]
        return d_probability * (by_writing * (1 - not_copied) - shares), d_weights

    return xp.log(safe), share_written * by_writing / safe, backprop


def mix_all(gate: Floats1d, written: Floats2d, weights: Floats1d, symbols: numpy.ndarray, rows: numpy.ndarray) -> Floats2d:
    """Find the log-probabilities of all symbols: written, or copied.

    gate (Floats1d): [R], the probability of writing.
    written (Floats2d): [R, V], the log-probabilities of symbols if they are written.
    weights (Floats1d): [P], the attention of all queries.
    symbols, rows: What `symbols_in_view` gives of them.
    RETURNS (Floats2d): [R, V].
    """
    xp: Any = get_array_module(gate)
    n_rows, n_symbols = written.shape
    shares: Any = weights * (1 - gate)[xp.asarray(rows)]
    is_symbol = symbols < n_symbols
    others, places = numpy.flatnonzero(~is_symbol), numpy.flatnonzero(is_symbol)
    share_written: Any = gate + _sum(shares[xp.asarray(others)], rows[others], n_rows)
    numbers, order = numpy.unique(rows[places] * n_symbols + symbols[places], return_inverse=True)
    probabilities = xp.exp(written) * share_written[:, None]
    probabilities.reshape(-1)[xp.asarray(numbers)] += _sum(shares[xp.asarray(places)], order, len(numbers))
    return xp.log(xp.maximum(probabilities, _LEAST))


def _sum(values: Any, rows: numpy.ndarray, n: int) -> Any:
    """Sum the values of each row, in their order: [n]."""
    return sum_by_number(values.reshape((-1, 1)), rows, n)[:, 0]


def _shapes(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"ux": (dims["nX"],), "uh": (dims["nH"],), "uc": (dims["nC"],), "b": (1,)}


declare(forward, RowWise(), Saved(_shapes))
