"""Converting the film reviews."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

SCRIPT = Path(__file__).parents[2] / "scripts" / "convert_imdb.py"


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True)


def write_archive(path, n=20):
    with tarfile.open(path, "w:gz") as archive:
        for split in ("train", "test"):
            for label in ("neg", "pos", "unsup"):
                for number in range(n):
                    content = f"{split} {label} {number}<br /><br />naïve".encode()
                    info = tarfile.TarInfo(f"aclImdb/{split}/{label}/{number}_7.txt")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))


def read(path):
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def test_reviews_get_their_class_and_the_last_ones_become_dev(tmp_path):
    write_archive(tmp_path / "aclImdb_v1.tar.gz")
    assert run(tmp_path, tmp_path / "out").returncode == 0
    docs = {split: read(tmp_path / "out" / f"{split}.spacy") for split in ("train", "dev", "test")}
    assert {split: len(own) for split, own in docs.items()} == {"train": 36, "dev": 4, "test": 40}
    for split, own in docs.items():
        for doc in own:
            found_split, label, number, *_ = (token.text for token in doc)
            assert found_split == ("test" if split == "test" else "train")
            assert doc.cats == {"negative": float(label == "neg"), "positive": float(label == "pos")}
            assert split == "test" or (int(number) >= 18) == (split == "dev")
            assert doc.text.endswith(f"{number}\n\nnaïve")
    # Classes are mixed, since they come one after the other.
    assert 0 < sum(doc.cats["positive"] for doc in docs["train"][:18]) < 18


@pytest.mark.parametrize("content, words", [(None, "expected aclImdb_v1.tar.gz"), (b"no archive", "aclImdb_v1.tar.gz:")])
def test_missing_and_damaged_archives_are_named(tmp_path, content, words):
    if content is not None:
        (tmp_path / "aclImdb_v1.tar.gz").write_bytes(content)
    result = run(tmp_path, tmp_path / "out")
    assert result.returncode == 1
    assert words in result.stderr
