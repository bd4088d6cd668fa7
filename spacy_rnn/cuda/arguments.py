"""The structures that the kernels of a sweep are given, as src/sweep.cuh declares them."""

from typing import Any

import numpy

# Pointers of one direction, in the order of `struct Direction`; there it says what each points to.
POINTERS = (
    ("R", "b", "bR", "p", "mask", "h_first", "c_first")
    + ("Z", "H_in", "C", "extra", "Y", "h_last", "c_last")
    + ("dY", "dh_last", "dc_last", "dZ", "d_extra", "dh_first", "dc_first")
)
NUMBERS = ("Y_stride", "dY_stride", "reverse")
DIRECTION = numpy.dtype([(name, "u8") for name in POINTERS] + [(name, "i8") for name in NUMBERS])
SWEEP = numpy.dtype(
    [
        ("directions", DIRECTION, (2,)),
        *((name, "u8") for name in ("starts", "lengths", "order", "counts", "partial")),
        *((name, "i4") for name in ("n_sequences", "nH", "n_directions", "slices", "units", "chunk")),
    ]
)


def pointer(array: Any) -> int:
    """Give the address of an array's numbers.

    array (Optional[Array]): An array of NumPy's or CuPy's.
    RETURNS (int): The address; 0 if None.
    """
    if array is None:
        return 0
    return int(array.ctypes.data) if isinstance(array, numpy.ndarray) else int(array.data.ptr)
