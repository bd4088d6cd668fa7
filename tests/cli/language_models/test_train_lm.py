"""The command `train-lm`."""

import json
import shutil
from pathlib import Path

import pytest
import spacy
from spacy.training import Example

from spacy_rnn.pipeline.corpus.reader import build_text_corpus
from spacy_rnn.pipeline.language_model.both_directions import CONFIG

ROOT = Path(__file__).parent.parent.parent.parent
TEXTS, DEV = (ROOT / "assets" / "topics" / f"{split}.jsonl" for split in ("train", "dev"))
QUICK = ("--training.max_steps", 3, "--hidden-width", 16, "--components.lm.model.width", 8)


@pytest.fixture(scope="module")
def output(run, tmp_path_factory):
    """The folder of a pipeline of two models."""
    folder = tmp_path_factory.mktemp("pair") / "out"
    code, printed = run("train-lm", TEXTS, folder, "--name", "en_notes_lm", "--unit", "paragraph", *QUICK)
    assert code == 0, printed
    about = json.loads((folder / "pipeline" / "meta.json").read_text())["language_models"]
    for name, bits in about["bits_per_character"].items():
        assert f"{name} {bits:.3f}" in printed
    assert f"python -m spacy package {folder / 'pipeline'} packages --build wheel" in printed.replace(" \n", "")
    return folder


@pytest.fixture(scope="module")
def nlp(output):
    return spacy.load(output / "pipeline")


def test_the_config_is_the_one_of_the_repository():
    assert CONFIG.read_text() == (ROOT / "configs" / "lm_embed.cfg").read_text()


def test_the_pipeline_has_a_model_of_each_direction_and_nothing_else(nlp):
    assert nlp.pipe_names == ["lm_forward", "lm_backward"]
    assert nlp.config["training"]["frozen_components"] == nlp.pipe_names
    assert [nlp.get_pipe(name).symbols.backward for name in nlp.pipe_names] == [False, True]
    assert nlp.get_pipe("lm_forward").symbols.learned == nlp.get_pipe("lm_backward").symbols.learned
    assert [nlp.get_pipe(name).model.layers[1].get_dim("nO") for name in nlp.pipe_names] == [16, 16]
    assert [nlp.get_pipe(name).model.layers[0].get_dim("nO") for name in nlp.pipe_names] == [8, 8]


def test_the_meta_says_what_it_was_trained_on(nlp, output):
    about = nlp.meta["language_models"]
    texts = [json.loads(line)["text"] for line in TEXTS.read_text(encoding="utf8").splitlines()]
    dev = [example.x.text for example in build_text_corpus(output / "corpus" / "dev.jsonl")(nlp)]
    assert nlp.meta["name"] == "notes_lm"
    assert (about["files"], about["texts"], about["dev_texts"]) == (1, len(texts) - 3, 3)
    assert about["characters"] + about["dev_characters"] == sum(map(len, texts))
    size = sum(file.stat().st_size for file in (output / "pipeline").rglob("*") if file.is_file())
    assert about["megabytes"] == pytest.approx(size / 1e6, abs=0.01) and about["seconds"] > 0
    for name in nlp.pipe_names:
        found = nlp.get_pipe(name).score([Example(doc, doc) for doc in map(nlp.make_doc, dev)])["lm_bits_per_char"]
        assert about["bits_per_character"][name] == pytest.approx(found, abs=1e-3)
        assert nlp.meta["performance"][f"{name}_bits_per_char"] == about["bits_per_character"][name]
    assert (output / "forward.log").read_text() and (output / "backward.log").read_text()


def test_its_models_are_language_models_like_others(run, nlp, output, tmp_path):
    for name in nlp.pipe_names:
        code, printed = run("perplexity", output / "pipeline", DEV, "--component", name)
        assert code == 0 and "bits/character" in printed, printed
    docs = [nlp.make_doc(text) for text in ("A fine day.", "The bus was late.")]
    scores = nlp.evaluate([Example(doc, doc.copy()) for doc in docs], per_component=True)
    assert scores["lm_forward"]["lm_bits_per_char"] != scores["lm_backward"]["lm_bits_per_char"]
    other = spacy.blank("en")
    other.add_pipe("lm_backward", source=nlp)
    other.to_disk(tmp_path)
    written = [each.get_pipe("lm_backward").generate("bus", seed=1)[0].whole for each in (spacy.load(tmp_path), nlp)]
    assert written[0] == written[1] and written[0].endswith("bus")


def test_a_pipeline_that_is_there_stays(run, output):
    before = (output / "pipeline" / "meta.json").read_text()
    code, printed = run("train-lm", TEXTS, output, *QUICK)
    assert code == 1 and "There is a pipeline" in printed and "--force" in printed
    assert (output / "pipeline" / "meta.json").read_text() == before


def test_what_cannot_be_done_is_said_before_anything_is_trained(run, tmp_path):
    damaged = tmp_path / "texts"
    damaged.mkdir()
    (damaged / "a.txt").write_bytes(b"fine\nnot \xff fine\n")
    other = tmp_path / "other.cfg"
    shutil.copy(ROOT / "configs" / "lm_char.cfg", other)
    tagger = ROOT / "configs" / "tagger_pos.cfg"
    for arguments, message in (
        ((damaged,), "line 2: expected text in UTF-8"),
        ((tmp_path / "missing",), "There is no file or folder"),
        ((TEXTS, "--dev", tmp_path / "missing"), "missing to read texts from"),
        ((TEXTS, "--sleep", "1"), "Settings of a config have dots in their names"),
        ((TEXTS, "--unit", "word"), "Unit must be one of"),
        ((TEXTS, "--name", "../notes"), "--name '../notes'"),
        ((TEXTS, "--name", "my-notes"), "--name 'my-notes'"),
        ((TEXTS, "--config", tmp_path / "missing.cfg"), "no config"),
        ((TEXTS, "--config", other), "expected backward in [vars]"),
        ((TEXTS, "--config", tagger), "expected a pipeline of one component rnn_lm called 'lm'"),
    ):
        texts, *rest = arguments
        code, printed = run("train-lm", texts, tmp_path / "out", *rest)
        assert (code, message.lower() in printed.lower()) == (1, True), printed
        # What is missing may be another file.
        assert "Expected texts" not in printed
        assert not (tmp_path / "out" / "forward.log").exists()


@pytest.mark.slow
def test_a_training_that_fails_shows_its_log(run, tmp_path):
    code, printed = run("train-lm", TEXTS, tmp_path / "out", "--dev", DEV, *QUICK, "--vars.cell", "nonsense")
    assert code == 1 and "ended with exit code 1" in printed and "nonsense" in printed
    assert not (tmp_path / "out" / "pipeline").exists()


@pytest.mark.slow
def test_a_package_is_built(run, tmp_path):
    pytest.importorskip("build")
    code, printed = run("train-lm", TEXTS, tmp_path / "out", "--dev", DEV, *QUICK, "--package", "--processes", 1)
    assert code == 0, printed
    (wheel,) = (tmp_path / "out" / "packages").rglob("*.whl")
    assert wheel.name == "en_texts_lm-0.1.0-py3-none-any.whl"
