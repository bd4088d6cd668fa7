"""The CPU engine of conditional random fields: compiled code, for NumPy and float32."""

from typing import Any, Optional, Tuple

import numpy

from ..native import library
from .interface import Array, Crf, PathSums


def sum_paths(crf: Crf, scores: Array, lengths: numpy.ndarray, allowed: Optional[Array], is_train: bool) -> PathSums:
    """Sum over all paths of labels through each sequence, as `spacy_rnn.crf.reference.sum_paths` does.

    crf (Crf): The parameters.
    scores (Array): [N, L], the score of each label at each row.
    lengths (numpy.ndarray): int32 [B], the number of rows of each sequence.
    allowed (Optional[Array]): bool or uint8 [N, L], the labels that paths may have at each row; all if None.
    is_train (bool): Whether transitions are to be counted. The arrays must then stay as they are.
    RETURNS (PathSums): The sums.
    """
    log_sums, marginals = numpy.empty(len(lengths), "float64"), numpy.empty(scores.shape, "float32")
    mask = None if allowed is None else _whole(allowed).view("uint8")
    sums = library.PathSums(*map(_whole, crf), _whole(scores), mask, lengths, is_train, log_sums, marginals)

    def count_transitions(weights: Array) -> Array:
        counts = numpy.empty(crf.transitions.shape, "float64")
        sums.count_transitions(_whole(weights), counts)
        return counts.astype("float32")

    return PathSums(log_sums, marginals, count_transitions if is_train else None)


def find_best(crf: Crf, scores: Array, lengths: numpy.ndarray) -> Tuple[Array, Array]:
    """Find the path of labels with the highest score through each sequence, as `spacy_rnn.crf.reference.find_best` does.

    crf (Crf): The parameters.
    scores (Array): [N, L], the score of each label at each row.
    lengths (numpy.ndarray): int32 [B], the number of rows of each sequence.
    RETURNS (Tuple[Array, Array]): int64 [N], the labels, undefined where no path is allowed; and float64 [B], the scores of the
        paths: -inf where none is allowed, 0 for a sequence without rows.
    """
    labels, best = numpy.empty(len(scores), "int64"), numpy.empty(len(lengths), "float64")
    library.find_best(*map(_whole, crf), _whole(scores), lengths, labels, best)
    return labels, best


def _whole(array: Any) -> numpy.ndarray:
    """Give an array in one piece, where a processor may read its numbers."""
    return numpy.require(array, requirements=["C", "A"])
