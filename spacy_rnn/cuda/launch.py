"""How the work of a sweep is shared out among the blocks of a launch, by size."""

from functools import lru_cache
from typing import NamedTuple, Optional

# As in src/device.cuh.
THREADS = 512
# As in src/product.cuh.
TILE_ROWS = 4
TILE_COLUMNS = 16
LANES = (2, 4, 8, 16, 32)
# As in src/team.cuh.
TABLE = 4
# Sequences that a team runs side by side, at most.
MAX_CHUNK = 128
# What the blocks of a grid exchange in backpropagation, at most, bytes: half of the second-level cache of a Hopper.
MAX_PARTIAL = 24 * 2**20
# Processors that a cluster has to be within, at least: those of a GPC of Hopper's.
CLUSTER_PROCESSORS = 16
# Clusters of more than two blocks that find no room, because a GPC has fewer: at most 2 of the H200 that was asked.
MISSING_CLUSTERS = 2

ALONE, GRID, CLUSTER = "alone", "grid", "cluster"


class Chip(NamedTuple):
    """What a device has for blocks.

    processors (int): Its multiprocessors; each runs one block.
    memory (int): The memory that the threads of a block may share, bytes.
    max_cluster (int): The blocks of a thread block cluster at most; 1 where there are none.
    """

    processors: int
    memory: int
    max_cluster: int = 1


class Launch(NamedTuple):
    """How a kernel is launched.

    lanes (int): The threads that share a row of the matrix.
    resident (bool): Whether the recurrent weights stay on chip, in registers, over all steps; otherwise they are read again at
        every step.
    team (str): ALONE if a block has all units; or GRID or CLUSTER, how the blocks of a team meet.
    slices (int): The blocks of a team, among which the hidden units are shared out.
    units (int): The hidden units of a slice; the last one may have fewer.
    groups (int): The teams of one direction.
    chunk (int): The sequences that a team runs side by side.
    memory (int): The memory that the threads of a block share, bytes.
    """

    lanes: int
    resident: bool
    team: str
    slices: int
    units: int
    groups: int
    chunk: int
    memory: int


class Kernel(NamedTuple):
    """What a kernel multiplies and keeps.

    gates (int): The gates of the cell.
    parts (int): The recurrent products of a step that follow each other.
    sums (int): The numbers that it keeps for each unit on the way forward, beside what is carried.
    backward (bool): Whether it goes back.
    """

    gates: int
    parts: int
    sums: int
    backward: bool


@lru_cache(maxsize=4096)
def plan_launch(kernel: Kernel, nH: int, n_sequences: int, directions: int, chip: Chip) -> Launch:
    """Choose the form of a sweep.

    kernel (Kernel): The kernel.
    nH (int): The hidden units of one direction.
    n_sequences (int): The sequences of the batch, at least 1.
    directions (int): 1 or 2.
    chip (Chip): What the device has.
    RETURNS (Launch): Weights that stay on chip with the fewest blocks a team that can hold them, if the device has as many; else
        the most blocks it has, which read them at every step.
    RAISES (ValueError): If one sequence needs more memory than a block has.
    """
    most_slices = max(1, chip.processors // directions)
    if kernel.parts == 1:
        for slices in range(1, min(nH, most_slices) + 1):
            launch = _fit(kernel, nH, n_sequences, directions, chip, slices, resident=True)
            if launch is not None:
                return _fill_cluster(launch, kernel, nH, n_sequences, directions, chip)
    # A slice has four units at least: as many are read at once.
    launch = _fit(kernel, nH, n_sequences, directions, chip, min(most_slices, -(-nH // 4)), resident=False)
    if launch is None:
        raise ValueError(f"a recurrent layer of {nH} units in each direction is too wide for this GPU: use a smaller width")
    return launch


def _fill_cluster(launch: Launch, kernel: Kernel, nH: int, n_sequences: int, directions: int, chip: Chip) -> Launch:
    """Give a launch with the most blocks a team of which as many clusters run at the same time; other launches as they are."""
    if launch.team == CLUSTER:
        at_once = CLUSTER_PROCESSORS // launch.slices
        for slices in range(min(chip.max_cluster, nH, CLUSTER_PROCESSORS // at_once), launch.slices, -1):
            larger = _fit(kernel, nH, n_sequences, directions, chip, slices, resident=True)
            if larger is not None and larger.slices == slices:
                return larger
    return launch


def _fit(kernel: Kernel, nH: int, n_sequences: int, directions: int, chip: Chip, slices: int, resident: bool) -> Optional[Launch]:
    """Give the launch with so many slices; None if weights cannot be resident, or not even one sequence fits into the memory."""
    units = -(-nH // slices)
    slices = -(-nH // units)
    width = -(-units // 4) * 4
    rows, columns = (nH, kernel.gates * width) if kernel.backward else (kernel.gates * width, nH)
    lanes = next((lanes for lanes in LANES if TILE_COLUMNS * lanes >= columns), LANES[-1])
    if resident and (columns > TILE_COLUMNS * lanes or rows > THREADS // lanes * TILE_ROWS):
        return None
    team = ALONE if slices == 1 else CLUSTER if resident and slices <= chip.max_cluster else GRID
    per_sequence = 4 * _numbers_of_a_sequence(kernel, nH, width, lanes, team)
    most = min(MAX_CHUNK, chip.memory // per_sequence)
    if most < 1:
        return None
    groups = max(1, min(teams_at_once(team, slices, chip.processors) // directions, n_sequences))
    if team == GRID and kernel.backward:
        most = min(most, max(1, MAX_PARTIAL // (4 * 2 * directions * groups * slices * nH)))
    of_a_team = -(-n_sequences // groups)
    # Rounds of the same size, rather than full ones and a small one.
    chunk = -(-of_a_team // -(-of_a_team // most))
    groups = min(groups, -(-n_sequences // chunk))
    return Launch(lanes, resident, team, slices, units, groups, chunk, chunk * per_sequence)


def teams_at_once(team: str, slices: int, processors: int) -> int:
    """Count the teams that a device runs at the same time.

    team (str): ALONE, GRID or CLUSTER.
    slices (int): The blocks of a team.
    processors (int): Its multiprocessors; CLUSTER_PROCESSORS at least are close to each other where there are clusters.
    RETURNS (int): How many.
    """
    if team != CLUSTER:
        return processors // slices
    if slices == 2:
        # Processors come in pairs.
        return processors // 2
    return max(1, max(1, processors // CLUSTER_PROCESSORS) * (min(CLUSTER_PROCESSORS, processors) // slices) - MISSING_CLUSTERS)


def _numbers_of_a_sequence(kernel: Kernel, nH: int, width: int, lanes: int, team: str) -> int:
    """Count what `take_chunk`, `share_out_forward` and `share_out_backward` keep for a sequence."""
    at_once = TILE_COLUMNS * lanes
    if not kernel.backward:
        entering = -(-nH // at_once) * at_once + 4
        return TABLE + (2 if team == CLUSTER else 1) * entering + (kernel.sums + 1) * width
    parts = [(0, kernel.gates)] if kernel.parts == 1 else [(0, kernel.gates - 1), (kernel.gates - 1, 1)]
    ends = [first * width + -(-count * width // at_once) * at_once for first, count in parts]
    own = {ALONE: 1, GRID: 0, CLUSTER: 2}[team]
    return TABLE + max(kernel.gates * width, *ends) + 4 + 2 * width + own * nH
