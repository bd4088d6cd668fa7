"""Layer normalization."""

from typing import Any, Callable, Optional, Tuple, cast

import numpy
from thinc.api import LayerNorm, Model
from thinc.layers.layernorm import forward as forward_thinc
from thinc.layers.layernorm import init
from thinc.types import Floats2d

from ...native import library
from ...recurrence.engines.cpu import is_float32, whole
from ..capabilities import Directions, KeepsDirectionsApart, RowWise, declare
from ..saved import FOREIGN_WEIGHTS

# What Thinc adds to the variances.
_EPSILON = 1e-8


def build_layer_norm(nI: Optional[int] = None) -> Model[Floats2d, Floats2d]:
    """Normalize rows (Ba et al. 2016, "Layer normalization"), as Thinc's `LayerNorm` does, from the same parameters.

    Prediction on a CPU takes one pass in compiled code, where that has been built.

    nI (Optional[int]): The width. Inferred from the data if None.
    RETURNS (Model[Floats2d, Floats2d]): The layer, from rows [N, nI] to rows [N, nI].
    """
    model = LayerNorm(nI)
    model.replace_callbacks(forward, init=init)
    return model


def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    G, b = cast(Any, model.get_param("G")), cast(Any, model.get_param("b"))
    if is_train or library is None or not all(is_float32(array) for array in (X, G, b)):
        return forward_thinc(model, X, is_train)
    if X.ndim != 2 or X.shape[1] != len(G):
        raise ValueError(f"the layer normalization reads rows of width {len(G)} (nI), but was given an array of shape {X.shape}")
    Y = numpy.empty(X.shape, "float32")
    library.normalize(whole(cast(Any, X)), whole(G), whole(b), _EPSILON, Y)
    return cast(Floats2d, Y), _no_backprop


def begin_apart(model: Model[Floats2d, Floats2d], X: Directions, is_train: bool) -> Tuple[Directions, Callable]:
    """Normalize the halves of rows by themselves, as `KeepsDirectionsApart.begin` says.

    model (Model[Floats2d, Floats2d]): The layer.
    X (Directions): The rows [N, nI], nI even if there are halves.
    is_train (bool): Whether there is going to be a gradient.
    RETURNS (Tuple[Directions, Callable]): The rows [N, nI], and their backpropagation.
    """
    if not X.apart:
        Y, whole_backprop = forward(model, X.rows, is_train)
        return Directions(Y, False), whole_backprop
    rows = X.rows.reshape((len(X.rows), 2, -1))
    deviations = rows - rows.mean(axis=2, keepdims=True)
    scale = ((deviations**2).mean(axis=2, keepdims=True) + _EPSILON) ** -0.5
    normalized = (deviations * scale).reshape(X.rows.shape)
    G = cast(Any, model.get_param("G"))

    def backprop(dY: Floats2d) -> Floats2d:
        model.inc_grad("b", dY.sum(axis=0))
        model.inc_grad("G", (dY * normalized).sum(axis=0))
        d_rows, unit = (dY * G).reshape(rows.shape), normalized.reshape(rows.shape)
        d_rows -= d_rows.mean(axis=2, keepdims=True) + unit * (d_rows * unit).mean(axis=2, keepdims=True)
        d_rows *= scale
        return d_rows.reshape(dY.shape)

    return Directions(normalized * G + model.get_param("b"), True), backprop


def _no_backprop(dY: Floats2d) -> Floats2d:
    raise ValueError("inference keeps nothing to backpropagate with: run the layer with is_train=True")


declare(forward, RowWise(), KeepsDirectionsApart(begin_apart), FOREIGN_WEIGHTS["thinc.layers.layernorm"])
