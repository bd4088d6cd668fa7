"""Encoders whose two directions know nothing of each other, as bidirectional language models need them."""

from typing import Any, Callable, Optional, Sequence, Tuple

from thinc.api import Model

from .capabilities import Directions, KeepsDirectionsApart, find


def begin_apart(layers: Sequence[Model], X: Directions, is_train: bool) -> Tuple[Directions, Callable]:
    """Run layers one after the other, so that what goes forward has seen no later row, and what goes backward no earlier one.

    The parameters are those of the ordinary run, in which each direction reads the output of both from the second recurrent layer
    on. What is learned by predicting the next and the previous word is so put to use where both are known (Peters et al. 2018,
    "Deep contextualized word representations", section 3.1, keep the two apart throughout).

    layers (Sequence[Model]): The layers. All have the capability `KeepsDirectionsApart`.
    X (Directions): The batch.
    is_train (bool): Whether dropout is drawn, and backpropagation follows.
    RETURNS (Tuple[Directions, Callable]): The output; and in training a function from the gradient of its rows to that of the
        rows of X, which adds the gradients of the parameters to those they have.
    RAISES (ValueError): If a layer has not the capability, or as the layers do.
    """
    backprops = []
    for layer in layers:
        capability = find(layer, KeepsDirectionsApart)
        if capability is None:
            raise ValueError(f"the layer {layer.name!r} cannot keep the two directions of its input apart")
        X, layer_backprop = capability.begin(layer, X, is_train)
        backprops.append(layer_backprop)

    def backprop(d_rows: Any) -> Any:
        for layer_backprop in reversed(backprops):
            d_rows = layer_backprop(d_rows)
        return d_rows

    return X, backprop


def find_joining(model: Model) -> Optional[Model]:
    """Find a layer that cannot keep the directions of its input apart.

    model (Model): A layer of an encoder.
    RETURNS (Optional[Model]): The first such layer in it, the directions of recurrent layers aside; None if there is none.
    """
    capability = find(model, KeepsDirectionsApart)
    if capability is None:
        return model
    return next((found for layer in capability.layers(model) if (found := find_joining(layer)) is not None), None)


def by_columns(forward: Callable) -> Callable[[Model, Directions, bool], Tuple[Directions, Callable]]:
    """Say how a layer keeps directions apart that computes every column of its output from the same one of its input.

    forward (Callable): Its forward function.
    RETURNS (Callable): What `KeepsDirectionsApart.begin` is to be.
    """

    def begin(model: Model, X: Directions, is_train: bool) -> Tuple[Directions, Callable]:
        Y, backprop = forward(model, X.rows, is_train)
        return Directions(Y, X.apart), backprop

    return begin
