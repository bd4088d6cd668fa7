"""Dropout with a rate of its own."""

from typing import Callable, Tuple

from thinc.api import Model
from thinc.types import Floats2d

from ..capabilities import Drops, KeepsDirectionsApart, RowWise, declare, find
from ..directions import by_columns


def check_rate(name: str, rate: float) -> None:
    """Check a dropout rate.

    name (str): What the rate is called in the error.
    rate (float): The share of values that is dropped.
    RAISES (ValueError): If the rate is not in [0, 1).
    """
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"{name} must be at least 0 and below 1, got {rate}")


def drop_nothing(model: Model) -> None:
    """Set the rates that belong to a model's architecture to 0; `thinc.api.set_dropout_rate` sets the others.

    model (Model): Any model, e.g. the teacher in rehearsal.
    """
    for node in model.walk():
        drops = find(node, Drops)
        if drops is not None:
            node.attrs.update(dict.fromkeys(drops.rates, 0.0))


def build_dropout(rate: float = 0.0) -> Model[Floats2d, Floats2d]:
    """Drop values during training, at a rate that belongs to the architecture (Srivastava et al. 2014).

    The rate of `thinc.layers.Dropout`, in contrast, is overwritten by the `drop` of `nlp.update`.

    rate (float): The share of values that is set to 0; the others are multiplied by 1 / (1 - rate).
    RETURNS (Model[Floats2d, Floats2d]): The layer.
    RAISES (ValueError): If the rate is not in [0, 1).
    """
    check_rate("rate", rate)
    return Model("rnn_dropout", forward, attrs={"rate": rate})


def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    rate = model.attrs["rate"]
    if not is_train or rate == 0.0:
        return X, lambda dY: dY
    mask = model.ops.get_dropout_mask(X.shape, rate)

    def backprop(dY: Floats2d) -> Floats2d:
        return dY * mask

    return X * mask, backprop


declare(forward, RowWise(), KeepsDirectionsApart(by_columns(forward)), Drops(("rate",)))
