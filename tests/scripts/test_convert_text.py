"""Preparing plain text for language models."""

import gzip
import re

import pytest

SPLITS = ("train", "dev", "test")


def read_parts(folder):
    # `newline=""` leaves line ends as they are.
    return {split: (folder / f"{split}.txt").open(encoding="utf8", newline="").read() for split in SPLITS}


@pytest.mark.parametrize("suffix", [".txt", ".txt.gz"])
def test_a_file_is_cut_in_order_and_nothing_is_lost(run, read, tmp_path, suffix):
    text = "".join(f"line {i} naïve\u2028x\r\n\n  two" for i in range(37))
    content = text.encode()
    (tmp_path / f"plays{suffix}").write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    (tmp_path / "README.md").write_text("no text of the corpus")
    for source in (tmp_path, tmp_path / f"plays{suffix}"):
        result = run("convert_text", source, tmp_path / "out" / source.name)
        assert result.returncode == 0, result
        parts = read_parts(tmp_path / "out" / source.name)
        assert "".join(parts.values()) == text
        assert [len(part) for part in parts.values()] == [len(text) * 9 // 10, len(text) * 95 // 100 - len(text) * 9 // 10] + [
            len(text) - len(text) * 95 // 100
        ]
        (doc,) = read(tmp_path / "out" / source.name / "test.spacy")
        assert doc.text == parts["test"]
        assert [token.text for token in doc if not token.is_space] == parts["test"].split()
        assert f"{len(parts['dev'])} characters" in result.stdout


@pytest.mark.parametrize("dev", ["dev", "valid", "val"])
def test_parts_that_are_there_are_taken(run, tmp_path, dev):
    (tmp_path / "TITLES.txt").write_text("A Tale")
    for split, name in zip(SPLITS, ("train", dev, "test"), strict=True):
        (tmp_path / f"{name}.txt.gz").write_bytes(gzip.compress(f"text of {split}\n".encode()))
    assert run("convert_text", tmp_path, tmp_path / "out").returncode == 0
    assert read_parts(tmp_path / "out") == {split: f"text of {split}\n" for split in SPLITS}


@pytest.mark.parametrize(
    "files, message",
    [
        ({"train.txt": b"a", "test.txt": b"b"}, "train, dev and test"),
        ({"train.txt": b"a", "dev.txt": b"c", "val.txt": b"c", "test.txt": b"b"}, "train, dev and test"),
        ({"one.txt": b"abc", "two.txt": b"abc"}, "two.txt"),
        ({"one.txt": b"short"}, "too few"),
        ({"one.txt": b"x" * 95 + b"\n" * 5}, "nothing is left for test"),
        ({"one.txt": b" \n" * 100}, "white space"),
        ({"one.txt": b"x" * 50 + b"\n\xff" + b"x" * 50}, "line 2.*UTF-8"),
        ({"one.txt.gz": gzip.compress(b"many words " * 50)[:-9]}, "one.txt.gz.*damaged"),
        ({"texts.jsonl": b'{"text": "a"}\n'}, "found none"),
        ({"README.md": b"a"}, "no file"),
    ],
)
def test_what_is_no_corpus_is_refused(fails, tmp_path, files, message):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert re.search(message, fails("convert_text", folder))


def test_a_source_that_is_not_there_is_named(fails, tmp_path):
    assert str(tmp_path / "nowhere") in fails("convert_text", tmp_path / "nowhere")
