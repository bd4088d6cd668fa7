"""Residual connections around layers."""

from typing import Callable, Optional, Tuple, cast

from thinc.api import Model
from thinc.types import Floats2d, Ragged

from ..capabilities import Directions, KeepsDirectionsApart, RowWise, declare
from ..directions import begin_apart
from ..ragged.width import known_width
from ..saved import Saved, no_parameters, require_same


def build_residual(*layers: Model[Ragged, Ragged]) -> Model[Ragged, Ragged]:
    """Add the input to what layers make of it, one after the other: y = x + F(x), or F(x) if the two are not equally wide.

    (He et al. 2016, "Deep residual learning for image recognition".)

    *layers (Model[Ragged, Ragged]): The layers F, at least one; all but the first know how wide they are.
    RETURNS (Model[Ragged, Ragged]): The layer, from rows [N, nI] to rows [N, nO].
    """
    dims = {"nO": None, "nI": layers[0].maybe_get_dim("nI")}
    return Model("residual", forward, init=init, layers=list(layers), dims=dims)


def init(model: Model[Ragged, Ragged], X: Optional[Ragged] = None, Y: Optional[Ragged] = None) -> None:
    first, *others = model.layers
    if known_width(X) is None and model.has_dim("nI"):
        first.set_dim("nI", model.get_dim("nI"))
    first.initialize(X=X, Y=Y)
    for layer in others:
        layer.initialize()
    for dim in ("nI", "nO"):
        if first.has_dim(dim):
            model.set_dim(dim, first.get_dim(dim))


def forward(model: Model[Ragged, Ragged], X: Ragged, is_train: bool) -> Tuple[Ragged, Callable]:
    Y = X
    backprops = []
    for layer in model.layers:
        Y, layer_backprop = layer(Y, is_train)
        backprops.append(layer_backprop)

    def layers_backprop(dY: Ragged) -> Ragged:
        for layer_backprop in reversed(backprops):
            dY = layer_backprop(dY)
        return dY

    return _add(X, Y, layers_backprop)


def begin_residual(model: Model[Ragged, Ragged], X: Directions, is_train: bool) -> Tuple[Directions, Callable]:
    """Run the layers on directions that know nothing of each other, as `KeepsDirectionsApart.begin` says.

    model (Model[Ragged, Ragged]): The layer.
    X (Directions): The batch, rows [N, nI].
    is_train (bool): Whether there is going to be a gradient.
    RETURNS (Tuple[Directions, Callable]): The rows [N, nO], and their backpropagation.
    RAISES (ValueError): As the layers do.
    """
    Y, layers_backprop = begin_apart(model.layers, X, is_train)
    rows, backprop = _add(X.rows, Y.rows, layers_backprop)
    return Directions(rows, Y.apart), backprop


def _add(X: Ragged, Y: Ragged, layers_backprop: Callable[[Ragged], Ragged]) -> Tuple[Ragged, Callable]:
    """Add rows to what layers have made of them, if the two are equally wide."""
    # A batch without rows may have lost its width.
    adds = bool(X.dataXd.size) and cast(Floats2d, X.dataXd).shape[1] == cast(Floats2d, Y.dataXd).shape[1]

    def backprop(dY: Ragged) -> Ragged:
        dX = layers_backprop(dY)
        return Ragged(cast(Floats2d, dX.dataXd + dY.dataXd), dY.lengths) if adds else dX

    return Ragged(cast(Floats2d, X.dataXd + Y.dataXd), Y.lengths) if adds else Y, backprop


def _check(model: Model) -> None:
    for dim in ("nI", "nO"):
        require_same(model, dim, model.layers[0], dim)


declare(forward, RowWise(), KeepsDirectionsApart(begin_residual), Saved(no_parameters, _check))
