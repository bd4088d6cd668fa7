"""Plain text as a corpus."""

import gzip
import json
import random

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.util import registry
from spacy.vocab import Vocab

from spacy_rnn.pipeline.corpus.files import read_lines, read_pieces
from spacy_rnn.pipeline.corpus.reader import build_text_corpus, split_text

VOCAB = Vocab()
TEXT = "First line,  it isn't\tlong.\n\nSecond\u2028one \r\nthird\u00a0one\x0b\n \n\nlast 😀"
PARAGRAPHS = ["First line,  it isn't\tlong.", "Second\u2028one \nthird\u00a0one\x0b", "last 😀"]
LINES = ["First line,  it isn't\tlong.", "Second\u2028one ", "third\u00a0one\x0b", "last 😀"]


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


@pytest.fixture
def write(tmp_path):
    """Write a file: its name and its content."""

    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


def texts(path, nlp, **settings):
    settings.setdefault("tokens", "none")
    examples = list(build_text_corpus(path, **settings)(nlp))
    assert [example.predicted.text for example in examples] == [example.reference.text for example in examples]
    return [example.predicted.text for example in examples]


@pytest.mark.parametrize("tokens", ["none", "whitespace", "pipeline"])
@pytest.mark.parametrize("unit, expected", [("line", LINES), ("paragraph", PARAGRAPHS), ("file", [TEXT])])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_units(unit, expected, tokens, name, write, nlp):
    assert texts(write(name, TEXT), nlp, unit=unit, tokens=tokens) == expected


def test_tokens(write, nlp):
    path = write("a.txt", "  It isn't  a\n\nlong\u00a0text. \n")

    def tokens(kind):
        [example] = build_text_corpus(path, unit="file", tokens=kind)(nlp)
        words = [token.text for token in example.predicted]
        assert words == [token.text for token in example.reference]
        return words

    assert tokens("none") == ["  It isn't  a\n\nlong\u00a0text. \n"]
    assert tokens("whitespace") == ["  ", "It", "isn't", " ", "a", "\n\n", "long", "\u00a0", "text.", "\n"]
    assert tokens("pipeline") == [token.text for token in nlp("  It isn't  a\n\nlong\u00a0text. \n")]


@given(st.text(st.sampled_from("ab \n\t\u00a0\u3000\x1c😀"), min_size=1))
def test_tokens_at_white_space_keep_the_text(text):
    doc = split_text(text, VOCAB)
    assert doc.text == text
    assert [token.text for token in doc if not token.text.isspace()] == text.split()
    assert all(token.text.isspace() or not set(token.text) & set(" \n\t\u00a0\u3000\x1c") for token in doc)


def test_texts_longer_than_the_pipeline_allows_are_read(write, monkeypatch):
    nlp = spacy.blank("en")
    nlp.max_length = 10
    for tokens in ("none", "whitespace", "pipeline"):
        assert texts(write("a.txt", "more than ten characters"), nlp, tokens=tokens) == ["more than ten characters"]


def test_whole_texts_are_not_kept_in_the_vocabulary(write):
    nlp = spacy.blank("en")
    n_strings = len(nlp.vocab.strings)
    assert len(texts(write("a.txt", "\n".join(f"text number {i}" for i in range(2500))), nlp)) == 2500
    assert len(nlp.vocab.strings) == n_strings


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_json_lines(name, write, nlp):
    entries = [{"text": "a\nb"}, {"meta": 1, "text": "c  d"}, {"text": ""}, {"text": " "}]
    content = "\n\n".join(map(json.dumps, entries)) + "\r\n"
    for unit in ("line", "file"):
        assert texts(write(name, "\ufeff" + content), nlp, unit=unit) == ["a\nb", "c  d"]


def test_docs_keep_their_tokens(tmp_path, nlp):
    docs = [Doc(nlp.vocab, words=["is", "n't", "ab c"], spaces=[False, True, False]), Doc(nlp.vocab), Doc(nlp.vocab, words=["x"])]
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    for tokens in ("pipeline", "whitespace"):
        examples = list(build_text_corpus(tmp_path / "a.spacy", tokens=tokens)(nlp))
        assert [[token.text for token in example.predicted] for example in examples] == [["is", "n't", "ab c"], ["x"]]
    examples = list(build_text_corpus(tmp_path / "a.spacy", tokens="none")(nlp))
    assert [[token.text for token in example.predicted] for example in examples] == [["isn't ab c"], ["x "]]


def test_a_folder_is_read_in_order(write, nlp, tmp_path):
    write("corpus/b.txt", "b1\nb2")
    write("corpus/a/z.jsonl", '{"text": "z"}')
    write("corpus/c.txt.gz", "c")
    write("corpus/.hidden.txt", "h")
    write("corpus/.git/x.txt", "x")
    write("corpus/notes.md", "n")
    assert texts(tmp_path / "corpus", nlp) == ["z", "b1", "b2", "c"]
    assert texts(str(tmp_path / "corpus"), nlp) == ["z", "b1", "b2", "c"]
    assert texts(tmp_path / "corpus", nlp, limit=2) == ["z", "b1"]
    assert texts(tmp_path / "corpus", nlp, min_length=2) == ["b1", "b2"]
    assert texts(tmp_path / "corpus", nlp, min_length=2, limit=1) == ["b1"]


def test_shuffle(write, nlp):
    path = write("a.txt", "\n".join(map(str, range(50))))
    random.seed(1)
    once, again = texts(path, nlp, shuffle=True), texts(path, nlp, shuffle=True)
    assert once != again
    assert sorted(once) == sorted(again) == sorted(map(str, range(50)))


def test_a_corpus_can_be_read_again(write, nlp):
    corpus = build_text_corpus(write("a.txt", TEXT), tokens="none")
    assert [example.x.text for example in corpus(nlp)] == [example.x.text for example in corpus(nlp)] == LINES


@given(st.lists(st.text("ab\ufeff\r \u2028é", max_size=5), max_size=8), st.booleans(), st.integers(1, 7))
def test_lines_do_not_depend_on_the_pieces_that_are_read(tmp_path_factory, lines, is_closed, size):
    from spacy_rnn.pipeline.corpus import files

    path = tmp_path_factory.mktemp("lines") / "a.txt"
    path.write_bytes("\n".join([*lines, "end"]).encode() + b"\n" * is_closed)
    expected = [line.lstrip("\ufeff").removesuffix("\r") for line in [*lines, "end"]]
    for piece in (size, 1 << 20):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files, "_PIECE", piece)
            assert list(read_lines(path)) == list(enumerate(expected, 1))


def test_byte_order_marks_are_no_text(write, nlp):
    path = write("a.txt", "\ufeffone\ufeff\n\ufefftwo")
    assert texts(path, nlp) == ["one\ufeff", "two"]
    assert texts(path, nlp, unit="paragraph") == ["one\ufeff\ntwo"]
    assert texts(path, nlp, unit="file") == ["one\ufeff\ntwo"]


DAMAGED = {
    "not UTF-8": ("a.txt", b"one\ntwo\nth\xe9\n", "a.txt, line 3: expected text in UTF-8"),
    "UTF-16": ("a.txt", "one".encode("utf-16"), "a.txt, line 1: expected text in UTF-8"),
    "UTF-16 without a mark": ("a.txt", "one\ntwo".encode("utf-16-le"), "a.txt, line 1: .*null character"),
    "null": ("a.txt", b"one\ntwo\0\n", "a.txt, line 2: .*null character"),
    "compressed": ("a.txt", gzip.compress(b"one"), r"a.txt, line 1: .*its name should end with \.gz"),
    "JSON": ("a.jsonl", '{"text": "a"}\n\n{"text": "b"', "a.jsonl, line 3: expected an object in JSON"),
    "a list": ("a.jsonl", '["text"]', 'a.jsonl, line 1: expected an object with a string as "text"'),
    "no text": ("a.jsonl", '{"text": "a"}\n{"title": "b"}', r"a.jsonl, line 2: .*\['title'\]"),
    "a number": ("a.jsonl", '{"text": 5}', 'a.jsonl, line 1: .*"text"'),
    "deep": ("a.jsonl", "[" * 100_000, "a.jsonl, line 1: expected an object in JSON"),
    "surrogate": ("a.jsonl", '{"text": "a"}\n{"text": "\\ud800"}', "a.jsonl, line 2: .*half of a surrogate pair"),
    "binary": ("a.spacy", b"not a DocBin", "a.spacy: expected texts in spaCy's binary format"),
    "empty": ("a.txt", b"", "a.txt: the corpus is empty"),
    "blank": ("a.txt", b" \n\n\t\r\n", "a.txt: the corpus is empty"),
    "no entries": ("a.jsonl", b"", "a.jsonl: the corpus is empty"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_bad_files_are_named(what, tmp_path, nlp):
    name, content, message = DAMAGED[what]
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    for unit in ("line", "paragraph", "file"):
        with pytest.raises(ValueError, match=message):
            texts(tmp_path / name, nlp, unit=unit)


@pytest.mark.parametrize("unit", ["line", "paragraph", "file"])
@pytest.mark.parametrize("name", ["a.txt.gz", "a.jsonl.gz"])
def test_a_damaged_archive_is_refused_wherever_it_is(unit, name, write, nlp):
    rng = random.Random(0)
    content = "\n".join(json.dumps({"text": f"{rng.random()} {i}"}) for i in range(300))
    path = write(name, content)
    data = path.read_bytes()
    expected = texts(path, nlp, unit=unit)
    for at in [*range(10), *(rng.randrange(len(data)) for _ in range(12)), *range(len(data) - 8, len(data))]:
        for damaged in (data[:at], data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :]):
            path.write_bytes(damaged)
            try:
                # Some bytes of the header say nothing about the content, e.g. the time.
                assert texts(path, nlp, unit=unit) == expected
                assert 3 <= at < 10
            except ValueError as error:
                assert str(path) in str(error)
    path.write_bytes(data + b"more")
    with pytest.raises(ValueError, match=name):
        texts(path, nlp, unit=unit)


def test_lines_that_end_with_a_carriage_return_alone_are_refused(write, nlp):
    path = write("a.txt", "one\rtwo\r")
    for unit in ("line", "paragraph"):
        with pytest.raises(ValueError, match="a.txt: expected lines that end with a line feed"):
            texts(path, nlp, unit=unit)
    assert texts(path, nlp, unit="file") == ["one\rtwo\r"]


def test_nothing_to_read(tmp_path, write, nlp):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt"):
        texts(tmp_path / "nowhere.txt", nlp)
    with pytest.raises(ValueError, match="has no file to read texts from"):
        texts(tmp_path, nlp)
    with pytest.raises(ValueError, match=r"a\.csv: texts are read from files \.txt"):
        texts(write("a.csv", "a"), nlp)
    with pytest.raises(ValueError, match="no text of at least 5 characters"):
        texts(write("a.txt", "abc"), nlp, min_length=5)
    with pytest.raises(ValueError, match="E913"):
        build_text_corpus(None)


@pytest.mark.parametrize("settings", [{"unit": "sentence"}, {"tokens": "words"}, {"min_length": -1}, {"limit": -1}])
def test_bad_settings_are_refused(settings, tmp_path):
    with pytest.raises(ValueError, match=next(iter(settings))):
        build_text_corpus(tmp_path, **settings)


def test_memory_does_not_grow_with_a_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"some words\n" * 1_000_000)
    assert max(map(len, read_pieces(path))) <= 1 << 20
    assert sum(1 for _ in read_lines(path)) == 1_000_000


def test_it_can_be_named_in_a_config(write, nlp):
    config = {"corpora": {"train": {"@readers": "spacy_rnn.TextCorpus.v1", "path": str(write("a.txt", TEXT)), "tokens": "none"}}}
    corpus = registry.resolve(config)["corpora"]["train"]
    assert [example.x.text for example in corpus(nlp)] == LINES
