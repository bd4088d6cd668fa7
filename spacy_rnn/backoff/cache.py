"""A cache: what has just been written is likely to be written again."""

from typing import Any, List, NamedTuple, Optional, Tuple

import numpy

from ..generation import END, START, Scores
from ..generation.checks import refuse_context
from .arguments import as_lengths, as_numbers, as_states


class CacheModel:
    """A cache of n-grams (Kuhn & De Mori 1990), which is a `spacy_rnn.generation.LanguageModel`.

    Of the last symbols of the text itself it counts those that came after the same context of order - 1 symbols. A share of the
    probability is that of shorter contexts, down to none, and at last that of all symbols alike. A state is the last `size`
    symbols, int32 [B, size], -1 where there are none; the start of a text clears it.
    """

    def __init__(self, n_symbols: int, size: int = 500, order: int = 1, share: float = 0.1) -> None:
        """Make a cache.

        n_symbols (int): V, how many symbols there are.
        size (int): How many symbols are remembered.
        order (int): The order of the n-grams that are counted; 1 for single symbols.
        share (float): The share of an order's probability that is that of the next lower one, above 0 and up to 1.
        RAISES (ValueError): If an argument is out of range.
        """
        check_cache(size, order, share)
        if n_symbols <= END:
            raise ValueError(f"n_symbols must be at least {END + 1}, with what is unknown, start and end, got {n_symbols}")
        self.n_symbols, self.size, self.order, self.share = n_symbols, size, order, share

    def start(self, n: int, context: Any = None) -> numpy.ndarray:
        """Give the state before the first symbol.

        n (int): B, the number of sequences.
        context (Any): None: a cache is about nothing else.
        RETURNS (numpy.ndarray): int32 [B, size].
        RAISES (ValueError): If there is a context.
        """
        refuse_context(context, "a cache")
        return numpy.full((n, self.size), -1, "int32")

    def reorder(self, state: numpy.ndarray, index: numpy.ndarray) -> numpy.ndarray:
        """Take some sequences of a state, in any order and any number of times.

        state (numpy.ndarray): int32 [B, size].
        index (numpy.ndarray): Integers [B'] or bools [B].
        RETURNS (numpy.ndarray): int32 [B', size].
        """
        return state[numpy.asarray(index)].copy()

    def step(self, symbols: numpy.ndarray, state: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Read one symbol of each sequence.

        symbols (numpy.ndarray): Integers [B].
        state (numpy.ndarray): int32 [B, size].
        RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): The log-probabilities of what may come next, float32 [B, V], in nats; and
            the state after.
        RAISES (ValueError): If there is no such symbol, or the state does not fit.
        """
        numbers = as_numbers("symbols", symbols, self.n_symbols)
        states = _extend(as_states(state, len(numbers), self.size, self.n_symbols), numbers[:, None])
        rows = numpy.full((len(numbers), self.n_symbols), 1 / (self.n_symbols - 1))
        rows[:, START] = 0
        for row, remembered in zip(rows, states, strict=True):
            remembered = remembered[remembered >= 0]
            for order in range(1, self.order + 1):
                after = _follow(remembered, order)
                if len(after):
                    row *= self.share
                    row += (1 - self.share) * numpy.bincount(after, minlength=self.n_symbols) / len(after)
        with numpy.errstate(divide="ignore"):
            return numpy.log(rows).astype("float32"), states

    def score(
        self, inputs: numpy.ndarray, targets: numpy.ndarray, lengths: numpy.ndarray, state: Optional[numpy.ndarray] = None
    ) -> Scores:
        """Score sequences.

        inputs (numpy.ndarray): Integers [N], what is read, sequence after sequence.
        targets (numpy.ndarray): Integers [N], what comes next after the input beside it.
        lengths (numpy.ndarray): int32 [B], the number of inputs of each sequence.
        state (Optional[numpy.ndarray]): int32 [B, size], the state before; that of `start` if None.
        RETURNS (Scores): The log-probability of each target, float32 [N], in nats; and the state to go on with.
        RAISES (ValueError): If there is no such symbol, or a shape does not fit.
        """
        inputs, targets = as_numbers("inputs", inputs, self.n_symbols), as_numbers("targets", targets, self.n_symbols)
        lengths = as_lengths(lengths, len(inputs), len(targets))
        states = as_states(self.start(len(lengths)) if state is None else state, len(lengths), self.size, self.n_symbols)
        streams = [numpy.append(before[before >= 0], own) for before, own in zip(states, _split(inputs, lengths), strict=True)]
        probabilities = self._score(_Streams.of(streams, lengths, self.size), targets)
        after = numpy.vstack([_extend(self.start(1), stream[None]) for stream in streams]) if streams else states
        with numpy.errstate(divide="ignore"):
            return Scores(numpy.log(probabilities).astype("float32"), after)

    def _score(self, streams: "_Streams", targets: numpy.ndarray) -> numpy.ndarray:
        """Find the probability of each target, float64 [N]."""
        n = len(streams.symbols)
        places = streams.scored
        found = numpy.where(targets == START, 0.0, 1 / (self.n_symbols - 1))
        # The n-gram that ends at each place, and the one that would end if the target came next.
        ngrams, wanted = _pair(streams.texts, streams.symbols, streams.texts[places], targets)
        contexts = streams.texts
        for order in range(1, self.order + 1):
            # N-grams that begin before the first remembered symbol are forgotten.
            begins = streams.first[places] + order - 1
            usable = (numpy.arange(n) - streams.starts >= order - 1) & (streams.symbols != START)
            seen = _Occurrences(ngrams, usable).count(wanted, begins, places)
            total = _Occurrences(numpy.append(-1, contexts[:-1]) if order > 1 else contexts, usable).count(
                contexts[places], begins, places
            )
            known = total > 0
            found[known] = self.share * found[known] + (1 - self.share) * seen[known] / total[known]
            if order < self.order:
                contexts = ngrams
                before = numpy.append(-1, ngrams[:-1])
                ngrams, wanted = _pair(before, streams.symbols, contexts[places], targets)
        return found


class _Streams(NamedTuple):
    """What is remembered and read, sequence after sequence.

    symbols (numpy.ndarray): int32 [n].
    texts (numpy.ndarray): int64 [n], which text each belongs to.
    starts (numpy.ndarray): int64 [n], where that begins.
    first (numpy.ndarray): int64 [n], the first place that is remembered after each has been read.
    scored (numpy.ndarray): int64 [N], the places of what is read.
    """

    symbols: numpy.ndarray
    texts: numpy.ndarray
    starts: numpy.ndarray
    first: numpy.ndarray
    scored: numpy.ndarray

    @classmethod
    def of(cls, streams: List[numpy.ndarray], lengths: numpy.ndarray, size: int) -> "_Streams":
        symbols = numpy.concatenate([numpy.zeros(0, "int32"), *streams])
        n_symbols = numpy.array([len(stream) for stream in streams], "int64")
        ends, places = numpy.cumsum(n_symbols), numpy.arange(len(symbols))
        begins = symbols == START
        begins[(ends - n_symbols)[n_symbols > 0]] = True
        texts = numpy.cumsum(begins)
        starts = numpy.flatnonzero(begins)[texts - 1]
        scored = [numpy.arange(end - length, end) for end, length in zip(ends, lengths, strict=True)]
        scored_places = numpy.concatenate([numpy.zeros(0, "int64"), *scored])
        return cls(symbols, texts, starts, numpy.maximum(starts, places - size + 1), scored_places)


class _Occurrences:
    """Where things occur, for counting them between two places."""

    def __init__(self, things: numpy.ndarray, usable: numpy.ndarray) -> None:
        """Take the thing at each place, int64 [n], and which places count."""
        self._n = len(things) + 1
        places = numpy.flatnonzero(usable)
        self._keys = numpy.sort(things[places] * self._n + places)

    def count(self, things: numpy.ndarray, first: numpy.ndarray, last: numpy.ndarray) -> numpy.ndarray:
        """Count how often each thing occurs from one place to another one, both included."""
        after = numpy.searchsorted(self._keys, things * self._n + last, side="right")
        return numpy.maximum(after - numpy.searchsorted(self._keys, things * self._n + first), 0)


def _pair(
    before: numpy.ndarray, symbols: numpy.ndarray, other_before: numpy.ndarray, other_symbols: numpy.ndarray
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Number pairs, those that are equal alike."""
    pairs = numpy.concatenate([before, other_before]) * 2**31 + numpy.concatenate([symbols, other_symbols])
    numbers = numpy.unique(pairs, return_inverse=True)[1].reshape(-1)
    return numbers[: len(before)], numbers[len(before) :]


def _follow(remembered: numpy.ndarray, order: int) -> numpy.ndarray:
    """List what came after the last order - 1 symbols."""
    n = len(remembered) - order + 1
    if n <= 0:
        return remembered[:0]
    same = numpy.ones(n, "bool")
    for i in range(order - 1):
        same &= remembered[i : i + n] == remembered[len(remembered) - order + 1 + i]
    after = remembered[order - 1 :][same]
    return after[after != START]


def _extend(states: numpy.ndarray, symbols: numpy.ndarray) -> numpy.ndarray:
    """Remember symbols [B, n], and forget what was before the last start of a text."""
    width = states.shape[1]
    states = numpy.ascontiguousarray(numpy.hstack([states, symbols])[:, -width:]).astype("int32")
    is_start = states == START
    states[numpy.cumsum(is_start[:, ::-1], axis=1)[:, ::-1] - is_start > 0] = -1
    return states


def _split(symbols: numpy.ndarray, lengths: numpy.ndarray) -> List[numpy.ndarray]:
    return numpy.split(symbols, numpy.cumsum(lengths)[:-1]) if len(lengths) else []


def check_cache(size: int, order: int, share: float) -> None:
    """Check the settings of a cache.

    size (int): How many symbols are remembered.
    order (int): The order of n-grams.
    share (float): The share of the next lower order.
    RAISES (ValueError): If one is out of range.
    """
    if type(size) is not int or size < 1:
        raise ValueError(f"size must be a number of symbols, at least 1, got {size!r}")
    if type(order) is not int or not 1 <= order <= size:
        raise ValueError(f"order must be from 1 to the size of the cache, {size}, got {order!r}")
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got {share}")
