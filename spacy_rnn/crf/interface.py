"""What the engines of a conditional random field are given, and what they give back."""

from typing import Any, Callable, NamedTuple, Optional

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
