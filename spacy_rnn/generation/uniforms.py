"""Random numbers of sequences, each from a stream of its own."""

from typing import Sequence, Tuple

import numpy

from .checks import require_count

BLOCK = 256


class Uniforms:
    """The uniform numbers that sequences are drawn by, one a symbol.

    The number of a sequence's t-th symbol, from 0, is (x >> 11) · 2^-53, x being the t-th 64-bit output of Philox4x64-10 (Salmon
    et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") under the key (seed, prompt · 2^32 + sample): four outputs for
    each value of a counter that begins at 1, as in `numpy.random.Philox`. It depends on nothing else.

    seed (int): From 0 to 2^64 - 1.
    keys (Sequence[Tuple[int, int]]): The prompt and the sample of each sequence, from 0 to 2^32 - 1.
    RAISES (ValueError): If a number is out of its range.
    """

    def __init__(self, seed: int, keys: Sequence[Tuple[int, int]]) -> None:
        require_count("seed", seed, 0)
        if seed >= 1 << 64:
            raise ValueError(f"seed: expected a whole number below 2^64, got {seed}")
        for key in keys:
            for number in key:
                require_count("the number of a prompt or sample", number, 0)
                if number >= 1 << 32:
                    raise ValueError(f"the number of a prompt or sample: expected less than 2^32, got {number}")
        self._streams = [
            numpy.random.Philox(key=numpy.array([seed, (int(prompt) << 32) + int(sample)], dtype="uint64"))
            for prompt, sample in keys
        ]
        self._block = numpy.empty((len(keys), 0))
        self._at = 0

    def next(self) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): float64 [B], the next number of each sequence, in [0, 1)."""
        if self._at == self._block.shape[1]:
            raw = numpy.empty((len(self._streams), BLOCK), dtype="uint64")
            for row, stream in enumerate(self._streams):
                raw[row] = stream.random_raw(BLOCK)
            self._block = (raw >> numpy.uint64(11)) * 2.0**-53
            self._at = 0
        self._at += 1
        return self._block[:, self._at - 1]

    def take(self, n: int) -> numpy.ndarray:
        """Give several numbers of each sequence.

        n (int): How many.
        RETURNS (numpy.ndarray): float64 [B, n], the next ones, in [0, 1).
        """
        numbers = numpy.empty((len(self._streams), n))
        for i in range(n):
            numbers[:, i] = self.next()
        return numbers

    def keep(self, index: numpy.ndarray) -> None:
        """Go on with some sequences.

        index (numpy.ndarray): Integers [B'], each at most once.
        """
        self._streams = [self._streams[i] for i in index]
        self._block = self._block[index]
