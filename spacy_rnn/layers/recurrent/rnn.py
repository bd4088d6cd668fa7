"""Recurrent layers of any cell: deep, bidirectional, with dropout, residual connections and state."""

from functools import partial
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats2d, FloatsXd, Ragged
from thinc.util import get_width

from ...recurrence import Backprop, Backpropagation, Batch, get_cell, infer_outputs, run_sweeps
from ..capabilities import IsRnn, Recurrent, State, declare, find
from ..plain.dropout import check_rate
from ..ragged.list2ragged import host_lengths
from ..ragged.width import check_input_width, input_rows
from .direction import DirectionState, Init, add_gradients, build_direction, get_params, own_state, prepare
from .look_ahead import check_ahead, run_sweeps_ahead
from .precision import as_precision


def build_rnn(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    cell: str = "lstm",
    bidirectional: bool = False,
    depth: int = 1,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    residual: bool = False,
    train_initial_state: bool = False,
    forget_bias: float = 1.0,
    precision: str = "float32",
    init_W: Optional[Init] = None,
    init_R: Optional[Init] = None,
    checkpoint_rows: Optional[int] = None,
    truncate_gradient: int = 0,
) -> Model[Ragged, Ragged]:
    """Build a stack of recurrent layers. A sequence's output does not depend on the other sequences of the batch.

    nO (Optional[int]): The output width, all directions together. Inferred from the data if None.
    nI (Optional[int]): The input width. Inferred from the data if None.
    cell (str): "elman_tanh", "elman_relu", "gru", "gru_reset_before", "lstm" or "lstm_peephole".
    bidirectional (bool): Whether a second direction reads the sequences from their end (Schuster & Paliwal 1997). The outputs of
        the two stand side by side: forward first.
    depth (int): The number of layers.
    dropout (float): The share of a layer's outputs that is dropped before the next layer.
    recurrent_dropout (float): The share of hidden units that is dropped from a layer's recurrent product, the same units at all
        time steps of a sequence (variational dropout, Gal & Ghahramani 2016).
    residual (bool): Whether a layer's input is added to its output, in the layers where the two are equally wide.
    train_initial_state (bool): Whether the state before the first row is learned; it is zero otherwise.
    forget_bias (float): What the bias of an LSTM's forget gate starts with (Jozefowicz et al. 2015).
    precision (str): The numbers whose products are summed. "bfloat16": on a CPU only when nothing is learned, and faster where
        the processor has instructions for it (AVX-512 BF16), slower than "float32" elsewhere; on a GPU of compute capability
        8.0 or more also in training. "tf32": on such a GPU; elsewhere it is "float32".
    init_W (Optional[Callable]): Initializer of each gate's input matrix; Glorot uniform if None.
    init_R (Optional[Callable]): Initializer of each gate's recurrent matrix; orthogonal if None.
    checkpoint_rows (Optional[int]): The most rows of a batch for which training keeps everything that backpropagation needs. Of a
        larger batch only states are kept, and the rest is computed again in pieces (Gruslys et al. 2016): the same gradients in
        less memory, for at most a forward pass more. If None, as many rows as fit into a fixed amount of memory; 0 to keep
        everything always.
    truncate_gradient (int): The number of rows that gradients go back through in a layer of one direction (truncated
        backpropagation through time, Williams & Peng 1990): they do not cross from a piece of so many rows into the one before
        it, counted from a sequence's first row, while the state does. 0 for all rows, which are the exact gradients.
    RETURNS (Model[Ragged, Ragged]): The layer, from rows [N, nI] to rows [N, nO].
    RAISES (ValueError): If an argument is out of its range. When the layer is initialized or run: if the input's width is wrong.
    """
    check_rate("dropout", dropout)
    _check_settings(depth, bidirectional, truncate_gradient)
    build = partial(
        build_direction,
        get_cell(cell),
        recurrent_dropout=recurrent_dropout,
        train_initial_state=train_initial_state,
        forget_bias=forget_bias,
        init_W=init_W,
        init_R=init_R,
    )
    model: Model[Ragged, Ragged] = Model(
        "rnn",
        forward,
        init=init,
        dims={"nO": nO, "nI": nI},
        layers=[build(reverse) for _ in range(depth) for reverse in ((False, True) if bidirectional else (False,))],
        attrs={
            "cell": cell,
            "bidirectional": bidirectional,
            "depth": depth,
            "dropout": dropout,
            "residual": residual,
            # No plain data, so they are not saved with the weights.
            "precision": as_precision(precision),
            "backpropagation": Backpropagation(checkpoint_rows, truncate_gradient),
        },
    )
    _check_widths(model)
    return model


def scan(
    model: Model[Ragged, Ragged], X: Ragged, state: Optional[State] = None, n_ahead: Optional[Sequence[int]] = None
) -> Tuple[Ragged, State]:
    """Run a recurrent layer from a given state, and return the state it ends in, e.g. to go on with the next piece of a stream.

    model (Model[Ragged, Ragged]): A layer made by `build_rnn`.
    X (Ragged): The batch, rows [N, nI].
    state (Optional[Dict[str, Floats3d]]): The state before the first row: for each state of the cell ("h", and for an LSTM "c")
        an array [depth · directions, B, nH], layer after layer and within a layer forward first. If None, the layer's own.
    n_ahead (Optional[Sequence[int]]): [B], how many rows at the end of each sequence are a look ahead: they are read as all
        others, but the final state of a forward direction is the one before them. No rows if None.
    RETURNS (Tuple[Ragged, Dict[str, Floats3d]]): The output, rows [N, nO], and the state after the last step of each sequence.
        The backward direction's last step is a sequence's first row, so pieces of a stream give what the whole would have given
        only in layers of one direction; `scan_encoder` says what can be done with two.
    RAISES (ValueError): If the model is none of these layers, a width or the shape of the state is wrong, or more rows are a look
        ahead than there are.
    """
    require_weights(model)
    Y, finals, _ = _run(model, X, state, is_train=False, n_ahead=n_ahead)
    return Y, _stacked(model, finals)


def initial_state(model: Model[Ragged, Ragged], n_sequences: int) -> State:
    """Give the state that a recurrent layer starts in: zeros, or what it has learned.

    model (Model[Ragged, Ragged]): A layer made by `build_rnn`.
    n_sequences (int): B, the number of sequences.
    RETURNS (Dict[str, Floats3d]): The state as `scan` takes it.
    RAISES (ValueError): If the model is none of these layers, or has no weights yet.
    """
    require_weights(model)
    return _stacked(model, [own_state(direction, n_sequences) for direction in model.layers])


def restart_backward(model: Model[Ragged, Ragged], state: State, n_sequences: int) -> State:
    """Give a state in which a recurrent layer goes on forward, while its backward directions start anew.

    model (Model[Ragged, Ragged]): A layer made by `build_rnn`.
    state (Dict[str, Floats3d]): A state that `scan` has returned.
    n_sequences (int): B, the number of sequences.
    RETURNS (Dict[str, Floats3d]): That state in the forward directions, and in the backward ones the layer's own.
    RAISES (ValueError): If the shape of the state is wrong.
    """
    _check_state(model, state, n_sequences)
    if not model.attrs["bidirectional"]:
        return state
    own = initial_state(model, n_sequences)
    for name, array in own.items():
        array[::2] = state[name][::2]
    return own


def begin_scan(model: Model[Ragged, Ragged], X: Ragged, state: Optional[State] = None) -> Tuple[Tuple[Ragged, State], Callable]:
    """Run a recurrent layer from a given state as `scan` does, for training.

    model (Model[Ragged, Ragged]): A layer made by `build_rnn`.
    X (Ragged): The batch, rows [N, nI].
    state (Optional[Dict[str, Floats3d]]): The state before the first row, as in `scan`.
    RETURNS (Tuple[Tuple[Ragged, Dict[str, Floats3d]], Callable]): The output and the final state; and a function (dY, gradient
        of the final state or None) -> (dX, gradient of the initial state) that increments the gradients of the parameters.
    RAISES (ValueError): If the model is none of these layers, or a width or the shape of the state is wrong.
    """
    require_weights(model)
    Y, finals, run_backprop = _run(model, X, state, is_train=True)

    def backprop(dY: Ragged, d_final: Optional[State]) -> Tuple[Ragged, State]:
        dX, d_initials = run_backprop(dY, d_final)
        return dX, _stacked(model, d_initials)

    return (Y, _stacked(model, finals)), backprop


def forward(model: Model[Ragged, Ragged], X: Ragged, is_train: bool) -> Tuple[Ragged, Callable]:
    if not is_train and not model.layers[0].attrs["train_initial_state"]:
        return _infer(model, X), _no_backprop
    Y, _, run_backprop = _run(model, X, None, is_train)
    return Y, _Backprop(run_backprop)


class _Backprop:
    """Backpropagation through a layer, once. What an engine has kept of a batch is released by it, and never pickled: spaCy's
    listeners hold on to the function until the next batch, and a pipeline may be pickled in between."""

    def __init__(self, run: Callable) -> None:
        self._run: Optional[Callable] = run

    def __call__(self, dY: Ragged) -> Ragged:
        if self._run is None:
            raise ValueError(
                "what the recurrent layer kept of the batch has been released: it backpropagates once for each run with "
                "is_train=True, in the process that ran it. Run it again; or use begin_scan, which can go back more than once"
            )
        dX, _ = self._run(dY, None)
        self._run = None
        return dX

    def __getstate__(self) -> Dict[str, None]:
        return {"_run": None}


def init(model: Model[Ragged, Ragged], X: Optional[Ragged] = None, Y: Optional[Ragged] = None) -> None:
    if X is not None and X.data.size:
        check_input_width(model, get_width(X), "recurrent layer")
        model.set_dim("nI", get_width(X))
    if isinstance(Y, Ragged) and Y.data.size and model.has_dim("nO") is None:
        model.set_dim("nO", get_width(Y))
    _check_widths(model)
    n_dirs = _n_directions(model)
    width = model.get_dim("nI")
    for i, direction in enumerate(model.layers):
        direction.set_dim("nI", width if i < n_dirs else model.get_dim("nO"))
        direction.set_dim("nO", model.get_dim("nO") // n_dirs)
        direction.initialize()


class _Layer(NamedTuple):
    """How to go back through one layer of the stack."""

    backprop: Optional[Backprop]
    mask: Optional[FloatsXd]
    residual: bool


def _infer(model: Model[Ragged, Ragged], X: Ragged) -> Ragged:
    """Run without states, for which the engines have a quicker way."""
    rows, lengths = _checked(model, X)
    n_dirs = _n_directions(model)
    cell, precision = get_cell(model.attrs["cell"]), model.attrs["precision"].value
    for i in range(0, len(model.layers), n_dirs):
        params = [get_params(direction, cell) for direction in model.layers[i : i + n_dirs]]
        Y = cast(Floats2d, infer_outputs(cell, params, rows, lengths, precision=precision))
        rows = rows + Y if _is_residual(model, rows) else Y
    return Ragged(rows, X.lengths)


def _no_backprop(dY: Ragged) -> Ragged:
    raise ValueError("inference keeps nothing to backpropagate with: run the layer with is_train=True")


def _run(
    model: Model[Ragged, Ragged],
    X: Ragged,
    state: Optional[State],
    is_train: bool,
    n_ahead: Optional[Sequence[int]] = None,
) -> Tuple[Ragged, List[DirectionState], Callable]:
    rows, lengths = _checked(model, X)
    batch = Batch(lengths, rows.shape[0])
    run: Callable = partial(run_sweeps, backpropagation=model.attrs["backpropagation"])
    if n_ahead is not None:
        run = partial(run_sweeps_ahead, check_ahead(n_ahead, batch))
    if state is not None:
        _check_state(model, state, len(batch))
    n_dirs = _n_directions(model)
    layers: List[_Layer] = []
    finals: List[DirectionState] = []
    for i in range(0, len(model.layers), n_dirs):
        mask = None
        if i > 0 and is_train and model.attrs["dropout"] > 0:
            mask = model.ops.get_dropout_mask(rows.shape, model.attrs["dropout"])
        dropped = rows if mask is None else rows * mask
        Y = model.ops.xp.empty((rows.shape[0], model.get_dim("nO")), dtype=rows.dtype)
        sweeps = []
        for k, columns in enumerate(_columns(Y, n_dirs), i):
            initial = None if state is None else {s: a[k] for s, a in state.items()}
            sweeps.append(prepare(model.layers[k], dropped, batch, initial, columns, is_train))
        results, backprop = run(sweeps, is_train, precision=model.attrs["precision"].value)
        finals.extend(result.final for result in results)
        residual = _is_residual(model, rows)
        rows = rows + Y if residual else Y
        layers.append(_Layer(backprop, mask, residual))

    def run_backprop(dY: Ragged, d_final: Optional[State]) -> Tuple[Ragged, List[DirectionState]]:
        return _backprop(model, layers, dY, d_final, learned=state is None)

    return Ragged(rows, X.lengths), finals, run_backprop


def _backprop(
    model: Model[Ragged, Ragged], layers: List[_Layer], dY: Ragged, d_final: Optional[State], learned: bool
) -> Tuple[Ragged, List[DirectionState]]:
    n_dirs = _n_directions(model)
    # The gradient of a batch without rows may have lost its width.
    d_rows = cast(Floats2d, dY.dataXd) if dY.data.size else model.ops.alloc2f(0, model.get_dim("nO"))
    d_initials: List[DirectionState] = []
    for i, layer in reversed(list(enumerate(layers))):
        assert layer.backprop is not None
        own = range(i * n_dirs, (i + 1) * n_dirs)
        d_states = [None if d_final is None else {s: a[k] for s, a in d_final.items()} for k in own]
        d_sweep, grads, d_states_before = layer.backprop(_columns(d_rows, n_dirs), d_states)
        for k, direction_grads, d_initial in zip(own, grads, d_states_before, strict=True):
            add_gradients(model.layers[k], direction_grads, d_initial, learned)
        d_initials[:0] = d_states_before
        if layer.mask is not None:
            d_sweep = d_sweep * layer.mask
        d_rows = d_rows + d_sweep if layer.residual else d_sweep
    return Ragged(d_rows, dY.lengths), d_initials


def _stacked(model: Model[Ragged, Ragged], states: List[DirectionState]) -> State:
    """Give the states of all directions as one array for each name."""
    return {name: model.ops.xp.stack([state[name] for state in states]) for name in states[0]}


def _checked(model: Model[Ragged, Ragged], X: Ragged) -> Tuple[Floats2d, numpy.ndarray]:
    """Give rows and lengths of a batch, if the layer can read them."""
    _require_initialized(model)
    return input_rows(model, X, "recurrent layer"), host_lengths(X)


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


def _is_residual(model: Model[Ragged, Ragged], rows: Floats2d) -> bool:
    return model.attrs["residual"] and rows.shape[1] == model.get_dim("nO")


def _n_directions(model: Model[Ragged, Ragged]) -> int:
    return 2 if model.attrs["bidirectional"] else 1


def _columns(rows: Floats2d, n_dirs: int) -> List[Floats2d]:
    """Give the columns of each direction."""
    nH = rows.shape[1] // n_dirs
    return [rows[:, d * nH : (d + 1) * nH] for d in range(n_dirs)]


def _check_settings(depth: int, bidirectional: bool, truncate_gradient: int) -> None:
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}")
    if truncate_gradient and bidirectional:
        raise ValueError(
            f"truncate_gradient is for layers of one direction, got {truncate_gradient}: set bidirectional = false, or "
            "truncate_gradient = 0; long sequences do not need it, since training keeps a bounded amount (checkpoint_rows)"
        )


def _check_widths(model: Model[Ragged, Ragged]) -> None:
    nO, nI = model.maybe_get_dim("nO"), model.maybe_get_dim("nI")
    for name, width in (("nO", nO), ("nI", nI)):
        if width is not None and width < 1:
            raise ValueError(f"the width {name} must be at least 1, got {width}")
    if nO is not None and nO % _n_directions(model):
        raise ValueError(f"the output width nO is shared by two directions, so it must be even, got {nO}")
    one_layer = model.attrs["depth"] == 1
    if model.attrs["residual"] and one_layer and None not in (nO, nI) and nO != nI:
        raise ValueError(
            f"residual adds a layer's input to its output, but no layer is as wide as its input: nI = {nI}, nO = {nO}; "
            "make the two equal, or set residual = false"
        )


def _check_state(model: Model[Ragged, Ragged], state: State, n_sequences: int) -> None:
    nH = model.get_dim("nO") // _n_directions(model)
    names = get_cell(model.attrs["cell"]).states
    if set(state) != set(names):
        raise ValueError(f"the state of {model.attrs['cell']} has the arrays {sorted(names)}, got {sorted(state)}")
    expected = (len(model.layers), n_sequences, nH)
    for name, array in state.items():
        if tuple(array.shape) != expected:
            raise ValueError(
                f"state {name!r}: expected shape {expected} (depth x directions, sequences, units), got {tuple(array.shape)}"
            )


declare(forward, IsRnn(), Recurrent(scan, restart_backward, is_bidirectional=lambda model: model.attrs["bidirectional"]))
