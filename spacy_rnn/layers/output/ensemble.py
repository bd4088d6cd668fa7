"""Several models of the same classes, averaged."""

from typing import Any, Callable, List, Optional, Sequence, Tuple

from thinc.api import Model
from thinc.types import Floats2d

from ..capabilities import Averages, declare


def build_ensemble(members: Sequence[Model[Any, Floats2d]]) -> Model[Any, Floats2d]:
    """Average the class probabilities of several models, each of which learns from a loss of its own.

    Members that learn from the loss of their average leave to the fastest one what it can do: rare n-grams soon tell all
    training texts apart, and a network beside them has nothing left to learn.

    members (Sequence[Model[Any, Floats2d]]): The models, from the same input to probabilities [B, nO]. Backpropagation of each
        takes the gradient of its scores, as that of `thinc.layers.Softmax`: for cross-entropy its probabilities less the truth.
    RETURNS (Model[Any, Floats2d]): The model, to probabilities [B, nO]. From the gradient for their average, P - truth,
        backpropagation makes that of each member, P_k - truth. A gradient that is exactly 0 is that of a missing truth.
    RAISES (ValueError): If there are no members.
    """
    if not members:
        raise ValueError("an ensemble needs at least one member")
    return Model("ensemble", forward, init=init_ensemble, layers=list(members), dims={"nO": None})


def begin_members(model: Model[Any, Floats2d], X: Any) -> Tuple[List[Floats2d], Callable[[Sequence[Floats2d]], None]]:
    """Run the members of an ensemble, to train each.

    model (Model[Any, Floats2d]): A model made by `build_ensemble`.
    X (Any): What it reads.
    RETURNS (Tuple[List[Floats2d], Callable]): The probabilities [B, nO] of each member, and a function from a gradient for each
        that increments those of the parameters.
    """
    runs = [member.begin_update(X) for member in model.layers]

    def backprop(gradients: Sequence[Floats2d]) -> None:
        for (_, member_backprop), gradient in zip(runs, gradients, strict=True):
            member_backprop(gradient)

    return [probabilities for probabilities, _ in runs], backprop


def init_ensemble(model: Model[Any, Floats2d], X: Any = None, Y: Optional[Floats2d] = None) -> None:
    """Initialize every member.

    model (Model[Any, Floats2d]): A model made by `build_ensemble`.
    X (Any): What it reads.
    Y (Optional[Floats2d]): The truth [B, nO].
    """
    for member in model.layers:
        member.initialize(X=X, Y=Y)
    if model.has_dim("nO") is None and model.layers[0].has_dim("nO"):
        model.set_dim("nO", model.layers[0].get_dim("nO"))


def forward(model: Model[Any, Floats2d], X: Any, is_train: bool) -> Tuple[Floats2d, Callable]:
    if not is_train:
        return _mean([member.predict(X) for member in model.layers]), _backprop_prediction
    members, members_backprop = begin_members(model, X)
    Y = _mean(members)

    def backprop(dY: Floats2d) -> list:
        members_backprop([dY + (probabilities - Y) * (dY != 0) for probabilities in members])
        return []

    return Y, backprop


def _mean(members: Sequence[Floats2d]) -> Floats2d:
    total = members[0]
    for probabilities in members[1:]:
        total = total + probabilities
    return total / len(members)


def _backprop_prediction(dY: Floats2d) -> Any:
    raise ValueError("a prediction has no gradient: run the layer with begin_update")


declare(forward, Averages(begin_members))
