"""When a sequence ends."""

from dataclasses import dataclass
from typing import Collection, Sequence

import numpy

from .checks import as_symbols, require_count
from .interface import END


@dataclass(frozen=True)
class Stopping:
    """When a sequence ends: after a symbol, after several in a row, or at a length.

    What makes it stop belongs to the sequence. The prompt counts for none of these: it neither stops a sequence, nor begins what
    does.

    max_symbols (int): The largest number of symbols after the prompt.
    symbols (Collection[int]): The symbols that end a sequence.
    sequences (Sequence[Sequence[int]]): Symbols that end a sequence where they stand in a row.
    RAISES (ValueError): If the length is below 0, what should be symbols is not, or a sequence of them is empty.
    """

    max_symbols: int = 200
    symbols: Collection[int] = (END,)
    sequences: Sequence[Sequence[int]] = ()

    def __post_init__(self) -> None:
        require_count("max_symbols", self.max_symbols, 0)
        as_symbols("stop symbols", self.symbols)
        if isinstance(self.sequences, (str, bytes)):
            raise ValueError("stop sequences: expected lists of the numbers of symbols, got text: encode it first")
        for i, sequence in enumerate(self.sequences):
            if not len(as_symbols(f"stop sequence {i}", sequence)):
                raise ValueError(f"stop sequence {i}: expected a symbol at least, got none; leave it out")


class Watch:
    """What knows which sequences of a batch have stopped.

    stopping (Stopping): When they stop.
    n_symbols (int): V, how many symbols there are.
    n_rows (int): B, how many sequences.
    RAISES (ValueError): If there is no such symbol.
    """

    def __init__(self, stopping: Stopping, n_symbols: int, n_rows: int) -> None:
        self._stops = numpy.zeros(n_symbols, dtype=bool)
        self._stops[as_symbols("stop symbols", stopping.symbols, n_symbols)] = True
        sequences = [as_symbols(f"stop sequence {i}", sequence, n_symbols) for i, sequence in enumerate(stopping.sequences)]
        # The longest first: it is the one that is found.
        self._sequences = sorted(sequences, key=len, reverse=True)
        self._last = numpy.full((n_rows, len(self._sequences[0]) if sequences else 0), -1, dtype="int64")

    def append(self, symbols: numpy.ndarray) -> numpy.ndarray:
        """Add a symbol to each sequence.

        symbols (numpy.ndarray): Integers [B].
        RETURNS (numpy.ndarray): Integers [B], how many of its last symbols have made a sequence stop; 0 if it goes on.
        """
        counts = self._stops[symbols].astype("int64")
        if self._sequences:
            self._last = numpy.concatenate([self._last[:, 1:], symbols[:, None]], axis=1)
            for sequence in reversed(self._sequences):
                counts[(self._last[:, -len(sequence) :] == sequence).all(axis=1)] = len(sequence)
        return counts

    def keep(self, index: numpy.ndarray) -> None:
        """Go on with some sequences, in any order and any number of times.

        index (numpy.ndarray): Integers [B'] or bools [B].
        """
        self._last = self._last[index]
