"""The log-probabilities of many symbols: a product, a softmax and their gradients, over pieces of the rows.

Scores are [V, n], a column for each of n rows. A product first copies one of its factors into an order of its own: the rows of a
piece in this way, where it would be all the weights otherwise.
"""

from typing import Any, Callable, Iterator, NamedTuple, Optional, Tuple

from thinc.api import Ops
from thinc.types import Floats1d, Floats2d, Ints1d

from ..ops import multiply

# Scores at a time.
_PIECE = 1 << 22
# Symbols whose exponentials are summed while they are in the cache.
_BLOCK = 1024


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
    scores = find_scores(ops, H, affine)
    Y = scores.T.copy()
    Y -= xp.log(exponentiate(ops, scores)).reshape((-1, 1))

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
    for rows in in_pieces(len(H), len(affine.b)):
        scores = find_scores(ops, H[rows], affine)
        Y[rows] = scores[targets[rows], ops.xp.arange(scores.shape[1])]
        Y[rows] -= ops.xp.log(exponentiate(ops, scores))
    return Y


def log_likelihood_gradients(
    ops: Ops, H: Floats2d, affine: Affine, targets: Ints1d, weights: Optional[Floats1d], smoothing: float = 0.0
) -> Tuple[Floats1d, Floats2d, Affine]:
    """Find the log-probability of one symbol for each row, and the gradients of the negative sum of all.

    With label smoothing ε they are those of the cross-entropy with 1 - ε for the symbol and ε shared by all V (Szegedy et al.
    2016, "Rethinking the inception architecture for computer vision", section 7).

    ops (Ops): The backend of the arrays.
    H (Floats2d): [N, nI], the rows.
    affine (Affine): The weights.
    targets (Ints1d): [N], from 0 to V - 1.
    weights (Optional[Floats1d]): [N], what each row counts in the sum; 1 if None.
    smoothing (float): ε, in [0, 1).
    RETURNS (Tuple[Floats1d, Floats2d, Affine]): The log-probabilities [N], the gradient of the rows [N, nI], and those of the
        weights.
    """
    xp, W = ops.xp, affine.W
    Y, dH = xp.empty(len(H), dtype=H.dtype), xp.empty_like(H)
    total: Optional[Affine] = None
    for rows in in_pieces(len(H), len(W)):
        scores = find_scores(ops, H[rows], affine)
        target = targets[rows], xp.arange(scores.shape[1])
        Y[rows] = scores[target]
        sums = exponentiate(ops, scores)
        Y[rows] -= xp.log(sums)
        weight = xp.ones_like(sums) if weights is None else weights[rows]
        # From here on they are the gradient of the scores.
        scores *= weight / sums
        scores[target] -= weight * (1 - smoothing)
        if smoothing:
            scores -= weight * (smoothing / len(W))
        multiply(ops, scores, W, trans1=True, out=dH[rows])
        d_affine = Affine(multiply(ops, scores, H[rows]), scores.sum(axis=1))
        if total is None:
            total = d_affine
        else:
            for grad, part in zip(total, d_affine, strict=True):
                grad += part
    return Y, dH, total or Affine(xp.zeros_like(W), xp.zeros_like(affine.b))


def in_pieces(n: int, n_symbols: int) -> Iterator[slice]:
    """Take the rows of a batch a piece at a time.

    n (int): N, the number of rows.
    n_symbols (int): How many symbols each row is scored for.
    YIELDS (slice): The rows of a piece, of which there is at least one.
    """
    size = max(1, _PIECE // n_symbols)
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def find_scores(ops: Ops, H: Floats2d, affine: Affine) -> Any:
    """Find the scores of all symbols for some rows, less the largest of each row.

    ops (Ops): The backend of the arrays.
    H (Floats2d): [n, nI], the rows.
    affine (Affine): The weights.
    RETURNS (Floats2d): The scores [V, n].
    """
    scores: Any = multiply(ops, affine.W, H, trans2=True)
    scores += affine.b.reshape((-1, 1))
    scores -= scores.max(axis=0)
    return scores


def exponentiate(ops: Ops, scores: Any) -> Floats1d:
    """Replace scores by their exponentials, and sum these.

    ops (Ops): The backend of the scores.
    scores (Floats2d): [V, n], the scores, of which none is above 0.
    RETURNS (Floats1d): The sum of each column [n].
    """
    xp, n = ops.xp, scores.shape[1]
    sums = xp.zeros(n, dtype=scores.dtype)
    for start in range(0, len(scores), _BLOCK):
        block = scores[start : start + _BLOCK]
        xp.exp(block, out=block)
        # NumPy adds the numbers of a single column in another order than those of several.
        sums += (xp.repeat(block, 2, axis=1) if n == 1 else block).sum(axis=0)[:n]
    return sums
