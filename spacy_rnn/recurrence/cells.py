"""The table of recurrent cells: what a cell is made of, one time step of it, and the gradient of that step.

A step sees the ``n`` sequences of a batch that are still running, and works on whole arrays:

- ``z`` [n, nG·nH]: the input projection ``x Wᵀ + b`` of this time step, gate after gate;
- ``state``: the arrays [n, nH] the cell carries from step to step, ``h`` and for an LSTM ``c``;
- ``params``: ``R`` [nG·nH, nH] and, where the cell has them, ``bR`` and ``p``;
- ``mask`` [n, nH] or None: multiplies ``h`` where it enters a recurrent product (variational dropout).

In the equations σ is the logistic function, ∘ the elementwise product, h' and c' the state of the step before, and ĥ = h' ∘ mask.
A backward step adds the gradients of the recurrent parameters to ``grads`` and returns the gradients of ``z`` and of the state it
was given.
"""

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

Array = Any  # a numpy.ndarray or a cupy.ndarray
State = Mapping[str, Array]
Params = Mapping[str, Array]
Grads = Dict[str, Array]
Saved = Tuple[Array, ...]
Forward = Callable[[Any, Array, State, Params, Optional[Array]], Tuple[Dict[str, Array], Saved]]
Backward = Callable[[Any, State, Saved, Params, Optional[Array], Grads], Tuple[Array, Dict[str, Array]]]


@dataclass(frozen=True)
class Cell:
    """What a recurrent cell is made of.

    name (str): The name a config gives.
    gates (Tuple[str, ...]): The gates in the order of their blocks in W, R and b.
    states (Tuple[str, ...]): The names of the arrays carried from step to step; the first one is the output.
    forward (Callable): One time step, see the module's docstring.
    backward (Callable): The gradient of that step.
    recurrent_bias (Tuple[str, ...]): The gates with a recurrent bias of their own, in the order of their blocks in bR.
    peepholes (Tuple[str, ...]): The gates that see the cell state, in the order of their blocks in p.
    forget_gate (Optional[str]): The gate whose bias is started high, so that the cell remembers before it has learned.
    """

    name: str
    gates: Tuple[str, ...]
    states: Tuple[str, ...]
    forward: Forward
    backward: Backward
    recurrent_bias: Tuple[str, ...] = ()
    peepholes: Tuple[str, ...] = ()
    forget_gate: Optional[str] = None

    @property
    def output(self) -> str:
        """The name of the state that is the output."""
        return self.states[0]

    @cached_property
    def parameters(self) -> Tuple[str, ...]:
        """The names of the parameters of one direction of one layer, in the order of the file format."""
        return ("W", "R", "b") + ("bR",) * bool(self.recurrent_bias) + ("p",) * bool(self.peepholes)

    def parameter_shapes(self, nI: int, nH: int) -> Dict[str, Tuple[int, ...]]:
        """Give the shape of every parameter of one direction of one layer.

        nI (int): The input width.
        nH (int): The number of hidden units.
        RETURNS (Dict[str, Tuple[int, ...]]): Shapes by parameter name, in the order of the file format.
        """
        nG = len(self.gates)
        shapes: Dict[str, Tuple[int, ...]] = {
            "W": (nG * nH, nI),
            "R": (nG * nH, nH),
            "b": (nG * nH,),
        }
        if self.recurrent_bias:
            shapes["bR"] = (len(self.recurrent_bias) * nH,)
        if self.peepholes:
            shapes["p"] = (len(self.peepholes) * nH,)
        return shapes


def _sigmoid(xp: Any, x: Array) -> Array:
    # The form with tanh does not overflow for any x.
    return 0.5 * (1.0 + xp.tanh(0.5 * x))


def _masked(h: Array, mask: Optional[Array]) -> Array:
    return h if mask is None else h * mask


def _blocks(x: Array, n: int) -> List[Array]:
    """Split the last axis into n views of the same width."""
    width = x.shape[-1] // n
    return [x[..., i * width : (i + 1) * width] for i in range(n)]


# Elman (1990), "Finding structure in time", with tanh or with the rectifier of Le et al. (2015):
#   h = tanh(W x + b + R ĥ)      or      h = max(0, W x + b + R ĥ)


def _elman_tanh_forward(xp: Any, z: Array, state: State, params: Params, mask: Optional[Array]) -> Tuple[Dict[str, Array], Saved]:
    h_in = _masked(state["h"], mask)
    h = xp.tanh(z + h_in @ params["R"].T)
    return {"h": h}, (h_in, h)


def _elman_relu_forward(xp: Any, z: Array, state: State, params: Params, mask: Optional[Array]) -> Tuple[Dict[str, Array], Saved]:
    h_in = _masked(state["h"], mask)
    h = xp.maximum(z + h_in @ params["R"].T, 0.0)
    return {"h": h}, (h_in, h)


def _elman_backward(
    d_activation: Array, h_in: Array, params: Params, mask: Optional[Array], grads: Grads
) -> Tuple[Array, Dict[str, Array]]:
    dz = d_activation
    grads["R"] += dz.T @ h_in
    return dz, {"h": _masked(dz @ params["R"], mask)}


def _elman_tanh_backward(
    xp: Any, d_state: State, saved: Saved, params: Params, mask: Optional[Array], grads: Grads
) -> Tuple[Array, Dict[str, Array]]:
    h_in, h = saved
    return _elman_backward(d_state["h"] * (1.0 - h * h), h_in, params, mask, grads)


def _elman_relu_backward(
    xp: Any, d_state: State, saved: Saved, params: Params, mask: Optional[Array], grads: Grads
) -> Tuple[Array, Dict[str, Array]]:
    h_in, h = saved
    return _elman_backward(d_state["h"] * (h > 0), h_in, params, mask, grads)


# GRU, gates r (reset), z (update), n (candidate). As in cuDNN and torch.nn.GRU the reset gate is applied after the recurrent
# product, which therefore has a bias of its own (bR); from Cho et al. (2014), "Learning phrase representations using RNN
# encoder-decoder for statistical machine translation", equations 5-8, in the variant of Chung et al. (2014):
#   r = σ(W_r x + b_r + R_r ĥ)
#   z = σ(W_z x + b_z + R_z ĥ)
#   n = tanh(W_n x + b_n + r ∘ (R_n ĥ + bR))
#   h = (1 - z) ∘ n + z ∘ h'


def _gru_forward(xp: Any, z: Array, state: State, params: Params, mask: Optional[Array]) -> Tuple[Dict[str, Array], Saved]:
    h_prev = state["h"]
    h_in = _masked(h_prev, mask)
    x_r, x_z, x_n = _blocks(z, 3)
    u_r, u_z, u_n = _blocks(h_in @ params["R"].T, 3)
    u_n = u_n + params["bR"]
    reset = _sigmoid(xp, x_r + u_r)
    update = _sigmoid(xp, x_z + u_z)
    candidate = xp.tanh(x_n + reset * u_n)
    h = candidate + update * (h_prev - candidate)
    return {"h": h}, (h_prev, h_in, reset, update, candidate, u_n)


def _gru_backward(
    xp: Any, d_state: State, saved: Saved, params: Params, mask: Optional[Array], grads: Grads
) -> Tuple[Array, Dict[str, Array]]:
    h_prev, h_in, reset, update, candidate, u_n = saved
    dh = d_state["h"]
    dz_n = dh * (1.0 - update) * (1.0 - candidate * candidate)
    dz_z = dh * (h_prev - candidate) * update * (1.0 - update)
    dz_r = dz_n * u_n * reset * (1.0 - reset)
    du_n = dz_n * reset
    du = xp.concatenate((dz_r, dz_z, du_n), axis=1)
    grads["R"] += du.T @ h_in
    grads["bR"] += du_n.sum(axis=0)
    dh_prev = dh * update + _masked(du @ params["R"], mask)
    return xp.concatenate((dz_r, dz_z, dz_n), axis=1), {"h": dh_prev}


# GRU, gates r (reset), z (update), n (candidate), the reset gate applied before the recurrent product:
# Cho et al. (2014), equations 5-8.
#   r = σ(W_r x + b_r + R_r ĥ)
#   z = σ(W_z x + b_z + R_z ĥ)
#   n = tanh(W_n x + b_n + R_n (r ∘ ĥ))
#   h = (1 - z) ∘ n + z ∘ h'


def _gru_reset_before_forward(
    xp: Any, z: Array, state: State, params: Params, mask: Optional[Array]
) -> Tuple[Dict[str, Array], Saved]:
    h_prev = state["h"]
    h_in = _masked(h_prev, mask)
    nH = h_prev.shape[1]
    x_r, x_z, x_n = _blocks(z, 3)
    u_r, u_z = _blocks(h_in @ params["R"][: 2 * nH].T, 2)
    reset = _sigmoid(xp, x_r + u_r)
    update = _sigmoid(xp, x_z + u_z)
    candidate = xp.tanh(x_n + (reset * h_in) @ params["R"][2 * nH :].T)
    h = candidate + update * (h_prev - candidate)
    return {"h": h}, (h_prev, h_in, reset, update, candidate)


def _gru_reset_before_backward(
    xp: Any, d_state: State, saved: Saved, params: Params, mask: Optional[Array], grads: Grads
) -> Tuple[Array, Dict[str, Array]]:
    h_prev, h_in, reset, update, candidate = saved
    nH = h_prev.shape[1]
    R_gates, R_n = params["R"][: 2 * nH], params["R"][2 * nH :]
    dh = d_state["h"]
    dz_n = dh * (1.0 - update) * (1.0 - candidate * candidate)
    dz_z = dh * (h_prev - candidate) * update * (1.0 - update)
    d_reset_h = dz_n @ R_n
    dz_r = d_reset_h * h_in * reset * (1.0 - reset)
    dz_gates = xp.concatenate((dz_r, dz_z), axis=1)
    grads["R"][: 2 * nH] += dz_gates.T @ h_in
    grads["R"][2 * nH :] += dz_n.T @ (reset * h_in)
    dh_in = dz_gates @ R_gates + d_reset_h * reset
    dh_prev = dh * update + _masked(dh_in, mask)
    return xp.concatenate((dz_gates, dz_n), axis=1), {"h": dh_prev}


# LSTM, gates i (input), f (forget), g (candidate), o (output), as in cuDNN and torch.nn.LSTM: Hochreiter & Schmidhuber (1997),
# "Long short-term memory", with the forget gate of Gers, Schmidhuber & Cummins (2000), "Learning to forget".
#   i = σ(W_i x + b_i + R_i ĥ)
#   f = σ(W_f x + b_f + R_f ĥ)
#   g = tanh(W_g x + b_g + R_g ĥ)
#   o = σ(W_o x + b_o + R_o ĥ)
#   c = f ∘ c' + i ∘ g
#   h = o ∘ tanh(c)
#
# With peepholes, gates i, f, o: Gers & Schmidhuber (2000), "Recurrent nets that time and count". p_i ∘ c' and p_f ∘ c' are added
# inside the input and forget gates, p_o ∘ c (the new cell state) inside the output gate.


def _lstm_forward(xp: Any, z: Array, state: State, params: Params, mask: Optional[Array]) -> Tuple[Dict[str, Array], Saved]:
    h_in, c_prev = _masked(state["h"], mask), state["c"]
    z_i, z_f, z_g, z_o = _blocks(z + h_in @ params["R"].T, 4)
    if "p" in params:
        p_i, p_f, p_o = _blocks(params["p"], 3)
        z_i = z_i + p_i * c_prev
        z_f = z_f + p_f * c_prev
    i, f, g = _sigmoid(xp, z_i), _sigmoid(xp, z_f), xp.tanh(z_g)
    c = f * c_prev + i * g
    if "p" in params:
        z_o = z_o + p_o * c
    o = _sigmoid(xp, z_o)
    tanh_c = xp.tanh(c)
    return {"h": o * tanh_c, "c": c}, (h_in, c_prev, i, f, g, o, c, tanh_c)


def _lstm_backward(
    xp: Any, d_state: State, saved: Saved, params: Params, mask: Optional[Array], grads: Grads
) -> Tuple[Array, Dict[str, Array]]:
    h_in, c_prev, i, f, g, o, c, tanh_c = saved
    dh = d_state["h"]
    dz_o = dh * tanh_c * o * (1.0 - o)
    dc = d_state["c"] + dh * o * (1.0 - tanh_c * tanh_c)
    if "p" in params:
        p_i, p_f, p_o = _blocks(params["p"], 3)
        dc = dc + dz_o * p_o
    dz_i = dc * g * i * (1.0 - i)
    dz_f = dc * c_prev * f * (1.0 - f)
    dz_g = dc * i * (1.0 - g * g)
    dc_prev = dc * f
    if "p" in params:
        dc_prev = dc_prev + dz_i * p_i + dz_f * p_f
        dp_i, dp_f, dp_o = _blocks(grads["p"], 3)
        dp_i += (dz_i * c_prev).sum(axis=0)
        dp_f += (dz_f * c_prev).sum(axis=0)
        dp_o += (dz_o * c).sum(axis=0)
    dz = xp.concatenate((dz_i, dz_f, dz_g, dz_o), axis=1)
    grads["R"] += dz.T @ h_in
    return dz, {"h": _masked(dz @ params["R"], mask), "c": dc_prev}


CELLS: Dict[str, Cell] = {
    cell.name: cell
    for cell in (
        Cell("elman_tanh", ("h",), ("h",), _elman_tanh_forward, _elman_tanh_backward),
        Cell("elman_relu", ("h",), ("h",), _elman_relu_forward, _elman_relu_backward),
        Cell("gru", ("r", "z", "n"), ("h",), _gru_forward, _gru_backward, recurrent_bias=("n",)),
        Cell(
            "gru_reset_before",
            ("r", "z", "n"),
            ("h",),
            _gru_reset_before_forward,
            _gru_reset_before_backward,
        ),
        Cell(
            "lstm",
            ("i", "f", "g", "o"),
            ("h", "c"),
            _lstm_forward,
            _lstm_backward,
            forget_gate="f",
        ),
        Cell(
            "lstm_peephole",
            ("i", "f", "g", "o"),
            ("h", "c"),
            _lstm_forward,
            _lstm_backward,
            peepholes=("i", "f", "o"),
            forget_gate="f",
        ),
    )
}


# Those that compiled engines have kernels for. Names in the table may be given to other cells.
BUILT_IN: Mapping[str, Cell] = MappingProxyType(dict(CELLS))


def register_cell(cell: Cell) -> None:
    """Add a cell to the table: it runs, trains, saves and loads from then on, on the reference engine until another one has it.

    cell (Cell): The cell.
    RAISES (ValueError): If its name is taken.
    """
    if cell.name in CELLS:
        raise ValueError(f"there is a cell {cell.name!r} already: expected a name besides {', '.join(CELLS)}")
    CELLS[cell.name] = cell


def get_cell(name: str) -> Cell:
    """Look a cell up by its name.

    name (str): A name in the table, e.g. "lstm".
    RETURNS (Cell): The cell.
    RAISES (ValueError): If no cell has this name.
    """
    if name not in CELLS:
        raise ValueError(f"unknown cell {name!r}: expected one of {', '.join(CELLS)}")
    return CELLS[name]
