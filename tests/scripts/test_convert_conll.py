"""Converting named entities in columns."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

SCRIPT = Path(__file__).parents[2] / "scripts" / "convert_conll.py"
# A line of one tab ends a sentence as an empty line does; an entity may follow another of its type.
TEXT = """-DOCSTART- -X- O

Anna\tB-person
Smith\tI-person
met\tO
Bob\tB-person
Ann\tB-person
\t
London\tB-location

"""


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True)


def write(folder, text=TEXT):
    folder.mkdir(exist_ok=True)
    for split in ("train", "dev", "test"):
        (folder / f"corpus.{split}.conll").write_text(text, encoding="utf8")
    return folder


def read(path):
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def entities(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def test_entities_and_sentences_are_kept(tmp_path):
    result = run(write(tmp_path / "in"), tmp_path / "out")
    assert result.returncode == 0, result.stderr
    docs = read(tmp_path / "out" / "dev.spacy")
    assert [[token.text for token in doc] for doc in docs] == [["Anna", "Smith", "met", "Bob", "Ann"], ["London"]]
    assert entities(docs[0]) == [("Anna Smith", "person"), ("Bob", "person"), ("Ann", "person")]
    assert entities(docs[1]) == [("London", "location")]
    # Where there is no entity, this is known, and not missing.
    assert docs[0][2].ent_iob_ == "O"


def test_sentences_of_a_document_keep_their_entities_apart(tmp_path):
    text = "Anna\tB-person\n\nSmith\tI-person\nsleeps\tO\n"
    assert run(write(tmp_path / "in", text), tmp_path / "out", "--n-sents", 2).returncode == 0
    (doc,) = read(tmp_path / "out" / "train.spacy")
    assert entities(doc) == [("Anna", "person"), ("Smith", "person")]
    assert [token.is_sent_start for token in doc] == [True, True, False]


def test_columns_may_be_four_and_separated_by_spaces_and_files_compressed(tmp_path):
    folder = write(tmp_path / "in", "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n")
    plain = folder / "corpus.test.conll"
    (folder / "corpus.test.conll.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert run(folder, tmp_path / "out").returncode == 0
    (doc,) = read(tmp_path / "out" / "test.spacy")
    assert entities(doc) == [("EU", "ORG")]


@pytest.mark.parametrize(
    "text, words",
    [
        ("Anna\tB-person\nSmith\n", "line 2: expected a word and its tag, got 'Smith'"),
        ("Anna\tperson\n", "line 1: a tag is O, or B- or I- and a type, got 'person'"),
        ("Anna\tB-\n", "got 'B-'"),
        ("\n\t\n", "expected at least one sentence"),
    ],
    ids=["no tag", "no scheme", "no type", "empty"],
)
def test_malformed_lines_are_named(tmp_path, text, words):
    result = run(write(tmp_path / "in", text), tmp_path / "out")
    assert result.returncode == 1
    assert words in result.stderr
    assert "corpus.train.conll" in result.stderr


def test_a_missing_or_doubtful_file_is_named(tmp_path):
    folder = write(tmp_path / "in")
    (folder / "other.dev.conll").write_text(TEXT)
    result = run(folder, tmp_path / "out")
    assert result.returncode == 1
    assert "expected one file with 'dev' in its name" in result.stderr
