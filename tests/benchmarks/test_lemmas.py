"""The benchmark of lemmas: what counts, which words are known, and that it runs with pipelines."""

import importlib
from pathlib import Path

import pytest
import spacy
import srsly
import typer
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.vocab import Vocab
from typer.testing import CliRunner

ROOT = Path(__file__).parent.parent.parent
# Form, universal tag, lemma.
TRAIN = [
    [("Dogs", "NOUN", "dog"), ("bark", "VERB", "bark"), ("saw", "VERB", "see")],
    [("saw", "NOUN", "saw"), ("saw", "VERB", "see"), ("left", "VERB", "leave"), ("left", "ADJ", "left")],
    [("nothing", "PRON", "")],
]
DEV = [
    # Known form and tag; a known form under another tag, for which the most frequent lemma of the form is right.
    [("saw", "NOUN", "saw"), ("saw", "X", "see"), ("left", "X", "leave")],
    # New forms: one is its lemma; one has no lemma; one has another tag in the prediction.
    [("cats", "NOUN", "cat"), ("red", "ADJ", "red"), ("nothing", "PRON", ""), ("Dogs", "NOUN", "Dog")],
]


@pytest.fixture
def lemmas(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for name in importlib.import_module("_measure").ONE_THREAD:
        monkeypatch.setenv(name, "1")
    return importlib.import_module("lemmas")


@pytest.fixture
def command(lemmas):
    app = typer.Typer()
    app.command()(lemmas.main)
    return lambda *options: CliRunner().invoke(app, [str(option) for option in options])


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for part, texts in (("train", TRAIN), ("dev", DEV), ("test", DEV[:1])):
        docs = []
        for text in texts:
            words, tags, own = (list(column) for column in zip(*text, strict=True))
            docs.append(Doc(Vocab(), words=words, pos=tags, lemmas=own))
        DocBin(docs=docs).to_disk(folder / f"{part}.spacy")
    return folder


def save_lemmatizer(path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("trainable_lemmatizer", config={"min_tree_freq": 1})
    words, tags, own = (list(column) for column in zip(*TRAIN[0], strict=True))
    example = Example(nlp.make_doc("Dogs bark saw"), Doc(nlp.vocab, words=words, pos=tags, lemmas=own))
    nlp.initialize(lambda: [example])
    nlp.to_disk(path)
    return path


def test_words_with_a_lemma_count_by_what_the_training_part_has(command, corpus, tmp_path):
    output = tmp_path / "figures.json"
    result = command(corpus, "--output", output, "--errors", 2)
    assert result.exit_code == 0, result.output
    row = srsly.read_json(output)["corpus, gold universal tags, dev"]
    assert row["words"] == {"all": 6, "known forms": 4, "unknown forms": 2, "unknown forms and tags": 4}
    assert row["scores"]["identity"] == {
        "all": 33.33, "known forms": 25.0, "unknown forms": 50.0, "unknown forms and tags": 25.0
    }  # fmt: skip
    # Wrong are "cats" and "Dogs", whose lemma is "dog" in training; of the lemmas of "left" the first one counts.
    assert row["scores"]["dictionary"] == {
        "all": 66.67, "known forms": 75.0, "unknown forms": 50.0, "unknown forms and tags": 75.0
    }  # fmt: skip
    assert "cats" in result.output and "X" not in result.output.split("dictionary, errors")[1]


def test_test_is_read_on_request_only_and_rows_are_kept(command, corpus, tmp_path):
    output = tmp_path / "figures.json"
    (corpus / "test.spacy").rename(tmp_path / "test.spacy")
    assert command(corpus, "--output", output).exit_code == 0
    (tmp_path / "test.spacy").rename(corpus / "test.spacy")
    assert command(corpus, "--output", output, "--test", "--name", "small").exit_code == 0
    rows = srsly.read_json(output)
    assert list(rows) == ["corpus, gold universal tags, dev", "small, gold universal tags, test"]
    assert rows["small, gold universal tags, test"]["words"]["all"] == 3


def test_tags_of_a_tagger_are_what_the_dictionary_sees(command, corpus, tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("attribute_ruler").add([[{"ORTH": "saw"}]], {"POS": "VERB"})
    nlp.to_disk(tmp_path / "tagger")
    output = tmp_path / "figures.json"
    result = command(corpus, "--tagger", tmp_path / "tagger", "--output", output)
    assert result.exit_code == 0, result.output
    (row,) = srsly.read_json(output).values()
    # "saw" as a noun becomes a verb, which is wrong; groups are those by the tags of the corpus.
    assert row["scores"]["dictionary"]["all"] == 50.0
    assert row["words"]["unknown forms and tags"] == 4


def test_a_pipeline_is_scored_and_timed(command, lemmas, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(lemmas, "N_FORMS", 2)
    path, output = save_lemmatizer(tmp_path / "pipeline"), tmp_path / "figures.json"
    result = command(corpus, "--spacy", path, "--speed", "--quick", "--output", output)
    assert result.exit_code == 0, result.output
    rows = srsly.read_json(output)
    assert set(rows["corpus, gold universal tags, dev"]["scores"]) == {"identity", "dictionary", "trainable_lemmatizer"}
    speed = rows["corpus, gold universal tags, speed"]
    assert all(speed[kind]["a second"]["trainable_lemmatizer"]["best"] > 0 for kind in ("warm words", "new forms"))
    assert [goal["reached"] for goal in speed["goals"]] == [None, None]


def test_new_forms_are_new_each_time(lemmas, monkeypatch):
    monkeypatch.setattr(lemmas, "N_FORMS", 20)
    words = [lemmas.Word(form, "NOUN", "") for form in ("window", "garden", "paper")]
    drawn = lemmas.draw_new_forms(words)
    forms = [word.form for word in (*next(drawn), *next(drawn)[:5])]
    assert len(set(forms)) == len(forms) == 25 and not set(forms) & {word.form for word in words}


def test_a_pipeline_without_a_lemmatizer_is_refused(command, corpus, tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "pipeline")
    result = command(corpus, "--spacy", tmp_path / "pipeline")
    assert result.exit_code == 2 and "it has sentencizer" in " ".join(result.output.replace("│", "").split())
