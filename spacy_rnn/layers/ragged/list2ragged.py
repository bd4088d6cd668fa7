"""Lists to ragged arrays, with lengths on the host."""

from typing import Any, Callable, List, Optional, Tuple, cast

import numpy
from thinc.api import Model, Ops
from thinc.types import Floats2d, Ints1d, Ragged

from ...recurrence.packing import whole_lengths
from ..capabilities import JoinsRows, RowWise, declare

# Numbers from which on a copy takes more than finding out that none is needed.
MIN_SHARED = 2**20


def build_list2ragged() -> Model[List[Floats2d], Ragged]:
    """Join sequences to a ragged array whose lengths stay on the host.

    No later layer has to wait for a GPU to give them back (`thinc.layers.list2ragged` moves them to the device). In a large
    batch, sequences that are parts of one array are not copied.

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


def join_rows(ops: Ops, Xs: List[Floats2d]) -> Floats2d:
    """Join sequences to one array.

    A large batch of adjacent views of one array is not copied: the result is a view of that array.

    ops (Ops): The backend of the sequences.
    Xs (List[Floats2d]): The rows [n, width] of each sequence.
    RETURNS (Floats2d): [N, width], to be read only.
    """
    size = sum(X.size for X in Xs)
    if Xs and not size:
        # Joined by Thinc, sequences without rows lose their width, which the layers above may have to learn.
        return Xs[0]
    whole = _whole(Xs) if size >= MIN_SHARED else None
    return cast(Floats2d, ops.flatten(Xs)) if whole is None else whole


def _whole(Xs: List[Any]) -> Optional[Any]:
    """Give the part of an array that sequences are views of, if they are, one directly after the other."""
    filled = [X for X in Xs if X.size]
    base = filled[0].base if filled else None
    if base is None or base.ndim != 2 or not base.flags.c_contiguous:
        return None
    start = row = (_address(filled[0]) - _address(base)) // base.strides[0]
    for X in filled:
        if X.base is not base or X.dtype != base.dtype or X.shape[1] != base.shape[1] or not X.flags.c_contiguous:
            return None
        if _address(X) != _address(base) + row * base.strides[0]:
            return None
        row += len(X)
    return base[start:row]


def _address(array: Any) -> int:
    return array.__array_interface__["data"][0] if isinstance(array, numpy.ndarray) else array.data.ptr


def forward(model: Model[List[Floats2d], Ragged], Xs: List[Floats2d], is_train: bool) -> Tuple[Ragged, Callable]:
    lengths = numpy.asarray([len(X) for X in Xs], dtype="int32")

    def backprop(dY: Ragged) -> List[Floats2d]:
        return model.ops.unflatten(cast(Floats2d, dY.dataXd), cast(Ints1d, lengths))

    return Ragged(join_rows(model.ops, Xs), cast(Ints1d, lengths)), backprop


declare(forward, RowWise(), JoinsRows())
