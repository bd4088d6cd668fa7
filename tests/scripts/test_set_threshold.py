"""The threshold that development texts ask for is saved with the pipeline, everywhere where it is looked for."""

import os
import re

import pytest
import spacy
from spacy.cli.find_threshold import find_threshold
from spacy.tokens import DocBin
from spacy.training import Corpus

FACTORY = "rnn_textcat_multilabel"

OURS = ("--component", FACTORY, "--n-trials", "6")


@pytest.fixture
def set_threshold(run):
    return lambda *arguments: run("set_threshold", *arguments, command="set_best_threshold")


@pytest.fixture
def refused(set_threshold, tmp_path):
    """Run the script where it must fail and write nothing; give what it says in one line."""

    def run_script(pipeline, data, *arguments):
        before = sorted(os.listdir(tmp_path))
        result = set_threshold(pipeline, data, tmp_path / "out", *arguments)
        assert result.returncode == 1, result
        assert sorted(os.listdir(tmp_path)) == before
        return " ".join(re.sub(r"\x1b\[[\d;]*m", "", result.stdout + result.stderr).split())

    return run_script


@pytest.fixture
def data(corpora):
    return corpora("topics")


def test_the_best_threshold_is_saved_and_used(set_threshold, pipelines, data, tmp_path):
    pipeline, score = pipelines(FACTORY, 1), "cats_micro_p"
    result = set_threshold(pipeline, data, tmp_path / "out", *OURS, "--score", score)
    assert result.returncode == 0, result
    best, best_score, scores = find_threshold(str(pipeline), data, FACTORY, "threshold", score, n_trials=6)
    assert 0 < best < 1 and best_score > scores[0]
    nlp = spacy.load(tmp_path / "out")
    assert nlp.evaluate(Corpus(data)(nlp))[score] == best_score
    threshold = nlp.get_pipe(FACTORY).cfg["threshold"]
    assert nlp.config["components"][FACTORY]["threshold"] == pytest.approx(threshold) == pytest.approx(best)
    assert f"threshold = {best:g}\n" in (tmp_path / "out" / "config.cfg").read_text()
    assert spacy.load(pipeline).get_pipe(FACTORY).cfg["threshold"] == 0.5


def test_all_else_stays_the_same(set_threshold, pipelines, data, tmp_path):
    pipeline = pipelines(FACTORY, 1)
    set_threshold(pipeline, data, tmp_path / "out", *OURS)
    before, after = spacy.load(pipeline), spacy.load(tmp_path / "out")
    assert after("We enjoyed the soup.").cats == before("We enjoyed the soup.").cats
    config = before.config
    config["components"][FACTORY]["threshold"] = after.config["components"][FACTORY]["threshold"]
    assert after.config == config


def test_scores_that_were_saved_with_the_pipeline_are_those_of_the_new_threshold(set_threshold, pipelines, data, tmp_path):
    nlp = spacy.load(pipelines(FACTORY, 1))
    nlp.meta["performance"] = {"cats_macro_f": 0.125, "cats_score": 0.125, f"{FACTORY}_loss": 2.5, "tag_acc": 0.25}
    nlp.to_disk(tmp_path / "in")
    set_threshold(tmp_path / "in", data, tmp_path / "out", *OURS)
    nlp = spacy.load(tmp_path / "out")
    scores = nlp.evaluate(Corpus(data)(nlp))
    expected = {name: pytest.approx(scores[name]) for name in ("cats_macro_f", "cats_score")}
    assert nlp.meta["performance"] == {**expected, f"{FACTORY}_loss": 2.5, "tag_acc": 0.25}


def test_a_component_of_spacy_gets_its_threshold(set_threshold, data, tmp_path):
    model = {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": False, "ngram_size": 1, "no_output_layer": False}
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_multilabel", config={"model": model})
    nlp.initialize(lambda: Corpus(data)(nlp))
    nlp.to_disk(tmp_path / "in")
    assert set_threshold(tmp_path / "in", data, tmp_path / "out", "--n-trials", "3").returncode == 0
    # Untrained probabilities are all 0.5, and of equal scores spaCy takes the lowest threshold.
    assert spacy.load(tmp_path / "out").get_pipe("textcat_multilabel").cfg["threshold"] == 0.0


def test_a_pipeline_is_replaced_and_nothing_else(set_threshold, refused, pipelines, data, tmp_path):
    pipeline = pipelines(FACTORY, 1)
    spacy.load(pipeline).to_disk(tmp_path / "pipeline")
    (tmp_path / "pipeline" / "notes.txt").write_text("old")
    kept = set_threshold(pipeline, data, tmp_path / "pipeline", *OURS)
    assert kept.returncode == 1 and "--force" in kept.stdout + kept.stderr
    assert (tmp_path / "pipeline" / "notes.txt").read_text() == "old"
    assert set_threshold(pipeline, data, tmp_path / "pipeline", *OURS, "--force").returncode == 0
    assert set_threshold(tmp_path / "pipeline", data, tmp_path / "pipeline", *OURS, "--force").returncode == 0
    assert os.listdir(tmp_path) == ["pipeline"] and not (tmp_path / "pipeline" / "notes.txt").exists()
    assert spacy.load(tmp_path / "pipeline").get_pipe(FACTORY).cfg["threshold"] != 0.5
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert "is there already, and no pipeline" in refused(pipeline, data, *OURS)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "factory, arguments, words",
    [
        (FACTORY, (), f"no component 'textcat_multilabel' It has {FACTORY}."),
        ("rnn_tagger", ("--component", "rnn_tagger"), "The component 'rnn_tagger' has no threshold"),
        (
            "rnn_textcat",
            ("--component", "rnn_textcat", "--n-trials", "2"),
            "The threshold of 'rnn_textcat' makes no difference to cats_macro_f",
        ),
        (FACTORY, (*OURS, "--score", "cats_score"), f"The threshold of '{FACTORY}' makes no difference to cats_score"),
        (FACTORY, (*OURS, "--score", "tag_acc"), "Failed to look up score `tag_acc`"),
        (FACTORY, (*OURS, "--score", "cats_f_per_type"), "is not numeric"),
    ],
)
def test_what_has_no_best_threshold_is_refused(refused, pipelines, data, factory, arguments, words):
    assert words in refused(pipelines(factory, 1), data, *arguments)


def test_files_that_are_missing_or_empty_are_named(refused, pipelines, data, tmp_path):
    pipeline = pipelines(FACTORY, 1)
    assert f"There is no pipeline '{tmp_path}/nowhere'" in refused(tmp_path / "nowhere", data).replace("nowher e", "nowhere")
    assert "There is no corpus nowhere.spacy" in refused(pipeline, "nowhere.spacy", *OURS)
    DocBin().to_disk(tmp_path / "empty.spacy")
    assert "has no texts" in refused(pipeline, tmp_path / "empty.spacy", *OURS)
    (tmp_path / "bad.spacy").write_bytes(b"bad")
    assert "cannot be read" in refused(pipeline, tmp_path / "bad.spacy", *OURS)
