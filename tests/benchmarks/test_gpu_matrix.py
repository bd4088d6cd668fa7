"""The matrix of checks on a GPU, on the emulated device: what is right, wrong, raised, crashed or hanging is said to be."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from emulated_cuda import COMPILER

from spacy_rnn.recurrence import CELLS

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "benchmarks" / "gpu" / "matrix.py"
FAULTY = [sys.executable, str(Path(__file__).parent / "faulty_worker.py")]

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++")


@pytest.fixture
def matrix(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "gpu"))
    return importlib.import_module("matrix")


def run_script(*arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_the_smallest_shapes_of_every_cell_and_precision_are_right(matrix, tmp_path):
    result = run_script(tmp_path / "matrix.jsonl", "--emulated", "--workers", 2, "--deadline", 120, "--seconds", 600)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = read(tmp_path / "matrix.jsonl")
    assert {line["cell"] for line in lines} == set(CELLS)
    assert sum(line["clusters"] == "on" for line in lines) == len(matrix.SMALLEST) * 3 * len(CELLS)
    # Where there are clusters.
    assert {line["shape"] for line in lines if line["clusters"] == "off"} == {"100 units"}
    for line in lines:
        assert line["status"] == "ok" and line["same bits"], line
        assert 0 <= line["margin"] <= 1
        assert len(line["launches"]) == 2
        for launch, way in zip(line["launches"], ("forward<", "backward<"), strict=True):
            assert any(way in str(word) for word in launch)


def run_faulty(matrix, tmp_path, cell, **limits):
    limits = {"workers": 1, "deadline": 120, "seconds": 600, **limits}
    counts = matrix.run_matrix(matrix.make_groups(["5 units"], [cell], ["float32"]), tmp_path / "lines", FAULTY, **limits)
    (line,) = read(tmp_path / "lines")
    assert counts == {line["status"]: 1}
    return line


def test_a_wrong_element_is_found(matrix, tmp_path):
    line = run_faulty(matrix, tmp_path, "lstm")
    assert line["status"] == "wrong"
    first = line["first"]
    assert (first["array"], first["at"], first["rows"], first["columns"]) == ("forward gradient W", [2, 1], [2], [1])
    assert first["found"] - first["expected"] == pytest.approx(1, abs=1e-3)
    wrong = {name for name, margin in line["margins"].items() if margin > 1}
    assert wrong == {"forward gradient W"}
    assert all(word in matrix.describe(line) for word in ("forward gradient W", "forward<Lstm, Exact<2>, true", "backward<Lstm"))


@pytest.mark.slow
def test_other_bits_in_a_second_run_are_noticed(matrix, tmp_path):
    line = run_faulty(matrix, tmp_path, "gru_reset_before")
    assert line["status"] == "differs" and not line["same bits"]


def test_an_error_is_kept_with_its_traceback(matrix, tmp_path):
    line = run_faulty(matrix, tmp_path, "elman_tanh")
    assert (line["status"], line["error"]) == ("error", "RuntimeError: planted")
    assert "faulty_worker.py" in line["traceback"]
    assert "forward<" in line["launches"][0][0]


@pytest.mark.slow
def test_a_worker_that_crashes_is_noticed(matrix, tmp_path):
    line = run_faulty(matrix, tmp_path, "elman_relu")
    assert (line["status"], line["error"]) == ("error", "the worker ended with 3: the last words")
    assert ["forward<" in launch[0] for launch in line["launches"]] == [True, False]
    assert "backward<" in matrix.describe(line)


@pytest.mark.slow
def test_a_case_that_hangs_costs_itself_alone(matrix, tmp_path):
    groups = matrix.make_groups(["no rows", "5 units"], ["gru"], ["float32"])
    counts = matrix.run_matrix(groups, tmp_path / "lines", FAULTY, workers=1, deadline=8, seconds=600)
    assert counts == {"hang": 2}
    for line in read(tmp_path / "lines"):
        assert ["forward<" in launch[0] for launch in line["launches"]] == [True, False]


def test_numbers_that_json_does_not_have_are_strings(matrix, tmp_path):
    line = run_faulty(matrix, tmp_path, "lstm_peephole")
    assert line["status"] == "wrong"
    assert (line["first"]["found"], line["margins"]["forward Y"]) == ("nan", "inf")


def test_a_device_that_refuses_clusters_is_said_to(matrix):
    device = matrix.open_device(emulated=True)
    launch = device.launch

    def refuse(form, *args):
        if form.cluster > 1:
            raise matrix.ClusterError("no room")
        launch(form, *args)

    device.launch = refuse
    told = []
    task = {"shape": "100 units", "cell": "gru", "precision": "float32"}
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="no room"):
            line = matrix.check_with_and_without({**task, "clusters": "on"}, device, told.append)
        assert (line["status"], line["error"], line["same bits"]) == ("refused", "no room", True)
        assert len(line["launches"]) == 2 and "launches of the second run" not in line
        assert device.max_cluster == 8
    # Those that were refused as well.
    assert len(told) == 2 * 2 * 3


def test_rectified_units_are_checked_back_to_their_gradients(matrix):
    device = matrix.open_device(emulated=True)
    for precision in ("tf32", "bfloat16"):
        task = {"shape": "100 units", "cell": "elman_relu", "precision": precision, "clusters": "on"}
        line = matrix.check_with_and_without(task, device, lambda launch: None)
        assert line["status"] == "ok"
        assert {"backward gradient R", "forward gradient of initial h", "both dX"} <= set(line["margins"])


def test_rectified_units_stay_away_from_zero(matrix):
    for shape, (lengths, _, _) in matrix.MATRIX.items():
        _, (*directions, _) = matrix.solve({"shape": shape, "cell": "elman_relu", "precision": "bfloat16"})
        assert not sum(lengths) or min(each["Y"].min() for each in directions) > 0.2, shape


@pytest.mark.slow
@pytest.mark.parametrize("option, name", [("--cell", "lstn"), ("--shape", "6 units"), ("--precision", "float64")])
def test_an_unknown_name_is_refused(tmp_path, option, name):
    result = run_script(tmp_path / "lines", "--emulated", option, name)
    assert result.returncode == 2
    assert name in result.stderr and "Traceback" not in result.stderr


def test_a_case_without_a_line_is_counted(matrix, tmp_path, monkeypatch):
    monkeypatch.setattr(matrix.Workers, "run", lambda *args: None)
    counts = matrix.run_matrix(matrix.make_groups(["5 units"], ["gru"], ["float32"]), tmp_path / "lines", FAULTY, 1, 1, 1)
    assert counts == {"without a line": 2}


def test_no_case_begins_when_the_time_is_over(matrix, tmp_path):
    assert run_faulty(matrix, tmp_path, "lstm", seconds=0)["status"] == "skipped"


def test_memory_that_nothing_is_written_to_is_not_a_number(matrix):
    device = matrix.open_device(emulated=True)
    assert matrix.numpy.isnan(device.xp.empty((2, 3), "float32")).all()
