"""Commands that run at the same time."""

import os
import signal
import subprocess
import sys
import time

import pytest

from spacy_rnn.pipeline.language_model.side_by_side import Command, run_side_by_side

# Says who it is, and sleeps far longer than any test.
SLEEPS = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"


def python(folder, name, code, *arguments):
    return Command(f"the {name}", [sys.executable, "-c", code, *map(str, arguments)], folder / f"{name}.log")


def read_when_there(path):
    while not (path.exists() and path.read_text()):
        time.sleep(0.05)
    return int(path.read_text())


def is_running(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("n_processes", [1, 2, 5])
def test_all_run_to_their_end_with_one_thread_each(tmp_path, n_processes):
    code = "import os, sys; print(sys.argv[1], os.environ['OMP_NUM_THREADS'], os.environ['OPENBLAS_NUM_THREADS'])"
    run_side_by_side([python(tmp_path, name, code, name) for name in ("one", "two", "three")], n_processes)
    assert [(tmp_path / f"{name}.log").read_text() for name in ("one", "two", "three")] == [
        "one 1 1\n",
        "two 1 1\n",
        "three 1 1\n",
    ]


def test_they_run_at_the_same_time(tmp_path):
    # Each waits for what the other one writes.
    code = """
import pathlib, sys, time
pathlib.Path(sys.argv[1]).touch()
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.05)
"""
    one, other = tmp_path / "one", tmp_path / "other"
    run_side_by_side([python(tmp_path, "first", code, one, other), python(tmp_path, "second", code, other, one)], 2)


def test_when_one_fails_the_other_is_ended(tmp_path):
    fails = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.05)
print("what is wrong", file=sys.stderr)
sys.exit(3)
"""
    process_id = tmp_path / "pid"
    commands = [python(tmp_path, "sleeper", SLEEPS, process_id), python(tmp_path, "failure", fails, process_id)]
    with pytest.raises(ValueError, match=r"the failure ended with exit code 3; its log is .*failure.log:\nwhat is wrong"):
        run_side_by_side(commands, 2)
    assert not is_running(read_when_there(process_id))


def test_after_a_failure_nothing_is_begun(tmp_path):
    commands = [python(tmp_path, "failure", "raise SystemExit(1)"), python(tmp_path, "later", "print()")]
    with pytest.raises(ValueError, match="the failure ended"):
        run_side_by_side(commands, 1)
    assert not (tmp_path / "later.log").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all(tmp_path, number):
    # A shell's job in the background ignores interrupts, and so would all that it starts.
    code = """
import pathlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from spacy_rnn.pipeline.language_model.side_by_side import Command, run_side_by_side
folder = pathlib.Path(sys.argv[1])
run_side_by_side([Command(n, [sys.executable, "-c", sys.argv[2], str(folder / n)], folder / (n + ".log")) for n in "ab"], 2)
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), SLEEPS], stderr=subprocess.PIPE)
    ids = [read_when_there(tmp_path / name) for name in "ab"]
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode in (-number, 128 + number)
    assert not any(map(is_running, ids))


def test_what_cannot_be_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="n_processes must be at least 1"):
        run_side_by_side([], 0)
    with pytest.raises(OSError):
        run_side_by_side([Command("nothing", [str(tmp_path / "missing")], tmp_path / "log")], 1)
