"""Schedules that find what they need to know in the training corpus."""

import itertools
from pathlib import Path
from typing import Iterator, Optional

from spacy.tokens import DocBin

# A batch has the square root of this many times the corpus' words: 316 of 20,000, 1,000 of 200,000, 5,000 of 5,000,000.
_SHARE = 5


def build_batch_words(path: Optional[Path], smallest: int = 100, largest: int = 10_000) -> Iterator[int]:
    """Give a number of words for batches, for `size` of `spacy.batch_by_words.v1`, that suits the size of the corpus.

    It grows with the square root of the corpus' words: a small corpus is read in many steps, a large one has no need for that.

    path (Optional[Path]): The training corpus, in spaCy's binary format.
    smallest (int): The number of words at least.
    largest (int): The number of words at most.
    YIELDS (int): The same number, without end.
    RAISES (ValueError): If there is no path, or if the numbers are not 1 <= smallest <= largest.
    """
    if not 1 <= smallest <= largest:
        raise ValueError(f"smallest and largest must be 1 <= smallest <= largest, got {smallest} and {largest}")
    size = _batch_words(_count_words(path), smallest, largest)
    return itertools.repeat(size)


def build_epochs_linear(
    path: Optional[Path], initial_rate: float, epochs: int, warmup: float = 0.05, smallest: int = 100, largest: int = 10_000
) -> Iterator[float]:
    """Let the learning rate rise linearly, and fall linearly to zero at the end of the last pass over the corpus.

    Unlike `warmup_linear.v1`, which has to be told the number of steps, it computes them from the corpus' words and those of a
    batch, for batches of `spacy_rnn.batch_words.v1`.

    path (Optional[Path]): The training corpus, in spaCy's binary format.
    initial_rate (float): The highest rate.
    epochs (int): The number of passes, which `training.max_epochs` has to be as well.
    warmup (float): The share of the steps in which the rate rises.
    smallest (int), largest (int): As in `spacy_rnn.batch_words.v1`.
    YIELDS (float): The rate of each step; zero after the last one.
    RAISES (ValueError): If there is no path, or if an argument is out of its range.
    """
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, as the rate reaches zero at the end of the last one, got {epochs}")
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup is a share of the steps, at least 0 and less than 1, got {warmup}")
    if not 1 <= smallest <= largest:
        raise ValueError(f"smallest and largest must be 1 <= smallest <= largest, got {smallest} and {largest}")
    n_words = _count_words(path)
    n_steps = max(1, round(epochs * n_words / _batch_words(n_words, smallest, largest)))
    return _rise_and_fall(initial_rate, n_steps, warmup * n_steps)


def _rise_and_fall(initial_rate: float, n_steps: int, n_warmup: float) -> Iterator[float]:
    step = 0
    while True:
        if step < n_warmup:
            yield initial_rate * (step + 1) / (n_warmup + 1)
        else:
            yield initial_rate * max(0.0, (n_steps - step) / (n_steps - n_warmup))
        step += 1


def _batch_words(n_words: int, smallest: int, largest: int) -> int:
    return max(smallest, min(largest, round((_SHARE * n_words) ** 0.5)))


def _count_words(path: Optional[Path]) -> int:
    """Count the tokens of a corpus: a file, or all files of a folder, as spaCy's own reader takes them."""
    if path is None:
        raise ValueError("a schedule that depends on the training corpus needs its path: set paths.train")
    path = Path(path)
    files = sorted(path.glob("**/*.spacy")) if path.is_dir() else [path]
    n_words = sum(sum(len(tokens) for tokens in DocBin().from_disk(file).tokens) for file in files)
    if not n_words:
        raise ValueError(f"a schedule depends on the size of the training corpus, but {path} has no words")
    return n_words
