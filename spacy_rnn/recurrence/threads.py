"""How many threads sweeps may use."""

import os
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Iterator, Optional

THREADS_VARIABLE = "SPACY_RNN_THREADS"

_threads: ContextVar[Optional[int]] = ContextVar("spacy_rnn_threads", default=None)


@contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Set how many threads sweeps may use inside a `with` block.

    It overrides the environment variable SPACY_RNN_THREADS, for the thread that enters the block and not for threads started in
    it. With two, the directions of a bidirectional layer run side by side where the batch is large enough.

    n (int): The number of threads.
    RAISES (ValueError): If it is less than 1.
    """
    token = _threads.set(_positive(n))
    try:
        yield
    finally:
        _threads.reset(token)


def allowed_threads() -> int:
    """Give how many threads sweeps may use now.

    RETURNS (int): The number, at least 1.
    """
    return _threads.get() or _default_threads


def _positive(n: int) -> int:
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"the number of threads must be a whole number, at least 1, got {n!r}")
    return n


def _threads_of(setting: str) -> int:
    try:
        return _positive(int(setting))
    except ValueError as error:
        raise ValueError(f"{THREADS_VARIABLE} is a number of threads, at least 1, got {setting!r}") from error


_default_threads = _threads_of(os.environ.get(THREADS_VARIABLE) or "1")
