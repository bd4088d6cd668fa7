"""Convolutions and pooling of images, as layers of Thinc."""

from typing import Callable, Optional, Tuple, cast

from thinc.api import Model, Relu
from thinc.types import Floats2d

# The places of a window of 3 x 3 pixels, from its upper left one.
_PLACES = [(row, column) for row in range(3) for column in range(3)]


def build_image_convolution(side: int, n_channels: int, n_filters: int) -> Model[Floats2d, Floats2d]:
    """Look at each window of 3 x 3 pixels by the same filters, and cut what is negative off. There is nothing around an image.

    side (int): The height and width of the images, in pixels.
    n_channels (int): C, the numbers of a pixel.
    n_filters (int): F, the number of filters.
    RETURNS (Model[Floats2d, Floats2d]): The layer, from images [N, side · side · C], row by row, to [N, side · side · F].
    """
    filters: Model = Relu(n_filters, 9 * n_channels)
    dims = {"nI": side * side * n_channels, "nO": side * side * n_filters}
    return Model("image_convolution", _convolve, init=_init_filters, layers=[filters], dims=dims, attrs={"side": side})


def _init_filters(model: Model[Floats2d, Floats2d], X: Optional[Floats2d] = None, Y: Optional[Floats2d] = None) -> None:
    model.layers[0].initialize()


def _convolve(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    xp, side, n = model.ops.xp, model.attrs["side"], len(X)
    images = xp.pad(X.reshape((n, side, side, -1)), ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = xp.concatenate([images[:, row : row + side, column : column + side] for row, column in _PLACES], axis=3)
    Y, filter_backprop = model.layers[0](windows.reshape((n * side * side, -1)), is_train)

    def backprop(dY: Floats2d) -> Floats2d:
        d_windows = filter_backprop(dY.reshape((n * side * side, -1))).reshape((n, side, side, len(_PLACES), -1))
        d_images = xp.zeros_like(images)
        for i, (row, column) in enumerate(_PLACES):
            d_images[:, row : row + side, column : column + side] += d_windows[:, :, :, i]
        return cast(Floats2d, xp.ascontiguousarray(d_images[:, 1:-1, 1:-1]).reshape(X.shape))

    return Y.reshape((n, -1)), backprop


def build_image_pool(side: int, n_channels: int) -> Model[Floats2d, Floats2d]:
    """Take the largest of each square of 2 x 2 pixels, for each channel.

    side (int): The height and width of the images, in pixels, an even number.
    n_channels (int): C, the numbers of a pixel.
    RETURNS (Model[Floats2d, Floats2d]): The layer, from images [N, side · side · C] to [N, side / 2 · side / 2 · C].
    """
    size = side * side * n_channels
    return Model("image_pool", _pool, dims={"nI": size, "nO": size // 4}, attrs={"side": side})


def _pool(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    half, n = model.attrs["side"] // 2, len(X)
    squares = X.reshape((n, half, 2, half, 2, -1))
    Y = squares.max(axis=(2, 4), keepdims=True)

    def backprop(dY: Floats2d) -> Floats2d:
        is_largest = squares == Y
        # Of equal ones each has its part.
        share = dY.reshape(Y.shape) / is_largest.sum(axis=(2, 4), keepdims=True, dtype=dY.dtype)
        return cast(Floats2d, (is_largest * share).reshape(X.shape))

    return cast(Floats2d, Y.reshape((n, -1))), backprop
