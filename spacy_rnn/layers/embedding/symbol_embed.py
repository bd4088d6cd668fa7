"""An embedding of the symbols of a language model."""

from typing import Any, Callable, Mapping, Optional, Tuple, cast

import numpy
from thinc.api import Model, uniform_init
from thinc.types import Floats2d, Ints1d

from ..capabilities import Drops, declare
from ..plain.dropout import check_rate
from ..ragged.sums import sum_rows
from ..saved import Saved, Shapes

# As Merity et al. 2018 have it: where weights are tied, the same numbers are those of the output, which is to begin near zero.
_RANGE = 0.1


def build_symbol_embed(width: int, n_symbols: Optional[int] = None, symbol_dropout: float = 0.0) -> Model[Ints1d, Floats2d]:
    """Embed symbols by their numbers: a one-hot vector times a matrix.

    width (int): The width of the vectors.
    n_symbols (Optional[int]): V, the number of symbols. To be set before the layer is initialized if None.
    symbol_dropout (float): The share of symbols whose vectors are zero in a batch, wherever they stand (Gal & Ghahramani 2016),
        at a rate that belongs to the architecture.
    RETURNS (Model[Ints1d, Floats2d]): The layer, from symbols [N] on the host to rows [N, width].
    RAISES (ValueError): If the width is below 1 or the rate is not in [0, 1).
    """
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    check_rate("symbol_dropout", symbol_dropout)
    return Model(
        "symbol_embed",
        forward,
        init=init,
        dims={"nO": width, "nV": n_symbols},
        params={"E": None},
        attrs={"symbol_dropout": symbol_dropout},
    )


def init(model: Model[Ints1d, Floats2d], X: object = None, Y: object = None) -> None:
    E = uniform_init(model.ops, (model.get_dim("nV"), model.get_dim("nO")), lo=-_RANGE, hi=_RANGE)
    model.set_param("E", E)


def forward(model: Model[Ints1d, Floats2d], symbols: Ints1d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, E = model.ops, cast(Floats2d, model.get_param("E"))
    index = numpy.asarray(symbols)
    table, scale = E, symbol_mask(model) if is_train else None
    if scale is not None:
        table = E * scale

    def backprop(d_rows: Floats2d) -> Ints1d:
        add_gradient(model, sum_rows(ops, d_rows, index, E.shape[0]), scale)
        return cast(Ints1d, ops.xp.zeros((0,), dtype="int32"))

    return cast(Floats2d, ops.xp.take(table, ops.xp.asarray(index), axis=0)), backprop


def symbol_mask(model: Model[Ints1d, Floats2d]) -> Optional[Floats2d]:
    """Draw which symbols are dropped in a batch.

    model (Model[Ints1d, Floats2d]): The layer.
    RETURNS (Optional[Floats2d]): [V, 1], what their vectors are multiplied by; None if none are.
    """
    rate = model.attrs["symbol_dropout"]
    return cast(Floats2d, model.ops.get_dropout_mask((model.get_dim("nV"), 1), rate)) if rate else None


def add_gradient(model: Model[Ints1d, Floats2d], d_table: Floats2d, scale: Optional[Floats2d]) -> None:
    """Add the gradient of the vectors of all symbols to that of the parameter.

    model (Model[Ints1d, Floats2d]): The layer.
    d_table (Floats2d): [V, width], the gradient of the vectors as they were read.
    scale (Optional[Floats2d]): What `symbol_mask` has drawn for them.
    """
    model.inc_grad("E", d_table if scale is None else d_table * scale)


def _shapes(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"E": (dims["nV"], dims["nO"])}


declare(forward, Drops(("symbol_dropout",)), Saved(_shapes))
