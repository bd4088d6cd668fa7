"""Sequences cut to a length."""

from typing import Callable, List, Optional, Tuple

from thinc.api import Model
from thinc.types import Floats2d

from ..capabilities import Truncates, declare
from ..saved import Saved, no_parameters, require_same


def build_truncate(encode: Model[List[Floats2d], List[Floats2d]], max_length: int) -> Model[List[Floats2d], List[Floats2d]]:
    """Let an encoder see only the first rows of every sequence.

    It is for text categorizers: the output lacks the rows that were cut, so taggers and components that listen to a shared
    encoder cannot use it.

    encode (Model[List[Floats2d], List[Floats2d]]): The encoder.
    max_length (int): The number of rows that is kept.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): The layer, from rows [n, nI] to rows [min(n, max_length), nO].
    RAISES (ValueError): If max_length is below 1.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, got {max_length}")
    return Model(
        "truncate",
        forward,
        init=init,
        layers=[encode],
        dims={"nO": encode.maybe_get_dim("nO")},
        attrs={"max_length": max_length},
    )


def init(
    model: Model[List[Floats2d], List[Floats2d]],
    X: Optional[List[Floats2d]] = None,
    Y: Optional[List[Floats2d]] = None,
) -> None:
    cut = None if X is None else [rows[: model.attrs["max_length"]] for rows in X]
    model.layers[0].initialize(X=cut, Y=Y)
    if model.layers[0].has_dim("nO"):
        model.set_dim("nO", model.layers[0].get_dim("nO"))


def forward(model: Model[List[Floats2d], List[Floats2d]], Xs: List[Floats2d], is_train: bool) -> Tuple[List[Floats2d], Callable]:
    max_length = model.attrs["max_length"]
    Ys, encode_backprop = model.layers[0]([X[:max_length] for X in Xs], is_train)

    def backprop(dYs: List[Floats2d]) -> List[Floats2d]:
        dXs = []
        for X, d_cut in zip(Xs, encode_backprop(dYs), strict=True):
            dX = model.ops.xp.zeros_like(X)
            dX[: len(d_cut)] = d_cut
            dXs.append(dX)
        return dXs

    return Ys, backprop


def _check(model: Model) -> None:
    require_same(model, "nO", model.layers[0], "nO")


declare(forward, Truncates(), Saved(no_parameters, _check))
