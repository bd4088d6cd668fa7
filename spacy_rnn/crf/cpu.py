"""The CPU engine of conditional random fields: compiled code, for NumPy and float32."""

from typing import Optional, Tuple

import numpy

from ..native import library
from ..recurrence.engines.cpu import is_available, is_float32, whole
from .interface import Array, Crf, CrfEngine, PathSums


class CpuEngine(CrfEngine):
    """The engine of NumPy's float32 arrays, where it has been built."""

    name = "cpu"

    def supports(self, crf: Crf, scores: Array) -> bool:
        return is_float32(scores) and all(map(is_float32, crf)) and is_available()

    def sum_paths(self, crf: Crf, scores: Array, lengths: numpy.ndarray, allowed: Optional[Array], is_train: bool) -> PathSums:
        log_sums, marginals = numpy.empty(len(lengths), "float64"), numpy.empty(scores.shape, "float32")
        mask = None if allowed is None else numpy.require(allowed, requirements=["C", "A"]).view("uint8")
        sums = library.PathSums(*map(whole, crf), whole(scores), mask, lengths, is_train, log_sums, marginals)

        def count_transitions(weights: Array) -> Array:
            counts = numpy.empty(crf.transitions.shape, "float64")
            sums.count_transitions(whole(weights), counts)
            return counts.astype("float32")

        return PathSums(log_sums, marginals, count_transitions if is_train else None)

    def find_best(self, crf: Crf, scores: Array, lengths: numpy.ndarray) -> Tuple[Array, Array]:
        labels, best = numpy.empty(len(scores), "int64"), numpy.empty(len(lengths), "float64")
        library.find_best(*map(whole, crf), whole(scores), lengths, labels, best)
        return labels, best
