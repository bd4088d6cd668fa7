"""Workers: whatever one of them writes, or does not, each task has its result."""

import importlib
import json
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
READY = "import sys, time; print('\"ready\"', flush=True); sys.stdin.readline();"


@pytest.fixture
def ask_all(monkeypatch):
    """Give the results of tasks, by workers that execute some code."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "gpu"))
    workers = importlib.import_module("workers")
    monkeypatch.setattr(workers, "START", 5)

    def ask_all(code, tasks, deadline=20, command=None):
        results = {}
        command = command or [sys.executable, "-c", code]
        one = workers.Workers(command, deadline, time.monotonic() + 600, lambda task, result: results.update({task: result}))
        one.run([tasks], 1)
        assert sorted(results) == sorted(tasks)
        return [results[task] for task in tasks]

    return ask_all


@pytest.mark.parametrize("line", ['{"status": "o', "hello\n", "5\n", '{"a": 1}\n'])
def test_what_is_no_answer_costs_its_task_alone(ask_all, line):
    for result in ask_all(f"{READY} print({line!r}, end='', flush=True)", ["a", "b"]):
        assert result["status"] == "error" and result["error"].startswith("expected an answer, got '")


def test_a_line_without_an_end_does_not_hold_beyond_the_deadline(ask_all):
    began = time.monotonic()
    (result,) = ask_all(f"{READY} print('{{', end='', flush=True); time.sleep(600)", ["a"], deadline=2)
    assert result["status"] == "hang"
    assert time.monotonic() - began < 20


def test_a_worker_that_does_not_start_says_why(ask_all):
    for result in ask_all("import no_such_module", ["a", "b"]):
        assert result["error"].startswith("the worker did not start, and ended with 1: ModuleNotFoundError")
        assert "Traceback" in result["wrote"]


def test_a_worker_that_is_never_ready_is_ended(ask_all):
    (result,) = ask_all("import sys, time; print('as far as here', file=sys.stderr, flush=True); time.sleep(600)", ["a"])
    assert result["error"] == "the worker did not start, and ended with -9: as far as here"


def test_a_command_that_does_not_exist_is_an_error_of_each_task(ask_all):
    for result in ask_all("", ["a", "b"], command=["/no/such/command"]):
        assert result["status"] == "error" and "/no/such/command" in result["error"]


def test_a_worker_that_cannot_go_on_costs_no_other_task(ask_all):
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "benchmarks" / "gpu")!r})
from workers import serve
asked = []

def answer(task, tell):
    asked.append(task)
    if task == "a":
        raise ValueError("planted")
    return {{"status": "ok", "asked": asked}}

def probe():
    raise RuntimeError("no device any more")

serve(answer, probe)
"""
    first, second = ask_all(code, ["a", "b"])
    assert first["error"] == "ValueError: planted"
    assert (second["status"], second["asked"]) == ("ok", ["b"])


def test_results_are_strict_json(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "gpu"))
    found = importlib.import_module("workers").to_strict({"a": [float("nan"), 1.5, 2], "b": (float("-inf"), None, True)})
    assert json.loads(json.dumps(found, allow_nan=False)) == {"a": ["nan", 1.5, 2], "b": ["-inf", None, True]}
