"""The numbers of parameters that `summary` prints."""

import re
from pathlib import Path

import pytest
import spacy
from spacy.cli.init_config import init_config

ROOT = Path(__file__).parent.parent.parent
CONFIG = ROOT / "configs" / "tagger_pos.cfg"


def n_parameters(nlp):
    models = [nlp.get_pipe(name).model for name in nlp.pipe_names]
    return sum(node.get_param(name).size for model in models for node in model.walk() for name in node.param_names)


def test_a_trained_pipeline_is_counted(run, pipelines, tmp_path):
    nlp = spacy.load(pipelines("rnn_tagger"))
    nlp.add_pipe("rnn_textcat", source=spacy.load(pipelines("rnn_textcat")))
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path)
    code, printed = run("summary", tmp_path)
    assert code == 0
    assert "rnn_tagger (rnn_tagger)" in printed
    assert "rnn_textcat (rnn_textcat)" in printed
    assert "sentencizer" not in printed
    nlp.remove_pipe("sentencizer")
    assert printed.endswith(f" {n_parameters(nlp):,} parameters")


def test_of_a_config_only_what_needs_labels_is_unknown(run):
    code, printed = run("summary", CONFIG)
    assert code == 0
    assert re.findall(r"(\w+) (?:\d+|\?) W \?, b \?", printed) == ["softmax"]
    assert "lstm_forward 64 W 256x128, R 256x64, b 256 49,408" in printed
    assert "1,540,736 parameters, and those that are not known yet" in printed


def test_settings_of_a_config_can_be_replaced(run):
    _, lstm = run("summary", CONFIG)
    code, gru = run("summary", CONFIG, "--vars.cell", "gru")
    assert code == 0
    assert "gru_forward" in gru
    assert "gru_forward" not in lstm


def test_spacys_own_components_are_counted_too(run, tmp_path):
    init_config(lang="en", pipeline=["tagger", "ner"], optimize="efficiency").to_disk(tmp_path / "own.cfg")
    code, printed = run("summary", tmp_path / "own.cfg")
    assert code == 0
    assert "precomputable_affine 64 W 3x64x2x64" in printed
    assert "tagger (tagger)" in printed


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["missing.cfg"], "There is no config missing.cfg"),
        (["missing"], "There is no pipeline 'missing'"),
        ([CONFIG, "--cell", "gru"], "No such option '--cell'. Settings of a config have dots"),
        ([ROOT / "README.md"], "README.md is a file"),
        ([CONFIG, "--components.tagger.model.tok2vec.encode.cell", "gnu"], "unknown cell 'gnu'"),
        ([CONFIG, "--components.tagger.model.tok2vec.encode.deep", "2"], "unexpected argument: 'deep'"),
    ],
)
def test_what_cannot_be_summed_up(run, arguments, message):
    code, printed = run("summary", *arguments)
    assert code == 1
    assert message in printed


def test_a_pipeline_has_no_settings_to_replace(run, pipelines):
    code, printed = run("summary", pipelines("rnn_tagger"), "--vars.cell", "gru")
    assert code == 1
    assert "Settings can be replaced in a config only" in printed


def test_a_pipeline_without_models_has_nothing_to_count(run, tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path)
    code, printed = run("summary", tmp_path)
    assert code == 1
    assert "has no trainable component" in printed
