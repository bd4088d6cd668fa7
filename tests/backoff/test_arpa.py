"""ARPA files: there and back, as others write them, and damaged."""

import gzip
import math
import os

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language_models import as_batch
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.backoff import engine, read_arpa, reference, write_arpa
from spacy_rnn.backoff.arpa import reading
from spacy_rnn.native import library

NAMES = ["<unk>", "<s>", "</s>", "a", "ü", "c\u00a0d", "\u2028", "...", "\\1-grams:"]
SMOOTHINGS = ["kneser_ney", "witten_bell", "add_k", "none"]
# As SRILM writes files: a header, blanks after numbers, no back-off weight where it is 1, <s> with -99, no <unk>.
SRILM = """\
made by hand

\\data\\
ngram 1=4
ngram 2 = 3
ngram 3=1

\\1-grams:
-0.5\t</s>
-99\t<s>\t-0.25
-0.4\ta\t-0.5
-0.6  b -0.125

\\2-grams:
-0.1\t<s> a
-0.3\ta b\t-0.0625
-0.2\tb </s>

\\3-grams:
-0.05\ta b </s>

\\end\\
"""


@pytest.fixture(params=["lm.arpa", "lm.arpa.gz"])
def path(request, tmp_path):
    return tmp_path / request.param


def write(path, text):
    data = text if isinstance(text, bytes) else text.encode("utf8")
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.mark.parametrize("order", [1, 2, 5])
@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_there_and_back(functions, train, texts, path, order, smoothing):
    model = train(texts[:40], order, 9, smoothing)
    write_arpa(path, model, NAMES)
    found = read_arpa(path)
    assert found.names == NAMES
    assert found.model.trie.sizes == model.trie.sizes
    assert_array_equal(found.model.trie.symbols, model.trie.symbols)
    assert_array_equal(found.model.trie.links, model.trie.links)
    expected = model.score(*as_batch(texts[40:])).log_probabilities
    assert_allclose(found.model.score(*as_batch(texts[40:])).log_probabilities, expected, rtol=1e-5, atol=1e-5)
    assert os.listdir(path.parent) == [path.name]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(3, 8), max_size=8), min_size=1, max_size=6), st.integers(1, 4), st.randoms())
def test_lines_may_come_in_any_order(train, tmp_path_factory, texts, order, random):
    path = tmp_path_factory.mktemp("arpa") / "lm.arpa"
    model = train(texts, order, 9, "witten_bell")
    write_arpa(path, model, NAMES)
    sections = path.read_text("utf8").split("\n\n")
    for i in range(1, order + 1):
        head, *lines = sections[i].split("\n")
        random.shuffle(lines)
        sections[i] = "\n".join([head, *lines])
    path.write_text("\n\n".join(sections), "utf8")
    found = read_arpa(path, NAMES)
    assert_array_equal(found.model.trie.symbols, model.trie.symbols)
    assert_allclose(found.model.log_probabilities[1:], model.log_probabilities[1:], rtol=1e-5, atol=1e-6)
    assert_allclose(found.model.backoffs[1:], model.backoffs[1:], rtol=1e-5, atol=1e-6)


def test_as_srilm_writes_them(functions, path):
    write(path, SRILM)
    names, model = read_arpa(path)
    assert names == ["<unk>", "<s>", "</s>", "a", "b"]
    assert model.trie.sizes == (5, 3, 1)
    # a b | </s>; then a after "b", which has no n-gram with it, and which "a b" backs off to; b and what is unknown.
    inputs, targets, lengths = as_batch([[3, 4]])
    scores = model.score(inputs, targets, lengths).log_probabilities / math.log(10)
    assert_allclose(scores, [-0.1, -0.3, -0.05], rtol=1e-6)
    row, _ = model.step(numpy.array([4]), numpy.array([[1, 3]]))
    assert_allclose(row[0] / math.log(10), [-math.inf, -math.inf, -0.05, -0.0625 - 0.125 - 0.4, -0.0625 - 0.125 - 0.6], rtol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text.partition("\n\n")[2],
        lambda text: text.replace("\t", "   "),
        lambda text: text.replace("\n\\", " \n\n\n\\").replace("0.05\ta", "0.05\t \ta"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n\n\\2", "\n\\2"),
        lambda text: text.replace("-99", "-inf").replace("-0.4", "-4E-1").replace("-0.25", "-.25"),
        lambda text: text.replace("b </s>\n\n\\end", "b </s>\t0\n\n\\end"),
    ],
)
def test_other_ways_to_write_the_same(path, change):
    write(path, SRILM)
    expected = read_arpa(path)
    assert change(SRILM) != SRILM
    write(path, change(SRILM))
    found = read_arpa(path)
    assert found.names == expected.names
    assert found.model.to_bytes() == expected.model.to_bytes()


def test_capital_unk(path):
    write(path, SRILM.replace("\tb", "\t<UNK>").replace("b", "<UNK>"))
    assert read_arpa(path).names == ["<unk>", "<s>", "</s>", "a"]


def test_symbols_that_are_given(path):
    write(path, SRILM)
    names = ["<unk>", "<s>", "</s>", "b", "a"]
    found = read_arpa(path, names)
    assert found.names == names
    assert found.model.log_probabilities[1 + 4] / math.log(10) == pytest.approx(-0.4)


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("\\data\\\n", "", 21, "there is no line"),
        ("ngram 1=4", "ngram 1=5", 13, "there are 5 1-grams, but after 4 there is no more"),
        ("ngram 1=4", "ngram 1=3", 12, r"expected \\2-grams: after 3 1-grams, as \\data\\ says, got '-0.6  b -0.125'"),
        ("ngram 3=1", "ngram 3=2", 21, "there are 2 3-grams, but after 1"),
        ("ngram 3=1\n", "", 15, "2-grams are the longest"),
        ("\\3-grams:\n-0.05\ta b </s>\n\n", "", 19, r"expected \\3-grams:, got \\end\\"),
        ("ngram 3=1", "ngram 3=1\nngram 4=0", 23, r"expected \\4-grams:, got \\end\\"),
        ("ngram 2 =", "ngram 3 =", 5, "expected the number of 2-grams, got that of 3-grams"),
        ("ngram 2 = 3", "ngram 2 = x", 5, "expected ngram 2= or"),
        ("ngram 1=4\nngram 2 = 3\nngram 3=1\n", "", 5, "got 0"),
        ("ngram 2 = 3", "ngram 2 = 4000000000", 18, "there are 4000000000 2-grams, but after 3 there is no more"),
        ("ngram 2 = 3", f"ngram 2 = {'9' * 5000}", 5, "expected ngram 2= or .{80,120}$"),
        ("ngram 2 = 3", f"ngram {'9' * 5000} = 3", 5, "expected ngram 2= or"),
        ("\\2-grams:", "\\3-grams:", 14, r"expected \\2-grams:, got \\3-grams:"),
        ("\\2-grams:\n", "", 14, r"expected \\2-grams: after 4 1-grams"),
        ("-0.3\ta b", "-O.3\ta b", 16, "expected a log-probability, got '-O.3'"),
        ("-0.3\ta b", "nan\ta b", 16, "expected a log-probability, got 'nan'"),
        ("-0.3\ta b", "-0_3\ta b", 16, "expected a log-probability"),
        ("-0.3\ta b", "0.3\ta b", 16, "cannot be above 0"),
        ("-0.0625", "-0.06.25", 16, "expected a back-off weight"),
        ("-0.0625", "inf", 16, "expected a back-off weight"),
        ("-0.0625", "1e39", 16, "expected a back-off weight of at most"),
        ("-0.0625", "1e400", 16, "expected a back-off weight of at most"),
        ("-0.3\ta b\t-0.0625", "-0.3\ta", 16, "expected a log-probability, 2 symbols"),
        ("-0.3\ta b", "-0.3\ta b a a", 16, "expected a log-probability, 2 symbols"),
        ("-0.3\ta b", "-0.3\ta x", 16, "'x' is not among the 1-grams"),
        ("a b </s>\n", "a b </s>\t-1\n", 20, "3-grams are the longest"),
        ("-0.05\ta b </s>", "-0.05\tb a </s>", 20, "its context of 2 symbols is missing"),
        ("-0.2\tb </s>", "-0.2\ta b", 17, "this n-gram is there twice"),
        ("-0.6  b", "-0.6  a", 12, "'a' is there twice, first in line 11"),
        ("-0.5\t</s>", "-0.5\tz", 14, "'</s>' is not among the 1-grams"),
        ("-0.4\ta", "-0.4\t\\x", 15, "'a' is not among the 1-grams"),
        ("\\end\\\n", "", 21, "the file is cut off"),
        ("\\end\\\n", "\\end\\\nmore\n", 23, "there is something after"),
        ("\\end\\", "\\ende\\", 22, r"expected \\end\\ after 1 3-grams, as \\data\\ says, got"),
    ],
)
def test_damaged(path, old, new, line, what):
    assert SRILM.count(old) >= 1
    write(path, SRILM.replace(old, new, 1))
    with pytest.raises(ValueError, match=what) as error:
        read_arpa(path)
    assert str(error.value).startswith(f"{path}, line {line}: ")


def test_cut_off_anywhere(path):
    lines = SRILM.splitlines(keepends=True)
    for n in range(len(lines)):
        write(path, "".join(lines[:n]))
        with pytest.raises(ValueError, match=rf"line {n}: "):
            read_arpa(path)


def test_a_compressed_file_that_is_damaged(tmp_path):
    path = tmp_path / "lm.arpa.gz"
    data = gzip.compress(SRILM.encode())
    for damaged in (data[:-9], data[:40], data[:-6] + bytes([data[-6] ^ 1]) + data[-5:], SRILM.encode()):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"lm\.arpa\.gz, line \d+: the compressed file is damaged"):
            read_arpa(path)


def test_not_utf8(path):
    write(path, SRILM.encode().replace(b"  b ", b" \xff ").replace(b"b", b"\xff"))
    with pytest.raises(ValueError, match="line 12: .* is not UTF-8"):
        read_arpa(path)


def test_symbols_that_may_be_written_in_several_ways(path):
    write(path, SRILM)
    assert read_arpa(path, normalize=str.upper).names[3:] == ["A", "B"]
    assert read_arpa(path, ["<unk>", "<s>", "</s>", "B", "A"], normalize=str.upper).model.trie.sizes == (5, 3, 1)
    with pytest.raises(ValueError, match="line 12: 'b' is there twice, first in line 11"):
        read_arpa(path, normalize=lambda name: "x")


def test_more_ngrams_than_there_is_room_for_at_first(path, monkeypatch):
    write(path, SRILM)
    expected = read_arpa(path).model.to_bytes()
    monkeypatch.setattr(reading, "_ROOM", 1)
    assert read_arpa(path).model.to_bytes() == expected


def test_symbols_of_another_model(path):
    write(path, SRILM)
    with pytest.raises(ValueError, match=r"line 11: 'a' is none of the 5 symbols"):
        read_arpa(path, ["<unk>", "<s>", "</s>", "b", "x"])
    with pytest.raises(ValueError, match="'x' is not among the 1-grams"):
        read_arpa(path, ["<unk>", "<s>", "</s>", "b", "a", "x"])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda names: names[:-1], "the model has 9 symbols, but there are 8 names"),
        (lambda names: ["a", *names[1:]], "the first names must be"),
        (lambda names: [*names[:-1], "x y"], "'x y' cannot stand in an ARPA file"),
        (lambda names: [*names[:-1], ""], "'' cannot stand"),
        (lambda names: [*names[:-1], "a"], "two symbols have the name 'a'"),
    ],
)
def test_bad_names(train, texts, tmp_path, change, what):
    with pytest.raises(ValueError, match=what):
        write_arpa(tmp_path / "lm.arpa", train(texts, 2, 9), change(NAMES))
    assert not os.listdir(tmp_path)


def test_what_was_there_stays(train, texts, tmp_path, monkeypatch):
    path = tmp_path / "lm.arpa"
    path.write_text("before")

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr("spacy_rnn.backoff.arpa.writing._decimal", fail)
    with pytest.raises(OSError, match="no space left"):
        write_arpa(path, train(texts, 2, 9), NAMES)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["lm.arpa"]


@pytest.mark.skipif(library is None, reason="needs the compiled engine")
@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(3, 8), max_size=8), min_size=1, max_size=6), st.integers(1, 4), st.sampled_from(SMOOTHINGS))
def test_either_engine_writes_the_same(train, tmp_path_factory, texts, order, smoothing):
    path = tmp_path_factory.mktemp("arpa") / "lm.arpa"
    model = train(texts, order, 9, smoothing)
    found = []
    for functions in (library, reference):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "functions", functions)
            write_arpa(path, model, NAMES)
            found.append(path.read_bytes())
    assert found[0] == found[1]


@pytest.mark.skipif(library is None, reason="needs the compiled engine")
@settings(max_examples=100, deadline=None)
@given(st.integers(-(2**63), 2**63 - 1))
def test_either_engine_writes_numbers_alike(number):
    symbols, first = numpy.array([-1, 0, 1, 2], "int32"), numpy.array([1, 4], "uint32")
    numbers = numpy.array([number, 0, 10], "int64")
    lines = [
        functions.LineWriter(3, symbols, first, [b"a", b"", b"c"]).format(1, 1, numbers, numbers[::-1].copy())
        for functions in (library, reference)
    ]
    assert lines[0] == lines[1]
    assert float(lines[0].split(b"\t")[0]) == pytest.approx(number / 1e7)


@pytest.mark.skipif(library is None, reason="needs the compiled engine")
@pytest.mark.parametrize(
    ("order", "begin", "n"), [(0, 0, 1), (3, 10, 1), (17, 1, 1), (1, 0, 1), (1, 1, 10), (2, 1, 1), (2, 10, 99)]
)
def test_no_such_ngrams(train, texts, order, begin, n):
    trie = train(texts, 2, 9).trie
    writer = library.LineWriter(9, trie.symbols, trie.first, [b"x"] * 9)
    numbers = numpy.zeros(n, "int64")
    with pytest.raises(ValueError, match="there are no"):
        writer.format(order, begin, numbers, None)
    with pytest.raises(ValueError, match="expected 9 names"):
        library.LineWriter(9, trie.symbols, trie.first, [b"x"] * 8)
