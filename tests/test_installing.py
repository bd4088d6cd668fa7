"""What the package says of itself, and what it asks to be installed."""

import sys
from configparser import ConfigParser
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import spacy_rnn

ROOT = Path(__file__).parent.parent
# Extras that are not installed with the oldest versions: what they bring needs a GPU, is pinned already, or is too large.
NOT_PINNED = {"cuda12x", "cuda13x", "kernels", "lint", "oracle", "bench", "vectors"}


@pytest.fixture(scope="module")
def setup_cfg():
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf8")
    return parser


def read_requirements(text):
    """Parse one requirement a line.

    RETURNS (Dict[str, Dict[str, Version]]): By package, the version after each operator.
    """
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    requirements = [Requirement(line) for line in lines if line]
    return {each.name: {part.operator: Version(part.version) for part in each.specifier} for each in requirements}


def test_the_oldest_versions_are_those_of_setup_cfg(setup_cfg):
    texts = [setup_cfg["options"]["install_requires"]]
    texts += [text for extra, text in setup_cfg["options.extras_require"].items() if extra not in NOT_PINNED]
    floors = set()
    for text in texts:
        floors |= {(name, parts[">="]) for name, parts in read_requirements(text).items()}
    pins = read_requirements((ROOT / ".ci" / "oldest.txt").read_text(encoding="utf8"))
    assert {(name, parts["=="]) for name, parts in pins.items()} == floors


def test_the_same_package_has_the_same_floor_in_every_extra(setup_cfg):
    floors = {}
    for extra, text in setup_cfg["options.extras_require"].items():
        for name, parts in read_requirements(text).items():
            assert floors.setdefault(name, parts) == parts, (extra, name)


def test_the_python_that_runs_this_is_one_that_is_named(setup_cfg):
    classifiers = setup_cfg["metadata"]["classifiers"].split("\n")
    assert f"Programming Language :: Python :: {sys.version_info.major}.{sys.version_info.minor}" in classifiers


def test_the_package_knows_its_version(setup_cfg):
    assert spacy_rnn.__version__ == version("spacy-rnn") == setup_cfg["metadata"]["version"]


def test_the_package_says_that_it_is_typed(setup_cfg):
    assert files("spacy_rnn").joinpath("py.typed").is_file()
    assert "py.typed" in setup_cfg["options.package_data"]["spacy_rnn"].split()
