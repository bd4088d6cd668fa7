"""What a model of the next symbol is."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy

# NumPy's or CuPy's.
Array = Any
# The numbers of what is no symbol of a text: what is unknown, the start, and the end.
UNKNOWN, START, END = range(3)


class NextSymbol(Protocol):
    """A model of the next symbol, run step by step: of a language, or of the output of an encoder-decoder.

    It holds what stays the same between steps, such as packed weights. A state is a value: no step writes to one, so several
    hypotheses may go on from it. What a sequence is given does not depend on the other sequences of the batch.
    """

    n_symbols: int

    def start(self, n: int, context: Any = None) -> Any:
        """Give the state before the first symbol.

        n (int): B, the number of sequences.
        context (Any): What they are to be about, if the model knows anything of the kind, e.g. an encoded text.
        RETURNS (Any): The state.
        """
        ...

    def step(self, symbols: Array, state: Any) -> tuple[Array, Any]:
        """Read one symbol of each sequence.

        symbols (Array): Integers [B], on the host or where the model is: the symbol of the start of a sequence at first, then
            what has been chosen.
        state (Any): The state before.
        RETURNS (Tuple[Array, Any]): The log-probabilities of what may come next, float32 [B, V], in nats; and the state after.
        RAISES (ValueError): If there is no such symbol, or the state is that of another number of sequences.
        """
        ...

    def reorder(self, state: Any, index: Array) -> Any:
        """Take some sequences of a state, in any order and any number of times.

        state (Any): The state of B sequences.
        index (Array): Integers [B'] or bools [B], on the host or where the model is.
        RETURNS (Any): The state of the sequences that were taken, in memory of its own.
        """
        ...


class Scores(NamedTuple):
    """What a language model says of given texts.

    log_probabilities (Array): float32 [N], the log-probability of each symbol given those before it, in nats, sequence after
        sequence.
    state (Any): The state after the last symbol of each sequence.
    """

    log_probabilities: Array
    state: Any


@runtime_checkable
class LanguageModel(NextSymbol, Protocol):
    """A model of the next symbol that also scores sequences as a whole, which is quicker than step by step."""

    def score(self, inputs: Array, targets: Array, lengths: numpy.ndarray, state: Any = None) -> Scores:
        """Score sequences.

        inputs (Array): Integers [N], what is read, sequence after sequence: at the beginning of a text the symbol of its start,
            then each symbol but the last.
        targets (Array): Integers [N], the symbols that are to be scored: each comes next after the input beside it.
        lengths (numpy.ndarray): int32 [B], the number of inputs of each sequence, on the host.
        state (Any): The state before the first input; that of `start` if None.
        RETURNS (Scores): The scores, and the state to go on with.
        RAISES (ValueError): If there is no such symbol, or a shape does not fit.
        """
        ...
