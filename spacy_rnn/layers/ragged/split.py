"""Rows of a batch to a list of its sequences."""

from typing import List, cast

import numpy
from thinc.types import Floats2d, Ragged

from .list2ragged import host_lengths


def split_rows(X: Ragged) -> List[Floats2d]:
    """Take a batch apart, in a fraction of the time of `Ops.unflatten`.

    X (Ragged): The batch, rows [N, width].
    RETURNS (List[Floats2d]): The rows [n, width] of each sequence; they share the memory of the batch.
    """
    rows = cast(Floats2d, X.dataXd)
    ends = numpy.cumsum(host_lengths(X)).tolist()
    return [rows[start:end] for start, end in zip([0, *ends], ends, strict=False)]
