"""One direction of one recurrent layer: the parameters of a sweep, and the sweep."""

from functools import partial
from typing import Callable, Dict, NamedTuple, Optional, Tuple, cast

import numpy
from thinc.api import Model, Ops, zero_init
from thinc.types import Floats1d, Floats2d, FloatsXd, Shape

from ..recurrence import Cell, get_cell, sweep

Init = Callable[[Ops, Shape], FloatsXd]
DirectionState = Dict[str, Floats2d]


class DirectionInput(NamedTuple):
    """What a direction reads.

    rows (Floats2d): [N, nI], the rows of all sequences.
    lengths (numpy.ndarray): int32 [B], the number of rows of each sequence, on the host.
    state (Optional[Dict[str, Floats2d]]): The initial state, [B, nH] by name; the layer's own if None.
    """

    rows: Floats2d
    lengths: numpy.ndarray
    state: Optional[DirectionState]


class DirectionOutput(NamedTuple):
    """What a direction gives back.

    rows (Floats2d): [N, nH], the hidden state at every row.
    state (Optional[Dict[str, Floats2d]]): The final state, [B, nH] by name. As a gradient: zeros if None.
    """

    rows: Floats2d
    state: Optional[DirectionState]


def build_direction(
    cell: Cell,
    reverse: bool,
    *,
    recurrent_dropout: float,
    train_initial_state: bool,
    forget_bias: float,
    init_W: Init,
    init_R: Init,
) -> Model[DirectionInput, DirectionOutput]:
    """Build one direction of one recurrent layer.

    cell (Cell): The cell.
    reverse (bool): Whether sequences are read from their last row to their first.
    recurrent_dropout (float): The rate of the variational dropout of the hidden state.
    train_initial_state (bool): Whether the state before the first row is learned (parameters h0 [nH], c0 [nH]).
    forget_bias (float): What the forget gate's bias starts with.
    init_W (Callable): Initializer of each gate's input matrix [nH, nI].
    init_R (Callable): Initializer of each gate's recurrent matrix [nH, nH].
    RETURNS (Model[DirectionInput, DirectionOutput]): The layer.
    """

    params: Dict[str, Optional[FloatsXd]] = dict.fromkeys(cell.parameter_shapes(1, 1))
    if train_initial_state:
        params.update(dict.fromkeys(f"{name}0" for name in cell.states))
    return Model(
        f"{cell.name}_{'backward' if reverse else 'forward'}",
        forward,
        init=partial(init, init_W, init_R, forget_bias),
        dims={"nO": None, "nI": None},
        params=params,
        attrs={
            "cell": cell.name,
            "reverse": reverse,
            "recurrent_dropout": recurrent_dropout,
            "train_initial_state": train_initial_state,
        },
    )


def init(
    init_W: Init,
    init_R: Init,
    forget_bias: float,
    model: Model,
    X: object = None,
    Y: object = None,
) -> None:
    cell = get_cell(model.attrs["cell"])
    nI, nH = model.get_dim("nI"), model.get_dim("nO")
    xp = model.ops.xp
    for name, shape in cell.parameter_shapes(nI, nH).items():
        if name in ("W", "R"):
            init_gate, width = (init_W, nI) if name == "W" else (init_R, nH)
            gates = [init_gate(model.ops, (nH, width)) for _ in cell.gates]
            model.set_param(name, xp.concatenate(gates))
        else:
            model.set_param(name, zero_init(model.ops, shape))
    if cell.forget_gate is not None:
        start = cell.gates.index(cell.forget_gate) * nH
        b = cast(Floats1d, model.get_param("b"))
        b[start : start + nH] = model.ops.xp.full(nH, forget_bias, dtype="f")
    if model.attrs["train_initial_state"]:
        for name in cell.states:
            model.set_param(f"{name}0", zero_init(model.ops, (nH,)))


def forward(model: Model[DirectionInput, DirectionOutput], X: DirectionInput, is_train: bool) -> Tuple[DirectionOutput, Callable]:
    cell = get_cell(model.attrs["cell"])
    nH = model.get_dim("nO")
    params = {name: model.get_param(name) for name in cell.parameter_shapes(1, 1)}
    learned = model.attrs["train_initial_state"] and X.state is None
    initial = X.state
    if learned:
        shape = (len(X.lengths), nH)
        initial = {name: model.ops.xp.broadcast_to(model.get_param(f"{name}0"), shape) for name in cell.states}
    mask = None
    if is_train and model.attrs["recurrent_dropout"] > 0:
        rate = model.attrs["recurrent_dropout"]
        mask = model.ops.get_dropout_mask((len(X.lengths), nH), rate)
    rows, final, sweep_backprop = sweep(
        cell,
        params,
        X.rows,
        X.lengths,
        initial=initial,
        mask=mask,
        reverse=model.attrs["reverse"],
        is_train=is_train,
    )

    def backprop(dY: DirectionOutput) -> DirectionInput:
        assert sweep_backprop is not None
        d_rows, grads, d_initial = sweep_backprop(dY.rows, dY.state)
        for name, grad in grads.items():
            model.inc_grad(name, grad)
        if learned:
            for name, grad in d_initial.items():
                model.inc_grad(f"{name}0", grad.sum(axis=0))
        return DirectionInput(d_rows, X.lengths, d_initial)

    return DirectionOutput(rows, final), backprop
