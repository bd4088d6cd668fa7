"""Tasks in worker processes, each with a deadline: one that hangs or crashes costs itself and nothing else.

Tasks and results are lines of JSON. A worker answers from its standard input to its standard output.
"""

import json
import os
import queue
import selectors
import subprocess
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import IO, Any, Callable, Dict, List, Optional, Sequence

Result = Dict[str, Any]

# A worker imports much before it is ready, perhaps many at once.
START = 60


def serve(answer: Callable[[Any], Result], is_usable: Callable[[], bool]) -> None:
    """Answer tasks until there are no more.

    answer (Callable): Gives the result of a task.
    is_usable (Callable): Says whether another task makes sense after one that raised.
    """
    # What libraries print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        usable = True
        try:
            result = answer(json.loads(line))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the result
            result = failure(error)
            usable = is_usable()
        print(json.dumps(result), file=answers, flush=True)
        if not usable:
            return


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
                    if worker is None or not worker.runs():
                        worker = _Worker(self.command)
                    result = worker.ask(task, min(self.deadline, max(1.0, self.ends - begun)))
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
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._ready = False

    def runs(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        self._process.kill()
        # A driver that hangs may hold it for ever.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)

    def ask(self, task: Any, seconds: float) -> Result:
        """Give the result of a task; if there is none in time, end the process."""
        started = time.monotonic()
        if not self._ready:
            if not self._read(START):
                self.stop()
                return {"status": "error", "error": f"the worker did not start, and ended with {self._process.returncode}"}
            self._ready = True
        starting = time.monotonic() - started
        try:
            self._stream("stdin").write(json.dumps(task) + "\n")
            self._stream("stdin").flush()
            line = self._read(seconds)
        except BrokenPipeError:
            line = ""
        if line is None:
            self.stop()
            return {"status": "hang", "error": f"no answer in {time.monotonic() - started - starting:.1f} seconds"}
        if not line:
            return {"status": "error", "error": f"the worker ended with {self._process.wait()}"}
        return json.loads(line)

    def _read(self, seconds: float) -> Optional[str]:
        """Read a line: empty if the process has ended, None if there is none in time."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._stream("stdout"), selectors.EVENT_READ)
            return self._stream("stdout").readline() if selector.select(seconds) else None

    def _stream(self, name: str) -> IO[str]:
        stream = getattr(self._process, name)
        assert stream is not None
        return stream
