"""Linear-chain conditional random fields (Lafferty, McCallum & Pereira 2001, "Conditional random fields") over a ragged batch.

The score of a path of labels y_1 ... y_n through a sequence is

    start[y_1] + Σ_t scores[t, y_t] + Σ_t>1 transitions[y_t-1, y_t] + end[y_n]

and its probability is the exponential of that, divided by the sum over all paths.
"""

from typing import Any, Callable, Tuple

import numpy
from thinc.util import get_array_module

from ..recurrence import as_lengths
from .engines import ENGINES
from .host import fetch, hand_over
from .interface import Array, Crf, PathSums

Backprop = Callable[[Array], Tuple[Array, Crf]]


def log_likelihood(crf: Crf, scores: Array, lengths: Any, allowed: Array) -> Tuple[Array, Backprop]:
    """Find the log-likelihood of the annotation of each sequence.

    It is the logarithm of the sum over the paths that the annotation allows, divided by the sum over all paths. Unknown labels
    are summed over (Tsuboi et al. 2008, "Training conditional random fields using incomplete annotations").

    crf (Crf): The parameters, float32 or float64.
    scores (Array): [N, L], the score of each label at each row, all sequences one after the other; -inf where it is forbidden.
    lengths (Sequence[int]): [B], the number of rows of each sequence, on the host.
    allowed (Array): bool or uint8 [N, L], which labels each row may have by its annotation: one where the label is known, all
        where it is missing, all but some where it is known not to be one of these. On the host, or where the scores are.
    RETURNS (Tuple[Array, Callable]): float64 [B], the log-likelihoods, 0 for a sequence without rows; and a function from their
        gradient [B] to that of the scores [N, L] and those of the parameters, until which the arrays must stay as they are.
    RAISES (ValueError): If a shape or type does not fit, a score is not a number or +inf, or no path that the annotation of a
        sequence allows is possible, e.g. because a row allows no label.
    """
    xp = get_array_module(scores)
    crf, scores, allowed = fetch(crf, scores, allowed)
    batch_lengths = _checked(crf, scores, lengths)
    _check_allowed(allowed, scores)
    engine = ENGINES.select(crf, scores)
    allowed_paths = engine.sum_paths(crf, scores, batch_lengths, allowed, is_train=True)
    all_paths = engine.sum_paths(crf, scores, batch_lengths, None, is_train=True)
    _require_paths(allowed_paths.log_sums, "its annotation allows", batch_lengths)

    def backprop(d_log_likelihoods: Array) -> Tuple[Array, Crf]:
        d_scores, grads = _backprop(allowed_paths, all_paths, batch_lengths, d_log_likelihoods)
        return hand_over(xp, d_scores), Crf(*(hand_over(xp, grad) for grad in grads))

    return hand_over(xp, allowed_paths.log_sums - all_paths.log_sums), backprop


def viterbi(crf: Crf, scores: Array, lengths: Any) -> Tuple[Array, Array]:
    """Find the most probable path of labels through each sequence (Viterbi 1967, "Error bounds for convolutional codes").

    crf (Crf): The parameters, float32 or float64.
    scores (Array): [N, L], the score of each label at each row, all sequences one after the other; -inf where it is forbidden.
    lengths (Sequence[int]): [B], the number of rows of each sequence, on the host.
    RETURNS (Tuple[Array, Array]): int64 [N], the labels; of equally good paths that with the smallest last label, before it the
        smallest last but one, and so on; and float64 [B], the scores of the paths, 0 for a sequence without rows.
    RAISES (ValueError): If a shape or type does not fit, a score is not a number or +inf, or no path is possible.
    """
    xp = get_array_module(scores)
    crf, scores, _ = fetch(crf, scores)
    batch_lengths = _checked(crf, scores, lengths)
    labels, best = ENGINES.select(crf, scores).find_best(crf, scores, batch_lengths)
    _require_paths(best, "is allowed", batch_lengths)
    return hand_over(xp, labels), hand_over(xp, best)


def marginals(crf: Crf, scores: Array, lengths: Any) -> Array:
    """Find the probability of each label at each row, summed over all paths (Rabiner 1989, equation 27).

    crf (Crf): The parameters, float32 or float64.
    scores (Array): [N, L], the score of each label at each row, all sequences one after the other; -inf where it is forbidden.
    lengths (Sequence[int]): [B], the number of rows of each sequence, on the host.
    RETURNS (Array): [N, L], the probabilities; those of a row sum to 1.
    RAISES (ValueError): If a shape or type does not fit, a score is not a number or +inf, or no path is possible.
    """
    xp = get_array_module(scores)
    crf, scores, _ = fetch(crf, scores)
    batch_lengths = _checked(crf, scores, lengths)
    paths = ENGINES.select(crf, scores).sum_paths(crf, scores, batch_lengths, None, is_train=False)
    _require_paths(paths.log_sums, "is allowed", batch_lengths)
    return hand_over(xp, paths.marginals)


def _backprop(allowed: PathSums, everything: PathSums, lengths: numpy.ndarray, d_log_likelihoods: Array) -> Tuple[Array, Crf]:
    """The gradient of a logarithm of a sum over paths is what is expected of these paths."""
    xp = get_array_module(allowed.marginals)
    dtype = allowed.marginals.dtype
    weights = xp.asarray(hand_over(xp, d_log_likelihoods), dtype=dtype)
    if weights.shape != lengths.shape:
        raise ValueError(f"gradient of the log-likelihoods: expected shape {lengths.shape}, got {weights.shape}")
    d_scores = allowed.marginals - everything.marginals
    d_scores *= weights[xp.asarray(numpy.repeat(numpy.arange(len(lengths)), lengths))][:, None]
    ends = numpy.cumsum(lengths, dtype="int64")
    filled = lengths > 0
    d_start = d_scores[xp.asarray((ends - lengths)[filled])].sum(axis=0)
    d_end = d_scores[xp.asarray((ends - 1)[filled])].sum(axis=0)
    assert allowed.count_transitions is not None and everything.count_transitions is not None
    d_transitions = allowed.count_transitions(weights) - everything.count_transitions(weights)
    return d_scores, Crf(d_start, d_transitions, d_end)


def _checked(crf: Crf, scores: Array, lengths: Any) -> numpy.ndarray:
    """Give the lengths of a batch, if all arrays fit."""
    if scores.ndim != 2 or not scores.shape[1]:
        raise ValueError(f"the scores of labels are a matrix [N, L] of one label at least, got shape {tuple(scores.shape)}")
    if scores.dtype.char not in "fd":
        raise ValueError(f"the scores of labels are float32 or float64, got {scores.dtype}")
    L = scores.shape[1]
    for name, array, shape in zip(crf._fields, crf, ((L,), (L, L), (L,)), strict=True):
        if array.shape != shape:
            raise ValueError(f"{name} scores of {L} labels: expected shape {shape}, got {array.shape}")
        _require_numbers(f"{name} scores", array)
    _require_numbers("scores of labels", scores)
    return as_lengths(lengths, scores.shape[0])


def _require_numbers(what: str, array: Array) -> None:
    # The maximum of what is not a number is none either.
    if array.size and not array.max() < numpy.inf:
        raise ValueError(f"{what}: expected numbers, or -inf for what is forbidden, got NaN or +inf")


def _check_allowed(allowed: Array, scores: Array) -> None:
    if allowed.shape != scores.shape:
        raise ValueError(f"allowed labels: expected shape {scores.shape}, one for each score, got {allowed.shape}")
    if allowed.dtype.char not in "?B":
        raise ValueError(f"allowed labels are bool or uint8, got {allowed.dtype}")


def _require_paths(log_sums: Array, what: str, lengths: numpy.ndarray) -> None:
    xp = get_array_module(log_sums)
    if len(log_sums) and not log_sums.min() > -numpy.inf:
        first = int(xp.argmin(log_sums))
        raise ValueError(
            f"sequence {first} of {int(lengths[first])} rows: no path of labels that {what} is possible, since each has a score "
            "of -inf; allow more labels, or more transitions between them"
        )
