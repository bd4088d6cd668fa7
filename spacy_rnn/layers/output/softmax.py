"""Scores to probabilities."""

from typing import Callable, Tuple

from thinc.api import Model
from thinc.types import Floats2d


def build_softmax() -> Model[Floats2d, Floats2d]:
    """Turn scores into probabilities.

    As in `thinc.layers.Softmax`, backpropagation takes the gradient with respect to the scores: for cross-entropy the
    probabilities less the truth.

    RETURNS (Model[Floats2d, Floats2d]): The layer, from scores [B, nO] to probabilities [B, nO].
    """
    return Model("rnn_softmax", forward)


def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    return model.ops.softmax(X), _pass


def _pass(d_scores: Floats2d) -> Floats2d:
    return d_scores
