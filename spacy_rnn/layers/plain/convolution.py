"""Convolution over the rows of each sequence, with filters of several widths."""

from functools import partial
from itertools import accumulate
from typing import Any, Callable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, cast

import numpy
from thinc.api import Model, glorot_uniform_init, zero_init
from thinc.types import Floats1d, Floats2d, Floats3d, Ragged
from thinc.util import get_width

from ...recurrence import Batch
from ..capabilities import declare
from ..ops import multiply
from ..ragged.list2ragged import host_lengths
from ..ragged.width import check_input_width, input_rows, known_width
from ..recurrent.direction import Init
from ..saved import Saved, Shapes

# How many rows are multiplied at a time.
_PIECE = 512


def build_convolution(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    filter_widths: Sequence[int] = (3, 4, 5),
    init_W: Optional[Init] = None,
) -> Model[Ragged, Ragged]:
    """Build a convolutional layer with rectified output: max(0, Σ W_o x_{t+o} + b) for every row t.

    (Kim 2014, "Convolutional neural networks for sentence classification", equation 2.) A filter of width w sees the rows from t
    - (w - 1) // 2 to t + w // 2, so one of an even width sees one row more after t than before it. Beyond the ends of a sequence
    are zeros; other sequences are never seen.

    nO (Optional[int]): The output width: the number of filters, of all widths together. They are shared out equally among the
        widths; if that does not come out even, the narrower ones get one more. Inferred from the data if None.
    nI (Optional[int]): The input width. Inferred from the data if None.
    filter_widths (Sequence[int]): How many rows a filter sees, one or several different numbers. The outputs of the narrowest
        filters stand first.
    init_W (Optional[Callable]): Initializer of the filters [filters of a width, width · nI]; Glorot uniform if None.
    RETURNS (Model[Ragged, Ragged]): The layer, from rows [N, nI] to rows [N, nO].
    RAISES (ValueError): If an argument is out of its range. When the layer is initialized or run: if the input's width is wrong.
    """
    widths = sorted(filter_widths)
    if not widths or widths[0] < 1 or len(set(widths)) < len(widths):
        raise ValueError(f"filter_widths takes one or several different numbers, each at least 1; got {list(filter_widths)}")
    model: Model[Ragged, Ragged] = Model(
        "convolution",
        forward,
        init=partial(init, init_W or glorot_uniform_init),
        dims={"nO": nO, "nI": nI},
        params={"W": None, "b": None},
        attrs={"filter_widths": widths},
    )
    _check_widths(model)
    return model


def init(init_W: Init, model: Model[Ragged, Ragged], X: Optional[Ragged] = None, Y: Optional[Ragged] = None) -> None:
    width = known_width(X)
    if width is not None:
        check_input_width(model, width, "convolution")
        model.set_dim("nI", width)
    if isinstance(Y, Ragged) and Y.data.size and model.has_dim("nO") is None:
        model.set_dim("nO", get_width(Y))
    _check_widths(model)
    nI, widths = model.get_dim("nI"), model.attrs["filter_widths"]
    counts = _share_out(model.get_dim("nO"), len(widths))
    filters = [
        cast(Floats3d, init_W(model.ops, (count, width * nI)).reshape((count, width, nI)))
        for width, count in zip(widths, counts, strict=True)
    ]
    blocks = [
        filters[i][:, tap.offset + (width - 1) // 2]
        for tap in _taps(model)
        for i, width in enumerate(widths)
        if _reaches(width, tap.offset)
    ]
    model.set_param("W", model.ops.xp.concatenate(blocks))
    model.set_param("b", zero_init(model.ops, (model.get_dim("nO"),)))


class _Tap(NamedTuple):
    """What the filters do with the row at one distance.

    offset (int): How many rows it comes after row t.
    first (int): The first of the filters that see it. These are sorted by width, so all that follow see it, too.
    weights (slice): Which rows of W belong to it: one for each of these filters.
    """

    offset: int
    first: int
    weights: slice


def _taps(model: Model[Ragged, Ragged]) -> List[_Tap]:
    """List what the filters see, from the row furthest before t to the one furthest after it.

    W holds the weights in this order."""
    widths, nO = model.attrs["filter_widths"], model.get_dim("nO")
    starts = [0, *accumulate(_share_out(nO, len(widths)))]
    offsets = range(-((widths[-1] - 1) // 2), widths[-1] // 2 + 1)
    firsts = [next(start for width, start in zip(widths, starts, strict=False) if _reaches(width, o)) for o in offsets]
    ends = list(accumulate(nO - first for first in firsts))
    return [_Tap(offset, first, slice(end - (nO - first), end)) for offset, first, end in zip(offsets, firsts, ends, strict=True)]


def _reaches(width: int, offset: int) -> bool:
    return -((width - 1) // 2) <= offset <= width // 2


def _share_out(n: int, n_shares: int) -> List[int]:
    return [n // n_shares + (i < n % n_shares) for i in range(n_shares)]


def forward(model: Model[Ragged, Ragged], X: Ragged, is_train: bool) -> Tuple[Ragged, Callable]:
    rows = input_rows(model, X, "convolution")
    batch = Batch(host_lengths(X), rows.shape[0])
    Y = _convolve(model, rows, batch)
    # Thinc's relu and backprop_relu take several times as long on a CPU.
    model.ops.xp.maximum(Y, 0, out=Y)

    def backprop(dY: Ragged) -> Ragged:
        # The gradient of a batch without rows may have lost its width.
        d_sums = cast(Floats2d, dY.dataXd) * (Y > 0) if len(rows) else Y
        return Ragged(_backprop(model, rows, d_sums, batch), dY.lengths)

    return Ragged(Y, X.lengths), backprop


def _convolve(model: Model[Ragged, Ragged], rows: Floats2d, batch: Batch) -> Floats2d:
    """Multiply every row with the weights of each tap, and add the products up where they belong."""
    W, b = cast(Floats2d, model.get_param("W")), cast(Floats1d, model.get_param("b"))
    Y = model.ops.xp.empty((rows.shape[0], b.shape[0]), dtype=rows.dtype)
    Y[:] = b
    buffer = _make_buffer(model, rows)
    for piece in _pieces(batch):
        for tap in _taps(model):
            products = _block(buffer, piece, tap)
            multiply(model.ops, rows[piece.start : piece.stop], W[tap.weights], out=products, trans2=True)
            products[model.ops.xp.asarray(piece.unread(tap.offset))] = 0
            target, source = piece.shifted(tap.offset, batch.n_rows)
            Y[target, tap.first :] += products[source]
    return Y


def _backprop(model: Model[Ragged, Ragged], rows: Floats2d, d_sums: Floats2d, batch: Batch) -> Floats2d:
    """Go back the same way. d_sums is the gradient of what the rectifier is given."""
    W = cast(Floats2d, model.get_param("W"))
    dX, dW = model.ops.xp.zeros_like(rows), model.ops.xp.zeros_like(W)
    buffer = _make_buffer(model, rows)
    for piece in _pieces(batch):
        for tap in _taps(model):
            d_products = _block(buffer, piece, tap)
            target, source = piece.shifted(tap.offset, batch.n_rows)
            d_products[source] = d_sums[target, tap.first :]
            d_products[model.ops.xp.asarray(piece.unread(tap.offset))] = 0
            dW[tap.weights] += multiply(model.ops, d_products, rows[piece.start : piece.stop], trans1=True)
            dX[piece.start : piece.stop] += multiply(model.ops, d_products, W[tap.weights])
    model.inc_grad("W", dW)
    model.inc_grad("b", d_sums.sum(axis=0))
    return dX


def _make_buffer(model: Model[Ragged, Ragged], rows: Floats2d) -> Floats1d:
    """Make one array for the products of all pieces and taps: to be given a new one by the system can take as long as they do."""
    return model.ops.xp.empty(min(rows.shape[0], _PIECE) * model.get_dim("nO"), dtype=rows.dtype)


def _block(buffer: Floats1d, piece: "_Piece", tap: _Tap) -> Floats2d:
    """Give an array [rows of the piece, filters of the tap] without gaps out of the buffer."""
    n, width = piece.stop - piece.start, tap.weights.stop - tap.weights.start
    return cast(Floats2d, buffer[: n * width].reshape((n, width)))


class _Piece(NamedTuple):
    """Some rows of a batch.

    start, stop (int): The rows.
    before, after (numpy.ndarray): int64 [stop - start], how many rows of its sequence come before and after each of them.
    """

    start: int
    stop: int
    before: numpy.ndarray
    after: numpy.ndarray

    def unread(self, offset: int) -> numpy.ndarray:
        """Find the rows that come offset rows after no row of their sequence; offset is below 0 if before."""
        return numpy.flatnonzero(self.before < offset if offset > 0 else self.after < -offset)

    def shifted(self, offset: int, n_rows: int) -> Tuple[slice, slice]:
        """Say which rows of the batch these come offset rows after, and where in the piece stand those that do."""
        low, high = max(self.start - offset, 0), max(min(self.stop - offset, n_rows), 0)
        return slice(low, max(low, high)), slice(low + offset - self.start, max(low, high) + offset - self.start)


def _pieces(batch: Batch) -> Iterator[_Piece]:
    """Go through the rows of a batch, so many at a time that what is computed from them fits into the processor's cache."""
    ends = numpy.cumsum(batch.lengths, dtype="int64")
    for start in range(0, batch.n_rows, _PIECE):
        row = numpy.arange(start, min(start + _PIECE, batch.n_rows))
        sequence = numpy.searchsorted(ends, row, side="right")
        after = ends[sequence] - 1 - row
        yield _Piece(start, start + len(row), batch.lengths[sequence] - 1 - after, after)


def _check_widths(model: Model[Ragged, Ragged]) -> None:
    nO, n_widths = model.maybe_get_dim("nO"), len(model.attrs["filter_widths"])
    if nO is not None and nO < n_widths:
        raise ValueError(f"the output width nO is the number of filters, of which each of {n_widths} widths needs one; got {nO}")
    nI = model.maybe_get_dim("nI")
    if nI is not None and nI < 1:
        raise ValueError(f"the width nI must be at least 1, got {nI}")


def _shapes(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    widths = attrs["filter_widths"]
    n_rows = sum(width * n for width, n in zip(widths, _share_out(dims["nO"], len(widths)), strict=True))
    return {"W": (n_rows, dims["nI"]), "b": (dims["nO"],)}


declare(forward, Saved(_shapes))
