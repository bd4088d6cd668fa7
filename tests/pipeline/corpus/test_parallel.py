"""Parallel text as a corpus."""

import gzip
import json
import random

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.util import registry

from spacy_rnn.pipeline.annotation.output import OUTPUT_KEY, Output, get_output, set_output
from spacy_rnn.pipeline.corpus.parallel import build_parallel_corpus, find_place

GERMAN = ["Ein Hund läuft.", "Zwei  Männer\u2028am Strand. ", "Schnee 😀"]
ENGLISH = ["A dog runs.", "Two men\u00a0on the beach.", "snow"]
PAIRS = list(zip(GERMAN, ENGLISH, strict=True))


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("de")


@pytest.fixture
def write(tmp_path):
    """Write a file: its name and its content, a list of lines or what it is."""

    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{line}\n" for line in content) if isinstance(content, list) else content
        data = text.encode() if isinstance(text, str) else text
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") and not isinstance(content, bytes) else data)
        return path

    return write


@pytest.fixture
def write_pair(write, tmp_path):
    """Write two files, and give what their names have in common."""

    def write_pair(sources=GERMAN, targets=ENGLISH, stem="train", suffixes=(".de", ".en")):
        for suffix, lines in zip(suffixes, (sources, targets), strict=True):
            write(f"{stem}{suffix}", lines)
        return tmp_path / stem

    return write_pair


def read(path, nlp, **settings):
    settings = {"source": "de", "target": "en", **settings}
    return list(build_parallel_corpus(path, **settings)(nlp))


def pairs(path, nlp, **settings):
    return [(example.predicted.text, get_output(example.reference).text) for example in read(path, nlp, **settings)]


def make_docs(nlp, with_output=True):
    for source, target in PAIRS:
        doc = nlp.tokenizer(source)
        if with_output:
            set_output(doc, Output(target))
        yield doc


def write_doc_bin(path, docs, store_user_data=True):
    DocBin(store_user_data=store_user_data, docs=docs).to_disk(path)
    return path


@pytest.mark.parametrize("suffixes", [(".de", ".en"), (".de.gz", ".en"), (".de.gz", ".en.gz")], ids=str)
@pytest.mark.parametrize("as_type", [str, lambda path: path], ids=["str", "Path"])
def test_two_files(suffixes, as_type, write_pair, nlp):
    path = write_pair(suffixes=suffixes)
    assert pairs(as_type(path), nlp) == PAIRS
    assert pairs(path, nlp, source=".de", target=".en") == PAIRS
    assert pairs(path, nlp, source="en", target="de") == [(second, first) for first, second in PAIRS]


def test_sides_are_src_and_tgt_unless_they_are_named(write_pair, nlp):
    path = write_pair(suffixes=(".src", ".tgt"))
    assert [example.x.text for example in build_parallel_corpus(path)(nlp)] == GERMAN
    path = write_pair(stem="v1.0", suffixes=(".tok.de", ".tok.en"))
    assert pairs(path, nlp, source="tok.de", target="tok.en") == PAIRS


def test_an_example(write_pair, nlp):
    for (source, target), example in zip(PAIRS, read(write_pair(), nlp), strict=True):
        assert isinstance(example, Example)
        tokens = [token.text for token in nlp.tokenizer(source)]
        assert [token.text for token in example.x] == [token.text for token in example.y] == tokens
        assert get_output(example.x) is None and not example.x.user_data
        assert get_output(example.y) == (target, 0.0, [], None)


@pytest.mark.parametrize("suffix", [".tsv", ".tsv.gz"])
@pytest.mark.parametrize("header", [None, "de\ten", "source\ttarget"])
def test_two_columns(suffix, header, write, nlp):
    lines = ["\t".join(pair) for pair in PAIRS]
    path = write(f"a{suffix}", [header, *lines] if header else lines)
    assert pairs(path, nlp) == PAIRS


def test_only_a_first_line_of_their_names_is_a_header(write, nlp):
    path = write("a.tsv", ["en\tde", "de\ten", 'source\t"target"'])
    assert pairs(path, nlp) == [("en", "de"), ("de", "en"), ("source", '"target"')]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_json_lines(suffix, write, nlp):
    lines = [json.dumps({"target": target, "id": 1, "source": source}) for source, target in PAIRS]
    assert pairs(write(f"a{suffix}", [*lines, ""]), nlp) == PAIRS


def test_docs_with_outputs_keep_their_tokens(tmp_path, nlp):
    docs = [*make_docs(nlp), Doc(nlp.vocab, words=["is", "n't", "ab c"], spaces=[False, True, False])]
    set_output(docs[-1], Output("x"))
    examples = read(write_doc_bin(tmp_path / "a.spacy", docs), nlp)
    assert [(example.x.text, get_output(example.y).text) for example in examples] == [*PAIRS, ("isn't ab c", "x")]
    for example, doc in zip(examples, docs, strict=True):
        assert [token.text for token in example.x] == [token.text for token in example.y] == [token.text for token in doc]
        assert not example.x.user_data


def test_spacys_own_reader_takes_docs_with_outputs(tmp_path, nlp):
    path = write_doc_bin(tmp_path / "a.spacy", list(make_docs(nlp)))
    found = [(example.x.text, get_output(example.x), get_output(example.y).text) for example in Corpus(path)(nlp)]
    assert found == [(source, None, target) for source, target in PAIRS]


def test_a_folder_is_read_in_order(write, write_pair, nlp, tmp_path):
    write_pair(["b1", "b2"], ["B1", "B2"], stem="corpus/b")
    write_pair(["z"], ["Z"], stem="corpus/a/z", suffixes=(".de.gz", ".en"))
    write("corpus/c.tsv", "c\tC")
    write("corpus/d.jsonl", '{"source": "d", "target": "D"}')
    write("corpus/.hidden.de", ["h"])
    write("corpus/.git/x.de", ["x"])
    write("corpus/README.md", "about it")
    expected = [("z", "Z"), ("b1", "B1"), ("b2", "B2"), ("c", "C"), ("d", "D")]
    assert pairs(tmp_path / "corpus", nlp) == expected
    assert pairs(str(tmp_path / "corpus"), nlp, limit=2) == expected[:2]


def test_lower_case_of_both_sides(write_pair, nlp):
    expected = [(source.lower(), target.lower()) for source, target in PAIRS]
    assert pairs(write_pair(), nlp, lower=True) == expected


def test_sources_longer_than_the_pipeline_allows_are_read(write_pair):
    nlp = spacy.blank("de")
    nlp.max_length = 10
    assert pairs(write_pair(), nlp) == PAIRS


def test_limit_and_shuffle(write_pair, nlp):
    path = write_pair(list(map(str, range(50))), [f"n{i}" for i in range(50)])
    expected = [(str(i), f"n{i}") for i in range(50)]
    assert pairs(path, nlp, limit=7) == expected[:7]
    random.seed(1)
    once, again = pairs(path, nlp, shuffle=True), pairs(path, nlp, shuffle=True)
    assert once != again
    assert sorted(once) == sorted(again) == sorted(expected)
    assert sorted(pairs(path, nlp, shuffle=True, limit=7)) == sorted(expected[:7])


def test_a_corpus_can_be_read_again(write_pair, nlp):
    corpus = build_parallel_corpus(write_pair(), "de", "en")
    assert [example.x.text for example in corpus(nlp)] == [example.x.text for example in corpus(nlp)] == GERMAN


def test_the_place_of_an_example(write_pair, write, tmp_path, nlp):
    path = write_pair()
    assert [find_place(example) for example in read(path, nlp)] == [f"{path}.de, line {i}" for i in (1, 2, 3)]
    path = write("a.tsv", ["de\ten", "x\ty"])
    assert [find_place(example) for example in read(path, nlp)] == [f"{path}, line 2"]
    path = write_doc_bin(tmp_path / "a.spacy", list(make_docs(nlp)))
    assert [find_place(example) for example in read(path, nlp)] == [f"{path}, text {i}" for i in (1, 2, 3)]
    doc = nlp.tokenizer("x" * 60)
    assert find_place(Example(doc, doc.copy())) == f"the text '{'x' * 50}'…"


TWO_FILES = {
    "one line less": (["a", "b", "c"], ["A", "B"], r"train\.de has 3 lines, but .*train\.en has 2.*train\.de has 1 more"),
    "many more": (["a"], ["A"] * 1234, r"train\.de has 1 lines, but .*train\.en has 1,234.*train\.en has 1,233 more"),
    "one is without lines": ([], ["A"], r"train\.de has 0 lines, but .*train\.en has 1"),
    "an empty line at the end": (["a", ""], ["A"], "has 2 lines, but .*has 1"),
    "moved by an empty line": (["a", "b"], ["A", "", "B"], "has 2 lines, but .*has 3"),
    "an empty target": (["a", "b"], ["A", ""], r"train\.de, line 2 \(and .*train\.en\): the target is empty"),
    "a blank target": (["a", "b"], ["\u00a0\t", "B"], "line 1 .*: the target is empty"),
    "an empty source": (["a", "", "c"], ["A", "B", "C"], "line 2 .*: the source is empty"),
    "both are empty": (["a", " "], ["A", " "], "line 2 .*: the source and the target are empty"),
    "no lines": ([], [], "train: the corpus is empty"),
    "not UTF-8": (b"a\nb\n", b"A\n\xe9\n", r"train\.en, line 2: expected text in UTF-8"),
    "null": (b"a\n\0\n", b"A\nB\n", r"train\.de, line 2: .*null character"),
}


@pytest.mark.parametrize("streamed", [False, True], ids=["all", "first"])
@pytest.mark.parametrize("limit", [0, 1])
@pytest.mark.parametrize("what", TWO_FILES)
def test_two_files_that_do_not_fit_are_refused_before_the_first_pair(what, limit, streamed, write_pair, nlp):
    sources, targets, message = TWO_FILES[what]
    corpus = build_parallel_corpus(write_pair(sources, targets), "de", "en", limit=limit)
    with pytest.raises(ValueError, match=message):
        next(corpus(nlp)) if streamed else list(corpus(nlp))


@pytest.mark.parametrize("side", [0, 1])
def test_a_damaged_archive_is_refused(side, write_pair, write, nlp):
    suffixes = (".de.gz", ".en.gz")
    path = write_pair([f"Wort {i}" for i in range(300)], [f"word {i}" for i in range(300)], suffixes=suffixes)
    file = path.with_name(f"train{suffixes[side]}")
    data = file.read_bytes()
    flipped = data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 0x41]) + data[len(data) // 2 + 1 :]
    for damaged in (b"", data[:20], data[:-1], data[:-4], flipped):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"train\{suffixes[side]}"):
            pairs(path, nlp, limit=1)


ONE_FILE = {
    "one column": ("a.tsv", ["a\tA", "b"], r"a\.tsv, line 2: expected two columns.*got 1: 'b'"),
    "three columns": ("a.tsv", ["a\tA", "b\tB\t"], r"a\.tsv, line 2: expected two columns.*got 3"),
    "a blank line": ("a.tsv", ["a\tA", "", "b\tB"], r"a\.tsv, line 2: expected two columns.*got 1"),
    "header of three": ("a.tsv", ["id\tde\ten", "1\tb\tB"], r"a\.tsv, line 1: expected two columns"),
    "an empty target": ("a.tsv", ["a\tA", "b\t"], r"a\.tsv, line 2: the target is empty"),
    "an empty source": ("a.tsv", [" \tA"], r"a\.tsv, line 1: the source is empty"),
    "a header alone": ("a.tsv", ["de\ten"], r"a\.tsv: the corpus is empty"),
    "no text": ("a.tsv", [], r"a\.tsv: the corpus is empty"),
    "bytes": ("a.tsv", b"a\tA\n\xff", r"a\.tsv, line 2: expected text in UTF-8"),
    "compressed": ("a.tsv", gzip.compress(b"a\tA"), r"a\.tsv, line 1: .*its name should end with \.gz"),
    "not compressed": ("a.tsv.gz", b"a\tA", r"a\.tsv\.gz: the compressed file is damaged"),
    "JSON": ("a.jsonl", ['{"source": "a", "target": "A"}', "{"], r"a\.jsonl, line 2: expected an object in JSON"),
    "no target": ("a.jsonl", ['{"source": "a"}'], r"a\.jsonl, line 1: .*a string as \"target\", got the keys \['source'\]"),
    "no source": ("a.jsonl", ['{"text": "a", "target": "A"}'], r"a\.jsonl, line 1: .*a string as \"source\""),
    "a number": ("a.jsonl", ['{"source": "a", "target": 1}'], r"a\.jsonl, line 1: .*\"target\""),
    "a list": ("a.jsonl", ['["a", "A"]'], r"a\.jsonl, line 1: .*\"source\""),
    "half a pair": ("a.jsonl", ['{"source": "a", "target": "\\ud800"}'], r"a\.jsonl, line 1: .*half of a surrogate pair"),
    "empty in JSON": ("a.jsonl", ['{"source": "a", "target": ""}'], r"a\.jsonl, line 1: the target is empty"),
    "binary": ("a.spacy", b"no DocBin", r"a\.spacy: expected texts in spaCy's binary format"),
    "another kind": ("a.csv", ["a,A"], r"a\.csv: pairs are read from files \.tsv"),
    "one side by name": ("train.de", ["a"], r"train\.de: .*what their names have in common: .*train$"),
    "one side by name, compressed": ("train.en.gz", ["a"], r"train\.en\.gz: .*what their names have in common: .*train$"),
}


@pytest.mark.parametrize("limit", [0, 1])
@pytest.mark.parametrize("what", ONE_FILE)
def test_a_file_that_does_not_fit_is_refused_before_the_first_pair(what, limit, write, nlp):
    name, content, message = ONE_FILE[what]
    corpus = build_parallel_corpus(write(name, content), "de", "en", limit=limit)
    with pytest.raises(ValueError, match=message):
        next(corpus(nlp))


def test_docs_without_a_good_output_are_refused(tmp_path, nlp):
    path = tmp_path / "a.spacy"
    docs = list(make_docs(nlp))
    write_doc_bin(path, docs, store_user_data=False)
    with pytest.raises(ValueError, match=r"a\.spacy, text 1: it has no output.*store_user_data=True"):
        read(path, nlp)
    set_output(docs[1], Output(" "))
    with pytest.raises(ValueError, match=r"a\.spacy, text 2: the target is empty"):
        read(write_doc_bin(path, docs), nlp)
    docs[1].user_data[OUTPUT_KEY] = "damaged"
    with pytest.raises(ValueError, match=r"a\.spacy, text 2: .*expected a dict.*got 'damaged'"):
        read(write_doc_bin(path, docs), nlp)
    empty = Doc(nlp.vocab)
    set_output(empty, Output("x"))
    with pytest.raises(ValueError, match=r"a\.spacy, text 1: the source is empty"):
        read(write_doc_bin(path, [empty]), nlp)
    with pytest.raises(ValueError, match=r"a\.spacy, text 1: lower = true is for files of text"):
        read(write_doc_bin(path, list(make_docs(nlp))), nlp, lower=True)


@pytest.mark.parametrize("folder", [False, True], ids=["by name", "in a folder"])
def test_a_file_of_a_pair_is_missing(folder, write, tmp_path, nlp):
    path = tmp_path / "data" if folder else tmp_path / "data" / "val"
    source = write("data/val.de.gz", ["a"])
    with pytest.raises(ValueError, match=r"val\.de\.gz has no other side: there is neither .*val\.en nor .*val\.en\.gz"):
        read(path, nlp)
    source.unlink()
    write("data/val.en", ["a"])
    with pytest.raises(ValueError, match=r"val\.en has no other side: there is neither .*val\.de nor .*val\.de\.gz"):
        read(path, nlp)


def test_what_could_be_two_things_is_refused(write_pair, write, tmp_path, nlp):
    path = write_pair()
    write("train.en.gz", ENGLISH)
    with pytest.raises(ValueError, match=r"got .*train\.en and .*train\.en\.gz: remove one"):
        read(path, nlp)
    (tmp_path / "train.en.gz").unlink()
    write("train/a.tsv", "a\tA")
    with pytest.raises(ValueError, match=r"train is a folder, and there is .*train\.de"):
        read(path, nlp)


def test_nothing_to_read(tmp_path, nlp):
    with pytest.raises(FileNotFoundError, match=r"nowhere.*and none of .*nowhere\.de, .*nowhere\.de\.gz, .*nowhere\.en, "):
        read(tmp_path / "nowhere", nlp)
    with pytest.raises(ValueError, match=r"has no file to read pairs of texts from: \.tsv.*pairs \.de and \.en"):
        read(tmp_path, nlp)
    with pytest.raises(ValueError, match="E913"):
        build_parallel_corpus(None)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"limit": -1}, "limit must not be negative, got -1"),
        ({"source": ""}, "source must be how the names of its files end"),
        ({"target": "."}, "target must be how"),
        ({"source": "de.gz"}, "source must be how .*got 'de.gz'"),
        ({"target": "tsv"}, "target must be how"),
        ({"target": "a/b"}, "target must be how"),
        ({"source": "en", "target": ".en"}, "must differ"),
    ],
    ids=str,
)
def test_bad_settings_are_refused(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        build_parallel_corpus(tmp_path, **settings)


def test_it_can_be_named_in_a_config(write_pair, nlp):
    block = {"@readers": "spacy_rnn.ParallelCorpus.v1", "path": str(write_pair()), "source": "de", "target": "en"}
    corpus = registry.resolve({"corpora": {"train": block}})["corpora"]["train"]
    assert [example.x.text for example in corpus(nlp)] == GERMAN
