"""The command `translate`."""

import gzip
import re
import subprocess
import sys

import pytest
import spacy
from spacy.training import Example
from thinc.api import fix_random_seed
from typer.testing import CliRunner

from spacy_rnn.cli import translate
from spacy_rnn.cli.app import rnn_cli
from spacy_rnn.pipeline.annotation.output import Output, set_output

LINES = ["c a b", "", "b c a d a b", "  ", "a", "b b c d", "d", "a a d c b"]
LONG = "c " + "a b " * 60


def train(path, attention="general", n_updates=40):
    """Save a pipeline that has learned to write words from behind, of no more than 60 words."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    words = {"@misc": "spacy_rnn.Words.v1", "min_count": 1}
    model = {"@architectures": "spacy_rnn.Seq2Seq.v1", "width": 12, "hidden_width": 24, "dropout": 0.0, "label_smoothing": 0.0}
    model |= {"source": words, "target": words, "attention": attention, "tied": False}
    nlp.add_pipe("rnn_seq2seq", name="reverse", config={"model": model, "max_length": 60})
    texts = [line for line in LINES if line.strip()] * 2
    examples = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in texts]
    for example, text in zip(examples, texts, strict=True):
        set_output(example.reference, Output(" ".join(text.split()[::-1])))
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.03
    for _ in range(n_updates):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(path)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return train(tmp_path_factory.mktemp("seq2seq") / "model")


@pytest.fixture(scope="module")
def nlp(path):
    return spacy.load(path)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "source.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf8")
    return path


@pytest.fixture(scope="module")
def wanted(nlp):
    return expected(nlp)


@pytest.fixture
def batches(monkeypatch):
    """What the component is given: the texts of each batch, and whether its attention is asked for."""
    found = []
    method = translate.RNNSeq2Seq.translate

    def spy(self, texts, **settings):
        found.append(([text.text for text in texts], settings["with_attention"]))
        return method(self, texts, **settings)

    monkeypatch.setattr(translate.RNNSeq2Seq, "translate", spy)
    return found


def output(*arguments, stdin=None):
    """What the command writes to standard output, unchanged."""
    result = CliRunner().invoke(rnn_cli, ["translate", *map(str, arguments)], input=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def expected(nlp, lines=LINES, **settings):
    """A line for each line, translated alone."""
    (pipe,) = (pipe for _, pipe in nlp.pipeline)
    return [pipe.translate([nlp.make_doc(line)], **settings)[0][0].text if line.strip() else "" for line in lines]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_a_line_of_output_for_each_line_in_their_order(path, wanted, file, batch_size):
    printed = output(path, file, "--batch-size", batch_size)
    assert printed.split("\n") == [*wanted, ""]
    assert len(set(wanted)) > 4


def test_batches_have_lines_of_like_length(path, file, batches):
    output(path, file, "--batch-size", 3)
    assert batches == [(["a", "d", "c a b"], False), (["b b c d", "a a d c b", "b c a d a b"], False)]


def test_lines_are_sorted_within_a_window(path, wanted, file, batches, monkeypatch):
    monkeypatch.setattr(translate, "_BATCHES", 2)
    assert output(path, file, "--batch-size", 2).split("\n") == [*wanted, ""]
    assert [texts for texts, _ in batches] == [["c a b", "b c a d a b"], ["a", "d"], ["b b c d", "a a d c b"]]


@pytest.mark.parametrize("beam", [None, 1, 3])
def test_the_beam_is_that_of_the_option(path, nlp, file, beam):
    printed = output(path, file, *(("--beam", beam) if beam else ()))
    assert printed.split("\n") == [*expected(nlp, width=beam), ""]


def test_alternatives_are_rows_with_the_line_and_the_score(path, nlp, file):
    rows = [row.split("\t") for row in output(path, file, "--alternatives", 2, "--beam", 4).splitlines()]
    (pipe,) = (pipe for _, pipe in nlp.pipeline)
    wanted = []
    for number, line in enumerate(LINES, 1):
        found = pipe.translate([nlp.make_doc(line)], width=4, n=3)[0] if line.strip() else []
        wanted += [[str(number), f"{each.score:.4f}", each.text] for each in found]
    assert rows == wanted
    assert [row[0] for row in rows].count("1") == 3 and "2" not in {row[0] for row in rows}


@pytest.mark.parametrize("name", ["more.txt.gz", "more.de", "-"])
def test_lines_come_from_files_and_from_standard_input(path, wanted, tmp_path, name):
    content = ("\ufeff" + "\r\n".join(LINES)).encode("utf8")
    if name != "-":
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    printed = output(path, "-" if name == "-" else tmp_path / name, stdin=content if name == "-" else None)
    assert printed.split("\n") == [*wanted, ""]


@pytest.mark.parametrize("name", ["target.txt", "target.txt.gz"])
def test_the_output_goes_to_a_file(path, wanted, file, tmp_path, name):
    target = tmp_path / "made" / name
    printed = output(path, file, "--output", target)
    assert "Wrote the output to" in printed and not set(wanted) & set(printed.splitlines()) - {""}
    content = target.read_bytes()
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode("utf8")
    assert text.split("\n") == [*wanted, ""]
    output(path, file, "--output", target)
    assert target.read_bytes() == content


def test_no_line_gives_no_line(path, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    assert output(path, tmp_path / "empty.txt") == ""
    assert output(path, "-", stdin="\n\n") == "\n\n"


def test_a_line_break_in_an_output_makes_no_line(path, file, monkeypatch):
    method = translate.RNNSeq2Seq.translate

    def broken(self, texts, **settings):
        return [[each._replace(text="a\r\nb\nc\rd") for each in found] for found in method(self, texts, **settings)]

    monkeypatch.setattr(translate.RNNSeq2Seq, "translate", broken)
    assert output(path, file).split("\n") == [*("a b c d" if line.strip() else "" for line in LINES), ""]


@pytest.fixture
def read(read_page, tmp_path):
    return lambda: read_page(tmp_path / "page.html")


def test_a_page_shows_what_the_model_looked_at(path, wanted, file, tmp_path, read):
    printed = output(path, file, "--attention", tmp_path / "page.html")
    assert printed.split("\n") == [*wanted, ""]
    assert read().faults == []
    html = (tmp_path / "page.html").read_text(encoding="utf8")
    titles = [f"{i}: {text}" for i, text in enumerate(wanted, 1) if text]
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", html) == titles
    assert html.count("<table") == len(titles)


def test_a_page_has_the_first_lines_and_other_lines_no_attention(path, wanted, file, tmp_path, batches, monkeypatch):
    monkeypatch.setattr(translate, "_PICTURES", 3)
    printed = output(path, file, "--attention", tmp_path / "page.html")
    assert printed.split("\n") == [*wanted, ""]
    assert (tmp_path / "page.html").read_text(encoding="utf8").count("<table") == 2
    assert batches == [(["c a b", "b c a d a b"], True), (["a", "d", "b b c d", "a a d c b"], False)]


def test_without_attention_there_is_no_page(run, file, tmp_path, tmp_path_factory):
    path = train(tmp_path_factory.mktemp("without") / "model", attention="none", n_updates=1)
    code, printed = run("translate", path, file, "--attention", tmp_path / "page.html", "--output", tmp_path / "out.txt")
    assert code == 1 and "The model has no attention" in printed
    assert sorted(each.name for each in tmp_path.iterdir()) == ["source.txt"]


def test_standard_output_has_the_lines_and_nothing_else(path, wanted, file, tmp_path):
    """As a process, whose streams are no terminals: no progress bar, and what is said of the page is said elsewhere."""
    command = [sys.executable, "-m", "spacy", "rnn", "translate", path, "-", "--attention", tmp_path / "page.html"]
    process = subprocess.run(list(map(str, command)), input=file.read_bytes(), capture_output=True, check=True)
    assert process.stdout.decode("utf8").split("\n") == [*wanted, ""]
    assert "Wrote the page" in process.stderr.decode("utf8") and "line/s" not in process.stderr.decode("utf8")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--beam", 3, "--alternatives", 3), "A beam of 3 finds at most 2 alternatives, not 3"),
        (("--component", "other"), "The pipeline has no component 'other'"),
        (("--batch-size", 0), "--batch-size"),
    ],
)
def test_what_cannot_be_done_is_said(run, path, file, arguments, message):
    code, printed = run("translate", path, file, *arguments)
    assert code != 0 and message in printed


def test_a_pipeline_without_an_encoder_decoder(run, language_models, file):
    code, printed = run("translate", language_models(), file)
    assert code == 1 and "The pipeline has no encoder-decoder: expected a component rnn_seq2seq, but it has lm" in printed


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "There is no file"),
        ("folder", "cannot be read"),
        (b"a b\n\xff\n", "source.txt, line 2: expected text in UTF-8"),
        (b"a b\n\na\0b\n", "source.txt, line 3: expected text, got a null character"),
        (b"a\rb", "carriage return alone"),
        (
            f"a b\nb\n{LONG}\nd\n".encode(),
            f"source.txt, line 3: 'reverse': a text that begins with {LONG[:40]!r} has 121 words, but max_length = 60",
        ),
    ],
)
def test_a_file_that_cannot_be_translated(run, path, tmp_path, content, message):
    file, target = tmp_path / "source.txt", tmp_path / "target.txt"
    if content == "folder":
        file.mkdir()
    elif content is not None:
        file.write_bytes(content)
    code, printed = run("translate", path, file, "--output", target)
    assert code == 1 and message in printed
    assert not target.exists() and not [each for each in tmp_path.iterdir() if each.name.endswith(".part")]


def test_standard_input_that_is_no_text(path):
    result = CliRunner().invoke(rnn_cli, ["translate", str(path), "-"], input=b"a\n\xff\n")
    assert result.exit_code == 1 and "tandard input, line 2: expected text in UTF-8" in " ".join(result.output.split())


def test_a_file_that_cannot_be_written(run, path, file, tmp_path):
    code, printed = run("translate", path, file, "--output", tmp_path)
    assert code == 1 and "cannot be written" in printed
    code, printed = run("translate", path, file, "--attention", tmp_path)
    assert code == 1 and "cannot be written" in printed
