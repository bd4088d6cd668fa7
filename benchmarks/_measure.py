"""How the benchmarks measure: one thread, contenders in turns or in processes of their own, time and memory, goals."""

import datetime
import os
import platform
import re
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context, get_start_method, set_start_method
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from wasabi import table as format_table

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "BLIS")}
MEGABYTE = 2**20


def run_on_one_thread() -> None:
    """Start the running command again with one thread for every library, unless it was started so: they look when loaded."""
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **ONE_THREAD})


def machine(*packages: str) -> Dict[str, Any]:
    """Say where and with what figures are measured.

    packages (str): Names of packages whose versions count, beside those of this project's own.
    RETURNS (Dict[str, Any]): Processor, instruction sets, cores, thread limit, versions and date.
    """
    # Imported here because NumPy counts its threads when it is loaded.
    from spacy_rnn.evaluation import processor

    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    flags = set(" ".join(re.findall(r"^flags\s*:\s*(.*)$", text, re.MULTILINE)[:1]).split())
    return {
        "processor": processor(),
        "instruction sets": [flag for flag in ("avx2", "fma", "avx512f", "avx512_bf16") if flag in flags],
        "cores": os.cpu_count(),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("spacy-rnn", "spacy", "thinc", "numpy", *packages)},
        "date": datetime.date.today().isoformat(),
    }


def engine() -> Dict[str, Optional[str]]:
    """Say what executes recurrences on float32 arrays of NumPy in this process.

    RETURNS (Dict[str, Optional[str]]): The engine's module; and the instruction set of the compiled engine, None without one.
    """
    import numpy

    from spacy_rnn.native import library
    from spacy_rnn.recurrence import get_cell, select_engine

    chosen = select_engine(get_cell("lstm"), numpy.zeros((1, 1), dtype="float32")).name
    return {"engine": chosen, "instruction set": library.selected() if library is not None else None}


@dataclass(frozen=True)
class Times:
    """How long the calls of one contender took.

    minimum (float): The shortest, seconds.
    median (float): Seconds.
    n (int): How many calls were measured.
    """

    minimum: float
    median: float
    n: int

    @classmethod
    def of(cls, seconds: Iterable[float]) -> "Times":
        """Sum up measured calls.

        seconds (Iterable[float]): What each took; at least one.
        RETURNS (Times): The summary.
        """
        taken = list(seconds)
        return cls(min(taken), statistics.median(taken), len(taken))

    def ratio_to(self, other: "Times") -> Dict[str, float]:
        """Say how many times as long this took.

        other (Times): The faster one, if the ratio is above 1.
        RETURNS (Dict[str, float]): The ratio of minima and the ratio of medians.
        """
        return {"minima": round(self.minimum / other.minimum, 3), "medians": round(self.median / other.median, 3)}

    def speed(self, work: float) -> Dict[str, float]:
        """Say how much was done in a second.

        work (float): What one call does, e.g. the words it tags.
        RETURNS (Dict[str, float]): Work a second in the shortest and in the median call, and the number of calls.
        """
        return {"best": round(work / self.minimum), "median": round(work / self.median), "n": self.n}


def take_turns(contenders: Mapping[str, Callable[[], Any]], seconds: float, turn: float, at_least: int) -> Dict[str, Times]:
    """Time contenders in turns, so that whatever else the machine does meets them alike.

    contenders (Mapping[str, Callable]): What to call, by name. Each is called once before anything is measured.
    seconds (float): How long to go on.
    turn (float): How long a contender is called again and again before it is the next one's turn, seconds; a turn is one call at
        least.
    at_least (int): How many calls of each are measured, however long they take.
    RETURNS (Dict[str, Times]): The times of the calls.
    """
    for call in contenders.values():
        call()
    taken: Dict[str, List[float]] = {name: [] for name in contenders}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or any(len(times) < at_least for times in taken.values()):
        for name, call in contenders.items():
            now = time.perf_counter()
            end_of_turn = now + turn
            while True:
                start = time.perf_counter()
                call()
                now = time.perf_counter()
                taken[name].append(now - start)
                if now >= end_of_turn:
                    break
    return {name: Times.of(times) for name, times in taken.items()}


def in_new_process(function: Callable, *args: Any, environment: Optional[Mapping[str, str]] = None) -> Any:
    """Call a function in a process that has seen nothing yet.

    function (Callable): A function of a module.
    args (Any): What it is given; it and what it returns are pickled.
    environment (Optional[Mapping[str, str]]): Environment variables to set there.
    RETURNS (Any): What it returned.
    """
    before = dict(os.environ)
    os.environ.update(environment or {})
    try:
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
            return pool.submit(_call_as_main, get_start_method(), function, args).result()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _call_as_main(start_method: str, function: Callable, args: Tuple) -> Any:
    # A spawned process would spawn its own as well, where the user's processes may fork.
    set_start_method(start_method, force=True)
    return function(*args)


def reset_peak_memory() -> int:
    """Forget how much memory the process needed before, where the system can (Linux).

    RETURNS (int): The peak that remains, bytes: what it holds now.
    """
    clear_refs = Path("/proc/self/clear_refs")
    if clear_refs.exists():
        clear_refs.write_text("5")
    return peak_memory()


def peak_memory() -> int:
    """Say how much memory the process has held at most (its resident set).

    RETURNS (int): Bytes.
    """
    status = Path("/proc/self/status")
    if status.exists():
        # Not from getrusage: what that reports may be the peak of the process that started this one.
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
        assert found is not None
        return int(found.group(1)) * 1024
    # Not on Windows, which has no such module.
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def check_goal(what: str, peer: str, goal: float, found: Iterable[Tuple[str, Mapping[str, float]]]) -> Dict[str, Any]:
    """Compare a goal with the worst that was measured.

    what (str): What the goal is about.
    peer (str): What the ratio is to.
    goal (float): The ratio to reach, by minima and by medians.
    found (Iterable[Tuple[str, Mapping[str, float]]]): The ratios the goal is about: where, and the ratios of minima and medians.
    RETURNS (Dict[str, Any]): Goal, lowest ratios and where they are, and whether the goal is reached; None where nothing of the
        kind was measured.
    """
    found = list(found)
    lowest = {kind: min((ratios[kind], where) for where, ratios in found) for kind in ("minima", "medians") if found}
    return {
        "what": what,
        "ratio to": peer,
        "goal": goal,
        "lowest": {kind: ratio for kind, (ratio, _) in lowest.items()},
        "at": {kind: where for kind, (_, where) in lowest.items()},
        "reached": all(ratio >= goal for ratio, _ in lowest.values()) if found else None,
    }


def format_goals(goals: Iterable[Mapping[str, Any]]) -> str:
    """Show goals and what was reached.

    goals (Iterable[Mapping[str, Any]]): As made by `check_goal`.
    RETURNS (str): A table.
    """
    rows = [
        (
            goal["what"],
            goal["ratio to"],
            f">= {goal['goal']:g}",
            *(f"{goal['lowest'][kind]:.2f} ({goal['at'][kind]})" if goal["lowest"] else "" for kind in ("minima", "medians")),
            {True: "yes", False: "NO", None: "not measured"}[goal["reached"]],
        )
        for goal in goals
    ]
    header = ("", "ratio to", "goal", "lowest ratio of minima", "lowest ratio of medians", "reached")
    return str(format_table(rows, header=header, divider=True, max_col=60))
