"""What a sweep is given and what it gives back, whatever engine executes it."""

from typing import Callable, Dict, List, NamedTuple, Optional, Protocol, Sequence, Tuple

from .cells import Array, Cell, Grads, Params, State
from .packing import Batch


class Sweep(NamedTuple):
    """One direction of one recurrent layer over a ragged batch.

    cell (Cell): The cell.
    params (Mapping[str, Array]): The parameters, gate-major, in the order and with the shapes of `cell.parameter_shapes`. float32
        or float64.
    X (Array): [N, nI], the rows of all sequences, one sequence after the other.
    batch (Batch): The lengths of the sequences.
    initial (Optional[Mapping[str, Array]]): The state before the first step, an array [B, nH] for each of `cell.states`;
        zeros if None.
    mask (Optional[Array]): [B, nH], multiplies the hidden state of each sequence where it enters a recurrent product.
    reverse (bool): Whether each sequence is read from its last row to its first.
    out (Optional[Array]): [N, nH], where the output is written, e.g. some columns of a wider array; a new array if None.
    """

    cell: Cell
    params: Params
    X: Array
    batch: Batch
    initial: Optional[State] = None
    mask: Optional[Array] = None
    reverse: bool = False
    out: Optional[Array] = None


class Result(NamedTuple):
    """What a sweep gives back.

    Y (Array): [N, nH], the hidden state at every row.
    final (Dict[str, Array]): The state after the last step of each sequence, an array [B, nH] for each of `cell.states`; of a
        sequence with no rows its initial state.
    """

    Y: Array
    final: Dict[str, Array]


class Tape(NamedTuple):
    """How much an engine keeps in training for the way back, and how much of it is sensible, in numbers of 4 bytes.

    row (int): Of each row, all directions together, about.
    most (int): Of a batch: of a larger one pieces are computed again instead.
    piece (int): Of a piece.
    """

    row: int
    most: int
    piece: int


# From the gradients of the outputs, and of the final states or None, of some sweeps over the same rows, to the gradient of the
# rows, and those of the parameters and of the initial states of each sweep by name.
Backprop = Callable[
    [Sequence[Array], Sequence[Optional[State]]],
    Tuple[Array, List[Grads], List[Dict[str, Array]]],
]


class EngineBackprop(Protocol):
    """The same of an engine, whose sweeps may also read parts of sequences (`Batch.starts`)."""

    def __call__(
        self, dYs: Sequence[Array], d_finals: Sequence[Optional[State]], into: Optional[Array] = None
    ) -> Tuple[Array, List[Grads], List[Dict[str, Array]]]:
        """Go back through sweeps.

        dYs (Sequence[Array]): The gradient of each one's output, as many rows [., nH] as X has.
        d_finals (Sequence[Optional[Mapping[str, Array]]]): That of each one's final state, or None.
        into (Optional[Array]): Like X: the gradient of the rows is added to it. Required where sweeps read parts of sequences.
        RETURNS (Tuple[Array, List[Grads], List[Dict[str, Array]]]): The gradient of the rows, and for each sweep those of its
            parameters and of its initial state by name.
        """
        ...
