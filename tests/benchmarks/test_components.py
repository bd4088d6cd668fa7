"""The benchmark of components over a shared encoder: it runs on a small corpus, and says what it is missing."""

import importlib
from pathlib import Path

import pytest
import srsly
import typer
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from typer.testing import CliRunner

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def command(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    app = typer.Typer()
    app.command()(importlib.import_module("components").main)
    return lambda *options: CliRunner().invoke(app, [str(option) for option in options])


@pytest.fixture
def write(tmp_path):
    """Writes the parts of a corpus."""

    def write_parts(parts=("train", "dev", "test"), **annotation):
        for part in parts:
            docs = [Doc(Vocab(), words=["They", "sleep", "."], **annotation) for _ in range(4)]
            DocBin(docs=docs).to_disk(tmp_path / f"{part}.spacy")
        return tmp_path

    return write_parts


def test_fewer_steps_than_between_evaluations_are_evaluated_once(command, write, tmp_path):
    corpus = write(pos=["PRON", "VERB", "PUNCT"], morphs=["Number=Plur", "", ""])
    output = tmp_path / "figures.json"
    result = command(
        corpus, "--encoders", "RNNEncoder", "--components", "morphologizer", "--steps", 3, "--test", "--output", output,
        "--images", tmp_path,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    (run,) = srsly.read_json(output)["runs"]
    assert [point["step"] for point in run["curve"]] == [3]
    assert set(run["test"]) == {"pos_acc", "morph_acc"}
    assert (tmp_path / f"components_{corpus.name}.svg").exists()


def test_what_is_missing_is_named(command, write):
    corpus = write(parts=["train"])
    result = command(corpus, "--test")
    assert result.exit_code == 2 and "dev.spacy, test.spacy" in " ".join(result.output.split())
    result = command(write())
    assert result.exit_code == 2 and "no annotation" in " ".join(result.output.split())
