"""Compile the CUDA kernels without a GPU, and show what they need.

    python scripts/compile_kernels.py --arch sm_90

NVIDIA's run time compiler, NVRTC, comes with CUDA, with the extras cuda12x and cuda13x, and alone as nvidia-cuda-nvrtc.
"""

import ctypes
import ctypes.util
import importlib.util
import re
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Dict, List, NamedTuple, Optional

import typer
from wasabi import table

from spacy_rnn.cuda.shares import LANES
from spacy_rnn.cuda.sources import CELLS, PRECISIONS, kernel_name, kernel_source

OPTIONS = ["-std=c++17", "-ftz=true", "--ptxas-options=-v"]


class Need(NamedTuple):
    """What a kernel needs.

    registers (int): Registers of a thread.
    stack (int): Bytes of a thread's stack: what has no place in registers.
    spilled (int): Bytes that are stored because registers are too few.
    """

    registers: int
    stack: int
    spilled: int


def find_compiler() -> Optional[Any]:
    """Find NVRTC.

    RETURNS (Optional[ctypes.CDLL]): The library; None if there is none.
    """
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    found = sorted(path for folder in folders for path in folder.glob("*/lib/libnvrtc*.so.*") if ".alt." not in path.name)
    # The library looks for its other half only where the system does.
    for path in sorted(found, key=lambda path: "builtins" not in path.name):
        library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        if "builtins" not in path.name:
            return library
    system = ctypes.util.find_library("nvrtc")
    return ctypes.CDLL(system) if system else None


def compile_kernels(compiler: Any, cell: str, names: List[str], arch: str) -> Dict[str, Need]:
    """Compile kernels of a cell.

    compiler (ctypes.CDLL): NVRTC.
    cell (str): The cell.
    names (List[str]): The kernels, as `kernel_name` gives them.
    arch (str): The architecture, e.g. "sm_90".
    RETURNS (Dict[str, Need]): What each needs, by name.
    RAISES (ValueError): If the compiler refuses the source; with its words.
    """
    entries = {f"sweep_{i}": name for i, name in enumerate(names)}
    source = kernel_source(cell, entries).encode()
    program = ctypes.c_void_p()
    compiler.nvrtcCreateProgram(ctypes.byref(program), source, f"{cell}.cu".encode(), 0, None, None)
    try:
        options = [option.encode() for option in (*OPTIONS, f"-arch={arch}")]
        failed = compiler.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        size = ctypes.c_size_t()
        compiler.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        compiler.nvrtcGetProgramLog(program, log)
        text = log.value.decode()
        if failed:
            raise ValueError(f"the kernels of {cell} do not compile for {arch}:\n{text}")
        return {name: _need(text, entry) for entry, name in entries.items()}
    finally:
        compiler.nvrtcDestroyProgram(ctypes.byref(program))


def _need(log: str, entry: str) -> Need:
    """Read what the assembler says of a kernel."""
    said = log.split(f"Function properties for {entry}\n", 1)[-1]
    stack, spilled, registers = (
        int(re.search(pattern, said).group(1))  # type: ignore[union-attr]
        for pattern in (r"(\d+) bytes stack frame", r"(\d+) bytes spill stores", r"Used (\d+) registers")
    )
    return Need(registers, stack, spilled)


def forms(cell: str) -> List[bool]:
    """Say whether the weights of a cell may stay on chip.

    cell (str): The cell.
    RETURNS (List[bool]): Both answers, or only no: of two products that follow each other in a step, neither stays.
    """
    return [False] if cell == "gru_reset_before" else [False, True]


def all_kernels(cell: str, arch: str, lanes: List[int]) -> List[str]:
    """Give the names of a cell's kernels.

    cell (str): The cell.
    arch (str): The architecture, e.g. "sm_90".
    lanes (List[int]): How many threads may share a row.
    RETURNS (List[str]): The names.
    """
    # Tensor cores know the shorter formats from sm_80 on.
    precisions = [name for name in PRECISIONS if name == "float32" or int(arch.removeprefix("sm_")) >= 80]
    choices = product([False, True], precisions, lanes, forms(cell))
    return [kernel_name(cell, backward, precision, n, resident) for backward, precision, n, resident in choices]


def main(
    arch: Annotated[List[str], typer.Option(help="The architectures")] = ["sm_75", "sm_80", "sm_90"],  # noqa: B006
    lanes: Annotated[List[int], typer.Option(help="How many threads share a row")] = list(LANES),  # noqa: B006
) -> None:
    """Compile the kernels of all cells, and show registers, stack and spilled bytes of a thread."""
    compiler = find_compiler()
    if compiler is None:
        raise SystemExit("NVRTC is not here: pip install nvidia-cuda-nvrtc")
    rows = []
    for one, cell in product(arch, CELLS):
        for name, need in compile_kernels(compiler, cell, all_kernels(cell, one, lanes), one).items():
            rows.append((one, name, *need))
    typer.echo(table(rows, header=("", "kernel", *Need._fields), divider=True))


if __name__ == "__main__":
    typer.run(main)
