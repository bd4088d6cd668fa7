"""Layer normalization whose gain starts where the layers above need it."""

from typing import Optional

from thinc.api import LayerNorm, Model
from thinc.layers.layernorm import forward
from thinc.layers.layernorm import init as init_layer_norm
from thinc.types import Floats2d


def build_layer_norm(nO: Optional[int] = None, gain: float = 1.0) -> Model[Floats2d, Floats2d]:
    """Normalize every row to mean 0 and a standard deviation that is learned (Ba et al. 2016, "Layer normalization", section 3).

    nO (Optional[int]): The width. Inferred from the data if None.
    gain (float): What the standard deviation starts with.
    RETURNS (Model[Floats2d, Floats2d]): Thinc's layer, from rows [N, nO] to rows [N, nO].
    RAISES (ValueError): If the gain is not above 0.
    """
    if not gain > 0:
        raise ValueError(f"the gain of a normalization must be above 0, got {gain}")

    def init(model: Model[Floats2d, Floats2d], X: Optional[Floats2d] = None, Y: Optional[Floats2d] = None) -> None:
        init_layer_norm(model, X, Y)
        model.set_param("G", model.ops.xp.full(model.get_dim("nO"), gain, dtype="float32"))

    model: Model[Floats2d, Floats2d] = LayerNorm(nO)
    model.replace_callbacks(forward, init=init)
    return model
