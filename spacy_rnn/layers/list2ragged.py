"""Lists to ragged arrays, with lengths on the host."""

from typing import Callable, List, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats2d, Ints1d, Ragged

from ..recurrence.packing import whole_lengths


def build_list2ragged() -> Model[List[Floats2d], Ragged]:
    """Join sequences to a ragged array whose lengths stay on the host, so that no later layer waits for a GPU to give them
    back (`thinc.layers.list2ragged` moves them to the device).

    RETURNS (Model[List[Floats2d], Ragged]): The layer, from a list of rows [n, width] to rows [N, width].
    """
    return Model("list2ragged_host", forward)


def host_lengths(X: Ragged) -> numpy.ndarray:
    """Give the lengths of a ragged array on the host.

    X (Ragged): The batch.
    RETURNS (numpy.ndarray): int32 [B].
    RAISES (ValueError): If a length is no whole number, or too large a one.
    """
    lengths = X.lengths
    if hasattr(lengths, "get"):
        lengths = lengths.get()
    return whole_lengths(lengths)


def forward(model: Model[List[Floats2d], Ragged], Xs: List[Floats2d], is_train: bool) -> Tuple[Ragged, Callable]:
    lengths = numpy.asarray([len(X) for X in Xs], dtype="int32")

    def backprop(dY: Ragged) -> List[Floats2d]:
        return model.ops.unflatten(cast(Floats2d, dY.dataXd), cast(Ints1d, lengths))

    return Ragged(model.ops.flatten(Xs), cast(Ints1d, lengths)), backprop
