"""Fields on a device that are computed on the host.

By the reference engine a device would run over a hundred kernels for each token of the longest sequence in training, and over
twenty to decode. Compiled code on the host computes a batch in less time than it takes to launch these.
"""

from typing import Any, Optional, Sequence, Tuple

import numpy
from thinc.util import get_array_module, to_numpy

from .engines import ENGINES
from .interface import Array, Crf


def fetch(crf: Crf, scores: Array, allowed: Optional[Array] = None) -> Tuple[Crf, Array, Optional[Array]]:
    """Give arrays to where they are computed: from a device to the host, if the compiled engine takes their like there.

    crf (Crf): The parameters.
    scores (Array): [N, L], the score of each label at each row, where the parameters are.
    allowed (Optional[Array]): bool or uint8 [N, L], the labels that paths may have at each row, there or on the host.
    RETURNS (Tuple[Crf, Array, Optional[Array]]): The same, all on the host or all where the scores are.
    """
    xp, arrays = get_array_module(scores), [*crf, scores]
    if xp is numpy or not _go_to_host(arrays):
        return crf, scores, None if allowed is None else xp.asarray(allowed)
    # All in one piece: the host waits once.
    numbers = to_numpy(xp.concatenate([array.reshape(-1) for array in arrays]))
    ends = numpy.cumsum([array.size for array in arrays])
    copies = [part.reshape(array.shape) for part, array in zip(numpy.split(numbers, ends[:-1]), arrays, strict=True)]
    return Crf(*copies[:-1]), copies[-1], None if allowed is None else to_numpy(allowed)


def hand_over(xp: Any, array: Array) -> Array:
    """Give an array to an array module.

    xp (Any): `numpy` or `cupy`.
    array (Array): An array on the host or on a device.
    RETURNS (Array): The array there; itself if it is there.
    """
    return to_numpy(array) if xp is numpy else xp.asarray(array)


def _go_to_host(arrays: Sequence[Array]) -> bool:
    """Tell whether arrays are on a device where only the fallback computes, and a better engine takes their like on the host."""
    if any(isinstance(array, numpy.ndarray) for array in arrays):
        return False
    *crf, scores = arrays
    if any(engine.supports(Crf(*crf), scores) for engine in ENGINES if engine is not ENGINES.fallback):
        return False
    *crf, scores = (numpy.empty(0, array.dtype) for array in arrays)
    return ENGINES.select(Crf(*crf), scores) is not ENGINES.fallback
