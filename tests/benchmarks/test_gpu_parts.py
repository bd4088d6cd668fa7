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
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "gpu"))
    return importlib.import_module("parts")


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


@pytest.mark.parametrize("content", ['{"name": "H1', "", "[", None])
def test_a_description_of_the_device_that_was_cut_off_is_none(parts, run, content):
    if content is not None:
        (run.output / "device.json").write_text(content)
    run.do(part(parts, "compile", ""), None)
    assert run.device() == {}
    assert run.summary().startswith("device not known, ")


def test_the_description_of_the_device_is_written_at_once(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "gpu"))
    importlib.import_module("device").write(tmp_path / "device.json", {"name": "one"})
    assert [path.name for path in tmp_path.iterdir()] == ["device.json"]
    assert json.loads((tmp_path / "device.json").read_text()) == {"name": "one"}


def test_what_an_earlier_run_has_left_is_removed_and_nothing_else(parts, tmp_path):
    for name in ("matrix.jsonl", "train.json", "summary.txt", "all.tar.gz", ".all.tar.gz", "notes.txt"):
        (tmp_path / name).write_text("")
    parts.prepare(tmp_path, parts.PARTS[:3])
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_files_of_others_are_not_made_more_than_eight(parts, tmp_path):
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "matrix.jsonl").write_text("")
    parts.prepare(tmp_path, parts.PARTS[:-2])
    (tmp_path / "matrix.jsonl").write_text("")
    with pytest.raises(ValueError, match="has 1 files of others"):
        parts.prepare(tmp_path, parts.PARTS)
    assert (tmp_path / "matrix.jsonl").exists()


def test_clusters_that_are_refused_do_not_keep_speed_from_being_measured(parts, run):
    (run.output / "matrix.jsonl").write_text('{"status": "refused"}\n' * 9 + '{"status": "ok"}\n')
    assert parts.count_wrong(run.output / "matrix.jsonl") is None


def run_parts(*arguments):
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu" / "parts.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_file_in_place_of_the_folder_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("mine")
    for output in (tmp_path / "file", tmp_path / "file" / "folder"):
        result = run_parts(output)
        assert result.returncode == 2
        (line,) = result.stderr.splitlines()
        assert str(output) in line
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_with_many_files_is_refused_in_one_line(tmp_path):
    for i in range(7):
        (tmp_path / str(i)).write_text("")
    result = run_parts(tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1 and "7 files of others" in result.stderr
    assert len(list(tmp_path.iterdir())) == 7


@pytest.mark.parametrize("seconds", ["0", "-5", "9", "nan"])
def test_a_time_in_which_nothing_can_be_done_is_refused(tmp_path, seconds):
    result = run_parts(tmp_path / "output", f"--seconds={seconds}")
    assert result.returncode == 2 and "expected at least 10" in result.stderr
    assert not (tmp_path / "output").exists()


def test_a_run_that_is_asked_to_end_keeps_what_it_has(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "benchmarks" / "gpu")!r})
import parts
code = "import time; print('so far', flush=True); time.sleep(600)"
parts.PARTS[:] = [parts.Part("device", 60, lambda run, seconds: [[sys.executable, "-c", code]])]
parts.Run.unpack = lambda run: print("begins", flush=True)
sys.argv[1:] = [{str(tmp_path / "output")!r}]
parts.main()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout.readline() == "begins\n"
        time.sleep(2)
        process.terminate()
        process.wait(20)
    assert process.returncode == 1
    summary = (tmp_path / "output" / "summary.txt").read_text()
    assert "device: stopped, " in summary and "so far" in summary
    with tarfile.open(tmp_path / "output" / "all.tar.gz") as archive:
        assert "so far" in archive.extractfile("logs/device.log").read().decode()
        assert "stopped" in archive.extractfile("summary.txt").read().decode()


def test_the_script_is_found_through_a_link(tmp_path):
    (tmp_path / "link").symlink_to(ROOT / "benchmarks" / "gpu.sh")
    command = ["bash", str(tmp_path / "link"), "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHON": sys.executable})
    assert result.returncode == 0 and "OUTPUT" in result.stdout.upper()


@pytest.mark.parametrize("lacks", ["pytest", "hypothesis"])
def test_tests_are_left_out_where_they_lack_something(parts, run, monkeypatch, lacks):
    monkeypatch.setattr(parts, "has", lambda module: module != lacks)
    assert parts.test(run, 60) == f"left out: {lacks} is not here"


def test_an_unknown_part_is_refused(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu" / "parts.py"), str(tmp_path), "--only", "layer"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "got layer" in result.stderr
