"""Mixtures of language models, and the weights that fit texts best."""

from typing import Any, List, Sequence, Tuple

import numpy

from ..generation import LanguageModel, Scores
from ..generation.sampling import to_host

# What a weight never falls below: EM could not raise one of 0 again.
_LEAST = 1e-12


class MixtureModel:
    """A mixture of language models over the same symbols, which is a `spacy_rnn.generation.LanguageModel`.

    The probability of a symbol is the weighted mean of those that the members give it. A state has one of each member.
    """

    def __init__(self, members: Sequence[LanguageModel], weights: Sequence[float]) -> None:
        """Mix models.

        members (Sequence[LanguageModel]): The models, each of which may have states of its own kind.
        weights (Sequence[float]): The weight of each; they sum to 1.
        RAISES (ValueError): If there is no member, they have different numbers of symbols, or these are no weights.
        """
        if not members:
            raise ValueError("a mixture needs members, got none")
        sizes = [member.n_symbols for member in members]
        if len(set(sizes)) > 1:
            raise ValueError(f"members of a mixture have the same symbols, but these have {', '.join(map(str, sizes))} of them")
        self.n_symbols = sizes[0]
        self.members = list(members)
        self.weights = check_weights(weights, len(members))
        with numpy.errstate(divide="ignore"):
            self._log_weights = numpy.log(self.weights)

    def start(self, n: int, context: Any = None) -> Tuple[Any, ...]:
        """Give the state before the first symbol.

        n (int): B, the number of sequences.
        context (Any): What members are given.
        RETURNS (Tuple[Any, ...]): The state of each member.
        RAISES (ValueError): If a member knows nothing of it.
        """
        return tuple(member.start(n, context) for member in self.members)

    def step(self, symbols: Any, state: Tuple[Any, ...]) -> Tuple[numpy.ndarray, Tuple[Any, ...]]:
        """Read one symbol of each sequence.

        symbols (Array): Integers [B].
        state (Tuple[Any, ...]): The state of each member.
        RETURNS (Tuple[numpy.ndarray, Tuple[Any, ...]]): The log-probabilities of what may come next, float32 [B, V], in nats, on
            the host; and the state after.
        RAISES (ValueError): If there is no such symbol, or a state does not fit.
        """
        self._check_state(state)
        found = [member.step(symbols, own) for member, own in zip(self.members, state, strict=True)]
        return self._mix([log_probabilities for log_probabilities, _ in found]), tuple(after for _, after in found)

    def reorder(self, state: Tuple[Any, ...], index: Any) -> Tuple[Any, ...]:
        """Take some sequences of a state, in any order and any number of times.

        state (Tuple[Any, ...]): The state of each member.
        index (Array): Integers [B'] or bools [B].
        RETURNS (Tuple[Any, ...]): The state of the sequences that were taken.
        """
        self._check_state(state)
        return tuple(member.reorder(own, index) for member, own in zip(self.members, state, strict=True))

    def score(self, inputs: Any, targets: Any, lengths: numpy.ndarray, state: Any = None) -> Scores:
        """Score sequences.

        inputs (Array): Integers [N], what is read, sequence after sequence.
        targets (Array): Integers [N], what comes next after the input beside it.
        lengths (numpy.ndarray): int32 [B], the number of inputs of each sequence.
        state (Optional[Tuple[Any, ...]]): The state before; that of `start` if None.
        RETURNS (Scores): The log-probability of each target, float32 [N], in nats, on the host; and the state to go on with.
        RAISES (ValueError): If there is no such symbol, or a shape does not fit.
        """
        states = self.start(len(lengths)) if state is None else state
        self._check_state(states)
        scores = [member.score(inputs, targets, lengths, own) for member, own in zip(self.members, states, strict=True)]
        return Scores(self._mix([each.log_probabilities for each in scores]), tuple(each.state for each in scores))

    def _check_state(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != len(self.members):
            raise ValueError(f"the state of a mixture of {len(self.members)} models has one of each member")

    def _mix(self, log_probabilities: List[Any]) -> numpy.ndarray:
        mixed = numpy.full(log_probabilities[0].shape, -numpy.inf)
        for log_weight, member in zip(self._log_weights, log_probabilities, strict=True):
            if log_weight > -numpy.inf:
                numpy.logaddexp(mixed, log_weight + to_host(member), out=mixed)
        return mixed.astype("float32")


def check_weights(weights: Sequence[float], n: int) -> numpy.ndarray:
    """Check the weights of a mixture.

    weights (Sequence[float]): The weights.
    n (int): How many members there are.
    RETURNS (numpy.ndarray): float64 [n].
    RAISES (ValueError): If there are not so many, one is below 0, or they do not sum to 1.
    """
    array = numpy.asarray(weights, "float64")
    if array.shape != (n,):
        raise ValueError(f"a mixture of {n} models needs {n} weights, got {list(weights)}")
    if not ((array >= 0).all() and abs(array.sum() - 1) < 1e-3):
        raise ValueError(f"the weights of a mixture are at least 0 and sum to 1, got {list(weights)}")
    return array / array.sum()


def fit_weights(log_probabilities: numpy.ndarray, *, tolerance: float = 1e-7, max_iterations: int = 1000) -> numpy.ndarray:
    """Find the weights under which a mixture gives texts the highest probability, by EM (Jelinek & Mercer 1980).

    log_probabilities (numpy.ndarray): Floats [M, N], the log-probability that each of M models gives each of N symbols, in nats.
    tolerance (float): The gain a symbol, in nats, below which it ends.
    max_iterations (int): When it ends at the latest.
    RETURNS (numpy.ndarray): float64 [M], the weights, which sum to 1.
    RAISES (ValueError): If there is no symbol, or one that no model gives a probability above 0.
    """
    found = numpy.asarray(log_probabilities, "float64")
    if found.ndim != 2 or not found.size:
        raise ValueError(f"expected log-probabilities [models, symbols], of one symbol at least, got {list(found.shape)}")
    highest = found.max(axis=0)
    if not numpy.isfinite(highest).all():
        wrong = numpy.flatnonzero(~numpy.isfinite(highest))[0]
        raise ValueError(
            f"the texts' symbol {wrong} has probability 0 in every model, or not a number, so no weights fit them: mix in a "
            "smoothed model"
        )
    # Relative to the best model, so that long texts do not underflow.
    likelihoods = numpy.exp(found - highest)
    weights, before = numpy.full(len(found), 1 / len(found)), -numpy.inf
    for _ in range(max_iterations):
        mixed = weights @ likelihoods
        now = float(numpy.log(mixed).mean())
        weights = numpy.maximum(weights * (likelihoods / mixed).mean(axis=1), _LEAST)
        weights /= weights.sum()
        if now - before < tolerance:
            break
        before = now
    return weights
