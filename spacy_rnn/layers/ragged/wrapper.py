"""Layers on arrays, run on the rows of a batch."""

from typing import Callable, Optional, Tuple, cast

from thinc.api import Model
from thinc.types import Floats2d, Ragged

from ..capabilities import Directions, KeepsDirectionsApart, RowWise, declare
from ..directions import begin_apart


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


def begin_with_rows(model: Model[Ragged, Ragged], X: Directions, is_train: bool) -> Tuple[Directions, Callable]:
    """Run the layer on directions that know nothing of each other, as `KeepsDirectionsApart.begin` says.

    model (Model[Ragged, Ragged]): The wrapper.
    X (Directions): The batch, rows [N, nO].
    is_train (bool): Whether there is going to be a gradient.
    RETURNS (Tuple[Directions, Callable]): The rows [N, nO], and their backpropagation.
    RAISES (ValueError): As the layer does.
    """
    if not X.rows.data.size:
        return X, _pass
    Y, layer_backprop = begin_apart(model.layers, Directions(X.rows.dataXd, X.apart), is_train)

    def backprop(dY: Ragged) -> Ragged:
        return Ragged(layer_backprop(cast(Floats2d, dY.dataXd)), dY.lengths)

    return Directions(Ragged(Y.rows, X.rows.lengths), Y.apart), backprop


def _pass(dY: Ragged) -> Ragged:
    return dY


declare(forward, RowWise(), KeepsDirectionsApart(begin_with_rows))
