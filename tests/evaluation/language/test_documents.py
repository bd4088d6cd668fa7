import json
from pathlib import Path

import numpy
import pytest
import spacy
from spacy.tokens import Doc

from spacy_rnn.evaluation.components import find_language_model
from spacy_rnn.evaluation.language import documents
from spacy_rnn.evaluation.language.documents import (
    DocumentScore,
    TextReading,
    TotalScore,
    WorstDocuments,
    find_reading,
    read_documents,
    score_documents,
    to_json,
)
from spacy_rnn.pipeline.annotation.surprisal import ScoredText

LINE = TextReading("line", "whitespace")


def scored(bits, counted=True):
    n = len(bits)
    surprisals = numpy.asarray([*bits, 0.0], dtype="float32")
    flags = numpy.full(n + 1, counted)
    flags[-1] = False
    starts = numpy.arange(n + 1, dtype="int32")
    return ScoredText(surprisals, starts, starts + 1, flags, 0, n if counted else 0, 1 if counted else 0)


def document(bits, number=1, counted=True):
    doc = Doc(spacy.blank("xx").vocab, words=["a"] * len(bits), spaces=[False] * len(bits))
    return DocumentScore(Path("folder/file.txt"), number, doc, scored(bits, counted))


def test_totals_are_sums():
    total = TotalScore().add(scored([1, 2, 3])).add(scored([4]))
    assert total == TotalScore(2, 2, 4, 0, 10.0)
    assert (total.bits_per_character, total.bits_per_word, total.perplexity) == (2.5, 5.0, 32.0)
    assert numpy.isnan(TotalScore().bits_per_character) and numpy.isnan(TotalScore().bits_per_word)
    assert TotalScore(1, 1, 1, 0, float("inf")).perplexity == TotalScore(1, 1, 1, 0, 2000.0).perplexity == float("inf")


def test_the_worst_are_kept_in_order_of_their_means_not_their_sums():
    worst = WorstDocuments(3, 10)
    for number, bits in enumerate([[1, 1, 1, 1, 1, 1], [5], [2, 2], [5], [float("inf")], [0]], 1):
        worst.add(document(bits, number))
    assert [each.place for each in worst.ranked()] == ["file.txt:5", "file.txt:2", "file.txt:4"]


def test_a_text_without_anything_that_counts_comes_last():
    worst = WorstDocuments(2, 10)
    worst.add(document([9], 1, counted=False))
    worst.add(document([1], 2))
    assert [each.place for each in worst.ranked()] == ["file.txt:2", "file.txt:1"]
    worst.add(document([0.5], 3))
    assert [each.place for each in worst.ranked()] == ["file.txt:2", "file.txt:3"]


def test_of_a_long_text_the_beginning_is_kept():
    worst = WorstDocuments(1, 3)
    worst.add(document([1, 2, 3, 4, 5]))
    (kept,) = worst.ranked()
    assert kept.n_tokens == 5 and kept.doc.text == "aaa" and kept.surprisals.tolist() == [1, 2, 3]
    assert kept.total.bits == 15
    assert WorstDocuments(0, 3).ranked() == []
    none = WorstDocuments(0, 3)
    none.add(document([1]))
    assert none.ranked() == []


def test_json_has_no_infinities():
    data = to_json(document([float("inf"), 1.0]), True)
    text = json.dumps(data, allow_nan=False)
    assert json.loads(text)["surprisals"] == [["a", None], ["a", 1.0]]
    assert data["bits"] is None and data["perplexity"] is None


@pytest.fixture(scope="module")
def nlp(language_models):
    return spacy.load(language_models())


@pytest.mark.parametrize("size", [1, 40, 1 << 18])
def test_scores_do_not_depend_on_the_batches(nlp, tmp_path, monkeypatch, size):
    monkeypatch.setattr(documents, "BATCH_CHARACTERS", size)
    lines = ["A lovely film", "dull", "It was warm and long", "x"]
    (tmp_path / "dev.txt").write_text("\n".join(lines))
    lm = nlp.get_pipe("lm")
    found = list(score_documents(lm, read_documents(nlp, tmp_path, LINE)))
    assert [(each.place, each.doc.text) for each in found] == [(f"dev.txt:{i}", line) for i, line in enumerate(lines, 1)]
    for each, expected in zip(found, lm.score(lines), strict=True):
        numpy.testing.assert_array_equal(each.scored.surprisals, expected.surprisals)


def test_no_more_texts_are_read_than_a_batch_has(nlp, monkeypatch):
    monkeypatch.setattr(documents, "BATCH_TEXTS", 2)
    read = []

    def texts():
        for i in range(10):
            read.append(i)
            yield documents.PlacedDoc(nlp.make_doc("A film"), Path("file"), i)

    scores = score_documents(nlp.get_pipe("lm"), texts())
    next(scores)
    assert len(read) == 2


def test_texts_are_read_as_in_training(nlp, language_models):
    lm = nlp.get_pipe("lm")
    assert find_reading(nlp, lm) == ("line", "whitespace")
    assert find_reading(nlp, lm, "file", "pipeline") == ("file", "pipeline")
    words = spacy.load(language_models("Words"))
    assert find_reading(words, words.get_pipe("lm")) == ("line", "pipeline")
    for name, tokens in (("whitespace", "whitespace"), ("none", "whitespace"), ("pipeline", "pipeline")):
        words.config["corpora"]["train"] = {"@readers": "spacy_rnn.TextCorpus.v1", "unit": "file", "tokens": name}
        assert find_reading(words, words.get_pipe("lm")) == ("file", tokens)


def test_the_language_model_is_found_by_its_kind():
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    with pytest.raises(ValueError, match="no language model: expected a component rnn_lm, but it has sentencizer"):
        find_language_model(nlp)
    lm = nlp.add_pipe("rnn_lm", name="writer")
    assert find_language_model(nlp) == find_language_model(nlp, "writer") == ("writer", lm)
    with pytest.raises(ValueError, match="'sentencizer'.*cannot be taken here: expected one of writer"):
        find_language_model(nlp, "sentencizer")
