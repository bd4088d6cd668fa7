"""The commands are there without an import, and cost spaCy's other commands nothing."""

import inspect
import json
import subprocess
import sys
from typing import Annotated, get_origin

import pytest
from typer import Context
from typer.models import ParameterInfo

from spacy_rnn.cli.app import rnn_cli

COMMANDS = ["summary", "report", "compare", "calibrate", "gradients"]
COMMANDS += ["train-lm", "generate", "perplexity", "translate", "mix", "samples", "ngrams"]


def python(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def test_spacy_finds_the_commands():
    process = python("-m", "spacy", "rnn", "--help")
    assert process.returncode == 0, process.stderr
    for name in COMMANDS:
        assert f"\n  {name} " in process.stdout


@pytest.fixture(scope="module")
def loaded():
    """What spaCy's command line imports because of this package."""
    code = """
import json, sys
import spacy.cli
before = set(sys.modules)
spacy.registry.cli.get_all()
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    process = python("-c", code)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_the_entry_point_imports_nothing_but_the_commands(loaded):
    assert "spacy_rnn.cli.app" in loaded
    assert {name for name in loaded if name.startswith("spacy_rnn")} == {
        "spacy_rnn",
        "spacy_rnn.cli",
        "spacy_rnn.cli.app",
        "spacy_rnn.cli.errors",
    }


def test_the_entry_point_imports_no_other_package(loaded):
    assert {name.split(".")[0] for name in loaded} == {"spacy_rnn"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(run, name):
    code, printed = run(name, "--help")
    assert code == 0
    assert f"Usage: rnn {name}" in printed


@pytest.mark.slow
def test_a_missing_package_is_named_with_its_extra():
    code = """
import sys
sys.modules["sklearn"] = None
from spacy_rnn.cli.app import rnn_cli
rnn_cli(["report", "a", "b"])
"""
    process = python("-c", code)
    assert process.returncode == 1
    assert "sklearn" in process.stdout
    assert '"spacy-rnn[cli]"' in process.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_takes_is_read_by_every_typer(name):
    # typer < 0.9 knows no Annotated: what is said of an argument is its default.
    (command,) = [command for command in rnn_cli.registered_commands if command.name == name]
    parameters = list(inspect.signature(command.callback).parameters.values())
    assert any(parameter.annotation is not Context for parameter in parameters)
    for parameter in parameters:
        assert get_origin(parameter.annotation) is not Annotated, parameter
        if parameter.annotation is not Context:
            assert isinstance(parameter.default, ParameterInfo), parameter
