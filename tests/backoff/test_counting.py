"""Counting: in memory, on the disk, and by either engine."""

import os
import tempfile
from collections import Counter

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from spacy_rnn.backoff import NGramCounter, engine, reference
from spacy_rnn.native import library

SMALL = 1 << 10


def count(texts, order, n_symbols, **settings):
    counter = NGramCounter(order, n_symbols, **settings)
    for text in texts:
        counter.add(numpy.array(text, "int32"))
    return counter.finish()


def as_dictionary(counts):
    found = {}
    for order in range(1, counts.trie.order + 1):
        nodes = slice(*counts.trie.level(order))
        ngrams = map(tuple, counts.trie.ngrams(order, nodes).tolist())
        found.update(zip(ngrams, counts.counts[nodes].tolist(), strict=True))
    return found


def counted(texts, order, n_symbols):
    expected = Counter()
    for text in texts:
        whole = [1, *text, 2]
        for i in range(len(whole)):
            expected.update(tuple(whole[i : i + n]) for n in range(1, order + 1) if i + n <= len(whole))
    return {**{(symbol,): 0 for symbol in range(n_symbols)}, **expected}


def assert_same(one, other):
    assert one.trie.sizes == other.trie.sizes
    for name in ("symbols", "first", "links"):
        assert_array_equal(getattr(one.trie, name), getattr(other.trie, name), err_msg=name)
    assert_array_equal(one.counts, other.counts)
    assert_array_equal(one.extensions, other.extensions)


# One word a row, two, and many; symbols of few bits and of many.
shapes = pytest.mark.parametrize(("order", "n_symbols"), [(1, 4), (3, 5), (5, 9), (16, 300), (7, 70_000), (4, 2**16 - 1)])


@shapes
def test_all_ngrams_are_counted(functions, texts, order, n_symbols):
    texts = [[symbol % n_symbols if symbol % n_symbols not in (1, 2) else 3 for symbol in text] for text in texts]
    assert as_dictionary(count(texts, order, n_symbols)) == counted(texts, order, n_symbols)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([0, 3, 4, 5, 6, 8]), max_size=40), max_size=12),
    st.integers(1, 6),
    st.sampled_from([64, 200, 1000]),
)
def test_on_the_disk_as_in_memory(texts, order, max_memory):
    assert_same(count(texts, order, 9, max_memory=max_memory), count(texts, order, 9))


def test_on_the_disk_by_either_engine(functions, texts, monkeypatch):
    monkeypatch.setattr("spacy_rnn.backoff.runs._LEAST", 4)
    random = numpy.random.default_rng(0)
    texts = [*texts, *(random.integers(3, 9, size=300).tolist() for _ in range(20))]
    found = count(texts, 8, 9, max_memory=SMALL)
    assert as_dictionary(found) == counted(texts, 8, 9)
    monkeypatch.setattr(engine, "functions", reference)
    assert_same(found, count(texts, 8, 9))


def test_memory_is_bounded(monkeypatch):
    """What is written to the disk, and read from it, is in pieces of the size that was asked for."""
    import tracemalloc

    random = numpy.random.default_rng(0)
    counter = NGramCounter(8, 200, max_memory=1 << 20)
    texts = [random.integers(3, 200, size=1000) for _ in range(400)]
    tracemalloc.start()
    for text in texts:
        counter.add(text)
    counter._compress()
    counter._spill()
    # As `finish` does, before files are merged.
    counter._rows = counter._rows[:0].copy()
    counter._runs.merge()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 400,000 windows of 16 bytes each.
    assert peak < 1.8 * 2**20
    assert sum(len(rows) for rows in counter._runs.read()) > 390_000


def test_repeated_text_stays_in_memory(tmp_path, monkeypatch):
    def refuse(**_):
        raise AssertionError("a file has been opened")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    texts = [[3, 4, 5, 6] * 50] * 30
    assert as_dictionary(count(texts, 3, 9, max_memory=SMALL)) == counted(texts, 3, 9)


def test_files_go_where_they_are_told_to(tmp_path):
    texts = numpy.random.default_rng(0).integers(3, 100, size=(5, 500))
    with pytest.raises(FileNotFoundError):
        count(texts, 3, 100, max_memory=SMALL, folder=str(tmp_path / "missing"))
    count(texts, 3, 100, max_memory=SMALL, folder=str(tmp_path))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("numbers", "what"),
    [
        ([3, 9], "symbol 9 is start, end, or not one of 9"),
        ([3, -1], "symbol -1 is start"),
        ([1, 3], "symbol 1 is start"),
        ([3, 2], "symbol 2 is start"),
        ([3.0], "expected integers"),
        ([[3]], "expected integers"),
    ],
)
def test_what_are_no_symbols(numbers, what):
    counter = NGramCounter(2, 9)
    with pytest.raises(ValueError, match=what):
        counter.add(numpy.array(numbers))
    counter.add(numpy.array([3, 4]))
    assert as_dictionary(counter.finish()) == counted([[3, 4]], 2, 9)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [((0, 9), "order"), ((17, 9), "order"), ((2.5, 9), "order"), ((2, 2), "n_symbols"), ((2, 2**31), "n_symbols")],
)
def test_bad_arguments(arguments, what):
    with pytest.raises(ValueError, match=what):
        NGramCounter(*arguments)


def test_too_little_memory():
    with pytest.raises(ValueError, match="max_memory must be at least 64 bytes, got 60"):
        NGramCounter(3, 9, max_memory=60)


def test_a_counter_finishes_once():
    counter = NGramCounter(2, 9)
    counter.add(numpy.array([3]))
    counter.finish()
    for call in (counter.finish, lambda: counter.add(numpy.array([3]))):
        with pytest.raises(ValueError, match="used up"):
            call()


def test_an_interrupted_counter_cannot_go_on(monkeypatch):
    counter = NGramCounter(2, 9, max_memory=SMALL)

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(engine, "functions", type("Interrupted", (), {"pack_windows": staticmethod(interrupt)}))
        with pytest.raises(KeyboardInterrupt):
            counter.add(numpy.array([3, 4]))
    with pytest.raises(ValueError, match="interrupted"):
        counter.finish()


@pytest.mark.skipif(library is None, reason="needs the compiled engine")
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_rows_are_sorted_alike(words, n, seed):
    random = numpy.random.default_rng(seed)
    rows = random.integers(0, 3, size=(n, words + 1), dtype="uint64") << numpy.uint64(62)
    rows[:, -1] = random.integers(1, 9, size=n)
    other = rows.copy()
    left = library.sort_rows(rows)
    assert left == reference.sort_rows(other)
    assert_array_equal(rows[:left], other[:left])
