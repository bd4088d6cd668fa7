"""Hashes of rows of numbers."""

import numpy

# 2**64 divided by the golden ratio, to the next odd number.
_MULTIPLIER = numpy.asarray(0x9E3779B97F4A7C15, dtype="uint64")


def hash_rows(keys: numpy.ndarray) -> numpy.ndarray:
    """Hash each row to one number.

    Multiplications (Knuth 1998, "The art of computer programming" 3, section 6.4) alternate with folding the upper half into the
    lower one. Equal rows give equal numbers; different ones hardly ever do.

    keys (numpy.ndarray): uint64 [N, A], A >= 1.
    RETURNS (numpy.ndarray): uint64 [N]; the upper bits are the better mixed ones.
    """
    mixed = keys[:, 0] * _MULTIPLIER
    for column in range(1, keys.shape[1]):
        mixed ^= mixed >> 32
        mixed += keys[:, column]
        mixed *= _MULTIPLIER
    return mixed
