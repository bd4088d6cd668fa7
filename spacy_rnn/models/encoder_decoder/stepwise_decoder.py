"""The decoder of an encoder-decoder, step by step: what it reads is what it has written."""

from typing import Any, Callable, NamedTuple, Optional, Tuple, cast

import numpy
from thinc.types import Floats1d, Floats2d

from ...generation.best import find_best
from ...layers.attention.copying import mix_all, symbols_in_view
from ...layers.attention.cross_attention import attend
from ...layers.attention.ragged import list_pairs
from ...layers.capabilities import State
from ...layers.output.symbol_scorer import begin_scoring
from ...layers.recurrent.session import RnnSession
from ..symbols import as_symbols
from .sweeping import Decoder, Source


class DecoderState(NamedTuple):
    """The state of R sequences that are being written.

    hidden (Dict[str, Floats3d]): Of the recurrent layers, [depth, R, nH] by name.
    owners (numpy.ndarray): int64 [R], which source each is about, on the host.
    source (Optional[Source]): What is looked at, of all sources: it is never copied.
    vectors (Optional[Floats2d]): [R, nC], what each step reads beside the last symbol.
    fed (Optional[Floats2d]): [R, nH], the attentional rows of the last step, with input feeding.
    covered (Optional[numpy.ndarray]): float64 [R, L], how much attention each row of the source has had, where it is counted.
    """

    hidden: State
    owners: numpy.ndarray
    source: Optional[Source]
    vectors: Optional[Floats2d] = None
    fed: Optional[Floats2d] = None
    covered: Optional[numpy.ndarray] = None


class StepwiseDecoder:
    """A decoder with the weights as they are: see `spacy_rnn.generation.NextSymbol`."""

    def __init__(self, decoder: Decoder, begin: Callable[[int, Any], DecoderState], *, counts_coverage: bool = False) -> None:
        """Begin.

        decoder (Decoder): The layers.
        begin (Callable): (n, context) -> the state before the first symbol of n sequences.
        counts_coverage (bool): Whether it is counted how much attention each row of a source has had.
        """
        self.n_symbols = decoder.head.get_dim("nV")
        self._decoder, self._start, self._counts_coverage = decoder, begin, counts_coverage
        self._table = cast(Floats2d, decoder.embed.get_param("E"))
        self._reads_table = decoder.embed.get_dim("nO") == decoder.rnn.get_dim("nI")
        self._scorer = begin_scoring(decoder.head)
        self._session = RnnSession(decoder.rnn, self._table if self._reads_table else None)

    def start(self, n: int, context: Any = None) -> DecoderState:
        """Give the state before the first symbol, as `NextSymbol.start` says.

        n (int): B, the number of sequences.
        context (Any): What they are written from.
        RETURNS (DecoderState): The state.
        RAISES (ValueError): If the context is none of this model's, or of another number of sequences.
        """
        state = self._start(n, context)
        if self._counts_coverage and state.source is not None:
            longest = int(state.source.memory.lengths.max(initial=0))
            state = state._replace(covered=numpy.zeros((n, longest)))
        return state

    def step(self, symbols: Any, state: DecoderState) -> Tuple[Floats2d, DecoderState]:
        """Read one symbol of each sequence, as `NextSymbol.step` says.

        symbols (Array): Integers [R], what was written last, or the start.
        state (DecoderState): The state before.
        RETURNS (Tuple[Floats2d, DecoderState]): The log-probabilities of what comes next [R, V], and the state after.
        RAISES (ValueError): If there is no such symbol, or the state is that of another number of sequences.
        """
        found = self._advance(symbols, state)
        return (self._scorer.log_probabilities(found.A) if self._decoder.gate is None else self._mix(found)), found.state

    def best(
        self, symbols: Any, state: DecoderState, k: int, forbidden: numpy.ndarray
    ) -> Tuple[numpy.ndarray, numpy.ndarray, DecoderState]:
        """Read one symbol of each sequence, and find the most probable next ones, as `FindsBest.best` says.

        symbols (Array): As `step` takes them.
        state (DecoderState): The state before.
        k (int): How many symbols are found for each sequence.
        forbidden (numpy.ndarray): int64 [n], those that never come.
        RETURNS (Tuple[numpy.ndarray, numpy.ndarray, DecoderState]): The symbols and their log-probabilities [R, k], and the state
            after.
        RAISES (ValueError): As `step` does.
        """
        found = self._advance(symbols, state)
        if self._decoder.gate is None:
            best = self._scorer.best(found.A, k, forbidden)
        else:
            best = find_best(self._mix(found), k, forbidden)
        return best.symbols, best.log_probabilities, found.state

    def reorder(self, state: DecoderState, index: Any) -> DecoderState:
        """Take some sequences of a state, as `NextSymbol.reorder` says."""
        taken = {name: array[:, index] for name, array in state.hidden.items()}
        on_host = index if isinstance(index, numpy.ndarray) or not hasattr(index, "get") else index.get()
        vectors, fed = (None if part is None else part[index] for part in (state.vectors, state.fed))
        covered = None if state.covered is None else state.covered[on_host]
        return DecoderState(taken, state.owners[on_host], state.source, vectors, fed, covered)

    def coverage(self, state: DecoderState) -> numpy.ndarray:
        """Say how well sequences cover their sources (Wu et al. 2016, equation 14).

        state (DecoderState): A state.
        RETURNS (numpy.ndarray): float64 [R], for each sequence the sum over the rows of its source of log min(attention, 1).
        RAISES (ValueError): If it is not counted.
        """
        if state.covered is None or state.source is None:
            raise ValueError("coverage is that of a decoder with attention which was begun to count it")
        # Row by row: a sum over the columns would depend in its last bits on their number, that of the longest source.
        rows, columns = _rows_in_view(state.source, state.owners)
        shares = numpy.clip(state.covered[rows, columns], numpy.finfo("float64").tiny, 1.0)
        return numpy.bincount(rows, numpy.log(shares), minlength=len(state.owners))

    def _advance(self, symbols: Any, state: DecoderState) -> "_Advanced":
        """Make a step of the layers below the output."""
        numbers, decoder = as_symbols(symbols, self.n_symbols), self._decoder
        X, H, hidden = self._read(numbers, state)
        state = state._replace(hidden=hidden)
        if decoder.attention is None or decoder.attentional is None:
            return _Advanced(state, X, H, H)
        source = state.source
        assert source is not None
        (C, weights), _ = attend(decoder.attention, source.memory, H, state.owners)
        A = decoder.attentional.predict((H, C))
        if decoder.is_fed:
            state = state._replace(fed=A)
        if state.covered is not None:
            state = state._replace(covered=self._cover(state.covered, source, state.owners, weights))
        return _Advanced(state, X, H, A, C, weights)

    def _read(self, numbers: numpy.ndarray, state: DecoderState) -> Tuple[Floats2d, Floats2d, State]:
        """Make a step of the recurrent layers: what they have read, the hidden rows, and the state."""
        xp = self._decoder.embed.ops.xp
        if self._reads_table:
            H, hidden = self._session.step(numbers, state.hidden)
            rows = self._table[xp.asarray(numbers)] if self._decoder.gate is not None else H
            return rows, H, hidden
        beside = [part for part in (state.vectors, state.fed) if part is not None]
        X = xp.concatenate([self._table[xp.asarray(numbers)], *beside], axis=1)
        H, hidden = self._session.step(X, state.hidden)
        return X, H, hidden

    def _cover(self, covered: numpy.ndarray, source: Source, owners: numpy.ndarray, weights: Any) -> numpy.ndarray:
        """Add the attention of a step to that of those before."""
        covered = covered.copy()
        covered[_rows_in_view(source, owners)] += self._decoder.head.ops.to_numpy(weights)
        return covered

    def _mix(self, found: "_Advanced") -> Floats2d:
        """Give the log-probabilities of symbols that are written or copied."""
        source, gate = found.state.source, self._decoder.gate
        assert source is not None and gate is not None
        in_view = symbols_in_view(source.numbers, source.memory.lengths, found.state.owners)
        share = gate.predict((found.X, found.H, found.C))
        return mix_all(share, self._scorer.log_probabilities(found.A), cast(Floats1d, found.weights), *in_view)


class _Advanced(NamedTuple):
    """What a step has computed below the output: see `Swept`."""

    state: DecoderState
    X: Floats2d
    H: Floats2d
    A: Floats2d
    C: Optional[Floats2d] = None
    weights: Optional[Floats1d] = None


def _rows_in_view(source: Source, owners: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """List the rows that sequences look at, as their weights are listed: int64 [P], which sequence looks; int64 [P], at what."""
    lengths = source.memory.lengths
    rows, places = list_pairs(lengths, owners)
    return rows, places - (numpy.cumsum(lengths, dtype="int64") - lengths)[owners[rows]]
