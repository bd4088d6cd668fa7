"""What encoder-decoders read and learn to write, as numbers."""

from typing import Any, NamedTuple

import numpy

from .base import SymbolBatch


class SourceBatch(NamedTuple):
    """A ragged batch of what an encoder reads.

    numbers (Array): Integers [N], the symbols, sequence after sequence, on the host.
    lengths (numpy.ndarray): int32 [B], the number of symbols of each sequence, on the host.
    """

    numbers: Any
    lengths: numpy.ndarray


class PairBatch(NamedTuple):
    """A ragged batch of sequences and of what is to be written from them.

    sources (SourceBatch): B sequences.
    targets (SymbolBatch): B sequences, as a language model would read them: see `batch_texts`.
    """

    sources: SourceBatch
    targets: SymbolBatch
