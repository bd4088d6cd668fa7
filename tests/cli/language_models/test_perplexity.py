"""The command `perplexity`."""

import gzip
import json

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from typer.testing import CliRunner

from spacy_rnn.cli.app import rnn_cli
from spacy_rnn.pipeline.annotation.surprisal import sum_by_token

LINES = ["A lovely, warm film.", "zzzzq xxxxj qqqq", "It was dull and long."]


@pytest.fixture(scope="module")
def path(language_models):
    return language_models()


@pytest.fixture(scope="module")
def lm(path):
    return spacy.load(path).get_pipe("lm")


@pytest.fixture
def texts(tmp_path):
    file = tmp_path / "dev.txt"
    file.write_text("\n".join(LINES) + "\n", encoding="utf8")
    return file


def output(*arguments):
    result = CliRunner().invoke(rnn_cli, ["perplexity", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def rows_of(printed):
    """The cells of the table by the first one, without the beginnings of texts."""
    rows = [line.split() for line in printed.splitlines() if line and not line.startswith("---")]
    return {row[0]: row[-5:] for row in rows if row[0] == "all" or row[0][-1].isdigit()}


def test_the_most_surprising_text_comes_first(path, lm, texts):
    rows = rows_of(output(path, texts))
    scores = lm.score(LINES)
    expected = sorted(range(3), key=lambda i: -scores[i].bits_per_character)
    assert list(rows) == [*(f"dev.txt:{i + 1}" for i in expected), "all"]
    assert expected[0] == 1
    for i, scored in enumerate(scores):
        n_words, per_character, per_word, perplexity, n_unknown = (
            float(cell.replace(",", "")) for cell in rows[f"dev.txt:{i + 1}"]
        )
        assert n_words == len(LINES[i].split()) + 1 and n_unknown == scored.n_unknown
        assert per_character == pytest.approx(scored.bits_per_character, abs=6e-4)
        assert per_word == pytest.approx(scored.bits_per_word, abs=6e-3)
        assert perplexity == pytest.approx(scored.perplexity, rel=6e-3)


def test_all_texts_together_are_the_sum(path, lm, texts):
    total = rows_of(output(path, texts, "--worst", 1))["all"]
    scores = lm.score(LINES)
    bits = sum(scored.bits for scored in scores)
    assert total[0] == str(sum(scored.n_words for scored in scores))
    assert float(total[1]) == pytest.approx(bits / sum(scored.n_characters for scored in scores), abs=6e-4)
    assert float(total[2]) == pytest.approx(bits / sum(scored.n_words for scored in scores), abs=6e-3)


@pytest.mark.parametrize("worst", [0, 1, 2, 5])
def test_as_many_texts_are_shown_as_were_asked_for(path, texts, worst):
    printed = output(path, texts, "--worst", worst)
    assert len(rows_of(printed)) == min(worst, 3) + 1
    assert "all    3 texts" in printed or "3 texts" in printed
    assert ("--worst shows more" in printed) == (worst < 3)


@pytest.mark.parametrize(
    "settings, sentences",
    [
        ({}, ("An unknown character counts as anything unknown", "The end of a text counts as one more character and word")),
        ({"unknown": "skip", "count_end": False}, ("Unknown characters are left out", "The end of a text does not count")),
        ({"unknown": "spread", "unknown_types": 5000}, ("shared among 5,000 unknown characters",)),
    ],
)
def test_the_rules_are_said_and_hold(path, texts, tmp_path, settings, sentences):
    nlp = spacy.load(path, config={f"components.lm.{name}": value for name, value in settings.items()})
    nlp.to_disk(tmp_path / "model")
    texts.write_text("A film 日本 and more\n", encoding="utf8")
    printed = output(tmp_path / "model", texts)
    assert all(sentence in printed for sentence in sentences)
    (scored,) = nlp.get_pipe("lm").score(["A film 日本 and more"])
    cells = rows_of(printed)["all"]
    assert float(cells[1]) == pytest.approx(scored.bits_per_character, abs=6e-4)
    assert cells[0] == str(scored.n_words) and cells[4] == "2"


def test_words_come_in_the_order_of_the_text(path, lm, texts):
    printed = output(path, texts, "--words")
    scores = lm.score(LINES)
    blocks = printed.split("\n\n")[:3]
    for i, (block, line, scored) in enumerate(zip(blocks, LINES, scores, strict=True)):
        place, *rows, end = block.split("\n")
        assert place == f"# dev.txt:{i + 1}"
        bits, words = zip(*(row.split("\t") for row in rows), strict=True)
        assert list(words) == line.split()
        expected = sum_by_token(lm._as_doc(line), scored)
        assert [float(bit) for bit in bits] == pytest.approx(expected.tolist(), abs=6e-3)
        assert end == f"{scored.surprisals[-1]:.2f}\t(end of text)"


def test_a_file_has_the_scores_of_all_texts(path, lm, texts, tmp_path):
    file = tmp_path / "scores" / "dev.jsonl"
    output(path, texts, "--worst", 1, "--output", file, "--words")
    rows = [json.loads(line) for line in file.read_text(encoding="ascii").splitlines()]
    assert [row["text"] for row in rows] == LINES
    assert [row["line"] for row in rows] == [1, 2, 3]
    for row, scored in zip(rows, lm.score(LINES), strict=True):
        assert row["bits_per_character"] == pytest.approx(scored.bits_per_character, rel=1e-4)
        assert row["perplexity"] == pytest.approx(scored.perplexity, rel=1e-3)
        assert [word for word, _ in row["surprisals"]] == row["text"].split()


def test_a_page_shades_the_words_of_the_texts_that_are_shown(path, lm, texts, tmp_path, read_page):
    output(path, texts, "--worst", 2, "--html", tmp_path / "page.html")
    page = read_page(tmp_path / "page.html")
    assert page.faults == []
    assert page.text.index("zzzzq") < page.text.index("dev.txt:", page.text.index("zzzzq"))
    assert page.text.count("bits a character") == 2


@pytest.mark.parametrize("name", ["texts.jsonl", "texts.txt.gz", "texts.spacy", "folder"])
def test_texts_come_from_files_of_all_kinds(path, texts, tmp_path, name):
    file = tmp_path / "more" / name
    file.parent.mkdir()
    if name == "folder":
        file.mkdir()
        (file / "dev.txt").write_bytes(texts.read_bytes())
    elif name.endswith("jsonl"):
        file.write_text("".join(json.dumps({"text": line}) + "\n" for line in LINES))
    elif name.endswith("gz"):
        file.write_bytes(gzip.compress(texts.read_bytes()))
    else:
        nlp = spacy.blank("xx")
        DocBin(docs=[Doc(nlp.vocab, words=line.split()) for line in LINES]).to_disk(file)
    rows, expected = rows_of(output(path, file)), rows_of(output(path, texts))
    if name == "texts.spacy":
        # The last word has a blank after it, which is no part of the text.
        assert [row[0] for row in rows.values()] == [row[0] for row in expected.values()]
    else:
        assert list(rows.values()) == list(expected.values())


@pytest.mark.parametrize("unit, n_texts", [(None, 2), ("line", 3), ("paragraph", 2), ("file", 1)])
def test_texts_are_units_as_in_training_or_as_asked_for(path, texts, tmp_path, unit, n_texts):
    texts.write_text("A film\nand a\n\nlong one\n")
    nlp = spacy.load(path)
    nlp.config["corpora"]["train"] = {"@readers": "spacy_rnn.TextCorpus.v1", "path": None, "unit": "paragraph"}
    nlp.to_disk(tmp_path / "model")
    printed = output(tmp_path / "model", texts, *(("--unit", unit) if unit else ()))
    assert f"{n_texts} text" in printed


@pytest.mark.parametrize("tokens, unknown", [("pipeline", 0), ("whitespace", 2)])
def test_words_are_those_that_were_asked_for(language_models, texts, tokens, unknown):
    texts.write_text("It was lovely, and warm.\n")
    nlp = spacy.load(language_models("Words"))
    assert [len(nlp.get_pipe("lm").symbols.find_unknown(each)) for each in ("lovely,", "warm.")] == [1, 1]
    n_unknown = int(rows_of(output(language_models("Words"), texts, "--tokens", tokens))["all"][4])
    assert (n_unknown >= 2) == (unknown >= 2)


def test_long_texts_are_bounded_on_the_page(path, texts, tmp_path):
    texts.write_text("A film " * 2000)
    output(path, texts, "--html", tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text(encoding="utf8")
    assert html.count("<mark") == 1000 and "The first 1,000 of 4,000 tokens" in html


@pytest.mark.parametrize(
    "content, arguments, message",
    [
        (None, (), "There is no file or folder"),
        ("", (), "there is no text in it"),
        (" \n\n", (), "there is no text in it"),
        ("A film\n", ("--unit", "page"), "must be one of line, paragraph, file, got 'page'"),
        ("A film\n", ("--tokens", "none"), "must be one of pipeline, whitespace, got 'none'"),
        ("A film\n", ("--component", "ml"), "The pipeline has no component 'ml'"),
        (b"A film\n\xff\n", (), "dev.txt, line 2: expected text in UTF-8"),
    ],
)
def test_what_cannot_be_done_is_said(run, path, tmp_path, content, arguments, message):
    file = tmp_path / "dev.txt"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode("utf8"))
    code, printed = run("perplexity", path, file, *arguments, "--output", tmp_path / "scores.jsonl")
    assert code == 1
    assert message in printed
    assert not (tmp_path / "scores.jsonl").exists()
    assert [each for each in tmp_path.iterdir() if each.name.endswith(".part")] == []


def test_a_file_is_called_by_its_name(run, path, tmp_path, monkeypatch):
    (tmp_path / "dev.txt").write_bytes(b"\xff\n")
    monkeypatch.chdir(tmp_path)
    _, printed = run("perplexity", path.resolve(), "dev.txt")
    assert "dev.txt, line 1: expected text in UTF-8" in printed


def test_a_file_that_cannot_be_written(run, path, texts, tmp_path):
    code, printed = run("perplexity", path, texts, "--html", tmp_path)
    assert code == 1 and "cannot be written" in printed
    code, printed = run("perplexity", path, texts, "--output", texts / "no.jsonl")
    assert code == 1 and "cannot be written" in printed


def test_a_file_of_another_kind(run, path, tmp_path):
    (tmp_path / "dev.pdf").write_bytes(b"%PDF")
    code, printed = run("perplexity", path, tmp_path / "dev.pdf")
    assert code == 1 and ".jsonl" in printed


def test_a_text_of_one_character(path, lm, texts):
    texts.write_text("A\n")
    (scored,) = lm.score(["A"])
    assert float(rows_of(output(path, texts))["all"][1]) == pytest.approx(scored.bits_per_character, abs=6e-4)
    assert numpy.isfinite(scored.perplexity)


def test_what_is_impossible_is_infinite(texts, tmp_path):
    nlp = spacy.blank("xx")
    words = {"@misc": "spacy_rnn.Words.v1"}
    model = {"@architectures": "spacy_rnn.NGramLM.v1", "symbols": words, "order": 2, "smoothing": "none"}
    nlp.add_pipe("rnn_lm", config={"model": model})
    examples = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in ("a b", "a c")]
    nlp.initialize(lambda: examples)
    nlp.to_disk(tmp_path / "model")
    texts.write_text("a b\nb a\n")
    printed = output(tmp_path / "model", texts, "--html", tmp_path / "page.html", "--output", tmp_path / "scores.jsonl")
    rows = rows_of(printed)
    assert list(rows) == ["dev.txt:2", "dev.txt:1", "all"]
    assert rows["dev.txt:2"][1:4] == rows["all"][1:4] == ["inf"] * 3
    # Only the choice between b and c is one: 1 bit, 4 characters and 3 words with the end.
    assert rows["dev.txt:1"][:4] == ["3", "0.250", "0.33", "1.3"]
    first, second = (json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines())
    assert first["bits"] == 1 and second["bits"] is second["perplexity"] is None
    assert 'title="inf bits"' in (tmp_path / "page.html").read_text(encoding="utf8")


def test_what_reads_backward_ends_at_the_beginning(language_models, texts):
    path = language_models("Characters backward")
    printed = output(path, texts, "--words")
    scored = spacy.load(path).get_pipe("lm").score(LINES)
    assert "The beginning of a text counts as one more character and word." in printed
    shown = [line.split("\t") for line in printed.splitlines() if "\t" in line]
    bits = {word: float(bits) for bits, word in shown[:6]}
    assert list(bits) == ["A", "lovely,", "warm", "film.", "(beginning of text)", "zzzzq"]
    assert bits["(beginning of text)"] == pytest.approx(float(scored[0].surprisals[-1]), abs=0.006)
    assert bits["film."] == pytest.approx(float(scored[0].surprisals[:5].sum()), abs=0.006)
