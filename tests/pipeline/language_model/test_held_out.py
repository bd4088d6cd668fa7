"""Texts that are kept aside for development."""

import gzip
import json

import pytest

from spacy_rnn.pipeline.language_model.held_out import split_texts

LINES = [f"line {i} of é, \ud83d\ude00 and {'more ' * (i % 3)}" for i in range(250)]
LINES = [line.encode("utf-16", "surrogatepass").decode("utf-16") for line in LINES]


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("\n\n".join(LINES[:100]), encoding="utf8")
    (folder / "b.txt.gz").write_bytes(gzip.compress("\n".join(LINES[100:200]).encode("utf8")))
    (folder / "c.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in LINES[200:]))
    return folder


def read(path):
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


def test_a_hundredth_of_whole_texts_is_kept_aside(texts, tmp_path):
    split = split_texts(texts, None, tmp_path / "out", "line", seed=0)
    train, dev = read(split.train), read(split.dev)
    assert len(dev) == 2
    assert sorted(train + dev) == sorted(LINES)
    assert train == [line for line in LINES if line not in dev]
    assert split.counts == {
        "files": 3,
        "texts": 248,
        "characters": sum(map(len, train)),
        "dev_texts": 2,
        "dev_characters": sum(map(len, dev)),
    }
    assert read(split_texts(texts, None, tmp_path / "again", "line", seed=0).dev) == dev
    assert read(split_texts(texts, None, tmp_path / "other", "line", seed=1).dev) != dev


def test_of_two_texts_one_is_kept_aside(tmp_path):
    (tmp_path / "two.txt").write_text("one\n\nline\n\n\ntwo\n\n")
    split = split_texts(tmp_path / "two.txt", None, tmp_path, "line", seed=0)
    assert len(read(split.dev)) == 1 and len(read(split.train)) == 2
    with pytest.raises(ValueError, match="two.txt: expected two texts at least"):
        split_texts(tmp_path / "two.txt", None, tmp_path, "file", seed=0)


def test_other_texts_are_used_as_they_are(texts, tmp_path):
    dev = tmp_path / "dev.txt"
    dev.write_text("one text\nand another\n")
    split = split_texts(texts, dev, tmp_path / "out", "line", seed=0)
    assert (split.train, split.dev) == (texts, dev)
    assert (split.counts["texts"], split.counts["dev_texts"], split.counts["dev_characters"]) == (250, 2, 19)
    assert not (tmp_path / "out").exists()


def test_what_is_not_to_be_trained_on_is_no_part_of_the_texts(texts, tmp_path):
    for dev in (texts / "a.txt", texts):
        with pytest.raises(ValueError, match="a.txt is among the texts for training and among those for development"):
            split_texts(texts, dev, tmp_path / "out", "line", seed=0)
    # What is kept aside would be read as a text for training the next time.
    with pytest.raises(ValueError, match="is in the folder of the texts"):
        split_texts(texts, None, texts / "out" / "corpus", "line", seed=0)
    assert not (texts / "out").exists()
    split_texts(texts / "a.txt", None, texts / "out" / "corpus", "line", seed=0)


def test_what_is_damaged_or_empty_is_named(texts, tmp_path):
    for name, content, message in (
        ("d.txt", b"fine\nnot \xff fine\n", r"d.txt, line 2: expected text in UTF-8"),
        ("d.txt.gz", gzip.compress(b"broken off" * 99)[:-20], r"d.txt.gz: the compressed file is damaged"),
        ("d.jsonl", b'{"text": "a"}\n{"text": 3}\n', r"d.jsonl, line 2"),
    ):
        (texts / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            split_texts(texts, None, tmp_path / "out", "line", seed=0)
        (texts / name).unlink()
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            split_texts(texts, tmp_path / name, tmp_path / "out", "line", seed=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no file to read texts from"):
        split_texts(tmp_path / "empty", None, tmp_path / "out", "line", seed=0)
    (tmp_path / "empty" / "a.txt").write_text("\n \n")
    with pytest.raises(ValueError, match="the corpus is empty"):
        split_texts(tmp_path / "empty", None, tmp_path / "out", "line", seed=0)
    with pytest.raises(FileNotFoundError, match="missing"):
        split_texts(tmp_path / "missing", None, tmp_path / "out", "line", seed=0)
    with pytest.raises(ValueError, match="unit must be one of"):
        split_texts(texts, None, tmp_path / "out", "word", seed=0)
    assert not (tmp_path / "out").exists()
