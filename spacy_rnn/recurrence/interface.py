"""What engines are given and what they give back."""

from typing import Any, Callable, Collection, Dict, FrozenSet, List, NamedTuple, Optional, Protocol, Sequence, Tuple, Union

import numpy

from .cells import Array, Cell, Grads, Params, State
from .packing import Batch
from .tables import Rows, TableRows


class Sweep(NamedTuple):
    """One direction of one recurrent layer over a ragged batch.

    cell (Cell): The cell.
    params (Mapping[str, Array]): The parameters, gate-major, in the order and with the shapes of `cell.parameter_shapes`. float32
        or float64.
    X (Rows): [N, nI], the rows of all sequences, one sequence after the other, by themselves or of a table.
    batch (Batch): The lengths of the sequences.
    initial (Optional[Mapping[str, Array]]): The state before the first step, an array [B, nH] for each of `cell.states`;
        zeros if None.
    mask (Optional[Array]): [B, nH], multiplies the hidden state of each sequence where it enters a recurrent product.
    reverse (bool): Whether each sequence is read from its last row to its first.
    out (Optional[Array]): [N, nH], where the output is written, e.g. some columns of a wider array; a new array if None.
    """

    cell: Cell
    params: Params
    X: Rows
    batch: Batch
    initial: Optional[State] = None
    mask: Optional[Array] = None
    reverse: bool = False
    out: Optional[Array] = None

    @property
    def state_shape(self) -> Tuple[int, int]:
        """The shape [B, nH] of each state."""
        return len(self.batch), self.params["R"].shape[1]


class Result(NamedTuple):
    """What a sweep gives back.

    Y (Array): [N, nH], the hidden state at every row.
    final (Dict[str, Array]): The state after the last step of each sequence, an array [B, nH] for each of `cell.states`; of a
        sequence with no rows its initial state.
    """

    Y: Array
    final: Dict[str, Array]


class Tape(NamedTuple):
    """How much an engine keeps in training for backpropagation, and how much it may keep, in numbers of 4 bytes.

    row (int): Of each row, all directions together, about.
    most (int): Of a batch: of a larger one pieces are computed again instead.
    piece (int): Of a piece.
    """

    row: int
    most: int
    piece: int


# From the gradients of the outputs, and of the final states or None, of some sweeps over the same rows, to the gradient of the
# rows, or of their table, and those of the parameters and of the initial states of each sweep by name.
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
        into (Optional[Array]): Like X, or its table: the gradient of the rows is added to it. Required where sweeps read parts
            of sequences.
        RETURNS (Tuple[Array, List[Grads], List[Dict[str, Array]]]): The gradient of the rows, or of their table, and for each
            sweep those of its parameters and of its initial state by name.
        """
        ...


class Settings(NamedTuple):
    """How sweeps are executed.

    is_train (bool): Whether backpropagation follows, at once or when sweeps have been run again.
    precision (str): The numbers whose products are summed, one of the engine's `precisions`.
    threads (int): How many threads may be used.
    """

    is_train: bool = False
    precision: str = "float32"
    threads: int = 1


class Session(Protocol):
    """One direction of one recurrent layer at inference, run step by step.

    It holds what stays the same between steps, such as packed weights. Later changes of the parameters may or may not show.

    A state is an array [B, nH] for each of the cell's states. It is never written to, so several states may go on from one.
    """

    def start(self, n: int) -> Dict[str, Array]:
        """Give a state of zeros.

        n (int): B, the number of sequences.
        RETURNS (Dict[str, Array]): The state.
        """
        ...

    def step(self, inputs: Array, state: State) -> Dict[str, Array]:
        """Make one time step of each sequence.

        inputs (Array): [B, nI]; or if the session has a table, integers [B], the rows of it that are read.
        state (Mapping[str, Array]): The state before.
        RETURNS (Dict[str, Array]): The state after, in which the cell's `output` is the output.
        RAISES (ValueError): If a shape or a type does not fit, or the table has no such row.
        """
        ...

    def sweep(self, X: Array, batch: Batch, state: Optional[State], reverse: bool = False, out: Optional[Array] = None) -> Result:
        """Make all time steps of some sequences.

        X (Array): [N, nI], the rows of all sequences, also if the session has a table.
        batch (Batch): The lengths of the sequences.
        state (Optional[Mapping[str, Array]]): The state before the first step; zeros if None.
        reverse (bool): Whether each sequence is read from its last row to its first.
        out (Optional[Array]): [N, nH], where the output is written; a new array if None.
        RETURNS (Result): The outputs and the state after the last step.
        RAISES (ValueError): If a shape does not fit.
        """
        ...


class SymbolStack(NamedTuple):
    """Layers of one direction over a table of symbols, and the softmax over the symbol that follows.

    cell (Cell): The cell of all layers.
    params (Sequence[Mapping[str, Array]]): The parameters of each layer, the lowest first. Each has nH units, and reads the
        output of the one below.
    table (Array): [D, nI], a row for each symbol that the lowest layer may read, D >= V.
    W (Array): [V, nH], the weights of each symbol that may follow.
    b (Array): [V].
    """

    cell: Cell
    params: Sequence[Params]
    table: Array
    W: Array
    b: Array


class Generated(NamedTuple):
    """Symbols that have been generated.

    symbols (numpy.ndarray): int64 [B, T]; -1 behind the last one of a sequence.
    log_probabilities (numpy.ndarray): float32 [B, T], those of the symbols by the model itself, in nats; 0 behind the last one.
    lengths (numpy.ndarray): int64 [B], the number of symbols of each sequence.
    counts (numpy.ndarray): int64 [B], how many of its last symbols have stopped a sequence; 0 if it may go on; -1 if no symbol
        may come, since nothing is left of the distribution.
    state (Dict[str, numpy.ndarray]): The state [depth, B, nH] before the last symbol of each sequence is read.
    """

    symbols: numpy.ndarray
    log_probabilities: numpy.ndarray
    lengths: numpy.ndarray
    counts: numpy.ndarray
    state: Dict[str, numpy.ndarray]


class StackSession(Protocol):
    """A stack over symbols at inference, which makes many steps at a time. What is packed does not follow later changes.

    A state is an array [depth, B, nH] for each of the cell's states; it is never written to. The results of a sequence do not
    depend on the others.
    """

    n_symbols: int

    def step(self, symbols: Any, state: State) -> Tuple[Array, Dict[str, Array]]:
        """Read one symbol of each sequence.

        symbols (Array): Integers [B].
        state (Mapping[str, Array]): The state before.
        RETURNS (Tuple[Array, Dict[str, Array]]): The log-probabilities of the symbol that follows, float32 [B, V], in nats; and
            the state after.
        RAISES (ValueError): If a shape or type does not fit, or there is no such symbol.
        """
        ...

    def generate(
        self,
        symbols: Any,
        state: State,
        uniforms: numpy.ndarray,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        greedy: bool = False,
        forbidden: Collection[int] = (),
        stops: Collection[int] = (),
        stop_sequences: Sequence[Sequence[int]] = (),
        before: Optional[numpy.ndarray] = None,
        seen: Optional[numpy.ndarray] = None,
    ) -> Generated:
        """Go on with sequences, symbol after symbol, until each stops or has T more.

        The symbols are those that `spacy_rnn.generation.sampling` chooses from what `step` gives, whose settings these are.

        symbols (Array): Integers [B], the last symbol of each, which is read first.
        state (Mapping[str, Array]): The state before it is read.
        uniforms (numpy.ndarray): float64 [B, T], what the symbols are drawn by, in [0, 1).
        temperature (float): Above 0.
        top_k (int): Only the k most probable symbols; 0 is all.
        top_p (float): Only the most probable symbols that together have this probability; 1 is all.
        min_p (float): Only symbols that have this part of the probability of the most probable one; 0 is all.
        repetition_penalty (float): Above 0, what the log-probabilities of symbols in `seen` are multiplied with; 1 is none.
        greedy (bool): Always the most probable symbol.
        forbidden (Collection[int]): Symbols that never come.
        stops (Collection[int]): Symbols with which a sequence ends.
        stop_sequences (Sequence[Sequence[int]]): Symbols with which it ends where they stand in a row.
        before (Optional[numpy.ndarray]): int64 [B, n], the last symbols that were generated before these, which may begin a stop
            sequence; -1 where there are fewer.
        seen (Optional[numpy.ndarray]): bool [B, V], which symbols a sequence has already; those that are chosen are added.
        RETURNS (Generated): The symbols.
        RAISES (ValueError): If a shape or type does not fit, a number is out of its range, there is no such symbol, or the
            log-probabilities of the model are not numbers.
        """
        ...


class Engine(Protocol):
    """What executes recurrences.

    name (str): What it is called.
    reads_tables (bool): Whether `run` takes rows of a table; if not, they are taken out for it, and their gradients are summed.
    """

    name: str
    reads_tables: bool

    def supports(self, cell: Cell, X: Array, params: Params) -> bool:
        """Tell whether the engine can execute a cell on some arrays here and now.

        cell (Cell): The cell.
        X (Array): The rows of a batch.
        params (Mapping[str, Array]): The parameters; those that are not given are taken to be like X.
        RETURNS (bool): Whether it can.
        """
        ...

    def precisions(self, is_train: bool) -> FrozenSet[str]:
        """List the precisions that the engine takes. One that is taken may be exceeded.

        is_train (bool): In training, or at inference.
        RETURNS (FrozenSet[str]): Among them "float32".
        """
        ...

    def run(self, sweeps: Sequence[Sweep], keeps: bool, settings: Settings) -> Tuple[List[Result], Optional[EngineBackprop]]:
        """Execute the sweeps of the directions of a layer.

        sweeps (Sequence[Sweep]): The sweeps, over the same rows; checked. If a batch in training is larger than `tape` allows,
            or gradients are truncated, they are over parts of its sequences: `Batch.starts` says where these are in X and `out`.
        keeps (bool): Whether to keep what backpropagation needs.
        settings (Settings): How.
        RETURNS (Tuple[List[Result], Optional[EngineBackprop]]): The results, and backpropagation if it is kept.
        """
        ...

    def infer(
        self, cell: Cell, params: Sequence[Params], X: Union[Array, TableRows], lengths: numpy.ndarray, settings: Settings
    ) -> Array:
        """Execute the sweeps of the directions of a layer for their outputs alone, from a state of zeros.

        cell (Cell): The cell.
        params (Sequence[Mapping[str, Array]]): The parameters of each direction, forward first; not checked.
        X (Union[Array, TableRows]): [N, nI], the rows, by themselves or of a table (`BaseEngine` takes them out); not checked.
        lengths (numpy.ndarray): int32 [B], the number of rows of each sequence, on the host; not checked.
        settings (Settings): How.
        RETURNS (Array): [N, directions · nH], the hidden states of the directions side by side.
        RAISES (ValueError): If a shape does not fit.
        """
        ...

    def session(self, cell: Cell, params: Params, table: Optional[Array], settings: Settings) -> Session:
        """Begin a session.

        cell (Cell): The cell.
        params (Mapping[str, Array]): The parameters; checked.
        table (Optional[Array]): [V, nI], the rows that its steps read; checked. None if steps are given rows.
        settings (Settings): How.
        RETURNS (Session): The session.
        """
        ...

    def stack_session(self, stack: SymbolStack, settings: Settings) -> Optional[StackSession]:
        """Begin a session of a stack over symbols.

        stack (SymbolStack): The stack; checked.
        settings (Settings): How its layers are executed.
        RETURNS (Optional[StackSession]): The session; None if the engine has none.
        """
        ...

    def tape(self, sweeps: Sequence[Sweep]) -> Tape:
        """Say how much training keeps.

        sweeps (Sequence[Sweep]): The sweeps of the directions of a layer.
        RETURNS (Tape): How much.
        """
        ...
