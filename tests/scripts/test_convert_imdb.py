"""Converting the film reviews."""

import gzip
import io
import tarfile

import pytest


def write_archive(path, n=20, more=(), splits=("train", "test")):
    files = {
        f"aclImdb/{split}/{label}/{number}_7.txt": f"{split} {label} {number}<br /><br />naïve".encode()
        for split in splits
        for label in ("neg", "pos", "unsup")
        for number in range(n)
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {**files, **dict(more)}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def test_reviews_get_their_class_and_the_last_ones_become_dev(run, read, tmp_path):
    more = {"aclImdb/train/urls_neg.txt": b"http://", "aclImdb/train/neg/._0_7.txt": b"\xff", "aclImdb/README": b""}
    write_archive(tmp_path / "aclImdb_v1.tar.gz", more=more)
    assert run("convert_imdb", tmp_path, tmp_path / "out").returncode == 0
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


def test_two_archives_together_hold_all(run, read, tmp_path):
    write_archive(tmp_path / "a.tar.gz", splits=["train"])
    write_archive(tmp_path / "b.tgz", splits=["test"])
    assert run("convert_imdb", tmp_path, tmp_path / "out", "--dev-share", 0).returncode == 0
    assert [len(read(tmp_path / "out" / f"{split}.spacy")) for split in ("train", "dev", "test")] == [40, 0, 40]


@pytest.mark.parametrize("content, words", [(None, "expected aclImdb_v1.tar.gz"), (b"no archive", "aclImdb_v1.tar.gz:")])
def test_missing_and_damaged_archives_are_named(fails, tmp_path, content, words):
    if content is not None:
        (tmp_path / "aclImdb_v1.tar.gz").write_bytes(content)
    assert words in fails("convert_imdb", tmp_path)


@pytest.mark.parametrize("where", [0.05, 0.3, 0.6, 0.95])
def test_nothing_is_written_of_an_archive_with_a_flipped_byte(fails, tmp_path, where):
    path = tmp_path / "aclImdb_v1.tar.gz"
    write_archive(path, n=200)
    data = bytearray(path.read_bytes())
    data[int(where * len(data))] ^= 0x55
    path.write_bytes(data)
    assert "aclImdb_v1.tar.gz: the archive is damaged, at or after" in fails("convert_imdb", tmp_path)


def test_a_damaged_header_is_not_the_end(fails, tmp_path):
    path = tmp_path / "aclImdb_v1.tar.gz"
    write_archive(path)
    data = bytearray(gzip.decompress(path.read_bytes()))
    # The header of the last file, in an archive that its checksum finds whole.
    data[data.rindex(b"aclImdb/test/unsup/19_7.txt") + 3] ^= 1
    path.write_bytes(gzip.compress(data))
    assert "neither the header of a file nor the archive's end" in fails("convert_imdb", tmp_path)


@pytest.mark.parametrize(
    "more, words",
    [
        ({"aclImdb/train/pos/99_1.txt": b"a\xff"}, "aclImdb_v1.tar.gz, aclImdb/train/pos/99_1.txt: expected text in UTF-8"),
        ({"aclImdb/train/pos/99_1.html": b"a"}, "aclImdb/train/pos/99_1.html: expected the name of a review"),
        ({"other/train/pos/1_7.txt": b"a"}, "other/train/pos/1_7.txt: this review has been read before"),
        ({"aclImdb/test/pos/99_1.txt": b"a" * 1_000_001}, "review 99 (pos)"),
    ],
    ids=["no text", "no review", "twice", "too long"],
)
def test_a_faulty_review_is_named(fails, tmp_path, more, words):
    write_archive(tmp_path / "aclImdb_v1.tar.gz", more=more)
    assert words in fails("convert_imdb", tmp_path)


def test_the_same_reviews_in_two_archives_are_an_error(fails, tmp_path):
    write_archive(tmp_path / "a.tar.gz")
    write_archive(tmp_path / "b.tar.gz", splits=["train"])
    assert "b.tar.gz, aclImdb/train/neg/0_7.txt: this review has been read before" in fails("convert_imdb", tmp_path)


@pytest.mark.parametrize(
    "n, splits, words",
    [(0, ("train", "test"), "no reviews train/neg"), (20, ["train"], "no reviews test/neg"), (3, ("train", "test"), "too few")],
)
def test_a_part_without_reviews_is_an_error(fails, tmp_path, n, splits, words):
    write_archive(tmp_path / "aclImdb_v1.tar.gz", n=n, splits=splits)
    assert words in fails("convert_imdb", tmp_path)
