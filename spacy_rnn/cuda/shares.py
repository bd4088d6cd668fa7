"""How the work of a sweep is shared out among the blocks of a launch, by size."""

from functools import lru_cache
from typing import NamedTuple, Optional

# As in src/product.cuh.
THREADS = 512
TILE_ROWS = 4
TILE_COLUMNS = 16
LANES = (2, 4, 8, 16, 32)
# Sequences that a team runs side by side, at most.
MAX_CHUNK = 32


class Launch(NamedTuple):
    """How a kernel is launched.

    lanes (int): The threads that share a row of the matrix.
    resident (bool): Whether the recurrent weights stay on chip, in registers, over all steps; otherwise they are read again at
        every step.
    slices (int): The blocks of a team, among which the hidden units are shared out.
    units (int): The hidden units of a slice; the last one may have fewer.
    groups (int): The teams of one direction.
    chunk (int): The sequences that a team runs side by side.
    memory (int): The memory that the threads of a block share, bytes.
    """

    lanes: int
    resident: bool
    slices: int
    units: int
    groups: int
    chunk: int
    memory: int


class Kernel(NamedTuple):
    """What a kernel multiplies and keeps.

    gates (int): The gates of the cell.
    parts (int): The recurrent products of a step that follow each other.
    backward (bool): Whether it goes back.
    """

    gates: int
    parts: int
    backward: bool


@lru_cache(maxsize=4096)
def plan_launch(kernel: Kernel, nH: int, n_sequences: int, directions: int, processors: int, memory: int) -> Launch:
    """Choose the form of a sweep.

    kernel (Kernel): The kernel.
    nH (int): The hidden units of one direction.
    n_sequences (int): The sequences of the batch, at least 1.
    directions (int): 1 or 2.
    processors (int): The multiprocessors of the device; each runs one block.
    memory (int): The memory that the threads of a block may share, bytes.
    RETURNS (Launch): Weights that stay on chip with the fewest blocks a team that can hold them, if the device has as many; else
        the most blocks it has, which read them at every step.
    RAISES (ValueError): If one sequence needs more memory than a block has.
    """
    most_slices = max(1, processors // directions)
    if kernel.parts == 1:
        for slices in range(1, min(nH, most_slices) + 1):
            launch = _fit(kernel, nH, n_sequences, directions, processors, memory, slices, resident=True)
            if launch is not None:
                return launch
    # A slice has four units at least: as many are read at once.
    launch = _fit(kernel, nH, n_sequences, directions, processors, memory, min(most_slices, -(-nH // 4)), resident=False)
    if launch is None:
        raise ValueError(f"a recurrent layer of {nH} units in each direction is too wide for this GPU: use a smaller width")
    return launch


def _fit(
    kernel: Kernel, nH: int, n_sequences: int, directions: int, processors: int, memory: int, slices: int, resident: bool
) -> Optional[Launch]:
    """Give the launch with so many slices; None if weights cannot be resident, or not even one sequence fits into the memory."""
    units = -(-nH // slices)
    slices = -(-nH // units)
    width = -(-units // 4) * 4
    rows, columns = (nH, kernel.gates * width) if kernel.backward else (kernel.gates * width, nH)
    lanes = next((lanes for lanes in LANES if TILE_COLUMNS * lanes >= columns), LANES[-1])
    if resident and (columns > TILE_COLUMNS * lanes or rows > THREADS // lanes * TILE_ROWS):
        return None
    per_sequence = 4 * _numbers_of_a_sequence(kernel, nH, width, lanes, slices)
    chunk = min(MAX_CHUNK, memory // per_sequence)
    if chunk < 1:
        return None
    groups = max(1, min(processors // (slices * directions), n_sequences))
    chunk = min(chunk, -(-n_sequences // groups))
    groups = min(groups, -(-n_sequences // chunk))
    return Launch(lanes, resident, slices, units, groups, chunk, chunk * per_sequence)


def _numbers_of_a_sequence(kernel: Kernel, nH: int, width: int, lanes: int, slices: int) -> int:
    """Count what `share_out_forward` and `share_out_backward` keep for a sequence."""
    at_once = TILE_COLUMNS * lanes
    if not kernel.backward:
        return -(-nH // at_once) * at_once + 4 + (kernel.gates + 1) * width
    parts = [(0, kernel.gates)] if kernel.parts == 1 else [(0, kernel.gates - 1), (kernel.gates - 1, 1)]
    ends = [first * width + -(-count * width // at_once) * at_once for first, count in parts]
    return max(kernel.gates * width, *ends) + 4 + 2 * width + (nH if slices == 1 else 0)
