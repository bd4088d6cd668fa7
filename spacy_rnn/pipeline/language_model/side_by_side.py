"""Commands that run at the same time, a thread each; none of them goes on when one has failed."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List, NamedTuple, Sequence, Tuple

# How often running commands are looked at, and how long one may take to end, in seconds.
_INTERVAL, _PATIENCE = 0.2, 10.0
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# How much of a log is shown, in lines.
_SHOWN = 12


class Command(NamedTuple):
    """A command.

    name (str): What it does, for messages.
    arguments (Sequence[str]): The program and its arguments.
    log (Path): Where its output goes.
    """

    name: str
    arguments: Sequence[str]
    log: Path


def run_side_by_side(commands: Sequence[Command], n_processes: int) -> None:
    """Run commands, some at a time. If one fails, or this process is interrupted or told to end, the others are ended.

    commands (Sequence[Command]): The commands.
    n_processes (int): How many run at the same time.
    RAISES (ValueError): If one fails, with the end of its log.
    RAISES (OSError): If one cannot be started, or its log cannot be written.
    """
    if n_processes < 1:
        raise ValueError(f"n_processes must be at least 1, got {n_processes}")
    waiting = list(commands)
    running: List[Tuple[Command, subprocess.Popen]] = []
    with _leaving_when_told_to():
        try:
            while waiting or running:
                while waiting and len(running) < n_processes:
                    running.append((waiting[0], _start(waiting.pop(0))))
                time.sleep(_INTERVAL)
                ended = [(command, process) for command, process in running if process.poll() is not None]
                running = [(command, process) for command, process in running if process.returncode is None]
                for command, process in ended:
                    if process.returncode != 0:
                        raise ValueError(_describe(command, process.returncode))
        finally:
            _end([process for _, process in running])


@contextmanager
def _leaving_when_told_to() -> Iterator[None]:
    """Leave by an exception when this process is told to end, which would otherwise leave the commands behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _start(command: Command) -> subprocess.Popen:
    command.log.parent.mkdir(parents=True, exist_ok=True)
    with command.log.open("wb") as log:
        environment = {**os.environ, **dict.fromkeys(_THREADS, "1")}
        return subprocess.Popen(command.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)


def _end(processes: Sequence[subprocess.Popen]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _describe(command: Command, code: int) -> str:
    lines = command.log.read_text(encoding="utf8", errors="replace").split("\n")
    shown = "\n".join(line for line in lines if line.strip()).split("\n")[-_SHOWN:]
    return "\n".join([f"{command.name} ended with exit code {code}; its log is {command.log}:", *shown])
