"""The configs are ready to train."""

from pathlib import Path

import pytest
import spacy
from spacy import util
from spacy.cli.init_config import fill_config
from spacy.cli.train import train
from spacy.tokens import DocBin
from thinc.api import Config

from spacy_rnn.layers import summary

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.cfg"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_filling_a_config_changes_nothing(path, tmp_path):
    fill_config(tmp_path / "filled.cfg", path, silent=True)
    assert (tmp_path / "filled.cfg").read_text() == path.read_text()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_makes_a_pipeline(path):
    config = Config().from_disk(path)
    nlp = util.load_model_from_config(config, auto_fill=False, validate=True)
    assert nlp.pipe_names == config["nlp"]["pipeline"]


def test_the_classic_film_review_model_has_its_parameters():
    path = next(path for path in CONFIGS if path.stem == "textcat_simple_rnn")
    nlp = util.load_model_from_config(Config().from_disk(path), auto_fill=False)
    model = nlp.get_pipe("textcat_multilabel").model
    docs = [nlp.make_doc("a film"), nlp.make_doc("word " * 600)]
    model.initialize(X=docs, Y=model.ops.alloc2f(2, 1))
    text = summary(model)
    for number in ("320,000", "2,080", "33", "322,113"):
        assert number in text.split()
    token_vectors = model.get_ref("tok2vec").predict(docs)
    assert [len(rows) for rows in token_vectors] == [2, 500]


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_what_was_trained_can_be_trained_on(path, tmp_path):
    util.load_model_from_config(Config().from_disk(path, interpolate=False)).to_disk(tmp_path)
    # spaCy resolves the optimizer of a saved pipeline without the rest of its config.
    assert util.load_model(tmp_path).create_optimizer().learn_rate >= 0


def test_the_config_for_several_labels_learns_them(tmp_path):
    texts = {"rain stops play": ["weather", "sport"], "sun": ["weather"], "a goal": ["sport"], "hello there": []}
    docs = [spacy.blank("en").make_doc(text) for text in texts]
    for doc, labels in zip(docs, texts.values(), strict=True):
        doc.cats = {label: float(label in labels) for label in ("sport", "weather")}
    # Each text twice, so that no word is rare.
    DocBin(docs=docs + docs).to_disk(tmp_path / "train.spacy")
    path = next(path for path in CONFIGS if path.stem == "textcat_multilabel")
    settings = {f"paths.{split}": str(tmp_path / "train.spacy") for split in ("train", "dev")}
    settings |= {"training.max_steps": 40, "training.eval_frequency": 40, "training.optimizer.learn_rate": 0.01}
    train(path, tmp_path / "model", overrides=settings)
    nlp = spacy.load(tmp_path / "model" / "model-last")
    assert {text: [label for label, score in sorted(nlp(text).cats.items()) if score >= 0.5] for text in texts} == {
        text: sorted(labels) for text, labels in texts.items()
    }
