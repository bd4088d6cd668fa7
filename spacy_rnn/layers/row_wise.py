"""Which layers treat every row of a sequence by itself, so that a sequence may be cut anywhere between them."""

from typing import Collection, Optional

from thinc.api import Model

from .capabilities import RowWise, find


def find_mixing(model: Model, allowed: Collection[type] = ()) -> Optional[Model]:
    """Find a layer that is not known to treat every row, or every token of a text, by itself when it predicts.

    model (Model): Any model.
    allowed (Collection[type]): Capabilities of layers that need not, e.g. `Recurrent`.
    RETURNS (Optional[Model]): The first such layer in it; None if there is none.
    """
    if any(find(model, kind) for kind in allowed):
        return None
    row_wise = find(model, RowWise)
    if row_wise is None or not row_wise.holds(model):
        return model
    found = (find_mixing(layer, allowed) for layer in row_wise.layers(model))
    return next((layer for layer in found if layer is not None), None)
