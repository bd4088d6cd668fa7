"""What may be missing is imported where it is used, and named with the command that installs it."""

import json

import pytest

BLOCK = """
import json, sys
for name in ("matplotlib", "sklearn", "threadpoolctl"):
    sys.modules[name] = None
import spacy
"""
CALLS = {
    "sklearn": "from spacy_rnn.evaluation import Decision, score_all; score_all([Decision(0, 0, 0, 'a', 'a', None)])",
    "threadpoolctl": "from spacy_rnn.evaluation import measure_speed; measure_speed(spacy.blank('en'), ['a'])",
    "matplotlib": "import spacy_rnn.pages.plots",
}


@pytest.mark.parametrize(
    "package", ["sklearn", *(pytest.param(name, marks=pytest.mark.slow) for name in CALLS if name != "sklearn")]
)
def test_a_missing_package_is_named_where_it_is_needed(python, package):
    process = python("-c", BLOCK + CALLS[package])
    assert process.returncode == 1
    error = process.stderr.splitlines()[-1]
    assert error.startswith(f"ModuleNotFoundError: {package} is not installed")
    assert 'python -m pip install "spacy-rnn[cli]"' in error


@pytest.mark.slow
def test_the_rooms_are_imported_without_them(python):
    process = python("-c", BLOCK + "import spacy_rnn.evaluation, spacy_rnn.pages, spacy_rnn.cli.gradients, spacy_rnn.cli.summary")
    assert process.returncode == 0, process.stderr


@pytest.mark.slow
@pytest.mark.parametrize("room, higher", [("evaluation", ["pages", "cli"]), ("pages", ["cli"])])
def test_a_room_imports_no_higher_one(python, room, higher):
    code = f"""
import importlib, json, pkgutil, sys
import spacy_rnn.{room} as room
for module in pkgutil.iter_modules(room.__path__):
    importlib.import_module(f"{{room.__name__}}.{{module.name}}")
print(json.dumps(sorted(sys.modules)))
"""
    process = python("-c", code)
    assert process.returncode == 0, process.stderr
    loaded = json.loads(process.stdout)
    assert not [name for name in loaded if name.startswith(tuple(f"spacy_rnn.{each}" for each in higher))]
