"""What `calibrate` prints, writes and refuses."""

import filecmp
import re

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from spacy.training import Corpus

from spacy_rnn.evaluation import calibrate_components

FIGURES = r"{} ([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) ([\d,]+)"


def differing(one, other):
    """Files that are not the same in two folders."""
    compared = filecmp.dircmp(one, other)
    assert not compared.left_only and not compared.right_only
    folders = [path for name in compared.common_dirs for path in differing(one / name, other / name)]
    return [name for name in compared.common_files if (one / name).read_bytes() != (other / name).read_bytes()] + folders


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("factory, kind", [("rnn_textcat", "reviews"), ("rnn_tagger", "tags")])
def test_the_pipeline_is_written_with_its_temperature(run, pipelines, corpora, tmp_path, factory, kind):
    output = tmp_path / "new" / "calibrated"
    code, printed = run("calibrate", pipelines(factory), corpora(kind, "dev"), output)
    assert code == 0, printed
    assert differing(pipelines(factory), output) == ["cfg"]
    assert [path.name for path in output.parent.iterdir()] == ["calibrated"]
    nlp = spacy.load(pipelines(factory))
    (expected,) = calibrate_components(nlp, Corpus(corpora(kind, "dev"))(nlp))
    assert spacy.load(output).get_pipe(factory).temperature == expected.temperature != 1
    figures = re.search(FIGURES.format(factory), printed).groups()
    wanted = (expected.temperature, expected.before.loss, expected.after.loss, expected.before.error, expected.after.error)
    assert [float(figure) for figure in figures[:5]] == pytest.approx(wanted, abs=1e-3)
    assert int(figures[5].replace(",", "")) == expected.n_decisions


def test_a_pipeline_is_replaced_only_by_force(run, pipelines, corpora, tmp_path):
    arguments = ("calibrate", pipelines("rnn_textcat"), corpora("reviews", "dev"), tmp_path / "out")
    assert run(*arguments)[0] == 0
    before = files(tmp_path / "out")
    (tmp_path / "out" / "more").write_text("of another version")
    code, printed = run(*arguments)
    assert (code, "already Name another directory, or replace it by --force" in printed) == (1, True)
    assert (tmp_path / "out" / "more").exists()
    assert run(*arguments, "--force")[0] == 0
    assert files(tmp_path / "out") == before
    # In its own place, too.
    code, printed = run("calibrate", tmp_path / "out", corpora("reviews", "test"), tmp_path / "out", "--force")
    assert code == 0
    assert files(tmp_path / "out").keys() == before.keys()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_what_is_no_pipeline_is_not_replaced(run, pipelines, corpora, tmp_path, force):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "one.txt").write_text("dear")
    for output in (tmp_path / "letters", tmp_path / "letters" / "one.txt"):
        code, printed = run("calibrate", pipelines("rnn_textcat"), corpora("reviews", "dev"), output, *force)
        assert (code, "is there already, and no pipeline" in printed) == (1, True)
    assert (tmp_path / "letters" / "one.txt").read_text() == "dear"
    (tmp_path / "empty").mkdir()
    assert run("calibrate", pipelines("rnn_textcat"), corpora("reviews", "dev"), tmp_path / "empty", *force)[0] == 0


def test_where_nothing_can_be_written_nothing_is_left(run, pipelines, corpora, tmp_path):
    (tmp_path / "file").write_text("x")
    code, printed = run("calibrate", pipelines("rnn_textcat"), corpora("reviews", "dev"), tmp_path / "file" / "out")
    assert (code, "cannot be written, so there is no file for the calibrated pipeline" in printed) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def two(pipelines, tmp_path):
    """A pipeline with a tagger and a categorizer."""
    nlp = spacy.load(pipelines("rnn_tagger"))
    nlp.add_pipe("rnn_textcat", source=spacy.load(pipelines("rnn_textcat")))
    nlp.to_disk(tmp_path / "two")
    return tmp_path / "two"


def test_chosen_components_only(run, two, corpora, tmp_path):
    code, printed = run("calibrate", two, corpora("tags", "dev"), tmp_path / "out")
    assert (code, "no gold annotation of what the component 'rnn_textcat' predicts" in printed) == (1, True)
    assert not (tmp_path / "out").exists()
    code, printed = run("calibrate", two, corpora("tags", "dev"), tmp_path / "out", "--component", "rnn_tagger", "-G")
    assert (code, "rnn_textcat" in printed) == (0, False)
    temperatures = {name: pipe.temperature for name, pipe in spacy.load(tmp_path / "out").pipeline}
    assert temperatures["rnn_tagger"] != temperatures["rnn_textcat"] == 1


def test_warnings(run, pipelines, corpora, tmp_path):
    nlp = spacy.load(pipelines("rnn_textcat"))
    docs = list(DocBin().from_disk(corpora("reviews", "dev")).get_docs(nlp.vocab))[:5]
    for doc in docs:
        doc.cats = {label: float(label == max(nlp(doc.copy()).cats, key=nlp(doc.copy()).cats.get)) for label in doc.cats}
    docs[0].cats = {"strange": 1.0}
    DocBin(docs=docs).to_disk(tmp_path / "right.spacy")
    code, printed = run("calibrate", pipelines("rnn_textcat"), tmp_path / "right.spacy", tmp_path / "out")
    assert code == 0
    assert "'rnn_textcat' has no label strange: what is annotated with it was left out" in printed
    assert "The temperature of 'rnn_textcat' is the lowest that is tried" in printed
    assert srsly.read_json(tmp_path / "out" / "rnn_textcat" / "cfg")["temperature"] == 0.1


@pytest.mark.parametrize(
    "factory, corpus, more, message",
    [
        ("missing", "tags", [], "There is no pipeline"),
        ("rnn_tagger", "missing.spacy", [], "There is no corpus"),
        ("rnn_tagger", "reviews", [], "The texts have no gold annotation of what the component 'rnn_tagger' predicts"),
        ("rnn_tagger", "tags", ["--component", "tager"], "The pipeline has no component 'tager'"),
        ("ner", "entities", [], "The pipeline has no component to calibrate, but ner (ner): expected rnn_tagger"),
        ("tagger", "tags", ["--component", "tagger"], "The component 'tagger', a tagger, writes no probabilities"),
    ],
)
def test_what_cannot_be_calibrated(run, pipelines, corpora, tmp_path, factory, corpus, more, message):
    pipeline = tmp_path / factory if factory == "missing" else pipelines(factory)
    path = tmp_path / corpus if "." in corpus else corpora(corpus, "dev")
    code, printed = run("calibrate", pipeline, path, tmp_path / "out", *more)
    assert code == 1
    assert message in printed
    assert not (tmp_path / "out").exists()
