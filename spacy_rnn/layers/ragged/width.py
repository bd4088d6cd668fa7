"""The rows a layer reads."""

from typing import Optional, cast

from thinc.api import Model
from thinc.types import Floats2d, Ragged


def input_rows(model: Model[Ragged, Ragged], X: Ragged, layer: str) -> Floats2d:
    """Give the rows of a batch; a batch without rows has lost its width.

    model (Model[Ragged, Ragged]): The layer, with its dimension nI.
    X (Ragged): The batch, N rows of width nI.
    layer (str): What the layer is called in an error message.
    RETURNS (Floats2d): [N, nI].
    RAISES (ValueError): If the rows have another width.
    """
    if not X.data.size:
        return model.ops.alloc2f(0, model.get_dim("nI"))
    check_input_width(model, X.data.shape[1], layer)
    return cast(Floats2d, X.data)


def known_width(X: Optional[Ragged]) -> Optional[int]:
    """Give the width of a sample, which it may have without having rows.

    X (Optional[Ragged]): The sample, N rows of width nI.
    RETURNS (Optional[int]): nI; None if there is no sample, or it has lost its width.
    """
    if X is None:
        return None
    # Without rows, Thinc makes the array one of no columns, but keeps the shape that it had.
    return X.data.shape[1] if X.data.size else (X.data_shape[1] or None if len(X.data_shape) == 2 else None)


def check_input_width(model: Model[Ragged, Ragged], width: int, layer: str) -> None:
    """Compare the width of rows with that a layer has.

    model (Model[Ragged, Ragged]): The layer, whose nI may not be known yet.
    width (int): The width of the rows.
    layer (str): What the layer is called in an error message.
    RAISES (ValueError): If they differ.
    """
    if model.has_dim("nI") and model.get_dim("nI") != width:
        raise ValueError(
            f"the {layer} reads rows of width {model.get_dim('nI')} (nI), but was given rows of width {width}: the width of the "
            "layer below has to be the same"
        )
