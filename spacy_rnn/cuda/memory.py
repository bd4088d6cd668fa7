"""What happens when a GPU's memory is not enough."""

from contextlib import contextmanager
from typing import Iterator

import numpy


@contextmanager
def explain_memory(lengths: numpy.ndarray, n_directions: int, nH: int) -> Iterator[None]:
    """Say which batch was too large, if memory runs out inside a `with` block. What the batch took is free again after it.

    lengths (numpy.ndarray): int32 [B], the rows of each sequence.
    n_directions (int): The directions of the layer.
    nH (int): The hidden units of a direction.
    RAISES (MemoryError): If memory runs out.
    """
    try:
        yield
    except Exception as error:
        # PyTorch's error, where spaCy's gpu_allocator is "pytorch", is no MemoryError.
        if not isinstance(error, MemoryError) and type(error).__name__ != "OutOfMemoryError":
            raise
        raise MemoryError(
            f"the GPU's memory is not enough for a recurrent layer of {n_directions} x {nH} units over {lengths.sum()} rows in "
            f"{len(lengths)} sequences, the longest of {lengths.max(initial=0)}: lower the size of the batches "
            "(training.batcher.size, nlp.batch_size) or the width, or cut long texts with spacy_rnn.Truncate.v1"
        ) from error
