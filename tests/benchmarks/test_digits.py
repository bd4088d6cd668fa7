"""The benchmark of rows of digits: it trains, measures, and keeps one result for each seed and part."""

import importlib.util
from pathlib import Path

import pytest
import srsly
import typer
from typer.testing import CliRunner

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def run(monkeypatch):
    """(arguments) -> what the benchmark printed."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for name in importlib.import_module("_measure").ONE_THREAD:
        monkeypatch.setenv(name, "1")
    app = typer.Typer()
    # `python benchmarks/digits.py`: the scripts have a package of the same name.
    spec = importlib.util.spec_from_file_location("benchmark_of_digits", ROOT / "benchmarks" / "digits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app.command()(module.main)

    def invoke(*arguments):
        result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return invoke


@pytest.mark.slow
def test_results_are_kept_by_seed_and_part(run, tmp_path):
    arguments = ("--seeds", 1, "--steps", 2, "--folder", tmp_path / "networks", "--output", tmp_path / "digits.json")
    assert "rows of dev" in run(*arguments)
    model = tmp_path / "networks" / "2-0" / "model"
    before = model.stat().st_mtime_ns
    assert "rows of test" in run(*arguments, "--test")
    run(*arguments, "--test")
    assert model.stat().st_mtime_ns == before
    kept = srsly.read_json(tmp_path / "digits.json")
    assert [(row["seed"], row["part"]) for row in kept["rows"]] == [(0, "dev"), (0, "test")]
    for row in kept["rows"]:
        assert row["n"] == 5000 and 0 <= row["exact"] <= 1 and 0 <= row["images"] <= 1
        assert row["steps"] == 2 and row["cpu_seconds"] > 0
    assert kept["machine"]["OMP_NUM_THREADS"] == "1"
