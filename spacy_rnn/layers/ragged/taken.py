"""Batches whose rows come from a table."""

from typing import Any, Optional, cast

from thinc.types import Array2d, ArrayXd, Ints1d, Ragged

from ...recurrence.tables import TableRows


class TakenRows(Ragged):
    """A ragged array that is taken from a table once a layer reads it. A layer that knows of the table may read that instead.

    In training a recurrent layer goes back to the table if it is asked to: the gradient that it gives is then a `Ragged` of the V
    rows of the table, not of the N rows of the batch. Other layers give one of N rows, so ask only where the next layer is
    recurrent.
    """

    def __init__(self, taken: TableRows, lengths: Ints1d, table_gradient: bool = False) -> None:
        """Make a batch.

        taken (TableRows): The rows [N, width], N >= 1.
        lengths (Ints1d): int32 [B], how many of them each sequence has, on the host.
        table_gradient (bool): Whether a recurrent layer that is trained gives the gradient of the table's rows.
        """
        self.taken, self.lengths, self.table_gradient = taken, lengths, table_gradient
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
