"""From vectors to the state that a recurrent layer begins in."""

from typing import Any, Callable, Mapping, Optional, Tuple, cast

from thinc.api import Model, glorot_uniform_init, zero_init
from thinc.types import Floats1d, Floats2d

from ...recurrence import get_cell
from ..capabilities import State, declare
from ..ops import multiply
from ..saved import Saved, Shapes


def build_bridge(cell: str, depth: int, nH: int, nI: Optional[int] = None) -> Model[Floats2d, State]:
    """Turn vectors into initial states of recurrent layers: tanh(W x + b) (Bahdanau et al. 2015, appendix A.2.2).

    cell (str): The cell of the layers.
    depth (int): How many there are.
    nH (int): How many units each has.
    nI (Optional[int]): The width of the vectors. Inferred from a sample if None.
    RETURNS (Model[Floats2d, Dict[str, Floats3d]]): The layer, from vectors [B, nI] to a state as `scan` takes it, an array
        [depth, B, nH] for each state of the cell.
    RAISES (ValueError): If there is no such cell.
    """
    names = list(get_cell(cell).states)
    return Model(
        "bridge",
        forward,
        init=init,
        dims={"nI": nI, "nO": len(names) * depth * nH},
        params={"W": None, "b": None},
        attrs={"states": names, "depth": depth},
    )


def init(model: Model[Floats2d, State], X: Optional[Floats2d] = None, Y: Optional[State] = None) -> None:
    if X is not None:
        model.set_dim("nI", X.shape[1])
    shapes = _shapes({"nI": model.get_dim("nI"), "nO": model.get_dim("nO")}, model.attrs)
    model.set_param("W", glorot_uniform_init(model.ops, shapes["W"]))
    model.set_param("b", zero_init(model.ops, shapes["b"]))


def forward(model: Model[Floats2d, State], X: Floats2d, is_train: bool) -> Tuple[State, Callable[[State], Floats2d]]:
    ops, names, depth = model.ops, model.attrs["states"], model.attrs["depth"]
    Y = multiply(ops, X, model.get_param("W"), trans2=True)
    Y += cast(Floats1d, model.get_param("b"))
    ops.xp.tanh(Y, out=Y)
    # [states, depth, B, nH]: the axes that vectors come apart into.
    nH = model.get_dim("nO") // (len(names) * depth)
    shaped = Y.reshape((len(X), len(names), depth, nH)).transpose((1, 2, 0, 3))
    state = {name: ops.xp.ascontiguousarray(array) for name, array in zip(names, shaped, strict=True)}

    def backprop(d_state: State) -> Floats2d:
        d_shaped = ops.xp.stack([d_state[name] for name in names])
        dY = d_shaped.transpose((2, 0, 1, 3)).reshape(Y.shape) * (1 - Y * Y)
        model.inc_grad("W", multiply(ops, dY, X, trans1=True))
        model.inc_grad("b", dY.sum(axis=0))
        return multiply(ops, dY, model.get_param("W"))

    return cast(State, state), backprop


def join_states(model: Model, state: State) -> Tuple[Floats2d, Callable[[Floats2d], State]]:
    """Put the states of all layers and directions side by side.

    model (Model): The layer that they are of.
    state (Dict[str, Floats3d]): [depth · directions, B, nH] by name.
    RETURNS (Tuple[Floats2d, Callable]): [B, states · depth · directions · nH]; and a function from its gradient to that of the
        state.
    """
    xp, names = model.ops.xp, list(state)
    stacked = xp.stack([state[name] for name in names])
    n_states, n_layers, B, nH = stacked.shape
    joined = stacked.transpose((2, 0, 1, 3)).reshape((B, n_states * n_layers * nH))

    def backprop(d_joined: Floats2d) -> State:
        d_stacked = d_joined.reshape((B, n_states, n_layers, nH)).transpose((1, 2, 0, 3))
        return {name: xp.ascontiguousarray(array) for name, array in zip(names, d_stacked, strict=True)}

    return joined, backprop


def _shapes(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"W": (dims["nO"], dims["nI"]), "b": (dims["nO"],)}


declare(forward, Saved(_shapes))
