"""What the engines of a conditional random field are given, and what they give back."""

from typing import Any, Callable, NamedTuple, Optional, Protocol, Tuple

import numpy

Array = Any  # a numpy.ndarray or a cupy.ndarray


class Crf(NamedTuple):
    """The parameters of a linear-chain conditional random field, or their gradients. What is forbidden has the score -inf.

    start (Array): [L], the score of each label as the first one.
    transitions (Array): [L, L], the score of each label (column) right after each label (row).
    end (Array): [L], the score of each label as the last one.
    """

    start: Array
    transitions: Array
    end: Array


class PathSums(NamedTuple):
    """Sums over all paths of labels through each sequence of a batch.

    log_sums (Array): float64 [B], the logarithm of the sum of the exponentials of the paths' scores; 0 for a sequence without
        rows, -inf where no path is allowed.
    marginals (Array): [N, L], the probability of each label at each row; zeros where no path is allowed.
    count_transitions (Optional[Callable[[Array], Array]]): In training, from a weight for each sequence [B] to how often each
        label is expected right after each other one [L, L], the sequences weighted.
    """

    log_sums: Array
    marginals: Array
    count_transitions: Optional[Callable[[Array], Array]]


class CrfEngine(Protocol):
    """What executes conditional random fields."""

    name: str

    def supports(self, crf: Crf, scores: Array) -> bool:
        """Tell whether the engine can execute a field on some arrays here and now.

        crf (Crf): The parameters.
        scores (Array): The scores of labels.
        RETURNS (bool): Whether it can.
        """
        ...

    def sum_paths(self, crf: Crf, scores: Array, lengths: numpy.ndarray, allowed: Optional[Array], is_train: bool) -> PathSums:
        """Sum over all paths of labels through each sequence.

        crf (Crf): The parameters.
        scores (Array): [N, L], the score of each label at each row.
        lengths (numpy.ndarray): int32 [B], the number of rows of each sequence.
        allowed (Optional[Array]): bool or uint8 [N, L], the labels that paths may have at each row; all if None.
        is_train (bool): Whether transitions are to be counted. The arrays must then stay as they are.
        RETURNS (PathSums): The sums.
        """
        ...

    def find_best(self, crf: Crf, scores: Array, lengths: numpy.ndarray) -> Tuple[Array, Array]:
        """Find the path of labels with the highest score through each sequence.

        crf (Crf): The parameters.
        scores (Array): [N, L], the score of each label at each row.
        lengths (numpy.ndarray): int32 [B], the number of rows of each sequence.
        RETURNS (Tuple[Array, Array]): int64 [N], the labels, undefined where no path is allowed; and float64 [B], the scores of
            the paths: -inf where none is allowed, 0 for a sequence without rows.
        """
        ...
