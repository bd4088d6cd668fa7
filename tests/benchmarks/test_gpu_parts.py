"""The parts of a run on a GPU: what fails, hangs or is not there does not keep the others from running, and is said to be so."""

import importlib
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from spacy_rnn.cuda import find_problem

ROOT = Path(__file__).parent.parent.parent
# Starts a process that outlives it, and says which.
LEAVES_ONE_BEHIND = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("gpu_parts")


@pytest.fixture
def run(parts, tmp_path):
    (tmp_path / "temporary").mkdir()
    (tmp_path / "output").mkdir()
    return parts.Run(tmp_path / "output", tmp_path / "temporary", time.monotonic() + 600)


def part(parts, name, code, seconds=60, **settings):
    return parts.Part(name, seconds, lambda run, seconds: [[sys.executable, "-c", code]], **settings)


def read_archive(run, name):
    with tarfile.open(run.output / "all.tar.gz") as archive:
        return archive.extractfile(name).read().decode()


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_a_part_that_fails_says_why_and_the_next_one_runs(parts, run):
    run.do(part(parts, "one", "raise ValueError('planted')"), None)
    run.do(part(parts, "two", "print('well')"), None)
    assert run.said["one"].startswith("failed (1)")
    assert run.said["two"].startswith("ok")
    summary = (run.output / "summary.txt").read_text()
    assert "ValueError: planted" in summary and "well" in summary
    assert "ValueError: planted" in read_archive(run, "logs/one.log")
    assert sorted(path.name for path in run.output.iterdir()) == ["all.tar.gz", "summary.txt"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_a_part_that_hangs_ends_with_all_that_it_started(parts, run):
    run.do(part(parts, "one", LEAVES_ONE_BEHIND, seconds=2), None)
    assert run.said["one"].startswith("out of time")
    pid = int(read_archive(run, "logs/one.log").split()[-1])
    time.sleep(0.5)
    assert not is_alive(pid)


def test_what_runs_beside_each_other_is_told_apart(parts, run):
    codes = ["print('first')", "import sys; sys.exit(7)", "print('third')"]
    run.do(parts.Part("one", 60, lambda run, seconds: [[sys.executable, "-c", code] for code in codes]), None)
    assert run.said["one"].startswith("failed (7)")
    log = read_archive(run, "logs/one.log")
    assert log.index("\nfirst\n") < log.index("sys.exit(7)") < log.index("\nthird\n")


def test_a_command_that_does_not_exist_costs_its_part_alone(parts, run):
    run.do(parts.Part("one", 60, lambda run, seconds: [["/no/such/command"]]), None)
    run.do(part(parts, "two", ""), None)
    assert run.said["one"].startswith("failed") and "/no/such/command" in run.said["one"]
    assert run.said["two"].startswith("ok")


def test_nothing_begins_when_the_time_is_over(parts, run):
    run.ends = time.monotonic()
    run.do(part(parts, "one", ""), None)
    assert run.said["one"] == "left out: no time is left"


def test_without_a_device_nothing_that_needs_one_begins(parts, run):
    run.do(part(parts, "device", "import sys; print('there is none'); sys.exit(3)"), None)
    run.do(part(parts, "layers", ""), None)
    assert run.said == {"device": "no device (there is none)", "layers": "no device"}


@pytest.mark.parametrize("n_wrong, left_out", [(20, False), (21, True)])
def test_speed_is_left_out_where_much_is_wrong(parts, run, n_wrong, left_out):
    statuses = ["hang", "error", "wrong"] * 7 + ["ok"] * 80 + ["skipped"] * 50
    statuses = statuses[21 - n_wrong :]
    lines = [json.dumps({"status": status}) for status in statuses]
    (run.output / "matrix.jsonl").write_text("\n".join([*lines, '{"sta']))
    wrong = parts.count_wrong(run.output / "matrix.jsonl")
    run.do(part(parts, "layers", "", speed=True), wrong)
    run.do(part(parts, "tests", ""), wrong)
    assert run.said["layers"].startswith("left out: 21 of 101 cases" if left_out else "ok")
    assert run.said["tests"].startswith("ok")


@pytest.mark.skipif(find_problem() is None, reason="has a CUDA device")
def test_the_script_says_of_each_part_that_there_is_no_device(tmp_path):
    command = ["bash", str(ROOT / "benchmarks" / "gpu.sh"), str(tmp_path), "--only", "layers,training,tests"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHON": sys.executable})
    assert result.returncode == 0, result.stdout + result.stderr
    said = [line for line in (tmp_path / "summary.txt").read_text().splitlines() if ": no device" in line]
    assert [line.split(":")[0] for line in said] == ["device", "layers", "training", "tests"]
    assert len(list(tmp_path.iterdir())) <= 8


def test_an_unknown_part_is_refused(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu_parts.py"), str(tmp_path), "--only", "layer"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "got layer" in result.stderr
