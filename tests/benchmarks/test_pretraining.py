"""The benchmark of what reading other texts brings: the configs that it makes."""

import importlib
from pathlib import Path

import pytest
from spacy.util import load_config

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def pretrained(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("_pretrained")


def test_a_pretrained_encoder_has_the_dropout_of_the_task(pretrained):
    made_with = ROOT / "configs" / "pretrain_words.cfg"
    encoder = pretrained.Pretrained(encoder=Path("best.bin"), encoder_config=made_with)
    made = pretrained.with_pretrained(load_config(ROOT / "configs" / "ner.cfg"), encoder)
    # ner_pretrained.cfg is just that.
    shipped = load_config(ROOT / "configs" / "ner_pretrained.cfg")
    assert made["components"]["ner"]["model"] == shipped["components"]["ner"]["model"]
    source = load_config(made_with)["components"]["tagger"]["model"]["tok2vec"]["encode"]
    encode = made["components"]["ner"]["model"]["scores"]["tok2vec"]["encode"]
    assert {name for name in source if encode[name] != source[name]} == {"variational_dropout", "recurrent_dropout"}
