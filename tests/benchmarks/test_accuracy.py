"""Tables of accuracy: known and unknown words, and rows that were measured before these were told apart."""

import importlib
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def accuracy(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("accuracy")


def test_known_words_of_dev_and_test(accuracy, tmp_path):
    nlp = spacy.blank("xx")
    # It knows a single tag, and so predicts it of every word.
    nlp.add_pipe("rnn_tagger")
    texts = {"train": ("a b", "X X"), "dev": ("a b c", "X Y Y"), "test": ("a b", "X X")}
    for split, (words, tags) in texts.items():
        doc = Doc(nlp.vocab, words=words.split(), tags=tags.split(), sent_starts=[True] + [False] * words.count(" "))
        DocBin(docs=[doc]).to_disk(tmp_path / f"{split}.spacy")
        if split == "train":
            nlp.initialize(lambda doc=doc: [Example(nlp.make_doc("a b"), doc)])
    assert accuracy.score_known_words(nlp, tmp_path, gold_preproc=True) == {
        "dev known words": 50.0,
        "dev unknown words": 0.0,
        "test known words": 100.0,
        "test unknown words": None,
    }


def test_a_table_has_every_score_of_every_row(accuracy):
    rows = [
        {"name": "earlier", "scores": {"dev accuracy": 90.0}},
        {"name": "later", "scores": {"dev accuracy": 91.0, "dev known words": 95.0, "dev unknown words": None}},
        {"name": "later", "scores": {"dev accuracy": 92.0, "dev known words": 96.0, "dev unknown words": None}},
    ]
    names, lines = accuracy.summarize(rows)
    assert names == ["dev accuracy", "dev known words", "dev unknown words"]
    assert lines == [("earlier", "90.00", "–", "–"), ("later", "91.50 ± 0.71", "95.50 ± 0.71", "–")]
