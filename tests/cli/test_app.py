"""The commands are there without an import, and cost spaCy's other commands nothing."""

import json
import subprocess
import sys

import pytest

COMMANDS = ["summary", "report", "compare", "gradients"]


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
