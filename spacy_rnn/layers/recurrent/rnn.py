"""Recurrent layers of any cell: deep, bidirectional, with dropout, residual connections and state."""

from functools import partial
from typing import Callable, Dict, Optional, Tuple

from thinc.api import Model
from thinc.types import Ragged
from thinc.util import get_width

from ...recurrence import Backpropagation, get_cell
from ..capabilities import Directions, Drops, IsRnn, KeepsDirectionsApart, Recurrent, declare
from ..plain.dropout import check_rate
from ..ragged.width import check_input_width, known_width
from ..saved import Saved, no_parameters, require_same
from .apart import run_sweeps_apart
from .direction import Init, build_direction
from .precision import as_precision
from .scanning import restart_backward, scan
from .session import RnnSession
from .stack import infer_stack, n_directions, run_stack, sweep_runner


def build_rnn(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    cell: str = "lstm",
    bidirectional: bool = False,
    depth: int = 1,
    dropout: float = 0.0,
    locked_dropout: bool = False,
    recurrent_dropout: float = 0.0,
    weight_dropout: float = 0.0,
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
    locked_dropout (bool): Whether these are the same at all time steps of a sequence (Merity et al. 2018).
    recurrent_dropout (float): The share of hidden units that is dropped from a layer's recurrent product, the same units at all
        time steps of a sequence (variational dropout, Gal & Ghahramani 2016).
    weight_dropout (float): The share of recurrent weights that is dropped, the same ones at all time steps of a batch
        (DropConnect, Merity et al. 2018).
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
        weight_dropout=weight_dropout,
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
            "locked_dropout": locked_dropout,
            "residual": residual,
            # No plain data, so they are not saved with the weights.
            "precision": as_precision(precision),
            "backpropagation": Backpropagation(checkpoint_rows, truncate_gradient),
        },
    )
    _check_widths(model)
    return model


def forward(model: Model[Ragged, Ragged], X: Ragged, is_train: bool) -> Tuple[Ragged, Callable]:
    if not is_train and not model.layers[0].attrs["train_initial_state"]:
        return infer_stack(model, X), _no_backprop
    Y, _, run_backprop = run_stack(model, X, None, is_train, sweep_runner(model, is_train))
    return Y, _Backprop(run_backprop)


def begin_apart(model: Model[Ragged, Ragged], X: Directions, is_train: bool) -> Tuple[Directions, Callable]:
    """Run a stack whose directions know nothing of each other, as `KeepsDirectionsApart.begin` says.

    In every layer but the first each direction reads its own columns alone: those of its input matrix W that belong to the other
    ones count as zeros. A layer of one direction is run as it is.

    model (Model[Ragged, Ragged]): The stack.
    X (Directions): The batch, rows [N, nI].
    is_train (bool): Whether dropout is drawn, and backpropagation follows.
    RETURNS (Tuple[Directions, Callable]): The rows [N, nO]; and, in training, their backpropagation.
    RAISES (ValueError): If the stack has no weights or a width is wrong; or one direction, but the rows below have two.
    """
    if not model.attrs["bidirectional"]:
        if X.apart:
            raise ValueError(
                "a recurrent layer of one direction stands above one of two, whose backward half it would read forward: make all "
                "layers bidirectional, or none"
            )
        Y, layer_backprop = model(X.rows, is_train)
        return Directions(Y, False), layer_backprop
    run = partial(run_sweeps_apart, sweep_runner(model, is_train), X.apart)
    Y, _, run_backprop = run_stack(model, X.rows, None, is_train, run)
    return Directions(Y, True), _Backprop(run_backprop)


class _Backprop:
    """Backpropagate through a layer.

    What an engine has kept of a batch is not pickled: spaCy's listeners hold on to the function until the next batch, for
    `nlp.rehearse` may go back through it again, and a pipeline may be pickled in between."""

    def __init__(self, run: Callable) -> None:
        self._run: Optional[Callable] = run

    def __call__(self, dY: Ragged) -> Ragged:
        if self._run is None:
            raise ValueError(
                "what the recurrent layer kept of the batch was not pickled with it: it backpropagates in the process that ran "
                "it with is_train=True. Run it again"
            )
        return self._run(dY, None)[0]

    def __getstate__(self) -> Dict[str, None]:
        return {"_run": None}


def init(model: Model[Ragged, Ragged], X: Optional[Ragged] = None, Y: Optional[Ragged] = None) -> None:
    width = known_width(X)
    if width is not None:
        check_input_width(model, width, "recurrent layer")
        model.set_dim("nI", width)
    if isinstance(Y, Ragged) and Y.data.size and model.has_dim("nO") is None:
        model.set_dim("nO", get_width(Y))
    _check_widths(model)
    n_dirs = n_directions(model)
    width = model.get_dim("nI")
    for i, direction in enumerate(model.layers):
        direction.set_dim("nI", width if i < n_dirs else model.get_dim("nO"))
        direction.set_dim("nO", model.get_dim("nO") // n_dirs)
        direction.initialize()


def _no_backprop(dY: Ragged) -> Ragged:
    raise ValueError("inference keeps nothing to backpropagate with: run the layer with is_train=True")


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
    if nO is not None and nO % n_directions(model):
        raise ValueError(f"the output width nO is shared by two directions, so it must be even, got {nO}")
    one_layer = model.attrs["depth"] == 1
    if model.attrs["residual"] and one_layer and None not in (nO, nI) and nO != nI:
        raise ValueError(
            f"residual adds a layer's input to its output, but no layer is as wide as its input: nI = {nI}, nO = {nO}; "
            "make the two equal, or set residual = false"
        )


def _check_saved(model: Model) -> None:
    _check_widths(model)
    n_dirs, nO = n_directions(model), model.maybe_get_dim("nO")
    for i, direction in enumerate(model.layers):
        require_same(model, "nI" if i < n_dirs else "nO", direction, "nI")
        nH = direction.maybe_get_dim("nO")
        if nH is not None and nO is not None and nH * n_dirs != nO:
            raise ValueError(f"its width nO = {nO} is not that of {n_dirs} directions of {nH} units")


declare(
    forward,
    IsRnn(),
    Recurrent(scan, restart_backward, lambda model: model.attrs["bidirectional"], RnnSession),
    KeepsDirectionsApart(begin_apart, lambda model: []),
    Drops(("dropout",)),
    Saved(no_parameters, _check_saved),
)
