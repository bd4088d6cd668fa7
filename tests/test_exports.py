"""Every name that the package says it has."""

import importlib
import pkgutil
from configparser import ConfigParser
from pathlib import Path

import pytest

import spacy_rnn

ROOT = Path(__file__).parents[1]
MODULES = ["spacy_rnn", *sorted(module.name for module in pkgutil.walk_packages(spacy_rnn.__path__, "spacy_rnn."))]
OPTIONAL = ("cupy", "jinja2", "matplotlib", "nvidia", "sklearn", "threadpoolctl", "torch")


def load(name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] not in OPTIONAL:
            raise
        return pytest.skip(f"{name} needs {error.name}")


def read_entry_points():
    """(group, name, module, attribute) of every entry point in setup.cfg, whatever is installed."""
    settings = ConfigParser(delimiters=["="])
    settings.optionxform = str
    settings.read(ROOT / "setup.cfg")
    for group, lines in settings["options.entry_points"].items():
        for line in lines.strip().splitlines():
            name, _, target = (part.strip() for part in line.partition("="))
            yield group, name, *target.split(":")


@pytest.mark.parametrize("name", MODULES)
def test_exported_names_exist(name):
    module = load(name)
    exported = list(getattr(module, "__all__", []))
    assert sorted(set(exported)) == sorted(exported)
    namespace = {}
    exec(f"from {name} import *", namespace)
    for attribute in exported:
        assert namespace[attribute] is getattr(module, attribute)


@pytest.mark.parametrize("group, name, module, attribute", list(read_entry_points()))
def test_entry_points_exist(group, name, module, attribute):
    assert callable(getattr(load(module), attribute))


def test_all_packages_are_looked_at():
    folders = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in (ROOT / "spacy_rnn").rglob("*.py")}
    assert folders <= set(MODULES)
