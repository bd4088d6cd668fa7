"""Running the scripts: in this process, since importing spaCy takes longer than they do."""

import importlib
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import spacy
import typer
from spacy.tokens import DocBin
from typer.testing import CliRunner

SCRIPTS = Path(__file__).parents[2] / "scripts"


class Result(NamedTuple):
    """What a command did."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(monkeypatch):
    """Run a script with arguments. Whatever goes wrong, it is one message and no traceback."""
    monkeypatch.syspath_prepend(str(SCRIPTS))

    def run_script(script, *arguments, command="convert"):
        app = typer.Typer(add_completion=False)
        app.command()(getattr(importlib.import_module(script), command))
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    yield run_script
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(SCRIPTS)):
            del sys.modules[name]


@pytest.fixture
def fails(run, tmp_path):
    """Run a script that must fail and write nothing."""

    def run_script(script, folder, *arguments):
        result = run(script, folder, tmp_path / "out", *arguments)
        assert result.returncode == 1, result
        assert result.stderr.startswith("Error: ") and result.stdout == ""
        assert not (tmp_path / "out").exists()
        return result.stderr

    return run_script


@pytest.fixture
def read():
    """Read a file of documents."""
    return lambda path: list(DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab))
