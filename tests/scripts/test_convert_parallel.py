"""Converting parallel texts."""

import gzip
import re

import pytest
import spacy
from spacy.training import Corpus

from spacy_rnn.pipeline.annotation.output import get_output
from spacy_rnn.pipeline.corpus.parallel import build_parallel_corpus

GERMAN = ["Ein Hund z.B. läuft.", "Zwei  Männer. ", "Schnee"]
ENGLISH = ["A dog runs.", "Two men.", "Snow"]


@pytest.fixture
def make_folder(tmp_path):
    """Write files by their names, and give their folder."""

    def make(files):
        folder = tmp_path / "in"
        folder.mkdir()
        for name, lines in files.items():
            data = "".join(f"{line}\n" for line in lines).encode()
            (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return folder

    return make


def name_files(names=("train", "val", "test"), suffixes=(".de.gz", ".en.gz")):
    files = {}
    for name in names:
        for suffix, lines in zip(suffixes, (GERMAN, ENGLISH), strict=True):
            files[f"{name}{suffix}"] = [f"{line} {name}" for line in lines]
    return files


def pairs(docs):
    return [(doc.text, get_output(doc).text) for doc in docs]


@pytest.mark.parametrize("dev", ["dev", "valid", "val"])
@pytest.mark.parametrize("suffixes", [(".de", ".en"), (".de.gz", ".en")], ids=str)
def test_three_parts(dev, suffixes, make_folder, run, read, tmp_path):
    folder = make_folder(name_files(("train", dev, "test"), suffixes))
    result = run("convert_parallel", folder, tmp_path / "out", "--source", "de", "--target", "en", "--lang", "de")
    assert result.returncode == 0, result
    assert f"{folder}, dev: 3 pairs" in result.stdout
    for split, name in (("train", "train"), ("dev", dev), ("test", "test")):
        docs = read(tmp_path / "out" / f"{split}.spacy")
        assert pairs(docs) == [(f"{a} {name}", f"{b} {name}") for a, b in zip(GERMAN, ENGLISH, strict=True)]
        assert [token.text for token in docs[0]] == [token.text for token in spacy.blank("de")(docs[0].text)]


def test_what_is_written_is_read_by_both_readers(make_folder, run, tmp_path):
    folder = make_folder(name_files())
    run("convert_parallel", folder, tmp_path / "out", "--source", "de", "--target", "en", "--lang", "de")
    nlp = spacy.blank("de")
    expected = pairs(example.reference for example in build_parallel_corpus(folder / "val", "de", "en")(nlp))
    path = tmp_path / "out" / "dev.spacy"
    for corpus in (build_parallel_corpus(path), Corpus(path)):
        examples = list(corpus(nlp))
        assert pairs(example.reference for example in examples) == expected
        assert [get_output(example.predicted) for example in examples] == [None] * 3


def test_lower_case_and_the_name_of_the_test_part(make_folder, run, read, tmp_path):
    folder = make_folder(name_files(("train", "val", "test_2016_flickr", "test_2017_flickr"), (".src", ".tgt")))
    result = run("convert_parallel", folder, tmp_path / "out", "--lower", "--test", "test_2017_flickr")
    assert result.returncode == 0, result
    expected = [(f"{a} test_2017_flickr".lower(), f"{b} test_2017_flickr".lower()) for a, b in zip(GERMAN, ENGLISH, strict=True)]
    assert pairs(read(tmp_path / "out" / "test.spacy")) == expected


def test_columns_and_json_lines(make_folder, run, read, tmp_path):
    folder = make_folder({"train.tsv": ["a\tA"], "dev.jsonl.gz": ['{"source": "b", "target": "B"}'], "test.tsv.gz": ["c\tC"]})
    assert run("convert_parallel", folder, tmp_path / "out").returncode == 0
    found = {split: pairs(read(tmp_path / "out" / f"{split}.spacy")) for split in ("train", "dev", "test")}
    assert found == {"train": [("a", "A")], "dev": [("b", "B")], "test": [("c", "C")]}


BAD = {
    "no test part": (name_files(("train", "val")), "called test .*but found none"),
    "two development parts": (name_files(("train", "val", "dev", "test")), "called dev or valid or val .*in/dev, .*in/val"),
    "a part twice": ({**name_files(), "train.tsv": ["a\tA"]}, r"called train .*in/train, .*in/train\.tsv"),
    "one side": ({**name_files(), "dev.en": ["a"]}, r"dev\.en has no other side"),
    "lines": ({**name_files(), "val.en.gz": ENGLISH[:-1]}, r"val\.de\.gz has 3 lines, but .*val\.en\.gz has 2"),
    "an empty target": ({**name_files(), "test.en.gz": [*ENGLISH[:-1], ""]}, r"test\.de\.gz, line 3 .*: the target is empty"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_corpus_is_refused(what, make_folder, fails):
    files, message = BAD[what]
    assert re.search(message, fails("convert_parallel", make_folder(files), "--source", "de", "--target", "en"))


def test_bad_options_are_refused(make_folder, fails, tmp_path):
    folder = make_folder(name_files())
    assert "source and target must differ" in fails("convert_parallel", folder, "--source", "de", "--target", "de")
    assert "--lang xy: spaCy has no tokenizer" in fails("convert_parallel", folder, "--lang", "xy")
    assert f"there is no folder {tmp_path / 'nowhere'}" in fails("convert_parallel", tmp_path / "nowhere")
