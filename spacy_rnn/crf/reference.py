"""The reference engine of conditional random fields: plain array operations, for NumPy and CuPy, float32 and float64.

Paths are summed by the forward-backward algorithm (Rabiner 1989, "A tutorial on hidden Markov models", equations 18-27 and 37),
in logarithms; the best one is found by Viterbi's (1967, "Error bounds for convolutional codes"). The sum so far is taken out at
each time step, as in Rabiner's equations 91-92, so that no number grows with the length of a sequence.
"""

from typing import Any, Iterator, Optional, Tuple

import numpy
from thinc.util import get_array_module

from ..recurrence.packing import Batch, Packing, pack
from .interface import Array, Crf, CrfEngine, PathSums

# Numbers of a temporary array at most: pairs of labels, for some sequences at a time.
PIECE_SIZE = 2**22


class ReferenceEngine(CrfEngine):
    """The engine that takes all arrays."""

    name = "reference"

    def supports(self, crf: Crf, scores: Array) -> bool:
        return True

    def sum_paths(self, crf: Crf, scores: Array, lengths: numpy.ndarray, allowed: Optional[Array], is_train: bool) -> PathSums:
        return _sum_paths(crf, scores, lengths, allowed, is_train)

    def find_best(self, crf: Crf, scores: Array, lengths: numpy.ndarray) -> Tuple[Array, Array]:
        """Find the path of labels with the highest score through each sequence.

        crf, scores, lengths: As `CrfEngine.find_best` takes them.
        RETURNS (Tuple[Array, Array]): Labels and scores as there; of equally good labels the smallest, from the last row to the
            first.
        """
        return _find_best(crf, scores, lengths)


def _sum_paths(crf: Crf, scores: Array, lengths: numpy.ndarray, allowed: Optional[Array], is_train: bool) -> PathSums:
    xp = get_array_module(scores)
    if allowed is not None:
        scores = xp.where(allowed.astype(bool), scores, xp.asarray(-numpy.inf, dtype=scores.dtype))
    packing = pack(Batch(lengths, len(scores)), reverse=False)
    order, index = xp.asarray(packing.order), xp.asarray(packing.index)
    rows, most = _below_zero(xp, scores[index])
    alphas, log_sums = _forward(xp, crf, rows, most, packing)
    betas = _backward(xp, crf, rows, packing)
    marginals = xp.empty_like(scores)
    marginals[index] = _probabilities(xp, alphas + betas)

    def count_transitions(weights: Array) -> Array:
        return _count_transitions(xp, crf.transitions, alphas, rows + betas, weights[order], packing)

    return PathSums(_unsorted(xp, log_sums, order), marginals, count_transitions if is_train else None)


def _find_best(crf: Crf, scores: Array, lengths: numpy.ndarray) -> Tuple[Array, Array]:
    xp = get_array_module(scores)
    packing = pack(Batch(lengths, len(scores)), reverse=False)
    order, index = xp.asarray(packing.order), xp.asarray(packing.index)
    best, most = _below_zero(xp, scores[index])
    labels_before = xp.zeros(best.shape, dtype="int64")
    totals = xp.zeros(len(order), dtype="float64")
    for t, here in enumerate(_steps(packing)):
        if t == 0:
            best[here] += crf.start
        else:
            before = best[packing.offsets[t - 1] :][: len(best[here])]
            for part in _pieces(before):
                pairs = before[part, :, None] + crf.transitions
                labels_before[here][part] = pairs.argmax(axis=1)
                best[here][part] += pairs.max(axis=1)
        _move_to_totals(xp, best[here], best[here].max(axis=1), most[here], totals)
    labels = xp.empty(len(best), dtype="int64")
    label = xp.zeros(len(order), dtype="int64")
    for t, here in reversed(list(enumerate(_steps(packing)))):
        ended = _ended(packing, t)
        ends = best[here][ended] + crf.end
        totals[ended] += ends.max(axis=1)
        label[ended] = ends.argmax(axis=1)
        running = label[: ended.stop]
        labels[index[here]] = running
        running[:] = xp.take_along_axis(labels_before[here], running[:, None], axis=1)[:, 0]
    return labels, _unsorted(xp, totals, order)


def _forward(xp: Any, crf: Crf, rows: Array, most: Array, packing: Packing) -> Tuple[Array, Array]:
    """Run the forward recursion in logarithms.

    The first result is the logarithm of the share of the paths up to each row that end there in each label [N, L]; the second the
    logarithm of the sum over the paths through each sequence [B], the longest first."""
    alphas = rows.copy()
    log_sums = xp.zeros(len(packing.order), dtype="float64")
    for t, here in enumerate(_steps(packing)):
        if t == 0:
            alphas[here] += crf.start
        else:
            before = alphas[packing.offsets[t - 1] :][: len(alphas[here])]
            for part in _pieces(before):
                alphas[here][part] += _log_sum(xp, before[part, :, None] + crf.transitions, axis=1)
        _move_to_totals(xp, alphas[here], _log_sum(xp, alphas[here], axis=1), most[here], log_sums)
        ended = _ended(packing, t)
        log_sums[ended] += _log_sum(xp, alphas[here][ended] + crf.end, axis=1)
    return alphas, log_sums


def _backward(xp: Any, crf: Crf, rows: Array, packing: Packing) -> Array:
    """Run the backward recursion in logarithms.

    The result is the logarithm of the sum over all continuations of a path from each label of each row [N, L], up to a number
    that the labels of a row share."""
    betas = xp.empty_like(rows)
    for t, here in reversed(list(enumerate(_steps(packing)))):
        ended = _ended(packing, t)
        betas[here][ended] = crf.end
        following = slice(here.stop, here.stop + ended.start)
        after = rows[following] + betas[following]
        for part in _pieces(after):
            betas[here][part] = _log_sum(xp, crf.transitions + after[part, None, :], axis=2)
        betas[here] -= _finite(xp, betas[here].max(axis=1))[:, None]
    return betas


def _count_transitions(xp: Any, transitions: Array, alphas: Array, after: Array, weights: Array, packing: Packing) -> Array:
    """Sum the probabilities of pairs of labels over all rows but the first of each sequence."""
    counts = xp.zeros(transitions.shape, dtype="float64")
    for t, here in enumerate(_steps(packing)):
        if t == 0:
            continue
        before = alphas[packing.offsets[t - 1] :][: len(after[here])]
        for part in _pieces(before):
            pairs = before[part, :, None] + transitions + after[here][part, None, :]
            probabilities = _probabilities(xp, pairs.reshape(len(pairs), -1))
            counts += (weights[: len(before)][part] @ probabilities).reshape(counts.shape)
    return counts.astype(transitions.dtype)


def _steps(packing: Packing) -> Iterator[slice]:
    """Yield where the rows of each time step stand."""
    for start, stop in zip(packing.offsets[:-1].tolist(), packing.offsets[1:].tolist(), strict=True):
        yield slice(start, stop)


def _ended(packing: Packing, t: int) -> slice:
    """Give which sequences of a time step end there: they come last."""
    n_after = int(packing.sizes[t + 1]) if t + 1 < len(packing.sizes) else 0
    return slice(n_after, int(packing.sizes[t]))


def _pieces(rows: Array) -> Iterator[slice]:
    """Yield some rows at a time, so that pairs of labels have room."""
    size = max(1, PIECE_SIZE // max(1, rows.shape[1] ** 2))
    for start in range(0, len(rows), size):
        yield slice(start, min(start + size, len(rows)))


def _below_zero(xp: Any, rows: Array) -> Tuple[Array, Array]:
    """Give rows less their highest number, and these numbers [N]. What differs by little is then small and exact."""
    most = _finite(xp, rows.max(axis=1))
    return rows - most[:, None], most.astype("float64")


def _move_to_totals(xp: Any, rows: Array, sums: Array, most: Array, totals: Array) -> None:
    """Take the sum so far out of the rows of a time step."""
    rows -= _finite(xp, sums)[:, None]
    totals[: len(rows)] += sums + most


def _log_sum(xp: Any, x: Array, axis: int) -> Array:
    most = _finite(xp, x.max(axis=axis, keepdims=True))
    # The logarithm of nothing is -inf.
    with numpy.errstate(divide="ignore"):
        return xp.log(xp.exp(x - most).sum(axis=axis)) + xp.squeeze(most, axis)


def _probabilities(xp: Any, rows: Array) -> Array:
    """Give the shares of the exponentials of numbers in their rows; zeros where all are -inf."""
    exp = xp.exp(rows - _finite(xp, rows.max(axis=1))[:, None])
    total = exp.sum(axis=1, keepdims=True)
    return exp / xp.where(total > 0, total, 1)


def _finite(xp: Any, x: Array) -> Array:
    return xp.where(xp.isfinite(x), x, xp.zeros_like(x))


def _unsorted(xp: Any, array: Array, order: Array) -> Array:
    result = xp.empty_like(array)
    result[order] = array
    return result
