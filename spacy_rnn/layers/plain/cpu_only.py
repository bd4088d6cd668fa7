"""Layers that have no form for GPUs, in models that have."""

from typing import Any, Callable, Optional, Tuple

from thinc.api import Model, Ops, to_numpy
from thinc.types import Floats2d


def on_cpu(layer: Model[Any, Floats2d], ops: Ops) -> Model[Any, Floats2d]:
    """Run a layer on the CPU.

    Unlike `thinc.layers.with_cpu`, which always runs it as in training, it drops nothing in prediction.

    layer (Model[Any, Floats2d]): The layer, from anything but arrays to vectors [B, nO].
    ops (Ops): Where the vectors go.
    RETURNS (Model[Any, Floats2d]): The layer.
    """
    layer.to_cpu()
    return Model("on_cpu", forward, init=init, layers=[layer], ops=ops, dims={"nO": layer.maybe_get_dim("nO")})


def init(model: Model[Any, Floats2d], X: Any = None, Y: Optional[Floats2d] = None) -> None:
    (layer,) = model.layers
    layer.initialize(X=X, Y=None if Y is None else to_numpy(Y))
    if model.has_dim("nO") is None and layer.has_dim("nO"):
        model.set_dim("nO", layer.get_dim("nO"))


def forward(model: Model[Any, Floats2d], X: Any, is_train: bool) -> Tuple[Floats2d, Callable]:
    Y, layer_backprop = model.layers[0](X, is_train)

    def backprop(dY: Floats2d) -> Any:
        return layer_backprop(to_numpy(dY))

    return model.ops.asarray2f(Y), backprop
