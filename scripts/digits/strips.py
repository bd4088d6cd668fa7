"""Layers that read an image strip by strip, as they read a text word by word."""

from typing import Any, Callable, Optional, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats2d, Ints1d, Ragged


def with_strips(layer: Model[Ragged, Floats2d], side: int, are_columns: bool) -> Model[Floats2d, Floats2d]:
    """Have a layer read each image as a sequence of strips of pixels: its lines from the top, or its columns from the left.

    layer (Model[Ragged, Floats2d]): The layer, from rows of width `side` to a vector for each sequence.
    side (int): The height and width of the images, in pixels.
    are_columns (bool): Whether strips are columns.
    RETURNS (Model[Floats2d, Floats2d]): The layer, from images [N, side · side], line by line, to a vector for each.
    """
    attrs = {"side": side, "are_columns": are_columns}
    return Model("with_strips", forward, init=init, layers=[layer], dims={"nI": side * side, "nO": None}, attrs=attrs)


def init(model: Model[Floats2d, Floats2d], X: Optional[Floats2d] = None, Y: Optional[Floats2d] = None) -> None:
    sample = model.ops.alloc2f(1, model.get_dim("nI")) if X is None else X
    layer = model.layers[0]
    layer.initialize(X=_take_apart(model, sample))
    model.set_dim("nO", layer.get_dim("nO"))


def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    strips = _take_apart(model, X)
    Y, layer_backprop = model.layers[0](strips, is_train)

    def backprop(dY: Floats2d) -> Floats2d:
        side = model.attrs["side"]
        d_images = layer_backprop(dY).dataXd.reshape((len(X), side, side))
        return _turn(model, d_images).reshape(X.shape)

    return Y, backprop


def _take_apart(model: Model[Floats2d, Floats2d], X: Floats2d) -> Ragged:
    side = model.attrs["side"]
    strips = _turn(model, X.reshape((len(X), side, side))).reshape((len(X) * side, side))
    return Ragged(strips, cast(Ints1d, numpy.full(len(X), side, dtype="int32")))


def _turn(model: Model[Floats2d, Floats2d], images: Any) -> Any:
    """Exchange the lines and columns of images, if columns are read."""
    if not model.attrs["are_columns"]:
        return images
    return model.ops.xp.ascontiguousarray(images.transpose((0, 2, 1)))
