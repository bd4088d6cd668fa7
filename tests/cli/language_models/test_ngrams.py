"""What `ngrams` writes and refuses."""

import gzip
import os

import numpy
import pytest
from language_models import as_batch
from numpy.testing import assert_array_equal

from spacy_rnn.backoff import NGramCounter, estimate, read_arpa

TEXT = "the cat sat\n\n  the\u00a0 dog   sat <unk>\r\na <s> cat sat"


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text(TEXT, "utf8", newline="")
    return path


def test_words(run, texts, tmp_path):
    output = tmp_path / "lm.arpa"
    code, printed = run("ngrams", texts, "--order", 2, "--output", output, "--smoothing", "witten_bell")
    assert code == 0, printed
    # The most frequent first, then in their own order; <s> is a word as well.
    names, model = read_arpa(output)
    assert names == ["<unk>", "<s>", "</s>", "sat", "cat", "the", "\\u003cs>", "a", "dog"]
    counter = NGramCounter(2, 9)
    for numbers in ([5, 4, 3], [5, 8, 3, 0], [7, 6, 4, 3]):
        counter.add(numpy.array(numbers))
    expected = estimate(counter.finish(), "witten_bell")
    held = as_batch([[5, 8, 0], [4, 4]])
    numpy.testing.assert_allclose(model.score(*held).log_probabilities, expected.score(*held).log_probabilities, rtol=1e-5)
    assert f"1 9 2 {model.trie.sizes[1]}" in " ".join(printed.split())
    assert "3 texts, 11 words" in printed


def test_compressed_characters(run, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt.gz").write_bytes(gzip.compress("abé ba\nbb".encode()))
    (tmp_path / "in" / "b.txt").write_text("a\tb", "utf8")
    output = tmp_path / "lm.arpa.gz"
    code, printed = run("ngrams", tmp_path / "in", "-o", output, "-n", 3, "--symbols", "characters")
    assert code == 0, printed
    names, model = read_arpa(output)
    assert names == ["<unk>", "<s>", "</s>", "b", "a", "\\u0009", "\\u0020", "é"]
    assert model.order == 3
    code, printed = run("ngrams", tmp_path / "in", "-o", output, "-n", 3, "--symbols", "characters", "--unit", "file")
    assert code == 0, printed
    assert "\\u000a" in read_arpa(output).names


def test_bounded_memory_and_pruning(run, tmp_path):
    random = numpy.random.default_rng(0)
    lines = [" ".join(f"w{i}" for i in random.zipf(1.5, size=20) % 500) for _ in range(500)]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    found = []
    for memory in ("4K", "1G"):
        output = tmp_path / f"{memory}.arpa"
        code, printed = run("ngrams", tmp_path / "a.txt", "-o", output, "-n", 4, "--prune", "0,0,1", "--memory", memory)
        assert code == 0, printed
        found.append(output.read_bytes())
    assert found[0] == found[1]
    code, printed = run("ngrams", tmp_path / "a.txt", "-o", tmp_path / "full.arpa", "-n", 4)
    pruned, full = read_arpa(tmp_path / "1G.arpa").model, read_arpa(tmp_path / "full.arpa").model
    assert pruned.trie.sizes[:2] == full.trie.sizes[:2]
    assert pruned.trie.sizes[3] < full.trie.sizes[3]


def test_rare_words_are_unknown(run, texts, tmp_path):
    arguments = ("ngrams", texts, "-o", tmp_path / "lm.arpa", "-n", 2, "--smoothing", "add_k")
    assert run(*arguments, "--min-count", 2)[0] == 0
    assert read_arpa(tmp_path / "lm.arpa").names[3:] == ["sat", "cat", "the"]
    assert run(*arguments, "--size", 1)[0] == 0
    assert_array_equal(read_arpa(tmp_path / "lm.arpa").names[3:], ["sat"])


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--smoothing", "x"], "--smoothing must be one of kneser_ney"),
        (["--symbols", "letters"], "--symbols must be words or characters"),
        (["--unit", "page"], "--unit must be one of line"),
        (["--memory", "much"], "--memory must be a size such as 512M"),
        (["--memory", "1"], "--memory must be at least"),
        (["--prune", "1"], "--prune must be whole numbers"),
        (["--prune", "0,x"], "--prune must be whole numbers"),
        (["--prune", "0,0,0"], "--prune has 3 numbers"),
        (["--smoothing", "add_k", "--k", "0"], "--k must be a number above 0"),
        (["--min-count", "9"], "No word of the corpus occurs 9 times: set a lower --min-count"),
        ([], "take more text, a lower order, witten_bell, or --discount-fallback"),
    ],
)
def test_refused(run, texts, tmp_path, arguments, what):
    code, printed = run("ngrams", texts, "-o", tmp_path / "lm.arpa", "-n", 2, *arguments)
    assert (code, what in " ".join(printed.split())) == (1, True), printed
    assert os.listdir(tmp_path) == ["texts.txt"]


def test_with_fallback(run, texts, tmp_path):
    code, printed = run("ngrams", texts, "-o", tmp_path / "lm.arpa", "-n", 2, "--discount-fallback")
    assert code == 0, printed


def test_a_text_of_one_word(run, tmp_path):
    (tmp_path / "a.txt").write_text("a\n")
    code, printed = run("ngrams", tmp_path / "a.txt", "-o", tmp_path / "lm.arpa", "-n", 2, "--smoothing", "witten_bell")
    assert code == 0, printed
    assert "1 text, 1 word," in printed
    assert read_arpa(tmp_path / "lm.arpa").names[3:] == ["a"]


def test_files_that_cannot_be_read(run, tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "bad.txt").write_bytes(b"good\n\xff\n")
    (tmp_path / "text.md").write_text("a b")
    (tmp_path / "a.spacy").write_bytes(b"")
    for name, what in [
        ("missing.txt", "There is no file or folder"),
        ("empty.txt", "The corpus is empty"),
        ("bad.txt", "bad.txt, line 2: expected text in UTF-8"),
        ("text.md", "texts are read from files"),
        ("a.spacy", "expected plain text, not spaCy's binary format"),
    ]:
        code, printed = run("ngrams", tmp_path / name, "-o", tmp_path / "lm.arpa")
        assert (code, what in " ".join(printed.split())) == (1, True), printed
    (tmp_path / "good.txt").write_text("a b\nb a")
    code, printed = run("ngrams", tmp_path / "good.txt", "-o", tmp_path / "no" / "lm.arpa", "--discount-fallback")
    assert (code, "cannot be written" in " ".join(printed.split())) == (1, True), printed
