"""The log-probabilities of many symbols: a product, a softmax and their gradients, over pieces of the rows."""

from typing import Callable, Iterator, NamedTuple, Optional, Tuple

import numpy
from thinc.api import Ops
from thinc.types import Floats1d, Floats2d, Ints1d

from ..ops import multiply

# Scores at a time. Each piece goes through all weights, so a piece is large enough to make that worth while.
_PIECE = 1 << 22


class Affine(NamedTuple):
    """What makes scores from rows: H Wᵀ + b. Or the gradients of the two.

    W (Floats2d): [V, nI], the weights.
    b (Floats1d): [V], the bias.
    """

    W: Floats2d
    b: Floats1d


def log_softmax(ops: Ops, H: Floats2d, affine: Affine) -> Tuple[Floats2d, Callable[[Floats2d], Tuple[Floats2d, Affine]]]:
    """Find the log-probabilities of all symbols.

    ops (Ops): The backend of the arrays.
    H (Floats2d): [N, nI], the rows.
    affine (Affine): The weights.
    RETURNS (Tuple[Floats2d, Callable]): The log-probabilities [N, V]; and a function from their gradient [N, V] to that of the
        rows [N, nI] and those of the weights.
    """
    xp = ops.xp
    Y = _scores(ops, H, affine)
    Y -= xp.amax(Y, axis=1, keepdims=True)
    Y -= xp.log(xp.exp(Y).sum(axis=1, keepdims=True))

    def backprop(dY: Floats2d) -> Tuple[Floats2d, Affine]:
        d_scores = dY - xp.exp(Y) * dY.sum(axis=1, keepdims=True)
        dW = multiply(ops, d_scores, H, trans1=True)
        return multiply(ops, d_scores, affine.W), Affine(dW, d_scores.sum(axis=0))

    return Y, backprop


def log_likelihood(ops: Ops, H: Floats2d, affine: Affine, targets: Ints1d) -> Floats1d:
    """Find the log-probability of one symbol for each row.

    ops (Ops): The backend of the arrays.
    H (Floats2d): [N, nI], the rows.
    affine (Affine): The weights.
    targets (Ints1d): [N], from 0 to V - 1.
    RETURNS (Floats1d): The log-probabilities [N].
    """
    Y = ops.xp.empty(len(H), dtype=H.dtype)
    for rows in _pieces(len(H), len(affine.b)):
        exponentials, Y[rows] = _exponentials(ops, H[rows], affine, targets[rows])
        Y[rows] -= ops.xp.log(exponentials.sum(axis=1))
    return Y


def log_likelihood_gradients(
    ops: Ops, H: Floats2d, affine: Affine, targets: Ints1d, weights: Optional[Floats1d]
) -> Tuple[Floats1d, Floats2d, Affine]:
    """Find the log-probability of one symbol for each row, and the gradients of the negative sum of all.

    ops (Ops): The backend of the arrays.
    H (Floats2d): [N, nI], the rows.
    affine (Affine): The weights.
    targets (Ints1d): [N], from 0 to V - 1.
    weights (Optional[Floats1d]): [N], what each row counts in the sum; 1 if None.
    RETURNS (Tuple[Floats1d, Floats2d, Affine]): The log-probabilities [N], the gradient of the rows [N, nI], and those of the
        weights.
    """
    xp, W = ops.xp, affine.W
    Y, dH = xp.empty(len(H), dtype=H.dtype), xp.empty_like(H)
    total: Optional[Affine] = None
    for rows in _pieces(len(H), len(W)):
        d_scores, Y[rows] = _exponentials(ops, H[rows], affine, targets[rows])
        sums = d_scores.sum(axis=1)
        Y[rows] -= xp.log(sums)
        weight = xp.ones_like(sums) if weights is None else weights[rows]
        d_scores *= (weight / sums)[:, numpy.newaxis]
        d_scores[xp.arange(len(sums)), targets[rows]] -= weight
        dH[rows] = multiply(ops, d_scores, W)
        piece = Affine(multiply(ops, d_scores, H[rows], trans1=True), d_scores.sum(axis=0))
        if total is None:
            total = piece
        else:
            for grad, part in zip(total, piece, strict=True):
                grad += part
    return Y, dH, total or Affine(xp.zeros_like(W), xp.zeros_like(affine.b))


def _pieces(n: int, n_symbols: int) -> Iterator[slice]:
    size = max(1, _PIECE // n_symbols)
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def _scores(ops: Ops, H: Floats2d, affine: Affine) -> Floats2d:
    scores = multiply(ops, H, affine.W, trans2=True)
    scores += affine.b
    return scores


def _exponentials(ops: Ops, H: Floats2d, affine: Affine, targets: Ints1d) -> Tuple[Floats2d, Floats1d]:
    """Give the exponentials of scores less the largest of their row [n, V], and the targets' scores less that [n]."""
    xp = ops.xp
    scores = _scores(ops, H, affine)
    scores -= xp.amax(scores, axis=1, keepdims=True)
    targets_scores = scores[xp.arange(len(scores)), targets]
    return xp.exp(scores, out=scores), targets_scores
