"""Back-off models of the next symbol."""

import copy
from functools import cached_property
from typing import Any, Dict, NamedTuple, Optional

import numpy
import srsly

from ..generation import START, Scores
from ..generation.checks import refuse_context
from . import engine
from .arguments import as_lengths, as_numbers, as_states
from .packing import check_order
from .trie import Trie


class BackoffModel:
    """A back-off model of n-grams, which is a `spacy_rnn.generation.LanguageModel`.

    The probability of a symbol after a context is that of the n-gram of both, if the model has it; else the context's back-off
    weight times the probability after the context without its first symbol (Katz 1987). A state is the last symbols, int32 [B,
    order - 1], -1 where there are none.
    """

    def __init__(self, trie: Trie, log_probabilities: numpy.ndarray, backoffs: numpy.ndarray) -> None:
        """Make a model.

        trie (Trie): Its n-grams.
        log_probabilities (numpy.ndarray): float32 [n_nodes], the logarithm of the probability of the last symbol of each n-gram
            after the others, in nats; that of the root is not used, that of the start of a text is taken as negative infinity.
        backoffs (numpy.ndarray): float32 [n_contexts], the logarithm of each context's weight; that of the root is not used.
        RAISES (ValueError): If they do not fit, or some are no log-probabilities or weights.
        """
        self.trie = trie
        self.log_probabilities = numpy.ascontiguousarray(log_probabilities, "float32")
        self.backoffs = numpy.ascontiguousarray(backoffs, "float32")
        check_order(trie.order)
        if len(self.log_probabilities) != len(trie.symbols) or len(self.backoffs) != trie.n_contexts:
            raise ValueError(
                f"{len(trie.symbols)} n-grams, {trie.n_contexts} of them contexts, cannot have {len(self.log_probabilities)} "
                f"log-probabilities and {len(self.backoffs)} back-off weights"
            )
        # Rounding may take a probability of 1 a little too high.
        if not (self.log_probabilities[1:] <= 1e-5).all():
            raise ValueError("a log-probability is above 0, or not a number")
        if not (self.backoffs[1:] < numpy.inf).all():
            raise ValueError("the logarithm of a back-off weight is infinity, or not a number")
        self.log_probabilities[START + 1] = -numpy.inf
        for array in (trie.symbols, trie.first, trie.links, self.log_probabilities, self.backoffs):
            array.flags.writeable = False

    @property
    def order(self) -> int:
        """RETURNS (int): The highest order of its n-grams."""
        return self.trie.order

    @property
    def n_symbols(self) -> int:
        """RETURNS (int): V, how many symbols there are."""
        return self.trie.n_symbols

    @property
    def n_bytes(self) -> int:
        """RETURNS (int): How much memory the model takes."""
        trie = self.trie
        return sum(array.nbytes for array in (trie.symbols, trie.first, trie.links, self.log_probabilities, self.backoffs))

    def start(self, n: int, context: Any = None) -> numpy.ndarray:
        """Give the state before the first symbol.

        n (int): B, the number of sequences.
        context (Any): None: n-grams are about nothing else.
        RETURNS (numpy.ndarray): int32 [B, order - 1].
        RAISES (ValueError): If there is a context.
        """
        refuse_context(context, "an n-gram model")
        return numpy.full((n, self.order - 1), -1, "int32")

    def step(self, symbols: numpy.ndarray, state: numpy.ndarray) -> "tuple[numpy.ndarray, numpy.ndarray]":
        """Read one symbol of each sequence.

        symbols (numpy.ndarray): Integers [B].
        state (numpy.ndarray): int32 [B, order - 1].
        RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): The log-probabilities of what may come next, float32 [B, V], in nats; and
            the state after.
        RAISES (ValueError): If there is no such symbol, or the state is that of another number of sequences.
        """
        numbers = as_numbers("symbols", symbols, self.n_symbols)
        states = as_states(state, len(numbers), self.order - 1, self.n_symbols)
        states = numpy.ascontiguousarray(numpy.hstack([states, numbers[:, None]])[:, 1:])
        log_probabilities = numpy.empty((len(numbers), self.n_symbols), "float32")
        self._query.predict(states, log_probabilities)
        return log_probabilities, states

    def reorder(self, state: numpy.ndarray, index: numpy.ndarray) -> numpy.ndarray:
        """Take some sequences of a state, in any order and any number of times.

        state (numpy.ndarray): int32 [B, order - 1].
        index (numpy.ndarray): Integers [B'] or bools [B].
        RETURNS (numpy.ndarray): int32 [B', order - 1].
        """
        return state[numpy.asarray(index)].copy()

    def score(
        self, inputs: numpy.ndarray, targets: numpy.ndarray, lengths: numpy.ndarray, state: Optional[numpy.ndarray] = None
    ) -> Scores:
        """Score sequences.

        inputs (numpy.ndarray): Integers [N], what is read, sequence after sequence.
        targets (numpy.ndarray): Integers [N], what comes next after the input beside it.
        lengths (numpy.ndarray): int32 [B], the number of inputs of each sequence.
        state (Optional[numpy.ndarray]): int32 [B, order - 1], the state before; that of `start` if None.
        RETURNS (Scores): The log-probability of each target, float32 [N], in nats, negative infinity where it is impossible; and
            the state to go on with.
        RAISES (ValueError): If there is no such symbol, or a shape does not fit.
        """
        inputs, targets = as_numbers("inputs", inputs, self.n_symbols), as_numbers("targets", targets, self.n_symbols)
        lengths = as_lengths(lengths, len(inputs), len(targets))
        before = self.start(len(lengths)) if state is None else state
        states = as_states(before, len(lengths), self.order - 1, self.n_symbols)
        log_probabilities = numpy.empty(len(inputs), "float32")
        self._query.score(inputs, targets, lengths, states, log_probabilities)
        return Scores(log_probabilities, states)

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The model, as plain arrays in msgpack."""
        trie = self.trie
        return srsly.msgpack_dumps(
            {
                "sizes": list(trie.sizes),
                "symbols": trie.symbols,
                "first": trie.first,
                "log_probabilities": self.log_probabilities,
                "backoffs": self.backoffs,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "BackoffModel":
        """Load a model.

        data (bytes): What `to_bytes` has returned.
        RETURNS (BackoffModel): The model.
        RAISES (ValueError): If it is damaged.
        """
        try:
            saved = srsly.msgpack_loads(data)
            fields = _Fields(**saved)
        except Exception as error:
            # Whatever msgpack raises.
            raise ValueError(f"this is no back-off model, or damaged: {error}") from error
        try:
            return cls(make_trie(fields.checked_sizes(), *fields.arrays()[:2]), *fields.arrays()[2:])
        except ValueError as error:
            raise ValueError(f"the back-off model is damaged: {error}") from error

    def __getstate__(self) -> Dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_query"}

    def __deepcopy__(self, memo: Any) -> "BackoffModel":
        # Nothing of it ever changes.
        return copy.copy(self)

    @cached_property
    def _query(self) -> Any:
        trie = self.trie
        return engine.functions.BackoffQuery(
            self.order, self.n_symbols, trie.symbols, trie.first, trie.links, self.log_probabilities, self.backoffs
        )


class _Fields(NamedTuple):
    sizes: Any
    symbols: Any
    first: Any
    log_probabilities: Any
    backoffs: Any

    def checked_sizes(self) -> "tuple[int, ...]":
        if not isinstance(self.sizes, list) or not self.sizes or not all(type(size) is int and size >= 0 for size in self.sizes):
            raise ValueError(f"its numbers of n-grams are {self.sizes!r}")
        return tuple(self.sizes)

    def arrays(self) -> "list[numpy.ndarray]":
        kinds = (("symbols", "int32"), ("first", "uint32"), ("log_probabilities", "float32"), ("backoffs", "float32"))
        for name, kind in kinds:
            array = getattr(self, name)
            if not isinstance(array, numpy.ndarray) or array.dtype != kind or array.ndim != 1:
                raise ValueError(f"{name} is no {kind} array of one dimension")
        # Copies, for a buffer of msgpack's cannot be written to.
        return [numpy.array(getattr(self, name)) for name, _ in kinds]


def make_trie(sizes: "tuple[int, ...]", symbols: numpy.ndarray, first: numpy.ndarray) -> Trie:
    """Make a tree of its nodes, and find the suffixes of each.

    sizes (Tuple[int, ...]): The number of n-grams of each order.
    symbols (numpy.ndarray): int32 [n_nodes].
    first (numpy.ndarray): uint32 [n_contexts + 1].
    RETURNS (Trie): The tree.
    RAISES (ValueError): If it is none.
    """
    check_order(len(sizes))
    n_nodes, n_contexts = 1 + sum(sizes), 1 + sum(sizes[:-1])
    if len(symbols) != n_nodes or len(first) != n_contexts + 1 or sizes[0] <= START + 1:
        raise ValueError(f"{list(sizes)} n-grams do not go with {len(symbols)} symbols and {len(first)} first children")
    bounds, begin = first.astype("int64"), 1
    expected = [1]
    for size in sizes:
        begin += size
        expected.append(begin)
    # The children of the first node of each order are the first ones of the next.
    starts = [0, *expected[: len(sizes) - 1], n_contexts]
    if (numpy.diff(bounds) < 0).any() or [int(bounds[i]) for i in starts] != expected:
        raise ValueError("its tree does not have the n-grams of each order after each other")
    if (symbols[1 : sizes[0] + 1] != numpy.arange(sizes[0])).any() or ((symbols[1:] < 0) | (symbols[1:] >= sizes[0])).any():
        raise ValueError("it has symbols that there are not")
    rises = numpy.diff(symbols[1:]) > 0
    # Between the children of one context and those of the next, symbols may fall.
    edges = bounds[(bounds > 1) & (bounds < n_nodes)] - 2
    rises[edges] = True
    if not rises.all():
        raise ValueError("the children of a context are not in order")
    links, extensions = numpy.empty(n_nodes, "uint32"), numpy.empty(n_contexts, "uint32")
    engine.functions.find_links(sizes[0], symbols, first, links, extensions)
    return Trie(len(sizes), sizes, symbols, first, links)
