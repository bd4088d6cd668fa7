"""Variational dropout."""

from typing import Callable, Tuple, cast

import numpy
from thinc.api import Model, Ops
from thinc.types import Floats2d, Ragged

from ..capabilities import Drops, KeepsDirectionsApart, RowWise, declare
from ..directions import by_columns
from ..ragged.list2ragged import host_lengths
from .dropout import check_rate


def build_sequence_dropout(rate: float = 0.0) -> Model[Ragged, Ragged]:
    """Drop columns during training, the same ones in all rows of a sequence.

    This is variational dropout (Gal & Ghahramani 2016), at a rate that belongs to the architecture.

    rate (float): The share of columns that is set to 0; the others are multiplied by 1 / (1 - rate).
    RETURNS (Model[Ragged, Ragged]): The layer.
    RAISES (ValueError): If the rate is not in [0, 1).
    """
    check_rate("rate", rate)
    return Model("sequence_dropout", forward, attrs={"rate": rate})


def draw_sequence_mask(ops: Ops, lengths: numpy.ndarray, width: int, rate: float) -> Floats2d:
    """Draw what rows are multiplied by, the same in all rows of a sequence.

    ops (Ops): The backend of the rows.
    lengths (numpy.ndarray): int32 [B], the number of rows of each sequence, on the host.
    width (int): The width of the rows.
    rate (float): The share of columns that is dropped.
    RETURNS (Floats2d): [N, width], 0 or 1 / (1 - rate).
    """
    masks = cast(Floats2d, ops.get_dropout_mask((len(lengths), width), rate))
    return masks[ops.xp.asarray(numpy.repeat(numpy.arange(len(lengths)), lengths))]


def forward(model: Model[Ragged, Ragged], X: Ragged, is_train: bool) -> Tuple[Ragged, Callable]:
    rate = model.attrs["rate"]
    if not is_train or rate == 0.0 or not X.data.size:
        return X, lambda dY: dY
    rows, lengths = cast(Floats2d, X.dataXd), host_lengths(X)
    mask = draw_sequence_mask(model.ops, lengths, rows.shape[1], rate)

    def backprop(dY: Ragged) -> Ragged:
        return Ragged(dY.dataXd * mask, dY.lengths)

    return Ragged(rows * mask, X.lengths), backprop


declare(forward, RowWise(), KeepsDirectionsApart(by_columns(forward)), Drops(("rate",)))
