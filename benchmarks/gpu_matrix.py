"""Every cell, shape and precision on a GPU against the reference: both directions of a layer in one launch, forward and back.

    python benchmarks/gpu_matrix.py OUTPUT.jsonl
    python benchmarks/gpu_matrix.py OUTPUT.jsonl --emulated

Each case runs twice, in memory that is full of NaN before it is written, in a worker process with a deadline. OUTPUT has a line
of JSON for each:

    status      ok, wrong, differs (the second run has other bits), error, hang, or skipped (no time was left)
    margins     the largest error of each array, as a share of its limit: at most 1 is right
    worst       the array with the largest
    first       the first wrong element, how many there are, and in which rows and columns
    launches    kernels, blocks, and what else they were launched with

Where the kernels of a case run in thread block clusters it is run without them as well. With `--emulated` the smallest shapes run
on the CPU (tests/support/emulated_cuda.py, needs g++). It ends with 0 if nothing is wrong, and whatever was skipped.
"""

import json
import os
import sys
import time
from collections import Counter
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Dict, Iterator, List, Optional, Tuple

import numpy
import typer
from _workers import Result, Workers, serve
from gpu_shapes import MATRIX, SMALLEST

from spacy_rnn.cuda.sources import CELLS, PRECISIONS

SUPPORT = Path(__file__).parent.parent / "tests" / "support"
sys.path.insert(0, str(SUPPORT))

from problems import draw_directions, limit, margins, run_directions, run_reference  # noqa: E402

# As in tests/test_gpu.py.
TOLERANCES = {"float32": 1e-5, "tf32": 3e-3, "bfloat16": 3e-2}
Arrays = Dict[str, numpy.ndarray]
Launches = List[List[Any]]


class EmptyIsNaN:
    """NumPy, but what is allocated without being written is full of NaN, as `poison` makes it on a GPU."""

    def __getattr__(self, name: str) -> Any:
        return getattr(numpy, name)

    def empty(self, shape: Any, dtype: str) -> numpy.ndarray:
        return numpy.full(shape, numpy.nan, dtype)

    def empty_like(self, array: numpy.ndarray) -> numpy.ndarray:
        return numpy.full_like(array, numpy.nan)


def poison(cupy: Any, pooled: bool) -> None:
    """Have CuPy fill memory with NaN whenever it allocates some.

    cupy (module): CuPy.
    pooled (bool): Whether it comes from CuPy's pool; otherwise each array has memory of its own, whose ends a sanitizer knows.
    """
    pool = cupy.get_default_memory_pool()

    def allocate(size: int) -> Any:
        memory = pool.malloc(size) if pooled else cupy.cuda.MemoryPointer(cupy.cuda.Memory(size), 0)
        if size:
            # A float of ones only is NaN.
            memory.memset_async(0xFF, size)
        return memory

    cupy.cuda.set_allocator(allocate)


def find_device(emulated: bool, pooled: bool = True) -> Any:
    """Find what executes the kernels.

    emulated (bool): Whether it is the CPU.
    pooled (bool): As of `poison`.
    RETURNS (Any): The device.
    RAISES (RuntimeError): If there is none.
    """
    if emulated:
        from emulated_cuda import EmulatedDevice

        emulator: Any = EmulatedDevice(processors=4, max_cluster=8)
        emulator.xp = EmptyIsNaN()
        return emulator
    from spacy_rnn.cuda import find_device, find_problem

    device = find_device()
    if device is None:
        raise RuntimeError(find_problem())
    poison(device.xp, pooled)
    return device


@contextmanager
def recorded(device: Any) -> Iterator[Launches]:
    """Record what is launched.

    device (Any): The device.
    YIELDS (Launches): For each launch the kernel, the blocks, and what else it was launched with.
    """
    launches: Launches = []
    launch = device.launch

    def record(*args: Any) -> None:
        launches.append([arg if isinstance(arg, int) else str(arg) for arg in args if not isinstance(arg, numpy.ndarray)])
        launch(*args)

    device.launch = record
    try:
        yield launches
    finally:
        device.launch = launch


@lru_cache(maxsize=1)
def solve(shape: str, cell: str) -> Tuple[Any, List[Arrays]]:
    """Draw a problem and have the reference solve it, in float64.

    shape (str): One of MATRIX.
    cell (str): The cell.
    RETURNS (Tuple[List[Problem], List[Arrays]]): The problems of the directions and their results; the last ones are of both.
    """
    problems = draw_directions(cell, *MATRIX[shape])
    expected = [run_reference(p) for p in problems]
    dX = sum(each.pop("dX") for each in expected)
    return problems, [*expected, {"dX": dX, "Y": expected[0]["Y"]}]


def execute(problems: Any, device: Any, precision: str) -> List[Arrays]:
    """Execute a case.

    problems (List[Problem]): The problems of the directions.
    device (Any): The device.
    precision (str): One of PRECISIONS.
    RETURNS (List[Arrays]): As `solve` gives them.
    """
    asnumpy = getattr(device.xp, "asnumpy", numpy.asarray)
    found, dX = run_directions([p.mapped(device.xp.asarray) for p in problems], device, precision=precision)
    return [{key: asnumpy(array) for key, array in each.items()} for each in (*found, {"dX": dX})]


def find_first(key: str, found: numpy.ndarray, expected: Arrays, tolerance: float) -> Optional[Result]:
    """Find the first wrong element of an array.

    key (str): The name of the array.
    found (numpy.ndarray): The array.
    expected (Arrays): What was expected.
    tolerance (float): How much of its largest number.
    RETURNS (Optional[Result]): Where it is and what it is; how many are wrong, and where; None if all are right.
    """
    most = limit(key, expected, tolerance)
    wrong = numpy.argwhere(~(numpy.abs(found - expected[key]) <= most))
    if not len(wrong):
        return None
    at = tuple(wrong[0].tolist())
    return {
        "at": at,
        "found": float(found[at]),
        "expected": float(expected[key][at]),
        "limit": float(most),
        "wrong": len(wrong),
        "of": found.size,
        "not numbers": int(numpy.isnan(found).sum()),
        "rows": numpy.unique(wrong[:, 0])[:20].tolist(),
        "columns": numpy.unique(wrong[:, -1])[:20].tolist(),
    }


def compare(cell: str, precision: str, found: List[Arrays], expected: List[Arrays]) -> Result:
    """Compare results with those of the reference.

    cell (str): The cell.
    precision (str): One of PRECISIONS.
    found (List[Arrays]): What was found.
    expected (List[Arrays]): What was expected.
    RETURNS (Result): Status, margins, worst array, first wrong element.
    """
    # Long sums of rounded numbers wander further.
    tolerance = TOLERANCES[precision] * max(1, len(expected[0]["Y"]) / 1000) ** 0.5
    result: Result = {"status": "ok", "margins": {}}
    for name, one, other in zip(("forward", "backward", "both"), found, expected, strict=True):
        if cell == "elman_relu" and precision != "float32":
            # Near zero rounding turns units on or off, and with each of them whole terms of the gradients come or go.
            one = {key: array for key, array in one.items() if key == "Y" or key.startswith("final")}
        for key, margin in margins(one, other, tolerance).items():
            result["margins"][f"{name} {key}"] = round(margin, 4)
            first = find_first(key, one[key], other, tolerance)
            if first and result["status"] == "ok":
                result.update(status="wrong", first={"array": f"{name} {key}", **first})
    if result["margins"]:
        result["worst"] = max(result["margins"], key=result["margins"].__getitem__)
        result["margin"] = result["margins"][result["worst"]]
    return result


def check(task: Dict[str, str], device: Any) -> Result:
    """Check a case.

    task (Dict[str, str]): Shape, cell, precision, and clusters: "on" or "off".
    device (Any): The device.
    RETURNS (Result): Its line.
    """
    problems, expected = solve(task["shape"], task["cell"])
    with recorded(device) as launches:
        found, again = (execute(problems, device, task["precision"]) for _ in range(2))
    result = compare(task["cell"], task["precision"], found, expected)
    same = all(
        numpy.array_equal(one[key], other[key], equal_nan=True) for one, other in zip(found, again, strict=True) for key in one
    )
    if result["status"] == "ok" and not same:
        result["status"] = "differs"
    return {**result, "same bits": same, "launches": launches[: len(launches) // 2]}


def check_with_and_without(task: Dict[str, str], device: Any) -> Result:
    """Check a case, without clusters if it is so.

    task (Dict[str, str]): The case.
    device (Any): The device.
    RETURNS (Result): Its line; status "none" if the device has no clusters, or is not asked for any.
    """
    if task["precision"] != "float32" and not device.rounds:
        return {"status": "none"}
    if task["clusters"] == "on":
        return check(task, device)
    most = getattr(device, "max_cluster", 1)
    if most == 1:
        return {"status": "none"}
    problems, _ = solve(task["shape"], task["cell"])
    with recorded(device) as with_clusters:
        execute(problems, device, task["precision"])
    device.max_cluster = 1
    try:
        result = check(task, device)
    finally:
        device.max_cluster = most
    return {"status": "none"} if result["launches"] == with_clusters else result


def make_groups(shapes: List[str], cells: List[str], precisions: List[str]) -> List[List[Dict[str, str]]]:
    """Give the cases: the smallest shapes first, those of one solution together.

    shapes (List[str]): Names of shapes.
    cells (List[str]): Cells.
    precisions (List[str]): Precisions.
    RETURNS (List[List[Dict[str, str]]]): The groups.
    """
    return [
        [
            {"shape": shape, "cell": cell, "precision": precision, "clusters": clusters}
            for clusters in ("on", "off")
            for precision in precisions
        ]
        for shape in shapes
        for cell in cells
    ]


def describe(line: Result) -> str:
    """Say what is wrong with a case in a few words.

    line (Result): Its line.
    RETURNS (str): The words.
    """
    where = ", ".join(line[key] for key in ("cell", "shape", "precision")) + (
        ", no clusters" if line["clusters"] == "off" else ""
    )
    said = line.get("error") or json.dumps(line.get("first") or {"margin": line.get("margin")})
    launches = "; ".join(" ".join(map(str, launch)) for launch in line.get("launches", ()))
    return f"{line['status']}: {where}: {said[:600]} [{launches}]"


app = typer.Typer(add_completion=False)


def serve_cases(device: Any) -> None:
    """Be a worker.

    device (Any): The device.
    """

    def is_usable() -> bool:
        # A context does not recover from what went wrong in a kernel.
        try:
            device.xp.asarray(numpy.zeros(1)).sum().item()
        except Exception:  # noqa: BLE001 - whatever it is
            return False
        return True

    serve(lambda task: check_with_and_without(task, device), is_usable)


def run_matrix(
    groups: List[List[Dict[str, str]]], output: Path, command: List[str], workers: int, deadline: float, seconds: float
) -> Counter:
    """Check cases in workers, and write their lines.

    groups (List[List[Dict[str, str]]]): The cases.
    output (Path): Where the lines go.
    command (List[str]): Starts a worker.
    workers (int): How many there are.
    deadline (float): How long a case may take, seconds.
    seconds (float): How long all may take.
    RETURNS (Counter): How many cases have each status.
    """
    counts: Counter = Counter()
    with output.open("w", encoding="utf8") as file:

        def write(task: Dict[str, str], result: Result) -> None:
            # Nothing was to be done, or it was not asked because the case itself was not reached.
            if result["status"] == "none" or (task["clusters"] == "off" and result["status"] == "skipped"):
                return
            line = {**task, **result}
            counts[line["status"]] += 1
            print(json.dumps(line), file=file, flush=True)
            if line["status"] not in ("ok", "skipped"):
                typer.echo(describe(line))

        Workers(command, deadline, time.monotonic() + seconds, write).run(groups, workers)
    return counts


@app.command()
def main(
    output: Annotated[Optional[Path], typer.Argument(help="Where the lines go")] = None,
    emulated: Annotated[bool, typer.Option(help="Run the smallest shapes on the CPU")] = False,
    shape: Annotated[Optional[List[str]], typer.Option(help="Only these shapes")] = None,
    cell: Annotated[Optional[List[str]], typer.Option(help="Only these cells")] = None,
    precision: Annotated[Optional[List[str]], typer.Option(help="Only these precisions")] = None,
    seconds: Annotated[float, typer.Option(help="How long all may take")] = 110,
    deadline: Annotated[float, typer.Option(help="How long a case may take")] = 25,
    workers: Annotated[int, typer.Option(help="How many processes")] = 8,
    worker: Annotated[bool, typer.Option(help="Be one of them")] = False,
) -> None:
    """Check every case; without OUTPUT in this process, which a sanitizer watches."""
    if worker:
        serve_cases(find_device(emulated))
        return
    groups = make_groups(shape or list(SMALLEST if emulated else MATRIX), cell or list(CELLS), precision or list(PRECISIONS))
    if output is None:
        device = find_device(emulated, pooled=False)
        lines = [{**task, **check_with_and_without(task, device)} for group in groups for task in group]
        counts = Counter(line["status"] for line in lines if line["status"] != "none")
        for line in lines:
            if line["status"] not in ("ok", "none"):
                typer.echo(describe(line))
    else:
        command = [sys.executable, __file__, "--worker", *(["--emulated"] if emulated else [])]
        # The reference computes in as many threads.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
        counts = run_matrix(groups, output, command, workers, deadline, seconds)
    typer.echo(", ".join(f"{count} {status}" for status, count in counts.most_common()))
    if set(counts) - {"ok", "skipped"}:
        raise SystemExit(1)


if __name__ == "__main__":
    app()
