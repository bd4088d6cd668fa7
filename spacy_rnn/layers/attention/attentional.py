"""A decoder's hidden state joined with what it has found."""

from typing import Any, Callable, Mapping, Optional, Tuple, cast

from thinc.api import Model, glorot_uniform_init
from thinc.types import Floats2d

from ..capabilities import RowWise, declare
from ..ops import multiply
from ..saved import Saved, Shapes

Joined = Tuple[Floats2d, Floats2d]


def build_attentional(nO: int, nH: int, nC: int) -> Model[Joined, Floats2d]:
    """Join hidden rows with contexts: tanh(Wh h + Wc c) (Luong et al. 2015, equation 5, whose weights are these side by side).

    nO (int): The width of the result.
    nH (int): The width of the hidden rows.
    nC (int): The width of the contexts.
    RETURNS (Model[Tuple[Floats2d, Floats2d], Floats2d]): The layer, from hidden rows [M, nH] and contexts [M, nC] to rows
        [M, nO].
    RAISES (ValueError): If a width is below 1.
    """
    for name, width in (("nO", nO), ("nH", nH), ("nC", nC)):
        if width < 1:
            raise ValueError(f"{name} must be at least 1, got {width}")
    return Model("attentional", forward, init=init, dims={"nO": nO, "nH": nH, "nC": nC}, params={"Wh": None, "Wc": None})


def init(model: Model[Joined, Floats2d], X: Optional[Joined] = None, Y: Optional[Floats2d] = None) -> None:
    for name, shape in _shapes({dim: model.get_dim(dim) for dim in model.dim_names}, model.attrs).items():
        model.set_param(name, glorot_uniform_init(model.ops, shape))


def forward(model: Model[Joined, Floats2d], X: Joined, is_train: bool) -> Tuple[Floats2d, Callable[[Floats2d], Joined]]:
    H, C = X
    ops, Wh, Wc = model.ops, model.get_param("Wh"), model.get_param("Wc")
    Y = multiply(ops, H, Wh, trans2=True)
    Y += multiply(ops, C, Wc, trans2=True)
    ops.xp.tanh(Y, out=Y)

    def backprop(dY: Floats2d) -> Joined:
        d_sum = dY * (1 - Y * Y)
        model.inc_grad("Wh", multiply(ops, d_sum, H, trans1=True))
        model.inc_grad("Wc", multiply(ops, d_sum, C, trans1=True))
        return cast(Joined, (multiply(ops, d_sum, Wh), multiply(ops, d_sum, Wc)))

    return Y, backprop


def _shapes(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"Wh": (dims["nO"], dims["nH"]), "Wc": (dims["nO"], dims["nC"])}


declare(forward, RowWise(), Saved(_shapes))
