"""A stack of recurrent layers, run forward and back: from one layer to the next, with dropout and residual connections."""

from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats2d, FloatsXd, Ints1d, Ragged

from ...recurrence import Backprop, Batch, TableRows, get_cell, infer_outputs, run_sweeps
from ...recurrence.tables import Rows, source, sum_by_number
from ..capabilities import IsRnn, State, find
from ..plain.sequence_dropout import draw_sequence_mask
from ..ragged.list2ragged import host_lengths
from ..ragged.taken import TakenRows
from ..ragged.width import check_input_width, input_rows
from .direction import DirectionState, add_gradients, get_params, prepare
from .look_ahead import SweepRunner

_NAME = "recurrent layer"


class _Layer(NamedTuple):
    """How to go back through one layer of the stack."""

    backprop: Optional[Backprop]
    mask: Optional[FloatsXd]
    weight_masks: List[Optional[Floats2d]]
    residual: bool


def sweep_runner(model: Model[Ragged, Ragged], is_train: bool) -> SweepRunner:
    """Give what runs the sweeps of one layer of a stack.

    model (Model[Ragged, Ragged]): The stack.
    is_train (bool): Whether backpropagation follows.
    RETURNS (SweepRunner): What runs them.
    """
    settings = {"precision": model.attrs["precision"].value, "backpropagation": model.attrs["backpropagation"]}
    return lambda first, sweeps: run_sweeps(sweeps, is_train, **settings)


def run_stack(
    model: Model[Ragged, Ragged],
    X: Ragged,
    state: Optional[State],
    is_train: bool,
    run: SweepRunner,
) -> Tuple[Ragged, List[DirectionState], Callable]:
    """Run a stack from a given state.

    model (Model[Ragged, Ragged]): The stack.
    X (Ragged): The batch, rows [N, nI]. If they are `TakenRows`, the first layer reads their table: each row of it is projected
        once.
    state (Optional[Dict[str, Floats3d]]): The state before the first row, [depth · directions, B, nH] by name; the stack's own if
        None.
    is_train (bool): Whether dropout is drawn, and backpropagation follows.
    run (SweepRunner): What runs the sweeps of a layer.
    RETURNS (Tuple[Ragged, List[Dict[str, Floats2d]], Callable]): The output, rows [N, nO]; the final state of each direction,
        [B, nH] by name; and, in training, a function (dY, gradient of the final state or None) -> (dX, gradients of the initial
        states of the directions) that increments the gradients of the parameters. dX has the rows [V, nI] of the table if X has
        asked for that.
    RAISES (ValueError): If the stack has no weights, or a width or the shape of the state is wrong.
    """
    _require_initialized(model)
    read = rows = _read(model, X, is_train)
    batch = Batch(host_lengths(X), rows.shape[0])
    if state is not None:
        check_state(model, state, len(batch))
    n_dirs = n_directions(model)
    layers: List[_Layer] = []
    finals: List[DirectionState] = []
    for i in range(0, len(model.layers), n_dirs):
        mask = _draw_mask(model, rows, batch.lengths) if i > 0 and is_train and model.attrs["dropout"] > 0 else None
        dropped = rows if mask is None else rows * mask
        Y = cast(Floats2d, model.ops.xp.empty((rows.shape[0], model.get_dim("nO")), dtype=rows.dtype))
        prepared = []
        for k, columns in enumerate(_columns(Y, n_dirs), i):
            initial = None if state is None else {s: a[k] for s, a in state.items()}
            prepared.append(prepare(model.layers[k], dropped, batch, initial, columns, is_train))
        results, backprop = run(i, [sweep for sweep, _ in prepared])
        finals.extend(result.final for result in results)
        residual = is_residual(model, rows)
        rows = (X.data if isinstance(rows, TableRows) else rows) + Y if residual else Y
        layers.append(_Layer(backprop, mask, [weight_mask for _, weight_mask in prepared], residual))

    def run_backprop(dY: Ragged, d_final: Optional[State]) -> Tuple[Ragged, List[DirectionState]]:
        dX, d_initials = _backprop(model, layers, dY, d_final, learned=state is None)
        if not isinstance(X, TakenRows) or not X.table_gradient:
            return Ragged(dX, dY.lengths), d_initials
        n = len(source(X.taken))
        if not isinstance(read, TableRows):
            dX = sum_by_number(dX, X.taken.numbers, n)
        return Ragged(dX, cast(Ints1d, numpy.asarray([n], dtype="int32"))), d_initials

    return Ragged(cast(Floats2d, rows), X.lengths), finals, run_backprop


def _backprop(
    model: Model[Ragged, Ragged], layers: List[_Layer], dY: Ragged, d_final: Optional[State], learned: bool
) -> Tuple[Floats2d, List[DirectionState]]:
    n_dirs = n_directions(model)
    # The gradient of a batch without rows may have lost its width.
    d_rows = cast(Floats2d, dY.dataXd) if dY.data.size else model.ops.alloc2f(0, model.get_dim("nO"))
    d_initials: List[DirectionState] = []
    for i, layer in reversed(list(enumerate(layers))):
        assert layer.backprop is not None
        own = range(i * n_dirs, (i + 1) * n_dirs)
        d_states = [None if d_final is None else {s: a[k] for s, a in d_final.items()} for k in own]
        d_sweep, grads, d_states_before = layer.backprop(_columns(d_rows, n_dirs), d_states)
        for k, own_grads, d_initial, weight_mask in zip(own, grads, d_states_before, layer.weight_masks, strict=True):
            add_gradients(model.layers[k], own_grads, d_initial, weight_mask, learned)
        d_initials[:0] = d_states_before
        if layer.mask is not None:
            d_sweep = d_sweep * layer.mask
        d_rows = d_rows + d_sweep if layer.residual else d_sweep
    return d_rows, d_initials


def _draw_mask(model: Model[Ragged, Ragged], rows: Rows, lengths: numpy.ndarray) -> Floats2d:
    """Draw what the input of a layer is multiplied by."""
    rate = model.attrs["dropout"]
    if not model.attrs["locked_dropout"]:
        return cast(Floats2d, model.ops.get_dropout_mask(rows.shape, rate))
    return draw_sequence_mask(model.ops, lengths, rows.shape[1], rate)


def infer_stack(model: Model[Ragged, Ragged], X: Ragged) -> Ragged:
    """Run a stack without states, for which the engines have a quicker way.

    model (Model[Ragged, Ragged]): The stack.
    X (Ragged): The batch, rows [N, nI].
    RETURNS (Ragged): The output, rows [N, nO].
    RAISES (ValueError): If the stack has no weights, or a width is wrong.
    """
    _require_initialized(model)
    lengths = host_lengths(X)
    n_dirs = n_directions(model)
    cell, precision = get_cell(model.attrs["cell"]), model.attrs["precision"].value
    rows = _read(model, X, is_train=False)
    for i in range(0, len(model.layers), n_dirs):
        params = [get_params(direction, cell) for direction in model.layers[i : i + n_dirs]]
        Y = cast(Floats2d, infer_outputs(cell, params, rows, lengths, precision=precision))
        if is_residual(model, rows):
            Y = Y + (X.data if isinstance(rows, TableRows) else rows)
        rows = Y
    return Ragged(cast(Floats2d, rows), X.lengths)


def _read(model: Model[Ragged, Ragged], X: Ragged, is_train: bool) -> Rows:
    """Give the rows of a batch, untaken if they come from a table and the gradient of that may be had."""
    if not isinstance(X, TakenRows) or (is_train and (not X.table_gradient or is_residual(model, X.taken))):
        return input_rows(model, X, _NAME)
    check_input_width(model, X.taken.shape[1], _NAME)
    return X.taken


def stack_states(model: Model[Ragged, Ragged], states: Sequence[DirectionState]) -> State:
    """Give the states of all directions as one array for each name.

    model (Model[Ragged, Ragged]): The layer.
    states (Sequence[Dict[str, Floats2d]]): The state of each direction, [B, nH] by name, in the order of the directions.
    RETURNS (Dict[str, Floats3d]): [depth · directions, B, nH] by name.
    """
    return {name: model.ops.xp.stack([state[name] for state in states]) for name in states[0]}


def require_weights(model: Model) -> None:
    """Refuse what is no recurrent layer, or one without weights.

    model (Model): Any model.
    RAISES (ValueError): If it was not made by `build_rnn`, or has not been initialized.
    """
    if not find(model, IsRnn):
        raise ValueError(f"a recurrent layer is one made by build_rnn, got the model {model.name!r}")
    _require_initialized(model)


def _require_initialized(model: Model) -> None:
    if model.layers[-1].has_param("W") is None:
        raise ValueError("the recurrent layer has no weights yet: initialize it first, with data or with nO and nI")


def is_residual(model: Model[Ragged, Ragged], rows: Rows) -> bool:
    """Tell whether a layer of the stack adds its input to its output.

    model (Model[Ragged, Ragged]): The stack.
    rows (Rows): [N, width], what the layer reads.
    RETURNS (bool): Whether it does.
    """
    return model.attrs["residual"] and rows.shape[1] == model.get_dim("nO")


def n_directions(model: Model[Ragged, Ragged]) -> int:
    """Count the directions of each layer.

    model (Model[Ragged, Ragged]): The stack.
    RETURNS (int): 1 or 2.
    """
    return 2 if model.attrs["bidirectional"] else 1


def _columns(rows: Floats2d, n_dirs: int) -> List[Floats2d]:
    """Give the columns of each direction."""
    nH = rows.shape[1] // n_dirs
    return [rows[:, d * nH : (d + 1) * nH] for d in range(n_dirs)]


def check_state(model: Model[Ragged, Ragged], state: State, n_sequences: int) -> None:
    """Refuse a state that is none of a layer's.

    model (Model[Ragged, Ragged]): The layer.
    state (Dict[str, Floats3d]): The arrays by name.
    n_sequences (int): B, the number of sequences.
    RAISES (ValueError): If an array is missing, unknown or of another shape than [depth · directions, B, nH].
    """
    nH = model.get_dim("nO") // n_directions(model)
    names = get_cell(model.attrs["cell"]).states
    if set(state) != set(names):
        raise ValueError(f"the state of {model.attrs['cell']} has the arrays {sorted(names)}, got {sorted(state)}")
    expected = (len(model.layers), n_sequences, nH)
    for name, array in state.items():
        if tuple(array.shape) != expected:
            raise ValueError(
                f"state {name!r}: expected shape {expected} (depth x directions, sequences, units), got {tuple(array.shape)}"
            )
