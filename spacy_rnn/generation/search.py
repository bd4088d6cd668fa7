"""Beam search: the sequences of the best scores, among the few that are kept at each step."""

from bisect import insort
from dataclasses import dataclass
from typing import Any, Collection, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy

from .best import Best, find_best, require_best, take_best
from .checks import (
    as_forbidden,
    as_prompts,
    as_symbols,
    require_count,
    require_coverage,
    require_number,
    require_scores,
)
from .history import History
from .interface import START, UNKNOWN, CoversSource, FindsBest, NextSymbol
from .reading import Reading, read_prompts
from .results import Hypothesis
from .sampling import as_scores, to_host
from .stopping import Stopping, Watch

# Log-probabilities that are worked on at a time where they depend on what sequences have already.
_PIECE = 1 << 20


@dataclass(frozen=True)
class LengthNormalization:
    """The score of a hypothesis: its log-probability divided by a power of its length, since longer ones are less probable.

    kind (str): "wu", ((5 + length) / 6)^α (Wu et al. 2016, "Google's neural machine translation system", equation 14), or
        "power", length^α.
    alpha (float): α, 0 or above; at 0 the score is the log-probability.
    RAISES (ValueError): If the kind is unknown, or α below 0.
    """

    kind: str = "wu"
    alpha: float = 0.6

    def __post_init__(self) -> None:
        if self.kind not in ("wu", "power"):
            raise ValueError(f'length normalization: expected "wu" or "power", got {self.kind!r}')
        require_number(
            "alpha of the length normalization", self.alpha, lambda value: value >= 0, "a number of 0 or above, 0 being none"
        )

    def score(self, log_probabilities: numpy.ndarray, length: int) -> numpy.ndarray:
        """Score hypotheses.

        log_probabilities (numpy.ndarray): float64 [R], of whole hypotheses, 0 or below.
        length (int): How many symbols they have.
        RETURNS (numpy.ndarray): float64 [R], the scores: of the same length the more probable is the better.
        """
        return log_probabilities / ((5 + length) / 6 if self.kind == "wu" else max(length, 1)) ** self.alpha

    def bound(self, log_probabilities: numpy.ndarray, length: int, max_length: int) -> numpy.ndarray:
        """Find what hypotheses that go on cannot surpass: more symbols make none more probable, and divide by more.

        log_probabilities (numpy.ndarray): float64 [R], so far, 0 or below.
        length (int): How many symbols they have.
        max_length (int): How many they can have.
        RETURNS (numpy.ndarray): float64 [R], the bounds.
        """
        return self.score(log_probabilities, max_length)


def beam_search(
    model: NextSymbol,
    prompts: Sequence[Sequence[int]],
    *,
    width: int = 5,
    n_best: int = 1,
    normalization: Optional[LengthNormalization] = None,
    coverage: float = 0.0,
    stopping: Optional[Stopping] = None,
    no_repeat_ngram: int = 0,
    forbidden: Collection[int] = (UNKNOWN, START),
    start: int = START,
    context: Any = None,
) -> List[List[Hypothesis]]:
    """Search for the best continuations of each prompt.

    At each step the `width` most probable hypotheses are kept, of which those that have ended leave the beam (Sutskever et al.
    2014, "Sequence to sequence learning with neural networks", section 3.2). The search for a prompt ends when none that goes on
    can surpass the worst of the `n_best` that have ended. With a width of 1 it is greedy. What is found for a prompt does not
    depend on the others.

    model (NextSymbol): The model. One that `FindsBest` need not score all symbols, unless n-grams are blocked.
    prompts (Sequence[Sequence[int]]): The symbols of each prompt, without the start. A prompt may be empty.
    width (int): How many hypotheses to keep for a prompt. Of equally probable ones those of the better parent come first, then
        those of smaller symbols.
    n_best (int): How many to return for a prompt, at most `width`.
    normalization (Optional[LengthNormalization]): How hypotheses that have ended are ranked; `LengthNormalization()` if None.
    coverage (float): β, 0 or above: what is added to that score is β times the `coverage` that the model gives, a number below 0
        where parts of the source had no attention (Wu et al. 2016, equation 14). The attention counts by which all symbols of a
        hypothesis were predicted; nothing is added for one without symbols.
    stopping (Optional[Stopping]): When a sequence ends; `Stopping()` if None.
    no_repeat_ngram (int): How many symbols in a row must not come twice in a sequence, its prompt included; 0 is none.
    forbidden (Collection[int]): The symbols that never come.
    start (int): The symbol of the start of a sequence, which is read first.
    context (Any): What the model's `start` is given for all prompts.
    RETURNS (List[List[Hypothesis]]): For each prompt the best hypotheses, the best first, of equal scores the shorter first;
        those to which no symbol could be added last. They are fewer than `n_best` where the search has found no more.
    RAISES (ValueError): If a prompt is not a sequence of symbols that the model has, all symbols are forbidden, a number is out
        of its range, or the model gives what is not log-probabilities, or no coverage though it has a weight.
    """
    arrays = as_prompts(prompts, model.n_symbols)
    require_count("width", width, 1)
    require_count("n_best", n_best, 1)
    if n_best > width:
        raise ValueError(f"n_best: expected at most the width of the beam, {width}, got {n_best}; widen the beam")
    require_number("coverage", coverage, lambda value: value >= 0, "a number of 0 or above, 0 being no penalty")
    if coverage and not isinstance(model, CoversSource):
        raise ValueError(
            f"coverage: expected 0 for a model that attends to no source, which {type(model).__name__} is, got {coverage}"
        )
    require_count("no_repeat_ngram", no_repeat_ngram, 0, "0 being none")
    as_symbols("start", [start], model.n_symbols)
    stopping = stopping or Stopping()
    Watch(stopping, model.n_symbols, 0)
    excluded = as_forbidden(forbidden, model.n_symbols)
    ranking = normalization or LengthNormalization()
    settings = _Settings(width, n_best, ranking, float(coverage), stopping, no_repeat_ngram, excluded)
    found: List[List[Hypothesis]] = [[] for _ in arrays]
    for reading in read_prompts(model, arrays, start, context):
        beam = _Beam(model, settings, arrays, reading)
        for prompt, hypotheses in zip(reading.prompts.tolist(), beam.run(), strict=True):
            found[prompt] = hypotheses
    return found


class _Settings(NamedTuple):
    width: int
    n_best: int
    normalization: LengthNormalization
    coverage: float
    stopping: Stopping
    no_repeat_ngram: int
    forbidden: numpy.ndarray


class _Candidates(NamedTuple):
    """Hypotheses with one more symbol.

    parents (numpy.ndarray): int64 [C], the rows that they come from.
    symbols (numpy.ndarray): int64 [C].
    log_probabilities (numpy.ndarray): float [C], those of the symbols by the model.
    sums (numpy.ndarray): float64 [C], the log-probabilities of the whole.
    """

    parents: numpy.ndarray
    symbols: numpy.ndarray
    log_probabilities: numpy.ndarray
    sums: numpy.ndarray

    def take(self, index: numpy.ndarray) -> "_Candidates":
        return _Candidates(*(array[index] for array in self))


class _Beam:
    """The hypotheses of several prompts, all of one length.

    They are rows [R] of arrays: those of a prompt beside each other, the most probable first.
    """

    def __init__(self, model: NextSymbol, settings: _Settings, prompts: List[numpy.ndarray], reading: Reading) -> None:
        n_prompts = len(reading.prompts)
        self._model = model
        self._settings = settings
        self._state, self._next = reading.state, reading.symbols
        self._prompts = numpy.arange(n_prompts)
        self._sums = numpy.zeros(n_prompts)
        # How much of the source each has covered, 0 being all, where that counts.
        self._coverage = numpy.zeros(n_prompts)
        self._symbols = numpy.empty((n_prompts, 0), dtype="int32")
        self._log_probabilities = numpy.empty((n_prompts, 0), dtype="float32")
        self._watch = Watch(settings.stopping, model.n_symbols, n_prompts)
        self._history: Optional[History] = None
        if settings.no_repeat_ngram:
            texts = [prompts[i] for i in reading.prompts]
            self._history = History(texts, model.n_symbols, no_repeat_ngram=settings.no_repeat_ngram)
        # What finds the best symbols, where they do not depend on what a sequence has already.
        self._finder = model if self._history is None and isinstance(model, FindsBest) else None
        self._ended: List[List[Hypothesis]] = [[] for _ in range(n_prompts)]
        self._blocked: List[List[Hypothesis]] = [[] for _ in range(n_prompts)]
        # The worst score of those that have ended, once they are n_best.
        self._worst = numpy.full(n_prompts, -numpy.inf)

    def run(self) -> List[List[Hypothesis]]:
        """RETURNS (List[List[Hypothesis]]): The best hypotheses of each prompt."""
        max_symbols = self._settings.stopping.max_symbols
        if not max_symbols:
            self._end(numpy.arange(len(self._sums)), numpy.zeros(len(self._sums), dtype="int64"))
        for length in range(1, max_symbols + 1):
            if not len(self._sums):
                break
            self._step(is_last=length == max_symbols)
        pairs = zip(self._ended, self._blocked, strict=True)
        return [(ended + blocked)[: self._settings.n_best] for ended, blocked in pairs]

    def _step(self, is_last: bool) -> None:
        best, state = self._find_best()
        candidates = self._select(self._expand(best))
        parents, symbols = candidates.parents, candidates.symbols
        self._prompts, self._sums, self._next = self._prompts[parents], candidates.sums, symbols
        self._coverage = self._coverage_of(state)[parents]
        self._symbols = numpy.column_stack([self._symbols[parents], symbols.astype("int32")])
        self._log_probabilities = numpy.column_stack([self._log_probabilities[parents], candidates.log_probabilities])
        self._log_probabilities = self._log_probabilities.astype("float32", copy=False)
        self._watch.keep(parents)
        counts = self._watch.append(symbols)
        if self._history is not None:
            self._history.keep(parents)
            self._history.append(symbols)
        is_over = (counts > 0) | is_last
        self._end(numpy.flatnonzero(is_over), counts)
        live = numpy.flatnonzero(~is_over & ~self._is_hopeless())
        self._keep(live)
        if len(live):
            self._state = self._model.reorder(state, parents[live])

    def _find_best(self) -> Tuple[Best, Any]:
        """Find the most probable next symbols of each hypothesis, as many as the beam is wide, and the state after."""
        model, forbidden, n_rows = self._model, self._settings.forbidden, len(self._sums)
        width = min(self._settings.width, model.n_symbols)
        if self._finder is not None:
            symbols, log_probabilities, state = self._finder.best(self._next, self._state, width, forbidden)
            return require_best(Best(symbols, log_probabilities), n_rows, width, model.n_symbols), state
        scores, state = model.step(self._next, self._state)
        require_scores(scores, n_rows, model.n_symbols)
        if self._history is None:
            return find_best(scores, width, forbidden), state
        parts, size, on_host = [], max(1, _PIECE // model.n_symbols), to_host(scores)
        for first in range(0, n_rows, size):
            parts.append(take_best(as_scores(on_host[first : first + size], forbidden, self._history, first), width))
        return Best(*(numpy.concatenate(arrays) for arrays in zip(*parts, strict=True))), state

    def _expand(self, best: Best) -> _Candidates:
        """Add to each hypothesis each of its symbols."""
        is_found = best.log_probabilities > -numpy.inf
        self._block(numpy.flatnonzero(~is_found.any(axis=1)))
        rows, ranks = numpy.nonzero(is_found)
        log_probabilities = best.log_probabilities[rows, ranks]
        # Rounding may leave a log-probability above 0, and no bound would hold.
        sums = self._sums[rows] + numpy.minimum(log_probabilities, 0, dtype="float64")
        return _Candidates(rows, best.symbols[rows, ranks], log_probabilities, sums)

    def _coverage_of(self, state: Any) -> numpy.ndarray:
        """Find what is known of the attention in a state, after which hypotheses get another symbol."""
        if not self._settings.coverage:
            return self._coverage
        coverage = numpy.asarray(to_host(cast(CoversSource, self._model).coverage(state)), dtype="float64")
        require_coverage(coverage, len(self._coverage))
        return coverage

    def _select(self, candidates: _Candidates) -> _Candidates:
        """Take the most probable candidates of each prompt."""
        order = numpy.lexsort((-candidates.sums, self._prompts[candidates.parents]))
        ordered = candidates.take(order)
        prompts = self._prompts[ordered.parents]
        ranks = numpy.arange(len(prompts)) - numpy.searchsorted(prompts, prompts)
        return ordered.take(numpy.flatnonzero(ranks < self._settings.width))

    def _is_hopeless(self) -> numpy.ndarray:
        """Tell which hypotheses can no longer surpass those that have ended."""
        length, max_length = self._symbols.shape[1], self._settings.stopping.max_symbols
        return self._settings.normalization.bound(self._sums, length, max_length) <= self._worst[self._prompts]

    def _keep(self, index: numpy.ndarray) -> None:
        self._prompts, self._sums, self._next = self._prompts[index], self._sums[index], self._next[index]
        self._coverage = self._coverage[index]
        self._symbols, self._log_probabilities = self._symbols[index], self._log_probabilities[index]
        self._watch.keep(index)
        if self._history is not None:
            self._history.keep(index)

    def _end(self, rows: numpy.ndarray, counts: numpy.ndarray) -> None:
        """Put away hypotheses that have ended."""
        n_best, scores = self._settings.n_best, self._score(rows)
        worst = self._worst[self._prompts[rows]]
        # Most are not among the best, and nothing need be made of them.
        better = numpy.flatnonzero((scores > worst) | (worst == -numpy.inf))
        for row, score in zip(rows[better].tolist(), scores[better].tolist(), strict=True):
            count, prompt = int(counts[row]), int(self._prompts[row])
            ended = self._ended[prompt]
            _add(ended, self._hypothesis(row, "stop" if count else "length", count, score), n_best)
            if len(ended) == n_best:
                self._worst[prompt] = ended[-1].score

    def _block(self, rows: numpy.ndarray) -> None:
        """Put away hypotheses to which nothing can be added."""
        for row, score in zip(rows.tolist(), self._score(rows).tolist(), strict=True):
            _add(self._blocked[int(self._prompts[row])], self._hypothesis(row, "blocked", 0, score), self._settings.n_best)

    def _score(self, rows: numpy.ndarray) -> numpy.ndarray:
        scores = self._settings.normalization.score(self._sums[rows], self._symbols.shape[1])
        if self._settings.coverage:
            scores = scores + self._settings.coverage * self._coverage[rows]
        return scores

    def _hypothesis(self, row: int, ended: str, n_stopping: int, score: float) -> Hypothesis:
        return Hypothesis(self._symbols[row].copy(), self._log_probabilities[row].copy(), ended, n_stopping, score)


def _add(hypotheses: List[Hypothesis], hypothesis: Hypothesis, n_best: int) -> None:
    """Add a hypothesis to the best, of equal scores behind those that ended before."""
    insort(hypotheses, hypothesis, key=lambda other: -other.score)
    del hypotheses[n_best:]
