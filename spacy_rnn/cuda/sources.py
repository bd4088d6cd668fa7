"""The sources of the kernels."""

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

from .launch import ALONE, CLUSTER, GRID, Chip, Kernel, Launch, plan_launch

FOLDER = Path(__file__).parent / "src"


class CellSource(NamedTuple):
    """Where the arithmetic of a cell is written, and what it declares there.

    file (str): The file.
    name (str): The class.
    gates (int): GATES.
    parts (int): PARTS.
    apart (bool): Whether there is a gate APART.
    has_c (bool): HAS_C.
    """

    file: str
    name: str
    gates: int
    parts: int = 1
    apart: bool = False
    has_c: bool = False

    def kernel(self, backward: bool) -> Kernel:
        """Give what a kernel of the cell multiplies and keeps.

        backward (bool): Whether it goes back.
        RETURNS (Kernel): The kernel.
        """
        return Kernel(self.gates, self.parts, self.gates + (self.apart or self.has_c), backward)


CELLS: Dict[str, CellSource] = {
    "elman_tanh": CellSource("elman.cu", "ElmanTanh", 1),
    "elman_relu": CellSource("elman.cu", "ElmanRelu", 1),
    "gru": CellSource("gru.cu", "Gru", 3, apart=True),
    "gru_reset_before": CellSource("gru.cu", "GruResetBefore", 3, parts=2),
    "lstm": CellSource("lstm.cu", "Lstm", 4, has_c=True),
    "lstm_peephole": CellSource("lstm.cu", "LstmPeephole", 4, has_c=True),
}
# The classes of the formats that tensor cores multiply.
FORMATS = {"tf32": "Tf32", "bfloat16": "Bfloat16"}
PRECISIONS = ("float32", *FORMATS)
# The name under which a kernel is found in what `kernel_source` gives.
ENTRY = "sweep"
# How the kernels are compiled. CuPy flushes denormal numbers to zero in any case.
OPTIONS = ("-std=c++17", "-ftz=true")
_INCLUDE = re.compile(r'^#include "(.+)"\n', re.MULTILINE)


class KernelForm(NamedTuple):
    """A kernel as it is compiled.

    cell (str): The name of the cell.
    backward (bool): Whether it goes back.
    precision (str): The numbers whose products the sweep sums, one of PRECISIONS.
    lanes (int): The threads that share a row of the recurrent matrix.
    resident (bool): Whether the recurrent weights stay on chip.
    team (str): ALONE, GRID or CLUSTER.
    cluster (int): The blocks of a cluster; 1 elsewhere.
    """

    cell: str
    backward: bool
    precision: str
    lanes: int
    resident: bool
    team: str = ALONE
    cluster: int = 1

    def __str__(self) -> str:
        """RETURNS (str): An expression in C++."""
        product = f"Rounded<{FORMATS[self.precision]}, {self.lanes}>" if self.precision in FORMATS else f"Exact<{self.lanes}>"
        team = {ALONE: "Alone", GRID: "Grid", CLUSTER: f"Cluster<{self.cluster}>"}[self.team]
        arguments = f"{CELLS[self.cell].name}, {product}, {str(self.resident).lower()}, {team}"
        return f"{'backward' if self.backward else 'forward'}<{arguments}>"


def plan_kernel(
    cell: str, backward: bool, precision: str, nH: int, n_sequences: int, directions: int, chip: Chip
) -> Tuple[KernelForm, Launch]:
    """Choose the kernel of a sweep, and how it is launched.

    cell (str): The name of the cell.
    backward (bool): Whether it goes back.
    precision (str): One of PRECISIONS.
    nH (int): The hidden units of one direction.
    n_sequences (int): The sequences of the batch, at least 1.
    directions (int): 1 or 2.
    chip (Chip): What the device has.
    RETURNS (Tuple[KernelForm, Launch]): Both.
    RAISES (ValueError): If one sequence needs more memory than a block has.
    """
    launch = plan_launch(CELLS[cell].kernel(backward), nH, n_sequences, directions, chip)
    cluster = launch.slices if launch.team == CLUSTER else 1
    return KernelForm(cell, backward, precision, launch.lanes, launch.resident, launch.team, cluster), launch


@cache
def read_source(cell: str) -> str:
    """Give the source of a cell's kernels in one piece, so that a compiler needs no folder, and its cache sees every change.

    cell (str): The name of the cell.
    RETURNS (str): CUDA C++.
    """
    return _read(CELLS[cell].file, [])


def kernel_source(form: KernelForm) -> str:
    """Give a source with one kernel. It has a plain name, ENTRY: CuPy does not keep templates on disk in every version.

    form (KernelForm): The kernel.
    RETURNS (str): CUDA C++.
    """
    of_cluster = f"__cluster_dims__({form.cluster}, 1, 1) " if form.team == CLUSTER else ""
    bounds = f"__launch_bounds__(THREADS, 1) {of_cluster}"
    return f'{read_source(form.cell)}extern "C" __global__ void {bounds}{ENTRY}(const Sweep given) {{ {form}(given); }}\n'


def compiled_name(form: KernelForm, arch: str) -> str:
    """Name the file of a compiled kernel: another source or architecture has another name.

    form (KernelForm): The kernel.
    arch (str): The architecture, e.g. "sm_90".
    RETURNS (str): The name.
    """
    source = "\n".join((*OPTIONS, kernel_source(form)))
    return f"{hashlib.sha256(source.encode()).hexdigest()[:32]}-{arch}.cubin"


def _read(name: str, seen: List[str]) -> str:
    if name in seen:
        return ""
    seen.append(name)
    text = (FOLDER / name).read_text(encoding="utf8").replace("#pragma once\n", "")
    return _INCLUDE.sub(lambda found: _read(found.group(1), seen), text)
