"""What layers that score symbols are given, checked."""

from typing import Any, Optional, Tuple

import numpy
from thinc.api import Model
from thinc.types import Floats1d, Floats2d
from thinc.util import get_array_module

from ..ops import use_engine_products


def check_sizes(nI: Optional[int], nV: Optional[int]) -> None:
    """Refuse sizes that a layer cannot have.

    nI (Optional[int]): The width of its rows.
    nV (Optional[int]): V, the number of its symbols.
    RAISES (ValueError): If one is known and below 1.
    """
    for name, size in (("nI", nI), ("nV", nV)):
        if size is not None and size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")


def infer_sizes(model: Model, X: Optional[Any], Y: Optional[Any]) -> None:
    """Let a layer find sizes it was not given in a sample.

    model (Model): The layer, with the dimensions nI and nV.
    X (Optional[Floats2d]): Rows [N, nI].
    Y (Optional[Floats2d]): Log-probabilities [N, V].
    RAISES (ValueError): If a size remains unknown.
    """
    for dim, sample in (("nI", X), ("nV", Y)):
        if sample is not None and model.has_dim(dim) is None:
            model.set_dim(dim, sample.shape[1])
        if not model.has_dim(dim):
            raise ValueError(f"the layer {model.name!r} does not know {dim}: set it, or initialize the layer with a sample")


def require_weights(model: Model) -> None:
    """Refuse a layer without weights.

    model (Model): The layer.
    RAISES (ValueError): If it has not been initialized.
    """
    if any(model.has_param(name) is None for name in model.param_names):
        raise ValueError(f"the layer {model.name!r} has no weights yet: initialize it first")


def check_rows(model: Model, H: Any) -> Floats2d:
    """Check the rows that a layer is given.

    model (Model): The layer. From here on it uses the engine's products.
    H (Floats2d): Rows [N, nI].
    RETURNS (Floats2d): The rows.
    RAISES (ValueError): If they are no matrix of floats of the layer's width, or the layer has no weights yet.
    """
    require_weights(model)
    use_engine_products(model)
    nI = model.get_dim("nI")
    if H.ndim != 2 or H.dtype.kind != "f" or H.shape[1] != nI:
        raise ValueError(f"the layer {model.name!r} takes rows of floats [N, {nI}], got {H.dtype} of shape {H.shape}")
    return H


def check_targets(
    model: Model, H: Floats2d, targets: Any, weights: Optional[Any] = None
) -> Tuple[numpy.ndarray, Optional[Floats1d]]:
    """Check what the rows of a layer are scored for.

    model (Model): The layer.
    H (Floats2d): Its rows [N, nI].
    targets (Ints1d): A symbol for each, [N]. Where they are on a device, the host waits for them.
    weights (Optional[Floats1d]): What each row counts, [N].
    RETURNS (Tuple[numpy.ndarray, Optional[Floats1d]]): The targets on the host, and the weights where rows are, in their type.
    RAISES (ValueError): If a shape or type does not fit, or there is no such symbol, or a weight is not finite.
    """
    n, nV = len(H), model.get_dim("nV")
    targets = model.ops.to_numpy(targets)
    if targets.shape != (n,) or targets.dtype.kind not in "iu":
        raise ValueError(f"expected a target for each of {n} rows: integers of shape ({n},), got {targets.dtype} {targets.shape}")
    if n and not 0 <= targets.min() <= targets.max() < nV:
        raise ValueError(f"targets are numbers of {nV} symbols, 0 to {nV - 1}, got {targets.min()} to {targets.max()}")
    if weights is None:
        return targets, None
    xp = get_array_module(weights)
    if weights.shape != (n,) or weights.dtype.kind not in "fiub" or not bool(xp.isfinite(weights).all()):
        raise ValueError(f"expected a finite weight for each of {n} rows, of shape ({n},), got {weights.dtype} {weights.shape}")
    return targets, model.ops.xp.asarray(weights, dtype=H.dtype)
