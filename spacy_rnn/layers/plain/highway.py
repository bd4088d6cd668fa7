"""Highway connections around a layer."""

from typing import Any, Callable, Mapping, Optional, Tuple, cast

from thinc.api import Model, glorot_uniform_init
from thinc.types import Floats1d, Floats2d, FloatsXd, Ragged

from ..capabilities import RowWise, declare
from ..ragged.width import known_width
from ..saved import Saved, Shapes, require_same

# At first a layer's input is mostly carried on, as Srivastava et al. (2015), section 2.2, propose.
_CARRY = -1.0


def build_highway(layer: Model[Ragged, Ragged]) -> Model[Ragged, Ragged]:
    """Let a learned gate mix the output of a layer with its input: y = t ∘ H(x) + (1 - t) ∘ x, t = σ(T x + u).

    (Srivastava et al. 2015, "Highway networks", equation 3.)

    layer (Model[Ragged, Ragged]): The layer H, as wide as its input.
    RETURNS (Model[Ragged, Ragged]): The layer, from rows [N, nO] to rows [N, nO].
    RAISES (ValueError): If the input is not as wide as the output, as soon as both are known.
    """
    return Model("highway", forward, init=init, layers=[layer], dims={"nO": None, "nI": None}, params={"T": None, "u": None})


def init(model: Model[Ragged, Ragged], X: Optional[Ragged] = None, Y: Optional[Ragged] = None) -> None:
    layer = model.layers[0]
    own_width = known_width(X)
    if own_width is not None:
        model.set_dim("nI", own_width)
    else:
        model.set_dim("nI", layer.get_dim("nI" if layer.has_dim("nI") else "nO"))
        layer.set_dim("nI", model.get_dim("nI"))
    layer.initialize(X=X, Y=Y)
    width = layer.get_dim("nO")
    if model.get_dim("nI") != width:
        raise ValueError(
            "a highway carries a layer's input to its output, so the two have to be equally wide, got "
            f"nI = {model.get_dim('nI')} and nO = {width}"
        )
    model.set_dim("nO", width)
    model.set_param("T", glorot_uniform_init(model.ops, (width, width)))
    model.set_param("u", cast(FloatsXd, model.ops.xp.full(width, _CARRY, dtype="float32")))


def forward(model: Model[Ragged, Ragged], X: Ragged, is_train: bool) -> Tuple[Ragged, Callable]:
    ops = model.ops
    Y, layer_backprop = model.layers[0](X, is_train)
    if not X.data.size:
        return Y, layer_backprop
    T, u = cast(Floats2d, model.get_param("T")), cast(Floats1d, model.get_param("u"))
    rows, H = cast(Floats2d, X.dataXd), cast(Floats2d, Y.dataXd)
    gate = ops.sigmoid(rows @ T.T + u)

    def backprop(dY: Ragged) -> Ragged:
        d_rows = cast(Floats2d, dY.dataXd)
        d_gate = d_rows * (H - rows) * gate * (1 - gate)
        model.inc_grad("T", d_gate.T @ rows)
        model.inc_grad("u", d_gate.sum(axis=0))
        dX = layer_backprop(Ragged(d_rows * gate, dY.lengths)).dataXd
        dX = dX + d_rows * (1 - gate) + d_gate @ T
        return Ragged(dX, dY.lengths)

    return Ragged(rows + gate * (H - rows), Y.lengths), backprop


def _shapes(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"T": (dims["nO"], dims["nI"]), "u": (dims["nO"],)}


def _check(model: Model) -> None:
    for dim in ("nI", "nO"):
        require_same(model, dim, model.layers[0], dim)


declare(forward, RowWise(), Saved(_shapes, _check))
