"""The sources of the kernels."""

import re
from functools import cache
from pathlib import Path
from typing import Dict, List, Tuple

FOLDER = Path(__file__).parent / "src"

# The file and the class of each cell.
CELLS: Dict[str, Tuple[str, str]] = {
    "elman_tanh": ("elman.cu", "ElmanTanh"),
    "elman_relu": ("elman.cu", "ElmanRelu"),
    "gru": ("gru.cu", "Gru"),
    "gru_reset_before": ("gru.cu", "GruResetBefore"),
    "lstm": ("lstm.cu", "Lstm"),
    "lstm_peephole": ("lstm.cu", "LstmPeephole"),
}
# The classes of the formats that tensor cores multiply.
FORMATS = {"tf32": "Tf32", "bfloat16": "Bfloat16"}
PRECISIONS = ("float32", *FORMATS)
# The name under which a kernel is found in what `kernel_source` gives.
ENTRY = "sweep"
_INCLUDE = re.compile(r'^#include "(.+)"\n', re.MULTILINE)


@cache
def read_source(cell: str) -> str:
    """Give the source of a cell's kernels in one piece, so that a compiler needs no folder, and its cache sees every change.

    cell (str): The name of the cell.
    RETURNS (str): CUDA C++.
    """
    return _read(CELLS[cell][0], [])


def kernel_source(cell: str, kernels: Dict[str, str]) -> str:
    """Give a source with kernels of a cell. They have plain names: CuPy does not keep templates on disk in every version.

    cell (str): The name of the cell.
    kernels (Dict[str, str]): The kernels, as `kernel_name` gives them, by the names under which they are found.
    RETURNS (str): CUDA C++.
    """
    entries = (
        f'extern "C" __global__ void __launch_bounds__(THREADS, 1) {name}(const Sweep given) {{ {kernel}(given); }}\n'
        for name, kernel in kernels.items()
    )
    return read_source(cell) + "".join(entries)


def kernel_name(cell: str, backward: bool, precision: str, lanes: int, resident: bool) -> str:
    """Give the name of a kernel.

    cell (str): The name of the cell.
    backward (bool): Whether it goes back.
    precision (str): The numbers whose products the sweep sums, one of PRECISIONS.
    lanes (int): The threads that share a row of the recurrent matrix.
    resident (bool): Whether the recurrent weights stay on chip.
    RETURNS (str): An expression in C++.
    """
    product = f"Rounded<{FORMATS[precision]}, {lanes}>" if precision in FORMATS else f"Exact<{lanes}>"
    return f"{'backward' if backward else 'forward'}<{CELLS[cell][1]}, {product}, {str(resident).lower()}>"


def _read(name: str, seen: List[str]) -> str:
    if name in seen:
        return ""
    seen.append(name)
    text = (FOLDER / name).read_text(encoding="utf8").replace("#pragma once\n", "")
    return _INCLUDE.sub(lambda found: _read(found.group(1), seen), text)
