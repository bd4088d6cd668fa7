"""What models are asked about, checked and copied: what is checked is what is used."""

from typing import Any

import numpy


def as_numbers(name: str, numbers: Any, n_symbols: int) -> numpy.ndarray:
    """Copy symbols.

    name (str): What they are, for an error.
    numbers (Array): Integers [n], on the host or a device.
    n_symbols (int): V.
    RETURNS (numpy.ndarray): int32 [n], on the host.
    RAISES (ValueError): If they are no integers, or there is no such symbol.
    """
    array = numpy.array(numbers.get() if hasattr(numbers, "get") else numbers)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{name}: expected integers of one dimension, got {array.dtype} {list(array.shape)}")
    if array.size and (array.min() < 0 or array.max() >= n_symbols):
        wrong = array[(array < 0) | (array >= n_symbols)][0]
        raise ValueError(f"{name}: there is no symbol {wrong}: expected 0 to {n_symbols - 1}")
    return array.astype("int32", copy=False)


def as_lengths(lengths: Any, n_inputs: int, n_targets: int) -> numpy.ndarray:
    """Copy the lengths of sequences.

    lengths (Array): Integers [B].
    n_inputs, n_targets (int): How many inputs and targets there are.
    RETURNS (numpy.ndarray): int32 [B].
    RAISES (ValueError): If they are no lengths, or do not add up.
    """
    array = numpy.array(lengths)
    if array.ndim != 1 or (array.size and (array.dtype.kind not in "iu" or array.min() < 0 or array.max() > 2**31 - 1)):
        raise ValueError(f"lengths: expected whole numbers [B], at least 0, got {array.dtype} {list(array.shape)}")
    if not int(array.sum()) == n_inputs == n_targets:
        raise ValueError(f"lengths add up to {int(array.sum())}, but there are {n_inputs} inputs and {n_targets} targets")
    return array.astype("int32", copy=False)


def as_states(state: Any, n: int, width: int, n_symbols: int) -> numpy.ndarray:
    """Copy a state of last symbols.

    state (Array): Integers [n, width], -1 where there is no symbol.
    n (int): B, the number of sequences.
    width (int): How many symbols it has.
    n_symbols (int): V.
    RETURNS (numpy.ndarray): int32 [n, width].
    RAISES (ValueError): If it is no such state.
    """
    array = numpy.array(state)
    if array.shape != (n, width) or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"expected the state of {n} sequences, integers [{n}, {width}], got {array.dtype} {list(array.shape)}")
    if array.size and (array.min() < -1 or array.max() >= n_symbols):
        raise ValueError(f"a state has symbols that are none of {n_symbols}")
    return array.astype("int32", copy=False)
