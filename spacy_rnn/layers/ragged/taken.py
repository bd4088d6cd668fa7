"""Batches whose rows come from a table."""

from typing import Any, Optional, cast

from thinc.types import Array2d, ArrayXd, Ints1d, Ragged

from ...recurrence.tables import TableRows


class TakenRows(Ragged):
    """A ragged array that is taken from a table once a layer reads it. A layer that knows of the table may read that instead."""

    def __init__(self, taken: TableRows, lengths: Ints1d) -> None:
        """Make a batch.

        taken (TableRows): The rows [N, width], N >= 1.
        lengths (Ints1d): int32 [B], how many of them each sequence has, on the host.
        """
        self.taken, self.lengths = taken, lengths
        self.data_shape = (-1, taken.table.rows.shape[1])
        self._data: Optional[Any] = None

    @property
    def data(self) -> Array2d:  # type: ignore[override]
        """RETURNS (Array2d): [N, width]."""
        if self._data is None:
            self._data = self.taken.take()
        return cast(Array2d, self._data)

    @property
    def dataXd(self) -> ArrayXd:
        """RETURNS (ArrayXd): [N, width]."""
        return cast(ArrayXd, self.data)
