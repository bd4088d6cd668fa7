"""What a model of the next symbol is."""

from typing import Any, Collection, NamedTuple, Optional, Protocol, Sequence, runtime_checkable

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


@runtime_checkable
class FindsBest(NextSymbol, Protocol):
    """A model of the next symbol that finds the most probable ones quicker than all are scored."""

    def best(self, symbols: Array, state: Any, k: int, forbidden: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray, Any]:
        """Read one symbol of each sequence, as `step` does.

        symbols (Array): Integers [R], on the host or where the model is.
        state (Any): The state before.
        k (int): How many of the symbols that may come next to give, from 1 to V.
        forbidden (numpy.ndarray): int64 [n], in ascending order, symbols that are not to be given. They keep their probability.
        RETURNS (Tuple[numpy.ndarray, numpy.ndarray, Any]): The most probable symbols, int64 [R, k], the most probable first, of
            equally probable ones the smaller first, -1 where no more can come; their log-probabilities, float32 [R, k], those of
            `step`, -inf there; both on the host; and the state after.
        RAISES (ValueError): If there is no such symbol, or the state is that of another number of sequences.
        """
        ...


@runtime_checkable
class CoversSource(NextSymbol, Protocol):
    """A model of the next symbol that attends to a source."""

    def coverage(self, state: Any) -> Array:
        """Tell how much of the source the attention has covered so far (Wu et al. 2016, equation 14).

        state (Any): A state that `step` has given. The attention of that step counts, by which the symbol was predicted that is
            read next.
        RETURNS (Array): float64 [R], for each sequence the sum over its source of log(min(sum of attention, 1)), so 0 or below.
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


class Block(Protocol):
    """Several symbols of each of B sequences."""

    @property
    def symbols(self) -> numpy.ndarray:
        """int64 [B, T], -1 behind the last symbol of a sequence."""
        ...

    @property
    def log_probabilities(self) -> numpy.ndarray:
        """float32 [B, T], those of the symbols by the model itself, in nats."""
        ...

    @property
    def lengths(self) -> numpy.ndarray:
        """int64 [B], how many symbols of a sequence there are."""
        ...

    @property
    def counts(self) -> numpy.ndarray:
        """int64 [B], how many of its last symbols make a sequence stop; 0 if it goes on; -1 if no symbol could come."""
        ...

    @property
    def state(self) -> Any:
        """The state before the last symbol of each sequence is read."""
        ...


class ManySteps(Protocol):
    """What makes many steps of a model in one call, and draws the symbols in between."""

    def generate(
        self,
        symbols: numpy.ndarray,
        state: Any,
        uniforms: numpy.ndarray,
        *,
        temperature: float,
        top_k: int,
        top_p: float,
        min_p: float,
        repetition_penalty: float,
        greedy: bool,
        forbidden: Collection[int],
        stops: Collection[int],
        stop_sequences: Sequence[Sequence[int]],
        before: numpy.ndarray,
        seen: Optional[numpy.ndarray],
    ) -> Block:
        """Go on with sequences, each by T symbols at most: those that `sampling.choose` would choose.

        symbols (numpy.ndarray): int64 [B], the last symbol of each, which is read first.
        state (Any): The state before.
        uniforms (numpy.ndarray): float64 [B, T], what symbols are drawn by.
        temperature, top_k, top_p, min_p, repetition_penalty, greedy: As `Sampling` takes them.
        forbidden (Collection[int]): Symbols that never come.
        stops (Collection[int]): Symbols that end a sequence.
        stop_sequences (Sequence[Sequence[int]]): Symbols that end one where they stand in a row.
        before (numpy.ndarray): int64 [B, n], the last symbols that were generated before; -1 where there are fewer.
        seen (Optional[numpy.ndarray]): bool [B, V], the symbols that a sequence has, to which those that are chosen are added;
            None without a penalty.
        RETURNS (Block): The symbols.
        """
        ...


@runtime_checkable
class MakesManySteps(NextSymbol, Protocol):
    """A model of the next symbol that may have a quicker way to generate."""

    def many_steps(self) -> Optional[ManySteps]:
        """RETURNS (Optional[ManySteps]): That way, whose states are those of `step`; None if it has none."""
        ...
