"""The decoder of an encoder-decoder, step by step: what it reads is what it has written."""

from typing import Any, Callable, NamedTuple, Optional, Tuple, cast

import numpy
from thinc.types import Floats2d

from ..layers.attention.copying import mix_all, symbols_in_view
from ..layers.attention.cross_attention import attend
from ..layers.capabilities import State
from ..layers.recurrent.session import RnnSession
from .decoder import Decoder, Source
from .symbols import as_symbols


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

    def __init__(
        self, decoder: Decoder, begin: Callable[[int, Any], DecoderState], *, counts_coverage: bool = False
    ) -> None:
        """Begin.

        decoder (Decoder): The layers.
        begin (Callable): (n, context) -> the state before the first symbol of n sequences.
        counts_coverage (bool): Whether it is counted how much attention each row of a source has had.
        """
        self.n_symbols = decoder.head.get_dim("nV")
        self._decoder, self._start, self._counts_coverage = decoder, begin, counts_coverage
        self._table = cast(Floats2d, decoder.embed.get_param("E"))
        self._reads_table = decoder.embed.get_dim("nO") == decoder.rnn.get_dim("nI")
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
        ops = self._decoder.head.ops
        numbers = as_symbols(symbols, self.n_symbols)
        X, H, hidden = self._read(numbers, state)
        A, C, weights, state = self._look(H, state._replace(hidden=hidden))
        scores = self._decoder.head.predict(A)
        if self._decoder.gate is not None:
            assert state.source is not None and weights is not None
            rows = self._table[ops.xp.asarray(numbers)] if X is None else X
            gate = self._decoder.gate.predict((rows, H, C))
            in_view = symbols_in_view(state.source.numbers, state.source.memory.lengths, state.owners)
            scores = mix_all(gate, scores, weights, *in_view)
        return scores, state

    def reorder(self, state: DecoderState, index: Any) -> DecoderState:
        """Take some sequences of a state, as `NextSymbol.reorder` says."""
        taken = {name: array[:, index] for name, array in state.hidden.items()}
        on_host = index if isinstance(index, numpy.ndarray) or not hasattr(index, "get") else index.get()
        parts = [None if part is None else part[index] for part in (state.vectors, state.fed)]
        covered = None if state.covered is None else state.covered[on_host]
        return DecoderState(taken, state.owners[on_host], state.source, *parts, covered)

    def coverage(self, state: DecoderState) -> numpy.ndarray:
        """Say how well sequences cover their sources (Wu et al. 2016, equation 14).

        state (DecoderState): A state.
        RETURNS (numpy.ndarray): float64 [R], for each sequence the sum over the rows of its source of log min(attention, 1).
        RAISES (ValueError): If it is not counted.
        """
        if state.covered is None or state.source is None:
            raise ValueError("coverage is that of a decoder with attention which was begun to count it")
        lengths = state.source.memory.lengths[state.owners]
        is_row = numpy.arange(state.covered.shape[1]) < lengths[:, None]
        shares = numpy.where(is_row, numpy.clip(state.covered, numpy.finfo("float64").tiny, 1.0), 1.0)
        return numpy.log(shares).sum(axis=1)

    def _read(self, numbers: numpy.ndarray, state: DecoderState) -> Tuple[Optional[Floats2d], Floats2d, State]:
        """Make a step of the recurrent layers: what they have read, if it is no row of the table, and the hidden rows."""
        if self._reads_table:
            H, hidden = self._session.step(numbers, state.hidden)
            return None, H, hidden
        xp = self._decoder.embed.ops.xp
        beside = [part for part in (state.vectors, state.fed) if part is not None]
        X = xp.concatenate([self._table[xp.asarray(numbers)], *beside], axis=1)
        H, hidden = self._session.step(X, state.hidden)
        return X, H, hidden

    def _look(self, H: Floats2d, state: DecoderState) -> Tuple[Floats2d, Any, Any, DecoderState]:
        """Look at the source."""
        decoder = self._decoder
        if decoder.attention is None or decoder.attentional is None:
            return H, None, None, state
        assert state.source is not None
        (C, weights), _ = attend(decoder.attention, state.source.memory, H, state.owners)
        A = decoder.attentional.predict((H, C))
        if decoder.is_fed:
            state = state._replace(fed=A)
        if state.covered is not None:
            sizes = state.source.memory.lengths[state.owners]
            rows = numpy.repeat(numpy.arange(len(sizes)), sizes)
            columns = numpy.arange(len(rows)) - numpy.repeat(numpy.cumsum(sizes) - sizes, sizes)
            covered = state.covered.copy()
            covered[rows, columns] += decoder.head.ops.to_numpy(weights)
            state = state._replace(covered=covered)
        return A, C, weights, state
