"""Tasks in worker processes, each with a deadline: one that hangs or crashes costs itself and nothing else.

Tasks and results are lines of JSON. A worker answers from its standard input to its standard output. Before its answer it may say
what it is about to launch, which is all that is known of a task that hangs or crashes.
"""

import json
import math
import os
import queue
import selectors
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from typing import IO, Any, Callable, Deque, Dict, List, Optional, Sequence

Result = Dict[str, Any]
Tell = Callable[[Any], None]

# A worker imports much before it is ready, perhaps many at once.
START = 60
# How many of the launches before a crash are kept, and how many lines of what a worker wrote before it ended.
LAUNCHES, LINES = 4, 40


def serve(answer: Callable[[Any, Tell], Result], probe: Callable[[], Any]) -> None:
    """Answer tasks until there are no more.

    answer (Callable): Gives the result of a task; called with what tells of a launch before it happens.
    probe (Callable): Called after a task that raised: no other makes sense if this raises as well.
    """
    # What libraries print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def write(line: Any) -> None:
        print(json.dumps(to_strict(line), allow_nan=False), file=answers, flush=True)

    write("ready")
    for line in sys.stdin:
        usable = True
        try:
            result = answer(json.loads(line), lambda launch: write({"launching": launch}))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the result
            result = failure(error)
            try:
                probe()
            except Exception:  # noqa: BLE001 - whatever it is
                usable = False
        write(result if usable else {**result, "last": True})
        if not usable:
            return


def to_strict(value: Any) -> Any:
    """Give what is put down with strings for the numbers that JSON does not have.

    value (Any): Lists, dicts, numbers, strings.
    RETURNS (Any): The same with "nan", "inf" and "-inf".
    """
    if isinstance(value, dict):
        return {key: to_strict(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_strict(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def failure(error: Exception) -> Result:
    """Put down what was raised.

    error (Exception): It.
    RETURNS (Result): Its words, and where it was raised.
    """
    lines = "".join(traceback.format_exception(error))
    return {"status": "error", "error": f"{type(error).__name__}: {error}"[:4000], "traceback": lines[-6000:]}


class Workers:
    """Several workers that share tasks.

    command (Sequence[str]): Starts a worker, which calls `serve`.
    deadline (float): How long a task may take, seconds.
    ends (float): When no more tasks are given out, by `time.monotonic`.
    write (Callable): Called with each task and its result, by one thread at a time.
    """

    def __init__(self, command: Sequence[str], deadline: float, ends: float, write: Callable[[Any, Result], None]) -> None:
        self.command = list(command)
        self.deadline = deadline
        self.ends = ends
        self._write = write
        self._lock = threading.Lock()
        self._groups: queue.SimpleQueue[List[Any]] = queue.SimpleQueue()

    def run(self, groups: Sequence[Sequence[Any]], n_workers: int) -> None:
        """Do all tasks.

        groups (Sequence[Sequence[Any]]): Tasks; one worker does those of a group one after the other, as long as it lives.
        n_workers (int): How many processes.
        """
        for group in groups:
            self._groups.put(list(group))
        threads = [threading.Thread(target=self._supervise) for _ in range(min(n_workers, len(groups)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _supervise(self) -> None:
        worker: Optional[_Worker] = None
        try:
            while True:
                try:
                    group = self._groups.get_nowait()
                except queue.Empty:
                    return
                for task in group:
                    begun = time.monotonic()
                    if begun >= self.ends:
                        self._put_down(task, {"status": "skipped"}, begun)
                        continue
                    try:
                        if worker is None or not worker.runs():
                            worker = _Worker(self.command)
                        result = worker.ask(task, min(self.deadline, max(1.0, self.ends - begun)))
                    except Exception as error:  # noqa: BLE001 - the next task may still do
                        result = failure(error)
                    self._put_down(task, result, begun)
        finally:
            if worker is not None:
                worker.stop()

    def _put_down(self, task: Any, result: Result, begun: float) -> None:
        with self._lock:
            self._write(task, {**result, "seconds": round(time.monotonic() - begun, 2)})


class _Worker:
    """A process that answers."""

    def __init__(self, command: Sequence[str]) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
        self._ready = False
        self._received: bytes = b""
        self._wrote: Deque[str] = deque(maxlen=LINES)
        self._listener = threading.Thread(target=self._pass_on, daemon=True)
        self._listener.start()

    def runs(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        self._process.kill()
        # A driver that hangs may hold it for ever.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)

    def ask(self, task: Any, seconds: float) -> Result:
        """Give the result of a task; if there is none in time, end the process."""
        if not self._ready:
            if self._read_line(time.monotonic() + START) != '"ready"':
                self.stop()
                return self._error("the worker did not start, and")
            self._ready = True
        started, launches = time.monotonic(), deque(maxlen=LAUNCHES)
        try:
            stdin = self._stream("stdin")
            stdin.write(json.dumps(task).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            return self._error("the worker")
        while True:
            line = self._read_line(started + seconds)
            answer = None if line is None else parse(line)
            if answer is not None and set(answer) == {"launching"}:
                launches.append(answer["launching"])
                continue
            if line is None:
                self.stop()
                result = {"status": "hang", "error": f"no answer in {time.monotonic() - started:.1f} seconds"}
            elif not line:
                result = self._error("the worker")
            elif answer is None:
                # What comes next is not known to be an answer either.
                self.stop()
                result = {"status": "error", "error": f"expected an answer, got {line[:1000]!r}"}
            else:
                result = answer
                if result.pop("last", False):
                    self.stop()
            return {**({"launches": list(launches)} if launches else {}), **result}

    def _read_line(self, ends: float) -> Optional[str]:
        """Read a line: empty if the process has ended, None if there is none in time."""
        stdout = self._stream("stdout")
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self._received:
                if not selector.select(max(0.0, ends - time.monotonic())):
                    return None
                some = os.read(stdout.fileno(), 2**16)
                if not some:
                    break
                self._received += some
        line, _, self._received = self._received.partition(b"\n")
        return line.decode(errors="replace")

    def _error(self, who: str) -> Result:
        """Say that the process has ended, with the last that it wrote."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self.stop()
        self._listener.join(2)
        error, wrote = f"{who} ended with {self._process.returncode}", "".join(self._wrote).rstrip()
        if not wrote:
            return {"status": "error", "error": error}
        return {"status": "error", "error": f"{error}: {wrote.splitlines()[-1][:400]}", "wrote": wrote[-4000:]}

    def _pass_on(self) -> None:
        for line in self._stream("stderr"):
            said = line.decode(errors="replace")
            self._wrote.append(said)
            print(said, end="", file=sys.stderr, flush=True)

    def _stream(self, name: str) -> IO[bytes]:
        stream = getattr(self._process, name)
        assert stream is not None
        return stream


def parse(line: str) -> Optional[Result]:
    """Read a line of a worker.

    line (str): The line.
    RETURNS (Optional[Result]): What it says; None if it is no JSON, or not a result.
    """
    try:
        said = json.loads(line)
    except ValueError:
        return None
    is_result = isinstance(said, dict) and (set(said) == {"launching"} or "status" in said)
    return said if is_result else None
