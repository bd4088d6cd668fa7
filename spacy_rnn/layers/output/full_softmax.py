"""The softmax over all symbols."""

from typing import Any, Callable, Optional, Tuple

from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ints1d

from ..capabilities import ScoresSymbols, declare
from ..plain.dropout import check_rate
from ..saved import Saved
from .symbol_rows import check_rows, check_targets
from .symbol_scores import log_likelihood, log_likelihood_gradients, log_softmax
from .symbol_weights import add_gradients, build_symbol_layer, check_tied, project, symbol_shapes, weights_of, whole_weights_of


def build_full_softmax(
    nI: Optional[int] = None, nV: Optional[int] = None, *, tied: Optional[Model] = None, label_smoothing: float = 0.0
) -> Model[Floats2d, Floats2d]:
    """Turn hidden rows into log-probabilities of symbols, by a weight vector and a bias for each.

    nI (Optional[int]): The width of the rows. Inferred from a sample if None.
    nV (Optional[int]): V, the number of symbols. If None, it is that of the embedding, or set as dimension nV before the layer is
        initialized.
    tied (Optional[Model]): An embedding whose vectors E [V, width] are the weights (Press & Wolf 2017, "Using the output
        embedding to improve language models"). If nI and its nO are known and differ, a learned matrix P [width, nI] projects the
        rows. Initialize it first.
    label_smoothing (float): The share of each target that all symbols share in training (Szegedy et al. 2016), in [0, 1).
    RETURNS (Model[Floats2d, Floats2d]): The layer, from rows [N, nI] to log-probabilities [N, V], in nats.
    RAISES (ValueError): If a size is below 1, the smoothing is out of its range, or the tied model has no parameter "E". When
        the layer is initialized: if a size remains unknown, or the embedding's is another.
    """
    check_rate("label_smoothing", label_smoothing)
    return build_symbol_layer("rnn_symbol_softmax", forward, nI, nV, tied, {"label_smoothing": label_smoothing})


def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    check_rows(model, X)
    Y, softmax_backprop = log_softmax(model.ops, project(model, X), weights_of(model))

    def backprop(dY: Floats2d) -> Floats2d:
        return add_gradients(model, X, *softmax_backprop(dY))

    return Y, backprop


def score(model: Model[Floats2d, Floats2d], H: Floats2d, targets: Ints1d) -> Floats1d:
    """Find the log-probability of one symbol for each row.

    model (Model[Floats2d, Floats2d]): A layer with weights of symbols, as `build_full_softmax` makes it.
    H (Floats2d): The rows [N, nI].
    targets (Ints1d): The symbols [N].
    RETURNS (Floats1d): The log-probabilities [N], in nats.
    RAISES (ValueError): If a shape or type does not fit, or there is no such symbol.
    """
    check_rows(model, H)
    symbols, _ = check_targets(model, H, targets)
    return log_likelihood(model.ops, project(model, H), weights_of(model), model.ops.xp.asarray(symbols))


def begin_update(
    model: Model[Floats2d, Floats2d], H: Floats2d, targets: Ints1d, weights: Optional[Any] = None
) -> Tuple[Floats1d, Callable[[], Floats2d]]:
    """Find the log-probability of one symbol for each row, to train on them.

    model (Model[Floats2d, Floats2d]): A layer with weights of symbols, as `build_full_softmax` makes it.
    H (Floats2d): The rows [N, nI].
    targets (Ints1d): The symbols [N].
    weights (Optional[Floats1d]): What the loss of each row counts [N]; 1 if None.
    RETURNS (Tuple[Floats1d, Callable]): The log-probabilities [N]; and a function that adds the gradients of the weighted sum of
        their negatives to those of the parameters, and returns that of H [N, nI]. With label smoothing the gradients are those of
        the smoothed loss.
    RAISES (ValueError): If a shape or type does not fit, there is no such symbol, or a weight is not finite.
    """
    check_rows(model, H)
    symbols, weights = check_targets(model, H, targets, weights)
    index = model.ops.xp.asarray(symbols)
    Y, d_projected, d_affine = log_likelihood_gradients(
        model.ops, project(model, H), weights_of(model), index, weights, model.attrs.get("label_smoothing", 0.0)
    )

    def backprop() -> Floats2d:
        return add_gradients(model, H, d_projected, d_affine)

    return Y, backprop


declare(forward, ScoresSymbols(score, begin_update, whole_weights_of), Saved(symbol_shapes, check_tied))
