"""Memory of a device as kernels and products are given it: by address."""

from math import prod
from typing import Any, Dict, Mapping, NamedTuple, Tuple

from .arguments import pointer

# Numbers: arrays begin 256 bytes apart.
_ALIGNMENT = 64


class Rows(NamedTuple):
    """A matrix of float32 on a device. The numbers of a row stand side by side.

    address (int): Where it begins.
    shape (Tuple[int, int]): Rows and columns.
    stride (int): Numbers from row to row.
    """

    address: int
    shape: Tuple[int, int]
    stride: int

    @classmethod
    def of(cls, array: Any) -> "Rows":
        """Give an array as a matrix.

        array (Array): float32 [rows, columns]; the numbers of a row stand side by side.
        RETURNS (Rows): The matrix.
        """
        return cls(pointer(array), array.shape, array.strides[0] // 4)

    def part(self, rows: slice = slice(None), columns: slice = slice(None)) -> "Rows":
        """Give some rows or columns that follow each other.

        rows (slice): Which rows.
        columns (slice): Which columns.
        RETURNS (Rows): The matrix of these.
        """
        (top, bottom, _), (left, right, _) = rows.indices(self.shape[0]), columns.indices(self.shape[1])
        return Rows(self.address + 4 * (top * self.stride + left), (bottom - top, right - left), self.stride)


class Arena:
    """Arrays of float32 in one allocation, each once for every direction of a layer, side by side."""

    def __init__(self, xp: Any, n: int, shapes: Mapping[str, Tuple[int, ...]], zeros: bool = False) -> None:
        """Allocate the arrays.

        xp (Any): The array module.
        n (int): The directions.
        shapes (Mapping[str, Tuple[int, ...]]): The shape of each array in one direction, by name.
        zeros (bool): Whether they are filled with zeros; else with nothing.
        """
        self._n, self._shapes, self._offsets = n, shapes, {}
        total = 0
        for name, shape in shapes.items():
            self._offsets[name] = total
            total += -(-n * prod(shape) // _ALIGNMENT) * _ALIGNMENT
        self._whole = (xp.zeros if zeros else xp.empty)((total,), dtype="float32")
        self._address = pointer(self._whole)

    def address(self, name: str, i: int) -> int:
        """Say where an array begins.

        name (str): Its name.
        i (int): The direction.
        RETURNS (int): The address.
        """
        return self._address + 4 * (self._offsets[name] + i * prod(self._shapes[name]))

    def addresses(self, i: int) -> Dict[str, int]:
        """Say where all arrays of a direction begin.

        i (int): The direction.
        RETURNS (Dict[str, int]): The addresses by name.
        """
        return {name: self.address(name, i) for name in self._shapes}

    def rows(self, name: str, i: int) -> Rows:
        """Give an array as a matrix.

        name (str): Its name.
        i (int): The direction.
        RETURNS (Rows): The matrix.
        """
        rows, columns = self._shapes[name]
        return Rows(self.address(name, i), (rows, columns), columns)

    def array(self, name: str) -> Any:
        """Give an array of all directions.

        name (str): Its name.
        RETURNS (Array): [directions, *shape].
        """
        shape = (self._n, *self._shapes[name])
        return self._whole[self._offsets[name] : self._offsets[name] + prod(shape)].reshape(shape)
