"""Recurrent layers whose state comes in and goes out."""

from functools import partial
from typing import Callable, Optional, Sequence, Tuple

from thinc.api import Model
from thinc.types import Ragged

from ..capabilities import State
from .direction import own_state
from .look_ahead import run_sweeps_ahead
from .session import RnnSession
from .stack import check_state, require_weights, run_stack, stack_states, sweep_runner


def scan(
    model: Model[Ragged, Ragged],
    X: Ragged,
    state: Optional[State] = None,
    n_ahead: Optional[Sequence[int]] = None,
    session: Optional[RnnSession] = None,
) -> Tuple[Ragged, State]:
    """Run a recurrent layer from a given state, and return the state it ends in, e.g. to go on with the next piece of a stream.

    model (Model[Ragged, Ragged]): A layer made by `build_rnn`.
    X (Ragged): The batch, rows [N, nI].
    state (Optional[Dict[str, Floats3d]]): The state before the first row: for each state of the cell ("h", and for an LSTM "c")
        an array [depth · directions, B, nH], layer after layer and within a layer forward first. If None, the layer's own.
    n_ahead (Optional[Sequence[int]]): [B], how many rows at the end of each sequence are a look ahead: they are read as all
        others, but the final state of a forward direction is the one before them. No rows if None.
    session (Optional[RnnSession]): Of this layer, for many short pieces: weights are then not looked at in each call.
    RETURNS (Tuple[Ragged, Dict[str, Floats3d]]): The output, rows [N, nO], and the state after the last step of each sequence.
        The backward direction's last step is a sequence's first row, so pieces of a stream give what the whole would have given
        only in layers of one direction; `scan_encoder` says what can be done with two.
    RAISES (ValueError): If the model is none of these layers, a width or the shape of the state is wrong, more rows are a look
        ahead than there are, or the session is that of another layer.
    """
    require_weights(model)
    if session is not None and session.model is not model:
        raise ValueError(f"the session is that of another layer than {model.name!r}: begin one with this layer")
    run = sweep_runner(model, is_train=False) if session is None else session.run_sweeps
    if n_ahead is not None:
        run = partial(run_sweeps_ahead, run, n_ahead)
    Y, finals, _ = run_stack(model, X, state, is_train=False, run=run)
    return Y, stack_states(model, finals)


def initial_state(model: Model[Ragged, Ragged], n_sequences: int) -> State:
    """Give the state that a recurrent layer starts in: zeros, or what it has learned.

    model (Model[Ragged, Ragged]): A layer made by `build_rnn`.
    n_sequences (int): B, the number of sequences.
    RETURNS (Dict[str, Floats3d]): The state as `scan` takes it.
    RAISES (ValueError): If the model is none of these layers, or has no weights yet.
    """
    require_weights(model)
    return stack_states(model, [own_state(direction, n_sequences) for direction in model.layers])


def restart_backward(model: Model[Ragged, Ragged], state: State, n_sequences: int) -> State:
    """Give a state in which a recurrent layer goes on forward, while its backward directions start anew.

    model (Model[Ragged, Ragged]): A layer made by `build_rnn`.
    state (Dict[str, Floats3d]): A state that `scan` has returned.
    n_sequences (int): B, the number of sequences.
    RETURNS (Dict[str, Floats3d]): That state in the forward directions, and in the backward ones the layer's own.
    RAISES (ValueError): If the shape of the state is wrong.
    """
    check_state(model, state, n_sequences)
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
    Y, finals, run_backprop = run_stack(model, X, state, is_train=True, run=sweep_runner(model, is_train=True))

    def backprop(dY: Ragged, d_final: Optional[State]) -> Tuple[Ragged, State]:
        dX, d_initials = run_backprop(dY, d_final)
        return dX, stack_states(model, d_initials)

    return (Y, stack_states(model, finals)), backprop
