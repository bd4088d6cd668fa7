"""Layers on arrays, run on the rows of a batch."""

from typing import Callable, Optional, Tuple, cast

from thinc.api import Model
from thinc.types import Floats2d, Ragged

from ..capabilities import RowWise, declare


def with_rows(layer: Model[Floats2d, Floats2d]) -> Model[Ragged, Ragged]:
    """Run a layer on all rows of a batch, as Thinc's `with_array` does, but not on a batch without rows: that has lost its width.

    layer (Model[Floats2d, Floats2d]): The layer, as wide as its input.
    RETURNS (Model[Ragged, Ragged]): The layer, from rows [N, nO] to rows [N, nO].
    """
    return Model("with_rows", forward, init=init, layers=[layer])


def init(model: Model[Ragged, Ragged], X: Optional[Ragged] = None, Y: Optional[Ragged] = None) -> None:
    model.layers[0].initialize(X=cast(Floats2d, X.dataXd) if X is not None and X.data.size else None)


def forward(model: Model[Ragged, Ragged], X: Ragged, is_train: bool) -> Tuple[Ragged, Callable]:
    if not X.data.size:
        return X, _pass
    rows, layer_backprop = model.layers[0](cast(Floats2d, X.dataXd), is_train)

    def backprop(dY: Ragged) -> Ragged:
        return Ragged(layer_backprop(cast(Floats2d, dY.dataXd)), dY.lengths)

    return Ragged(rows, X.lengths), backprop


def _pass(dY: Ragged) -> Ragged:
    return dY


declare(forward, RowWise())
