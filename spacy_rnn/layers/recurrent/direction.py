"""One direction of one recurrent layer: the parameters of a sweep, and the sweep."""

from functools import partial
from typing import Any, Callable, Dict, Mapping, Optional, Tuple, cast

from thinc.api import Model, Ops, glorot_uniform_init, zero_init
from thinc.types import Floats1d, Floats2d, FloatsXd, Ragged, Shape

from ...recurrence import Batch, Cell, Sweep, get_cell, run_sweeps
from ...recurrence.tables import Rows
from ..capabilities import Drops, declare
from ..initializers import orthogonal_init
from ..plain.dropout import check_rate
from ..ragged.list2ragged import host_lengths
from ..saved import Saved, Shapes

Init = Callable[[Ops, Shape], FloatsXd]
DirectionState = Dict[str, Floats2d]


def build_direction(
    cell: Cell,
    reverse: bool,
    *,
    recurrent_dropout: float,
    weight_dropout: float,
    train_initial_state: bool,
    forget_bias: float,
    init_W: Optional[Init],
    init_R: Optional[Init],
) -> Model[Ragged, Ragged]:
    """Build one direction of one recurrent layer.

    cell (Cell): The cell.
    reverse (bool): Whether sequences are read from their last row to their first.
    recurrent_dropout (float): The rate of the variational dropout of the hidden state.
    weight_dropout (float): The rate of the dropout of recurrent weights.
    train_initial_state (bool): Whether the state before the first row is learned (parameters h0 [nH], c0 [nH]).
    forget_bias (float): What the forget gate's bias starts with.
    init_W (Optional[Callable]): Initializer of each gate's input matrix [nH, nI]; Glorot uniform if None.
    init_R (Optional[Callable]): Initializer of each gate's recurrent matrix [nH, nH]; orthogonal if None.
    RETURNS (Model[Ragged, Ragged]): The layer, from rows [N, nI] to rows [N, nH].
    RAISES (ValueError): If a rate is not in [0, 1).
    """
    check_rate("recurrent_dropout", recurrent_dropout)
    check_rate("weight_dropout", weight_dropout)
    params: Dict[str, Optional[FloatsXd]] = dict.fromkeys(cell.parameters)
    if train_initial_state:
        params.update(dict.fromkeys(f"{name}0" for name in cell.states))
    return Model(
        f"{cell.name}_{'backward' if reverse else 'forward'}",
        forward,
        init=partial(init, init_W or glorot_uniform_init, init_R or orthogonal_init, forget_bias),
        dims={"nO": None, "nI": None},
        params=params,
        attrs={
            "cell": cell.name,
            "reverse": reverse,
            "recurrent_dropout": recurrent_dropout,
            "weight_dropout": weight_dropout,
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


def forward(model: Model[Ragged, Ragged], X: Ragged, is_train: bool) -> Tuple[Ragged, Callable]:
    rows = cast(Floats2d, X.dataXd)
    sweep, weight_mask = prepare(model, rows, Batch(host_lengths(X), rows.shape[0]), None, None, is_train)
    results, run_backprop = run_sweeps([sweep], is_train)

    def backprop(dY: Ragged) -> Ragged:
        assert run_backprop is not None
        d_rows, grads, d_initials = run_backprop([dY.dataXd], [None])
        add_gradients(model, grads[0], d_initials[0], weight_mask, learned=True)
        return Ragged(cast(Floats2d, d_rows), dY.lengths)

    return Ragged(cast(Floats2d, results[0].Y), X.lengths), backprop


def get_params(model: Model, cell: Cell) -> Dict[str, FloatsXd]:
    """Give the parameters of a direction's sweep.

    model (Model): The direction.
    cell (Cell): Its cell.
    RETURNS (Dict[str, FloatsXd]): The parameters by name, in the order of `Cell.parameters`.
    """
    return {name: model.get_param(name) for name in cell.parameters}


def prepare(
    model: Model, rows: Rows, batch: Batch, state: Optional[DirectionState], out: Optional[Floats2d], is_train: bool
) -> Tuple[Sweep, Optional[Floats2d]]:
    """Say what sweep a direction is to make.

    model (Model): The direction.
    rows (Rows): [N, nI], the rows of all sequences.
    batch (Batch): The lengths of the sequences.
    state (Optional[Dict[str, Floats2d]]): The initial state, [B, nH] by name; the layer's own if None.
    out (Optional[Floats2d]): [N, nH], where the output is written; a new array if None.
    is_train (bool): Whether the dropout of the hidden state and of recurrent weights is drawn.
    RETURNS (Tuple[Sweep, Optional[Floats2d]]): The sweep; and what its R is multiplied by, where weights are dropped.
    """
    cell = get_cell(model.attrs["cell"])
    shape = (len(batch), model.get_dim("nO"))
    if state is None and model.attrs["train_initial_state"]:
        state = own_state(model, len(batch))
    mask = None
    if is_train and model.attrs["recurrent_dropout"] > 0:
        mask = model.ops.get_dropout_mask(shape, model.attrs["recurrent_dropout"])
    params, weight_mask = get_params(model, cell), None
    if is_train and model.attrs["weight_dropout"] > 0:
        weight_mask = cast(Floats2d, model.ops.get_dropout_mask(params["R"].shape, model.attrs["weight_dropout"]))
        params["R"] = params["R"] * weight_mask
    return Sweep(cell, params, rows, batch, state, mask, model.attrs["reverse"], out), weight_mask


def own_state(model: Model, n_sequences: int) -> DirectionState:
    """Give the state that a direction starts in.

    model (Model): The direction.
    n_sequences (int): B, the number of sequences.
    RETURNS (Dict[str, Floats2d]): The state, [B, nH] by name, not to be written to: what was learned, or zeros.
    """
    xp, shape = model.ops.xp, (n_sequences, model.get_dim("nO"))
    names = get_cell(model.attrs["cell"]).states
    if model.attrs["train_initial_state"]:
        return {name: xp.broadcast_to(model.get_param(f"{name}0"), shape) for name in names}
    return {name: xp.zeros(shape, dtype=model.get_param("R").dtype) for name in names}


def add_gradients(
    model: Model, grads: Dict[str, FloatsXd], d_initial: DirectionState, weight_mask: Optional[Floats2d], learned: bool
) -> None:
    """Add the gradients of a direction's parameters to those it has.

    model (Model): The direction.
    grads (Dict[str, FloatsXd]): Those of the sweep's parameters, by name.
    d_initial (Dict[str, Floats2d]): That of the initial state, [B, nH] by name.
    weight_mask (Optional[Floats2d]): What the sweep's R was multiplied by, if weights were dropped.
    learned (bool): Whether the sweep began in the layer's own state, which is a parameter if it is trained.
    """
    for name, grad in grads.items():
        model.inc_grad(name, grad if weight_mask is None or name != "R" else grad * weight_mask)
    if learned and model.attrs["train_initial_state"]:
        for name, grad in d_initial.items():
            model.inc_grad(f"{name}0", grad.sum(axis=0))


def _shapes(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    cell, nH = get_cell(attrs["cell"]), dims["nO"]
    states = {f"{name}0": (nH,) for name in cell.states} if attrs["train_initial_state"] else {}
    return {**cell.parameter_shapes(dims["nI"], nH), **states}


declare(forward, Drops(("recurrent_dropout", "weight_dropout")), Saved(_shapes))
