"""What sequences have already, which may make symbols less probable or impossible."""

from typing import Sequence

import numpy


class History:
    """The symbols of a batch of sequences, their prompts included.

    prompts (Sequence[Sequence[int]]): The symbols of each sequence so far.
    n_symbols (int): V, how many symbols there are.
    repetition_penalty (float): What the log-probability of each symbol that a sequence has already is multiplied with; 1 is none.
    no_repeat_ngram (int): How many symbols in a row must not come twice; 0 is none.
    """

    def __init__(
        self, prompts: Sequence[Sequence[int]], n_symbols: int, *, repetition_penalty: float = 1.0, no_repeat_ngram: int = 0
    ) -> None:
        self.repetition_penalty = repetition_penalty
        self.no_repeat_ngram = no_repeat_ngram
        self.lengths = numpy.asarray([len(prompt) for prompt in prompts], dtype="int64")
        self.symbols = numpy.zeros((len(prompts), int(self.lengths.max(initial=0)) + 64), dtype="int64")
        self.is_seen = numpy.zeros((len(prompts), n_symbols if repetition_penalty != 1 else 0), dtype=bool)
        for row, prompt in enumerate(prompts):
            self.symbols[row, : len(prompt)] = prompt
            if repetition_penalty != 1:
                self.is_seen[row, numpy.asarray(prompt, dtype="int64")] = True

    def append(self, symbols: numpy.ndarray) -> None:
        """Add a symbol to each sequence.

        symbols (numpy.ndarray): Integers [B].
        """
        rows = numpy.arange(len(symbols))
        if self.repetition_penalty != 1:
            self.is_seen[rows, symbols] = True
        if self.no_repeat_ngram:
            if self.lengths.max(initial=0) == self.symbols.shape[1]:
                self.symbols = numpy.concatenate([self.symbols, numpy.zeros_like(self.symbols)], axis=1)
            self.symbols[rows, self.lengths] = symbols
            self.lengths = self.lengths + 1

    def keep(self, index: numpy.ndarray) -> None:
        """Go on with some sequences, in any order and any number of times.

        index (numpy.ndarray): Integers [B'] or bools [B].
        """
        self.lengths, self.symbols, self.is_seen = self.lengths[index], self.symbols[index], self.is_seen[index]

    def discourage(self, scores: numpy.ndarray, first: int = 0) -> None:
        """Make symbols less probable or impossible.

        scores (numpy.ndarray): float64 [B', V], log-probabilities, changed in place.
        first (int): The sequence that their first row belongs to.
        """
        rows = slice(first, first + len(scores))
        if self.repetition_penalty != 1:
            numpy.multiply(scores, self.repetition_penalty, out=scores, where=self.is_seen[rows])
        if self.no_repeat_ngram:
            self._block(scores, self.symbols[rows], self.lengths[rows])

    def _block(self, scores: numpy.ndarray, symbols: numpy.ndarray, lengths: numpy.ndarray) -> None:
        """Forbid what came after the same n - 1 symbols before."""
        n = self.no_repeat_ngram
        n_starts = lengths - n + 1
        width = int(n_starts.max(initial=0))
        if width <= 0:
            return
        rows = numpy.arange(len(symbols))
        is_repeated = numpy.arange(width) < n_starts[:, None]
        for offset in range(n - 1):
            last = symbols[rows, numpy.maximum(n_starts + offset, 0)]
            is_repeated &= symbols[:, offset : offset + width] == last[:, None]
        found, starts = numpy.nonzero(is_repeated)
        scores[found, symbols[found, starts + n - 1]] = -numpy.inf
