"""Vectors that a decoder writes from."""

from typing import Any, Iterator, NamedTuple, Optional, Tuple, Union, cast

import numpy
from thinc.api import Ops
from thinc.types import Floats2d, Ints1d, Ragged

from ...layers.ragged.list2ragged import host_lengths
from ...text.symbols import SymbolBatch

Vectors = Union[Floats2d, Ragged]
# Products of a larger number with weights, summed over a row, can leave the range of float32.
LARGEST = 1e15


class VectorBatch(NamedTuple):
    """Vectors, and what is to be written from each.

    vectors (Union[Floats2d, Ragged]): [B, C], a vector for each of B texts; or rows [N, C] of B sequences, for an encoder that
        makes a vector of each.
    targets (SymbolBatch): B texts, as a language model would read them: see `batch_texts`.
    """

    vectors: Any
    targets: SymbolBatch


def as_vectors(ops: Ops, vectors: Any, width: Optional[int], are_rows: bool, dtype: Any) -> Vectors:
    """Refuse what are no vectors.

    ops (Ops): The backend that they are to be on.
    vectors (Any): Numbers [B, C]; or a `Ragged` of rows [N, C].
    width (Optional[int]): C; None if it is not known yet.
    are_rows (bool): Whether they are to be rows.
    dtype (Any): The type of numbers that the model computes with.
    RETURNS (Union[Floats2d, Ragged]): The vectors, of this type, on the device; lengths on the host.
    RAISES (ValueError): If they are something else, of another width, or one of their numbers is not finite, or too large.
    """
    if isinstance(vectors, Ragged) != are_rows:
        expected, got = ("a Ragged of rows [N, C]", "an array") if are_rows else ("an array [B, C]", "a Ragged")
        hint = "" if are_rows else "; to read rows, give it an encoder that makes one vector of them, and initialize it with rows"
        raise ValueError(f"the decoder was initialized to write from {expected}, got {got}{hint}")
    if isinstance(vectors, Ragged):
        lengths = host_lengths(vectors)
        if lengths.size and int(lengths.min()) < 0:
            raise ValueError(f"sequence {int(lengths.argmin())} has {int(lengths.min())} rows: expected 0 or more")
        data = vectors.dataXd if vectors.data.size or vectors.data.ndim == 2 else ops.alloc2f(0, width or 0)
        if int(lengths.sum()) != len(data):
            raise ValueError(f"the lengths of the sequences add up to {int(lengths.sum())}, but there are {len(data)} rows")
        rows = _as_numbers(ops, data, width, dtype, lengths)
        return Ragged(rows, cast(Ints1d, lengths))
    return _as_numbers(ops, vectors, width, dtype, None)


def count_vectors(vectors: Vectors) -> int:
    """Count vectors, or sequences of rows.

    vectors (Union[Floats2d, Ragged]): Either.
    RETURNS (int): B.
    """
    return len(vectors.lengths) if isinstance(vectors, Ragged) else len(vectors)


def split_vectors(vectors: Vectors, size: int) -> Iterator[Vectors]:
    """Take vectors apart.

    vectors (Union[Floats2d, Ragged]): Vectors, or sequences of rows.
    size (int): How many each part has at most.
    YIELDS (Union[Floats2d, Ragged]): The parts, in their order.
    """
    if not isinstance(vectors, Ragged):
        yield from (cast(Floats2d, vectors[first : first + size]) for first in range(0, len(vectors), size))
        return
    lengths = host_lengths(vectors)
    ends = numpy.concatenate([[0], numpy.cumsum(lengths)])
    for first in range(0, len(lengths), size):
        own = lengths[first : first + size]
        yield Ragged(vectors.dataXd[ends[first] : ends[first + len(own)]], cast(Ints1d, own))


def width_of(vectors: Vectors) -> int:
    """Give the width of vectors, or of rows.

    vectors (Union[Floats2d, Ragged]): Either.
    RETURNS (int): C.
    """
    return int(cast(Floats2d, vectors.dataXd if isinstance(vectors, Ragged) else vectors).shape[1])


def _as_numbers(ops: Ops, vectors: Any, width: Optional[int], dtype: Any, lengths: Optional[numpy.ndarray]) -> Floats2d:
    """Check numbers [B, C], of sequences of rows if there are lengths."""
    array: Any = vectors if hasattr(vectors, "dtype") and hasattr(vectors, "shape") else numpy.asarray(vectors)
    name = "vectors" if lengths is None else "rows"
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} are numbers, got {array.dtype}")
    if array.ndim != 2:
        raise ValueError(f"{name} are two-dimensional, [number, width], got the shape {tuple(array.shape)}")
    if not array.shape[1] or width not in (None, array.shape[1]):
        raise ValueError(f"{name} are of width {width or 'at least 1'} here, got {name} of width {array.shape[1]}")
    with numpy.errstate(over="ignore"):
        found = cast(Floats2d, ops.asarray(array, dtype=dtype))
    is_good = ops.xp.abs(found) <= LARGEST
    if not bool(is_good.all()):
        row, column = (int(index[0]) for index in ops.xp.nonzero(~is_good))
        where = f"vector {row}" if lengths is None else "row {1} of sequence {0}".format(*_place(lengths, row))
        raise ValueError(
            f"{where} holds {float(found[row, column])} in column {column}: numbers are finite, and no larger than {LARGEST:g}"
        )
    return found


def _place(lengths: numpy.ndarray, row: int) -> Tuple[int, int]:
    """Say which row of which sequence a row is."""
    ends = numpy.cumsum(lengths)
    sequence = int(numpy.searchsorted(ends, row, side="right"))
    return sequence, row - int(ends[sequence] - lengths[sequence])
