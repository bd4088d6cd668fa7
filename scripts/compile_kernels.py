"""Compile the CUDA kernels without a GPU, show what they need, and keep them where they are asked for.

    python scripts/compile_kernels.py --arch sm_90
    python scripts/compile_kernels.py --arch sm_90 --needed --output kernels

NVIDIA's run time compiler, NVRTC, comes with CUDA, with the extras cuda12x and cuda13x, and alone as nvidia-cuda-nvrtc. With the
environment variable SPACY_RNN_KERNELS=kernels a process loads what is in that folder instead of compiling it.
"""

import ctypes
import ctypes.util
import importlib.util
import os
import re
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Dict, Iterable, List, NamedTuple, Optional, Tuple, Union

import typer
from wasabi import table

from spacy_rnn.cuda.launch import ALONE, CLUSTER, GRID, LANES, Chip
from spacy_rnn.cuda.sources import CELLS, ENTRY, OPTIONS, PRECISIONS, KernelForm, compiled_name, kernel_source, plan_kernel

SHAPES = Path(__file__).resolve().parent.parent / "benchmarks" / "gpu" / "shapes.py"
# A T4, an A100, an H100 with and without clusters, by their architectures.
CHIPS = {75: [Chip(40, 64 * 1024)], 80: [Chip(108, 163 * 1024)], 90: [Chip(132, 227 * 1024, 8), Chip(132, 227 * 1024)]}


class Need(NamedTuple):
    """What a kernel needs.

    registers (int): Registers of a thread.
    stack (int): Bytes of a thread's stack: what has no place in registers.
    spilled (int): Bytes that are stored because registers are too few.
    """

    registers: int
    stack: int
    spilled: int


@cache
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


def compile_kernel(form: KernelForm, arch: str) -> Tuple[bytes, Need]:
    """Compile a kernel.

    form (KernelForm): The kernel.
    arch (str): The architecture, e.g. "sm_90".
    RETURNS (Tuple[bytes, Need]): The machine code, and what it needs.
    RAISES (ValueError): If the compiler refuses the source; with its words.
    """
    compiler = find_compiler()
    assert compiler is not None
    program = ctypes.c_void_p()
    compiler.nvrtcCreateProgram(ctypes.byref(program), kernel_source(form).encode(), b"sweep.cu", 0, None, None)
    try:
        options = [option.encode() for option in (*OPTIONS, "--ptxas-options=-v", f"-arch={arch}")]
        failed = compiler.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        log = _read(program, compiler.nvrtcGetProgramLogSize, compiler.nvrtcGetProgramLog).decode().rstrip("\0")
        if failed:
            raise ValueError(f"{form} does not compile for {arch}:\n{log}")
        return _read(program, compiler.nvrtcGetCUBINSize, compiler.nvrtcGetCUBIN), _need(log)
    finally:
        compiler.nvrtcDestroyProgram(ctypes.byref(program))


def _read(program: ctypes.c_void_p, find_size: Any, fill: Any) -> bytes:
    size = ctypes.c_size_t()
    find_size(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    fill(program, buffer)
    return buffer.raw


def _need(log: str) -> Need:
    """Read what the assembler says of the one kernel."""
    said = log.split(f"Function properties for {ENTRY}\n", 1)[-1]
    stack, spilled, registers = (
        int(re.search(pattern, said).group(1))  # type: ignore[union-attr]
        for pattern in (r"(\d+) bytes stack frame", r"(\d+) bytes spill stores", r"Used (\d+) registers")
    )
    return Need(registers, stack, spilled)


def precisions_of(arch: str) -> List[str]:
    """List the precisions of an architecture: tensor cores know the shorter formats from sm_80 on.

    arch (str): The architecture, e.g. "sm_90".
    RETURNS (List[str]): The precisions.
    """
    return [name for name in PRECISIONS if name == "float32" or int(arch.removeprefix("sm_")) >= 80]


def teams(cell: str, arch: str) -> List[Tuple[bool, str, int]]:
    """Say how a cell's kernels may be run.

    cell (str): The cell.
    arch (str): The architecture, e.g. "sm_90".
    RETURNS (List[Tuple[bool, str, int]]): Whether weights stay on chip, the team, and the blocks of a cluster. Of two products
        that follow each other in a step, neither stays.
    """
    forms = [(False, team, 1) for team in (ALONE, GRID)]
    if CELLS[cell].parts == 1:
        forms += [(True, team, 1) for team in (ALONE, GRID)]
        forms += [(True, CLUSTER, blocks) for blocks in (2, 8) if arch == "sm_90"]
    return forms


def all_kernels(cell: str, arch: str, lanes: List[int]) -> List[KernelForm]:
    """List a cell's kernels.

    cell (str): The cell.
    arch (str): The architecture, e.g. "sm_90".
    lanes (List[int]): How many threads may share a row.
    RETURNS (List[KernelForm]): The kernels.
    """
    choices = product([False, True], precisions_of(arch), lanes, teams(cell, arch))
    return [KernelForm(cell, backward, precision, n, *team) for backward, precision, n, team in choices]


def needed_kernels(arch: str) -> List[KernelForm]:
    """List the kernels that the checks and benchmarks of benchmarks/gpu/shapes.py launch.

    arch (str): The architecture, sm_75 or newer. A device has what the next one of CHIPS below has.
    RETURNS (List[KernelForm]): The kernels.
    """
    chips = CHIPS[max(number for number in CHIPS if number <= int(arch.removeprefix("sm_")))]
    spec = importlib.util.spec_from_file_location("gpu_shapes", SHAPES)
    assert spec is not None and spec.loader is not None
    shapes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shapes)
    forms = {
        plan_kernel(case.cell, backward, case.precision, case.shape.nH, len(case.shape.lengths), case.n_directions, chip)[0]
        for case in shapes.all_cases()
        for backward in (False, True)
        for chip in chips
        if case.precision in precisions_of(arch)
    }
    # And those whose clusters are counted.
    most = max(chip.max_cluster for chip in chips)
    forms |= {KernelForm("lstm", False, "float32", 16, True, CLUSTER, blocks) for blocks in range(2, most + 1)}
    return sorted(forms)


def keep_kernel(form: KernelForm, arch: str, output: Optional[Path]) -> Union[Need, str]:
    """Compile a kernel, and keep it.

    form (KernelForm): The kernel.
    arch (str): The architecture, e.g. "sm_90".
    output (Optional[Path]): The folder it is kept in.
    RETURNS (Union[Need, str]): What it needs; or why the compiler refuses it.
    """
    try:
        code, need = compile_kernel(form, arch)
    except ValueError as error:
        return str(error)
    if output is not None:
        # Whole or not at all, whenever this process ends.
        path = output / compiled_name(form, arch)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(code)
        part.replace(path)
    return need


def compile_all(forms: Iterable[KernelForm], arch: str, output: Optional[Path], jobs: int) -> Dict[KernelForm, Union[Need, str]]:
    """Compile kernels, and keep each as soon as it is there.

    forms (Iterable[KernelForm]): The kernels.
    arch (str): The architecture, e.g. "sm_90".
    output (Optional[Path]): The folder they are kept in; those that are there already are left as they are.
    jobs (int): The processes.
    RETURNS (Dict[KernelForm, Union[Need, str]]): What each needs, or why it is refused, of those that were not there.
    """
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    missing = [form for form in forms if output is None or not (output / compiled_name(form, arch)).is_file()]
    with ProcessPoolExecutor(jobs) as pool:
        results = pool.map(keep_kernel, missing, [arch] * len(missing), [output] * len(missing))
        return dict(zip(missing, results, strict=True))


def main(
    arch: Annotated[List[str], typer.Option(help="The architectures")] = ["sm_75", "sm_80", "sm_90"],  # noqa: B006
    lanes: Annotated[List[int], typer.Option(help="How many threads share a row")] = list(LANES),  # noqa: B006
    needed: Annotated[bool, typer.Option("--needed", help="Only what benchmarks/gpu/shapes.py launches")] = False,
    output: Annotated[Optional[Path], typer.Option(help="The folder they are kept in, for SPACY_RNN_KERNELS")] = None,
    jobs: Annotated[int, typer.Option(help="How many are compiled at the same time")] = 1,
) -> None:
    """Compile the kernels of all cells, and show registers, stack and spilled bytes of a thread."""
    if find_compiler() is None:
        raise SystemExit("NVRTC is not here: pip install nvidia-cuda-nvrtc")
    rows, refused = [], []
    for one in arch:
        forms = needed_kernels(one) if needed else [form for cell in CELLS for form in all_kernels(cell, one, lanes)]
        for form, result in compile_all(forms, one, output, jobs).items():
            if isinstance(result, Need):
                rows.append((one, str(form), *result))
            else:
                refused.append(result)
    typer.echo(table(rows, header=("", "kernel", *Need._fields), divider=True, max_col=100))
    if refused:
        typer.echo("\n".join(refused))
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
