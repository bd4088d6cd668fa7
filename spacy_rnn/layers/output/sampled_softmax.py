"""The sampled softmax: in training, the sum over all symbols is estimated from a sample of them."""

from typing import Any, Callable, NamedTuple, Optional, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ints1d

from ..capabilities import ScoresSymbols, declare
from ..ops import multiply
from ..ragged.sums import sum_rows
from ..saved import Saved
from .full_softmax import forward as full_forward
from .full_softmax import score
from .symbol_rows import check_rows, check_targets
from .symbol_scores import Affine, exponentiate, in_pieces
from .symbol_weights import add_gradients, build_symbol_layer, check_tied, project, symbol_shapes, weights_of, whole_weights_of


def build_sampled_softmax(
    nI: Optional[int] = None, nV: Optional[int] = None, n_samples: int = 1000, *, tied: Optional[Model] = None
) -> Model[Floats2d, Floats2d]:
    """Turn hidden rows into log-probabilities of symbols, and train on samples of these.

    Parameters and probabilities are those of the full softmax. In training the sum over all symbols is an estimate, from the
    target and from symbols drawn for a batch from the log-uniform distribution, each weighted by the inverse of how often
    it is drawn on average (Bengio & Senécal 2008, "Adaptive importance sampling to accelerate training of a neural probabilistic
    language model"; Jean et al. 2015, "On using very large target vocabulary for neural machine translation"). The estimate of
    the sum is unbiased, that of its logarithm nearly so where samples are many. Symbols are to be numbered from the most frequent
    to the rarest.

    nI (Optional[int]): The width of the rows. Inferred from a sample if None.
    nV (Optional[int]): V, the number of symbols. If None, it is that of the embedding, or set as dimension nV before the layer is
        initialized.
    n_samples (int): How many symbols are drawn for a batch, with replacement.
    tied (Optional[Model]): An embedding whose vectors are the weights, as `build_full_softmax` says.
    RETURNS (Model[Floats2d, Floats2d]): The layer, from rows [N, nI] to log-probabilities [N, V], in nats.
    RAISES (ValueError): As `build_full_softmax`, or if n_samples is below 1.
    """
    if n_samples < 1:
        raise ValueError(f"n_samples must be at least 1, got {n_samples}")
    return build_symbol_layer("rnn_sampled_softmax", forward, nI, nV, tied, {"n_samples": n_samples})


class Sample(NamedTuple):
    """Symbols that stand for all.

    symbols (numpy.ndarray): int64 [S'], the distinct ones that were drawn, in order.
    log_weights (numpy.ndarray): float64 [S'], the logarithm of how often each was drawn, divided by how often it is on average.
    """

    symbols: numpy.ndarray
    log_weights: numpy.ndarray


def draw_sample(nV: int, n_samples: int) -> Sample:
    """Draw symbols, k with the probability log((k + 2) / (k + 1)) / log(V + 1).

    nV (int): V, the number of symbols.
    n_samples (int): How many are drawn, with replacement.
    RETURNS (Sample): The sample.
    """
    # Thinc seeds NumPy's generator too, whatever the parameters are on.
    drawn = numpy.floor(numpy.exp(numpy.random.uniform(size=n_samples) * numpy.log(nV + 1))).astype("int64") - 1
    symbols, counts = numpy.unique(numpy.minimum(drawn, nV - 1), return_counts=True)
    expected = n_samples * numpy.log1p(1 / (symbols + 1)) / numpy.log(nV + 1)
    return Sample(symbols, numpy.log(counts / expected))


def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    return full_forward(model, X, is_train)


def begin_update(
    model: Model[Floats2d, Floats2d], H: Floats2d, targets: Ints1d, weights: Optional[Any] = None
) -> Tuple[Floats1d, Callable[[], Floats2d]]:
    """Estimate the log-probability of one symbol for each row, to train on them.

    model (Model[Floats2d, Floats2d]): A layer made by `build_sampled_softmax`.
    H (Floats2d): The rows [N, nI].
    targets (Ints1d): The symbols [N].
    weights (Optional[Floats1d]): What the loss of each row counts [N]; 1 if None.
    RETURNS (Tuple[Floats1d, Callable]): The estimates [N]; and a function that adds the gradients of the weighted sum of their
        negatives to those of the parameters, and returns that of H [N, nI].
    RAISES (ValueError): If a shape or type does not fit, there is no such symbol, or a weight is not finite.
    """
    check_rows(model, H)
    symbols, weights = check_targets(model, H, targets, weights)
    sample = draw_sample(model.get_dim("nV"), model.attrs["n_samples"])
    Y, d_projected, d_affine = _estimate(model, project(model, H), symbols, weights, sample)

    def backprop() -> Floats2d:
        return add_gradients(model, H, d_projected, d_affine)

    return Y, backprop


def _estimate(
    model: Model, H: Floats2d, targets: numpy.ndarray, weights: Optional[Floats1d], sample: Sample
) -> Tuple[Floats1d, Floats2d, Affine]:
    """Estimate log-probabilities, and give the gradients of rows and weights."""
    ops, (W, b), xp = model.ops, weights_of(model), model.ops.xp
    symbols, index = xp.asarray(sample.symbols), xp.asarray(targets)
    sampled = Affine(W[symbols], b[symbols] + xp.asarray(sample.log_weights, dtype=b.dtype))
    Y, dH, d_targets = xp.empty(len(H), dtype=H.dtype), xp.empty_like(H), xp.empty(len(H), dtype=H.dtype)
    d_W, d_b = (cast(Any, xp.zeros_like(param)) for param in sampled)
    for rows in in_pieces(len(H), len(symbols) + 1):
        X, target_W = H[rows], W[index[rows]]
        scores = xp.empty((len(symbols) + 1, len(X)), dtype=X.dtype)
        multiply(ops, sampled.W, X, trans2=True, out=scores[:-1])
        scores[:-1] += sampled.b.reshape((-1, 1))
        scores[-1] = (target_W * X).sum(axis=1) + b[index[rows]]
        # What is a row's target does not count a second time.
        scores[tuple(map(xp.asarray, _find_targets(sample, targets[rows])))] = -numpy.inf
        scores -= scores.max(axis=0)
        Y[rows] = scores[-1]
        sums = exponentiate(ops, scores)
        Y[rows] -= xp.log(sums)
        weight = xp.ones_like(sums) if weights is None else weights[rows]
        scores *= weight / sums
        scores[-1] -= weight
        d_targets[rows] = scores[-1]
        multiply(ops, scores[:-1], sampled.W, trans1=True, out=dH[rows])
        dH[rows] += scores[-1].reshape((-1, 1)) * target_W
        d_W += multiply(ops, scores[:-1], X)
        d_b += scores[:-1].sum(axis=1)
    column = d_targets.reshape((-1, 1))
    dW, db = sum_rows(ops, column * H, targets, len(W)), sum_rows(ops, column, targets, len(W))[:, 0]
    dW[symbols] += d_W
    db[symbols] += d_b
    return Y, dH, Affine(dW, db)


def _find_targets(sample: Sample, targets: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Say where in the scores [S', n] of a sample those of the rows' targets are."""
    places = numpy.minimum(numpy.searchsorted(sample.symbols, targets), len(sample.symbols) - 1)
    rows = numpy.flatnonzero(sample.symbols[places] == targets)
    return places[rows], rows


declare(forward, ScoresSymbols(score, begin_update, whole_weights_of), Saved(symbol_shapes, check_tied))
