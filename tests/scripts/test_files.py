"""Files are read to their verified end, and written whole or not at all."""

import gzip
import io
import os
import random
import sys
import tarfile
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

SCRIPTS = Path(__file__).parents[2] / "scripts"
LINES = [f"{number}\tword{number * 7919 % 1000}é" for number in range(2000)]


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "corpora"]:
        del sys.modules[name]


def damage(data, kind, where):
    i = int(where * len(data))
    if kind == "flipped":
        return data[:i] + bytes([data[i] ^ 0x10]) + data[i + 1 :]
    if kind == "zeroed":
        return data[:i] + bytes(512) + data[i + 512 :]
    return data[:i] if kind == "truncated" else data[:i] + data[i + 3 :]


DAMAGES = [
    (kind, where) for kind in ("flipped", "zeroed", "truncated", "shortened") for where in (0.0, 0.1, 0.35, 0.6, 0.9, 0.999)
]


@pytest.mark.parametrize("kind, where", DAMAGES)
def test_a_damaged_compressed_text_is_an_error(tmp_path, kind, where):
    from corpora.text_files import read_lines

    path = tmp_path / "x.txt.gz"
    data = gzip.compress("\n".join(LINES).encode())
    path.write_bytes(data)
    assert read_lines(path) == LINES
    path.write_bytes(damage(data, kind, where))
    with pytest.raises(ValueError, match="x.txt.gz: (the compressed file is damaged, after about|expected a compressed file)"):
        read_lines(path)


@pytest.mark.parametrize("kind, where", DAMAGES)
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
def test_a_damaged_archive_is_an_error(tmp_path, form, kind, where):
    from corpora.archives import read_members

    path = tmp_path / "x.tar.gz"
    content = io.BytesIO()
    shuffled = random.Random(0)
    files = {f"folder/{n}{'é' * 101 * (n % 9 == 4)}.txt": shuffled.randbytes(shuffled.randrange(1500)) for n in range(50)}
    with tarfile.open(fileobj=content, mode="w:gz", format=form) as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    path.write_bytes(content.getvalue())
    assert dict(read_members(path)) == files
    path.write_bytes(damage(content.getvalue(), kind, where))
    with pytest.raises(ValueError, match="x.tar.gz: the archive is damaged, at or after"):
        list(read_members(path))


def make_tar(*names):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return content.getvalue()


@pytest.mark.parametrize(
    "data, words",
    [
        (make_tar("a", "b")[:1024], "neither the header of a file nor the archive's end"),
        (make_tar("a", "b")[:512] + b"x" * 512 + make_tar("a", "b")[1024:], "neither the header"),
        (make_tar("a") + make_tar("b"), "something follows the archive's end"),
        (b"", "empty file"),
    ],
    ids=["no end", "no header", "two in one", "empty"],
)
def test_an_archive_that_is_whole_by_its_checksum_only_is_an_error(tmp_path, data, words):
    from corpora.archives import read_members

    (tmp_path / "x.tgz").write_bytes(gzip.compress(data))
    with pytest.raises(ValueError, match=words):
        list(read_members(tmp_path / "x.tgz"))


@pytest.mark.parametrize(
    "data, lines",
    [
        (b"\xef\xbb\xbfa\r\nb\r\n", ["a", "b"]),
        (b"a\n\xef\xbb\xbfb\n\xef\xbb\xbf\n\xef\xbb\xbf\tO\nc\xef\xbb\xbf\n", ["a", "b", "", "\ufeff\tO", "c\ufeff"]),
        ("a\x85b\u2028c\x0bd\x1ce\n\nf".encode(), ["a\x85b\u2028c\x0bd\x1ce", "", "f"]),
        (b"", []),
    ],
    ids=["windows", "marks", "other line breaks", "empty"],
)
def test_lines_end_at_line_feeds_and_have_no_marks(tmp_path, data, lines):
    from corpora.text_files import read_lines

    (tmp_path / "x").write_bytes(data)
    assert read_lines(tmp_path / "x") == lines


@pytest.mark.parametrize(
    "data, words",
    [
        (b"a\nb\n\xffc\n", "x, line 3: expected text in UTF-8"),
        (b"a\nb\0\n", "x, line 2: expected text, got a null character"),
        ("a\n".encode("utf-16"), "x, line 1: expected text in UTF-8"),
        (gzip.compress(b"a\n"), "its name should end with .gz"),
        (b"a\rb\rc\r", "end with a carriage return alone"),
    ],
    ids=["bytes", "null", "utf-16", "compressed", "carriage returns"],
)
def test_what_is_no_text_is_an_error(tmp_path, data, words):
    from corpora.text_files import read_lines

    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ValueError, match=words):
        read_lines(tmp_path / "x")


def test_a_corpus_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    from corpora.corpus_files import write_corpus

    doc = spacy.blank("xx")("one")
    write_corpus(tmp_path / "out", {split: DocBin(docs=[doc]) for split in ("train", "dev")})
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert set(before) == {"train.spacy", "dev.spacy"}

    class Full(DocBin):
        def to_disk(self, path):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_corpus(tmp_path / "out", {"train": DocBin(docs=[doc, doc]), "dev": Full()})
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_folder_in_the_place_of_a_file_is_an_error_before_anything_is_written(tmp_path):
    from corpora.corpus_files import write_corpus

    (tmp_path / "dev.spacy").mkdir()
    with pytest.raises(OSError, match="dev.spacy"):
        write_corpus(tmp_path, {"train": DocBin(), "dev": DocBin()})
    assert os.listdir(tmp_path) == ["dev.spacy"]
