"""The parts of a run on a GPU, one after the other: each with a limit of its own, all together with another. Started by gpu.sh.

    python benchmarks/gpu/parts.py OUTPUT [--seconds 400] [--only layers,training]

A part that fails, hangs or crashes does not keep the others from running. OUTPUT has at most eight files: those that an earlier
run has written are removed first, and where too many others are the run does not begin. all.tar.gz, renewed after every part, has
them and the logs of all parts. summary.txt, printed last, says what came of each part, and why one failed.

Nothing is imported here that the machine may lack.
"""

import argparse
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from device import NO_DEVICE

ROOT = Path(__file__).resolve().parent.parent.parent
PACK = ROOT / "benchmarks" / "pack" / f"cp{sys.version_info[0]}{sys.version_info[1]}.tar.gz"
ARCHIVE = "all.tar.gz"
SUMMARY = "summary.txt"
DEVICE = "device.json"
MOST_FILES = 8
# What is kept of the time for the archive and the summary.
RESERVE = 3
# Less than that is not enough for anything.
LEAST_SECONDS = 10
# Of the cases of the matrix; where more are wrong, speed says nothing.
MOST_WRONG = 0.2
# How what came of a part begins where it is not as it should be.
BAD = ("failed", "out of time", "stopped")
SANITIZER = ("compute-sanitizer", "/usr/local/cuda/bin/compute-sanitizer")

Command = List[str]


class Part(NamedTuple):
    """A part of the run.

    name (str): Its name.
    seconds (int): How long it may take.
    commands (Callable): Gives what it runs, for a run and the seconds it has; or, as a string, why it is left out.
    speed (bool): Whether it makes no sense where much is wrong.
    file (Optional[str]): The file that it writes.
    """

    name: str
    seconds: int
    commands: Callable[["Run", int], Any]
    speed: bool = False
    file: Optional[str] = None


class Run:
    """A run.

    output (Path): Where results go.
    folder (Path): A temporary folder.
    ends (float): When it has to end, by `time.monotonic`.
    """

    def __init__(self, output: Path, folder: Path, ends: float) -> None:
        self.output = output
        self.folder = folder
        self.ends = ends
        self.corpus = ROOT / "corpus"
        self.kernels = folder / "kernels"
        # What libraries compile, they compile once.
        self.environment = {**os.environ, "CUPY_CACHE_DIR": str(folder / "cupy")}
        self.environment |= {"PYTHONUNBUFFERED": "1", "TYPER_STANDARD_TRACEBACK": "1"}
        self.no_device: Optional[str] = None
        self.said: Dict[str, str] = {}
        (folder / "logs").mkdir()

    def log(self, name: str) -> Path:
        """Give the file to which a part writes.

        name (str): The part.
        RETURNS (Path): The file.
        """
        return self.folder / "logs" / f"{name}.log"

    def device(self) -> Dict[str, Any]:
        """Give what was found out about the device.

        RETURNS (Dict[str, Any]): As device.py writes it; nothing if it did not come so far.
        """
        try:
            return json.loads((self.output / DEVICE).read_text(encoding="utf8"))
        except (OSError, ValueError):
            return {}

    def unpack(self) -> None:
        """Unpack what was brought along, and run that from now on."""
        self.kernels.mkdir(exist_ok=True)
        if PACK.exists():
            with tarfile.open(PACK) as archive:
                archive.extractall(self.folder, filter="data")
            site = self.folder / "site"
            # What is in the checkout is what is meant; only what is compiled comes from the archive.
            ignored = shutil.ignore_patterns("*.so", "__pycache__")
            shutil.copytree(ROOT / "spacy_rnn", site / "spacy_rnn", dirs_exist_ok=True, ignore=ignored)
            self.corpus = self.folder / "corpus"
            self.environment["PYTHONPATH"] = str(site)
        self.environment["SPACY_RNN_KERNELS"] = str(self.kernels)

    def do(self, part: Part, wrong: Optional[str]) -> None:
        """Do a part, and say what came of it.

        part (Part): The part.
        wrong (Optional[str]): Why its speed does not matter.
        """
        began = time.monotonic()
        seconds = int(min(part.seconds, self.ends - RESERVE - began))
        if self.no_device is not None and part.name not in ("device", "matrix"):
            commands: Any = "no device"
        elif wrong is not None and part.speed:
            commands = f"left out: {wrong}"
        elif seconds < 1:
            commands = "left out: no time is left"
        else:
            commands = part.commands(self, seconds)
        if isinstance(commands, str):
            self.said[part.name] = commands
        else:
            try:
                result = self._execute(part.name, commands, began + seconds)
            except OSError as error:
                result = f"failed ({error})"
            except (SystemExit, KeyboardInterrupt):
                self.said[part.name] = f"stopped, {time.monotonic() - began:.0f} s"
                raise
            self.said[part.name] = f"{result}, {time.monotonic() - began:.0f} s"
            if part.name == "device" and result == f"failed ({NO_DEVICE})":
                self.no_device = last_lines(self.log("device"), 1)
                self.said["device"] = f"no device ({self.no_device})"
        print(f"== {part.name}: {self.said[part.name]}", flush=True)
        if self.said[part.name].startswith(BAD) and self.log(part.name).exists():
            print(last_lines(self.log(part.name), 15), flush=True)
        self.keep()

    def _execute(self, name: str, commands: Sequence[Command], ends: float) -> str:
        """Run commands at once, each as the leader of a group of processes that ends with it; write what they say to the log."""
        said = [self.folder / f"{name}.{i}" for i in range(len(commands))]
        running: List[subprocess.Popen] = []
        result = "ok"
        try:
            for command, path in zip(commands, said, strict=True):
                running.append(self._start(command, path))
            for process in running:
                process.wait(max(0.0, ends - time.monotonic()))
            result = next((f"failed ({process.returncode})" for process in running if process.returncode), "ok")
        except subprocess.TimeoutExpired:
            result = "out of time"
        finally:
            for process in running:
                end_group(process)
            with self.log(name).open("w", encoding="utf8") as log:
                for command, path in zip(commands[: len(running) + 1], said, strict=False):
                    log.write(f"$ {' '.join(command)}\n{path.read_text(encoding='utf8', errors='replace')}\n")
        return result

    def _start(self, command: Command, said: Path) -> subprocess.Popen:
        with said.open("wb") as file:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=self.environment,
                cwd=self.folder,
                start_new_session=True,
            )

    def summary(self) -> str:
        """Sum up.

        RETURNS (str): What came of each part, with the end of its log: a long one where something went wrong.
        """
        device = self.device()
        name = "device not known" if self.no_device is None else "no device"
        lines = [f"{device.get('name', name)}, {device.get('date', time.strftime('%Y-%m-%d'))}"]
        lines += [f"{name}: {said}" for name, said in self.said.items()]
        for name, said in self.said.items():
            if self.log(name).exists() and not said.startswith("no device"):
                lines += ["", f"== {name}: {said}", last_lines(self.log(name), 40 if said.startswith(BAD) else 20)]
        return "\n".join(lines) + "\n"

    def keep(self) -> None:
        """Write the summary and the archive, so that they are there whatever happens next."""
        # What the device part has left if it was ended while it wrote.
        (self.output / f".{DEVICE}").unlink(missing_ok=True)
        (self.output / SUMMARY).write_text(self.summary(), encoding="utf8")
        archive = self.folder / ARCHIVE
        with tarfile.open(archive, "w:gz") as file:
            file.add(self.folder / "logs", "logs")
            for path in sorted(self.output.iterdir()):
                if path.name not in (ARCHIVE, f".{ARCHIVE}"):
                    file.add(path, path.name)
        shutil.copy(archive, self.output / f".{ARCHIVE}")
        os.replace(self.output / f".{ARCHIVE}", self.output / ARCHIVE)


def end_group(process: subprocess.Popen) -> None:
    """End a process, and what it has started and left behind.

    process (subprocess.Popen): The leader of a group.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # A driver that hangs may hold it for ever.
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)


def last_lines(path: Path, n: int) -> str:
    """Give the end of a log.

    path (Path): The log.
    n (int): How many lines, at most.
    RETURNS (str): The lines, cut where they are too long to be read.
    """
    lines = path.read_text(encoding="utf8", errors="replace").replace("\r", "\n").rstrip().splitlines()
    return "\n".join(line[:600] for line in lines[-n:])


def count_wrong(path: Path) -> Optional[str]:
    """Say whether so many cases of the matrix are wrong that speed says nothing.

    path (Path): Their lines.
    RETURNS (Optional[str]): How many are; None if they are few.
    """
    # The last line may have been cut off.
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    statuses = [json.loads(line)["status"] for line in lines]
    ran = [status for status in statuses if status != "skipped"]
    # What runs without clusters is right, and may be timed.
    wrong = [status for status in ran if status not in ("ok", "refused")]
    return f"{len(wrong)} of {len(ran)} cases of the matrix are wrong" if len(wrong) > MOST_WRONG * len(ran) else None


def script(name: str, *arguments: Any) -> Command:
    """Give the command that runs a script of the checkout.

    name (str): Its path in the checkout.
    arguments (Any): What it is given.
    RETURNS (Command): The command.
    """
    return [sys.executable, str(ROOT / name), *map(str, arguments)]


def check_device(run: Run, seconds: int) -> List[Command]:
    return [script("benchmarks/gpu/device.py", run.output / DEVICE)]


def compile_missing(run: Run, seconds: int) -> Any:
    arch = run.device().get("arch")
    if arch is None:
        return "left out: it is not known for which architecture"
    arguments = ("--needed", "--arch", arch, "--jobs", os.cpu_count() or 1, "--output", run.kernels)
    return [script("scripts/compile_kernels.py", *arguments)]


def check_matrix(run: Run, seconds: int) -> Any:
    # A worker that starts at the end needs a moment to be told that it is the end.
    arguments = [run.output / "matrix.jsonl", "--seconds", 0.85 * seconds]
    if run.no_device is not None:
        if shutil.which("g++") is None:
            return "no device, and no g++ for the emulator"
        arguments += ["--emulated", "--workers", 2, "--deadline", 60]
    return [script("benchmarks/gpu/matrix.py", *arguments)]


def sanitize(run: Run, seconds: int) -> Any:
    sanitizer = next(filter(None, map(shutil.which, SANITIZER)), None)
    if sanitizer is None:
        return "left out: compute-sanitizer is not here"
    arguments = [word for cell in ("lstm", "gru") for word in ("--cell", cell)]
    arguments += [word for shape in ("5 units", "130 units") for word in ("--shape", shape)]
    watched = script("benchmarks/gpu/matrix.py", *arguments, "--precision", "float32", "--precision", "tf32")
    return [[sanitizer, "--tool", tool, "--error-exitcode", "1", *watched] for tool in ("memcheck", "racecheck", "synccheck")]


def time_layers(run: Run, seconds: int) -> Any:
    arguments = ("--output", run.output / "layers.jsonl", "--seconds", 0.9 * seconds)
    return needs("torch") or [script("benchmarks/gpu/speed.py", "layers", *arguments)]


def time_phases(run: Run, seconds: int) -> Any:
    arguments = ("--output", run.output / "phases.json", "--corpus", run.corpus, "--seconds", 0.85 * seconds)
    return needs("torch") or [script("benchmarks/gpu/phases.py", *arguments)]


def time_training(run: Run, seconds: int) -> Any:
    arguments = ("--output", run.output / "training.json", "--corpus", run.corpus, "--seconds", 0.85 * seconds)
    return needs("torch") or missing(run, "ewt/dev") or [script("benchmarks/gpu/speed.py", "training", *arguments)]


def train(run: Run, seconds: int) -> Any:
    arguments = (run.corpus / "ewt", "--output", run.output / "train.json")
    return missing(run, "ewt/train") or [script("benchmarks/gpu/train.py", *arguments)]


def test(run: Run, seconds: int) -> Any:
    # The matrix has checked the sweeps already.
    arguments = ["-v", "--tb=short", "-rfE", "-p", "no:cacheprovider", "-k", "not sweeps_are_those_of_the_reference"]
    # With both a hanging test costs its worker, which is replaced; without, what it was doing is said at least.
    if has("xdist") and has("pytest_timeout"):
        arguments += ["-n", "4", "--timeout", "40", "--timeout-method", "thread"]
    else:
        arguments += ["-o", "faulthandler_timeout=40"]
    return (
        needs("pytest")
        or needs("hypothesis")
        or [[sys.executable, "-m", "pytest", *arguments, str(ROOT / "tests" / "test_gpu.py")]]
    )


def has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def needs(module: str) -> Optional[str]:
    return None if has(module) else f"left out: {module} is not here"


def missing(run: Run, part: str) -> Optional[str]:
    path = run.corpus / f"{part}.spacy"
    return None if path.is_file() else f"left out: {path} is not here"


PARTS = [
    Part("device", 40, check_device, file=DEVICE),
    Part("compile", 60, compile_missing),
    Part("matrix", 130, check_matrix, file="matrix.jsonl"),
    Part("sanitizer", 45, sanitize),
    Part("layers", 100, time_layers, speed=True, file="layers.jsonl"),
    Part("phases", 60, time_phases, speed=True, file="phases.json"),
    Part("training", 50, time_training, speed=True, file="training.json"),
    Part("train", 95, train, speed=True, file="train.json"),
    Part("tests", 80, test),
]


def prepare(output: Path, parts: Sequence[Part]) -> None:
    """Make the folder of the results, and remove those of an earlier run.

    output (Path): The folder.
    parts (Sequence[Part]): What will be run.
    RAISES (OSError): If it is no folder, or cannot be written to.
    RAISES (ValueError): If there would be too many files.
    """
    output.mkdir(parents=True, exist_ok=True)
    common = {SUMMARY, ARCHIVE, f".{ARCHIVE}", f".{DEVICE}"}
    known = {output / name for name in common.union(part.file for part in PARTS if part.file is not None)}
    others = [path for path in output.rglob("*") if not path.is_dir() and path not in known]
    n_written = 2 + sum(part.file is not None for part in parts)
    if len(others) + n_written > MOST_FILES:
        raise ValueError(
            f"{output} has {len(others)} files of others, and a run adds up to {n_written}: expected at most {MOST_FILES} "
            "altogether; name an empty folder"
        )
    for path in known:
        path.unlink(missing_ok=True)


def stop(*_: Any) -> None:
    """End, what has been found so far kept."""
    # Once is enough.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit("asked to end")


def main() -> None:
    """Run the parts."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(description="Run what there is to run on a GPU.")
    parser.add_argument("output", type=Path, help="where results go")
    parser.add_argument("--seconds", type=float, default=400, help="how long all may take")
    names = [part.name for part in PARTS]
    parser.add_argument("--only", default=",".join(names), help=f"which parts, of {','.join(names)}")
    args = parser.parse_args()
    only = args.only.split(",")
    if not set(only) <= set(names):
        parser.error(f"--only: expected names of {','.join(names)}, got {args.only}")
    if not args.seconds >= LEAST_SECONDS:
        parser.error(f"--seconds: expected at least {LEAST_SECONDS}, got {args.seconds:g}")
    parts = [part for part in PARTS if part.name == "device" or part.name in only]
    try:
        prepare(args.output, parts)
    except (OSError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    # What was started ends with this, also when this is asked to end.
    signal.signal(signal.SIGTERM, stop)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(args.output.resolve(), Path(folder), began + args.seconds)
        try:
            run.unpack()
            for part in parts:
                run.do(part, count_wrong(run.output / "matrix.jsonl"))
        finally:
            run.keep()
        print(run.summary(), end="")
    if any(said.startswith(BAD) for said in run.said.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
