"""Every cell, shape and precision on a GPU against the reference: both directions of a layer in one launch, forward and back.

    python benchmarks/gpu/matrix.py OUTPUT.jsonl
    python benchmarks/gpu/matrix.py OUTPUT.jsonl --emulated

Each case runs twice, in memory that is full of NaN before it is written, in a worker process with a deadline. OUTPUT has a line
of JSON for each:

    status      ok, wrong, differs (the second run has other bits), refused (the device has no room for a cluster that was
                planned, and has done without), error, hang, or skipped (no time was left)
    margins     the largest error of each array, as a share of its limit: at most 1 is right
    worst       the array with the largest
    first       the first wrong element, how many there are, and in which rows and columns
    launches    kernels, blocks, and what else they were launched with; of a case without a result the last ones it came to

Where the kernels of a case run in thread block clusters it is run without them as well. With `--emulated` the smallest shapes
run on the CPU (tests/support/emulated_cuda.py, needs g++). It ends with 0 if nothing is wrong and each case has its line,
whatever was skipped.
"""

import json
import os
import sys
import time
from collections import Counter
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Collection, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy
import typer
from shapes import MATRIX, SMALLEST
from workers import Result, Tell, Workers, serve

from spacy_rnn.cuda import CLUSTER, ClusterError, find_problem, plan_kernel
from spacy_rnn.cuda import find_device as find_gpu
from spacy_rnn.cuda.sources import CELLS, PRECISIONS

SUPPORT = Path(__file__).parent.parent.parent / "tests" / "support"
sys.path.insert(0, str(SUPPORT))

from problems import find_tolerance, limit, margins, run_directions, solve_directions  # noqa: E402

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


def open_device(emulated: bool, pooled: bool = True) -> Any:
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
    device = find_gpu()
    if device is None:
        raise RuntimeError(find_problem())
    poison(device.xp, pooled)
    return device


class Recorded(NamedTuple):
    """What was launched.

    launches (Launches): For each launch the kernel, the blocks, and what else it was launched with.
    refusals (List[str]): Why the device had no room for a cluster.
    """

    launches: Launches
    refusals: List[str]


@contextmanager
def recorded(device: Any, tell: Tell) -> Iterator[Recorded]:
    """Record what is launched. A device that refuses clusters is asked for them again afterwards.

    device (Any): The device.
    tell (Callable): Called with each launch before it happens.
    YIELDS (Recorded): What was launched.
    """
    found = Recorded([], [])
    launch, max_cluster = device.launch, device.max_cluster

    def record(*args: Any) -> None:
        described = [arg if isinstance(arg, int) else str(arg) for arg in args if not isinstance(arg, numpy.ndarray)]
        tell(described)
        try:
            launch(*args)
        except ClusterError as error:
            found.refusals.append(str(error))
            raise
        found.launches.append(described)

    device.launch = record
    try:
        yield found
    finally:
        device.launch, device.max_cluster = launch, max_cluster


def solve(task: Dict[str, str]) -> Tuple[Any, List[Arrays]]:
    """Draw the problem of a case and have the reference solve it, in float64.

    task (Dict[str, str]): The case.
    RETURNS (Tuple[List[Problem], List[Arrays]]): The problems of the directions and their results; the last ones are of both.
    """
    # One cell has another problem where factors are rounded.
    return _solve(task["shape"], task["cell"], task["cell"] == "elman_relu" and task["precision"] != "float32")


# The precisions of a cell follow each other.
@lru_cache(maxsize=2)
def _solve(shape: str, cell: str, is_rounded: bool) -> Tuple[Any, List[Arrays]]:
    return solve_directions(cell, *MATRIX[shape], is_rounded)


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


def compare(precision: str, found: List[Arrays], expected: List[Arrays]) -> Result:
    """Compare results with those of the reference.

    precision (str): One of PRECISIONS.
    found (List[Arrays]): What was found.
    expected (List[Arrays]): What was expected.
    RETURNS (Result): Status, margins, worst array, first wrong element.
    """
    tolerance = find_tolerance(precision, len(expected[0]["Y"]))
    result: Result = {"status": "ok", "margins": {}}
    for name, one, other in zip(("forward", "backward", "both"), found, expected, strict=True):
        for key, margin in margins(one, other, tolerance).items():
            result["margins"][f"{name} {key}"] = round(margin, 4)
            first = find_first(key, one[key], other, tolerance)
            if first and result["status"] == "ok":
                result.update(status="wrong", first={"array": f"{name} {key}", **first})
    if result["margins"]:
        result["worst"] = max(result["margins"], key=result["margins"].__getitem__)
        result["margin"] = result["margins"][result["worst"]]
    return result


def check(task: Dict[str, str], device: Any, tell: Tell) -> Result:
    """Check a case.

    task (Dict[str, str]): Shape, cell, precision, and clusters: "on" or "off".
    device (Any): The device.
    tell (Callable): As of `recorded`.
    RETURNS (Result): Its line.
    """
    problems, expected = solve(task)
    with recorded(device, tell) as first:
        found = execute(problems, device, task["precision"])
    with recorded(device, tell) as second:
        again = execute(problems, device, task["precision"])
    result = compare(task["precision"], found, expected)
    same = all(
        numpy.array_equal(one[key], other[key], equal_nan=True) for one, other in zip(found, again, strict=True) for key in one
    )
    if result["status"] == "ok" and not same:
        result["status"] = "differs"
    refusals = first.refusals + second.refusals
    if refusals:
        # The results are those of blocks that meet in memory: nothing is known of a cluster's.
        result["status"] = "refused" if result["status"] == "ok" else result["status"]
        result["error"] = "; ".join(dict.fromkeys(refusals))
    result.update({"same bits": same, "launches": first.launches})
    if second.launches != first.launches:
        result["launches of the second run"] = second.launches
    return result


def check_with_and_without(task: Dict[str, str], device: Any, tell: Tell) -> Result:
    """Check a case, without clusters if it is so.

    task (Dict[str, str]): The case.
    device (Any): The device.
    tell (Callable): As of `recorded`.
    RETURNS (Result): Its line; status "none" if the case has no clusters, or the device not the precision.
    """
    if task["precision"] != "float32" and not device.rounds:
        return {"status": "none"}
    if task["clusters"] == "on":
        return check(task, device, tell)
    lengths, _, nH = MATRIX[task["shape"]]
    sizes = task["precision"], nH, len(lengths), 2
    if not any(plan_kernel(task["cell"], backward, *sizes, device.chip)[0].team == CLUSTER for backward in (False, True)):
        return {"status": "none"}
    most, device.max_cluster = device.max_cluster, 1
    try:
        return check(task, device, tell)
    finally:
        device.max_cluster = most


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


def check_names(option: str, given: Optional[List[str]], known: Collection[str]) -> List[str]:
    """Give the names of an option.

    option (str): The option.
    given (Optional[List[str]]): The names, or None for all.
    known (Collection[str]): All.
    RETURNS (List[str]): The names.
    RAISES (typer.BadParameter): If one is not known.
    """
    unknown = [name for name in given or () if name not in known]
    if unknown:
        raise typer.BadParameter(f"{option}: expected one of {', '.join(known)}, got {', '.join(unknown)}")
    return given or list(known)


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

    # A context does not recover from what went wrong in a kernel.
    serve(
        lambda task, tell: check_with_and_without(task, device, tell),
        lambda: device.xp.asarray(numpy.zeros(1)).sum().item(),
    )


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
    RETURNS (Counter): How many cases have each status; "without a line" those of which nothing was heard.
    """
    counts: Counter = Counter()
    n_left = sum(map(len, groups))
    with output.open("w", encoding="utf8") as file:

        def write(task: Dict[str, str], result: Result) -> None:
            nonlocal n_left
            line = {**task, **result}
            written = json.dumps(line, allow_nan=False)
            n_left -= 1
            # Nothing was to be done, or it was not asked because the case itself was not reached.
            if result["status"] == "none" or (task["clusters"] == "off" and result["status"] == "skipped"):
                return
            counts[line["status"]] += 1
            print(written, file=file, flush=True)
            if line["status"] not in ("ok", "skipped"):
                typer.echo(describe(line))

        Workers(command, deadline, time.monotonic() + seconds, write).run(groups, workers)
    if n_left:
        counts["without a line"] = n_left
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
        serve_cases(open_device(emulated))
        return
    shapes = check_names("--shape", shape or (list(SMALLEST) if emulated else None), MATRIX)
    groups = make_groups(shapes, check_names("--cell", cell, CELLS), check_names("--precision", precision, PRECISIONS))
    if output is None:
        device = open_device(emulated, pooled=False)
        lines = [{**task, **check_with_and_without(task, device, lambda launch: None)} for group in groups for task in group]
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
