"""What is generated."""

from dataclasses import dataclass

import numpy


@dataclass(frozen=True, eq=False)
class Generation:
    """A sequence that a model has generated.

    symbols (numpy.ndarray): int32 [n], what came after the prompt, with what made it stop.
    log_probabilities (numpy.ndarray): float32 [n], the log-probability of each symbol by the model itself, in nats, whatever it
        was drawn from.
    ended (str): Why it ended: "stop", "length", or "blocked" where no symbol could come, all that are not forbidden being
        impossible or a repetition.
    n_stopping (int): How many symbols at the end made it stop; 0 if it ended otherwise.
    """

    symbols: numpy.ndarray
    log_probabilities: numpy.ndarray
    ended: str
    n_stopping: int

    @property
    def content(self) -> numpy.ndarray:
        """int32 [n - n_stopping], the symbols before what made it stop."""
        return self.symbols[: len(self.symbols) - self.n_stopping]


@dataclass(frozen=True, eq=False)
class Hypothesis(Generation):
    """A sequence that a search has found.

    score (float): What it was ranked by.
    """

    score: float
