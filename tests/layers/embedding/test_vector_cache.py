"""The cache of vectors."""

import copy
import multiprocessing
import pickle
import threading

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from many_threads import call_in_threads
from numpy.testing import assert_array_equal

from spacy_rnn.layers.embedding.vector_cache import VectorCache


def as_keys(*numbers):
    return numpy.asarray(numbers, dtype="uint64").reshape(-1, 1)


def as_vectors(keys, offset=0):
    """Vectors that tell what they belong to."""
    return numpy.repeat(keys.astype("float32") + offset, 3, axis=1)


@pytest.fixture
def sources():
    return [numpy.ones(5, dtype="float32"), numpy.ones((100, 50), dtype="float32")]


def kept(cache, sources, *numbers):
    """Which of the keys have a vector, which is then checked."""
    keys = as_keys(*numbers)
    table, places = cache.lookup(sources, keys)
    found = numpy.flatnonzero(places >= 0)
    if table is None:
        assert not found.size
    else:
        assert_array_equal(table.rows[places[found]], as_vectors(keys[found]))
    return [numbers[i] for i in found]


def add(cache, sources, *numbers):
    cache.add(sources, as_keys(*numbers), as_vectors(as_keys(*numbers)))


def test_vectors_are_kept(sources):
    cache = VectorCache(10)
    assert kept(cache, sources, 1, 2) == []
    add(cache, sources, 1, 2, 3)
    add(cache, sources, 4)
    assert kept(cache, sources, 5, 4, 1, 1, 6, 3) == [4, 1, 1, 3]
    assert kept(cache, sources) == []


@settings(deadline=None, database=None, max_examples=100)
@given(size=st.integers(1, 6), batches=st.lists(st.lists(st.integers(0, 20), max_size=9, unique=True), max_size=8))
def test_there_are_never_more_than_its_size(size, batches):
    cache, sources = VectorCache(size), [numpy.ones(3)]
    for batch in batches:
        before = set(kept(cache, sources, *range(21)))
        add(cache, sources, *batch)
        after = kept(cache, sources, *range(21))
        assert len(cache) == len(after) <= size
        assert set(after) >= set(batch[:size])
        assert set(after) <= before | set(batch)


def test_adding_again_what_another_thread_has_added_changes_nothing(sources):
    cache = VectorCache(4)
    add(cache, sources, 1, 2)
    add(cache, sources, 2, 3, 1)
    assert len(cache) == 3
    assert kept(cache, sources, 1, 2, 3) == [1, 2, 3]


def test_a_table_only_grows_and_is_another_one_after_vectors_were_forgotten(sources):
    cache = VectorCache(3000)
    add(cache, sources, 1, 2)
    table, places = cache.lookup(sources, as_keys(2, 1))
    before = table.rows
    add(cache, sources, *range(3, 2000))
    assert cache.lookup(sources, as_keys(2, 1))[0] is table
    for rows in (before, table.rows):
        assert_array_equal(rows[places], as_vectors(as_keys(2, 1)))
    cache.clear()
    add(cache, sources, 5)
    assert cache.lookup(sources, as_keys(5))[0] is not table
    assert_array_equal(table.rows[places], as_vectors(as_keys(2, 1)))


def another(sources):
    sources[1] = sources[1].copy()


def another_that_is_small(sources):
    sources[0] = sources[0].copy()


def one_more(sources):
    sources.append(object())


def one_less(sources):
    sources.pop()


def small_array_written_to(sources):
    sources[0][3] += 1e-6


def number(sources):
    sources[2] += 1


@pytest.mark.parametrize(
    "change", [another, another_that_is_small, one_more, one_less, small_array_written_to, number], ids=lambda f: f.__name__
)
def test_vectors_from_something_else_are_forgotten(sources, change):
    cache = VectorCache(10)
    sources.append(1000)
    add(cache, sources, 1, 2)
    changed = list(sources)
    change(changed)
    assert kept(cache, changed, 1, 2) == []
    add(cache, changed, 2)
    assert kept(cache, changed, 1, 2) == [2]
    # Equal numbers are the same, whatever objects they are.
    changed = [int(str(source)) if isinstance(source, int) else source for source in changed]
    assert kept(cache, changed, 1, 2) == [2]


def test_arrays_are_held_so_that_no_other_takes_their_identity():
    cache = VectorCache(10)
    for value in range(20):
        sources = [numpy.full(10_000, value, dtype="float32")]
        assert kept(cache, sources, 1) == []
        add(cache, sources, 1)
        del sources


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))])
def test_a_copy_is_empty(sources, duplicate):
    cache = VectorCache(5)
    add(cache, sources, 1, 2)
    other = duplicate(cache)
    assert (other.size, len(other)) == (5, 0)
    assert len(pickle.dumps(cache)) == len(pickle.dumps(VectorCache(5)))
    add(other, sources, 3)
    assert kept(cache, sources, 1, 2, 3) == [1, 2]


def test_threads_share_a_cache():
    """Each with sources of its own at times, so that vectors are forgotten all the while."""
    cache = VectorCache(50)
    shared = [numpy.ones(3)]

    def use(seed):
        rng = numpy.random.default_rng(seed)
        own = [numpy.full(3, seed)]
        for _ in range(300):
            sources = own if rng.random() < 0.1 else shared
            numbers = numpy.unique(rng.integers(0, 100, size=20)).tolist()
            kept(cache, sources, *numbers)
            add(cache, sources, *numbers)
            assert len(cache) <= 50

    call_in_threads(use, 4)


class SlowArray(numpy.ndarray):
    """An array whose comparison lasts until it is told to go on."""

    begun = threading.Event()
    go_on = threading.Event()

    def __eq__(self, other):
        self.begun.set()
        self.go_on.wait(60)
        return super().__eq__(other)


def lookup_in_child(cache, sources):
    assert kept(cache, sources, 1) == []
    add(cache, sources, 1)
    assert kept(cache, sources, 1) == [1]


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_forked_while_another_thread_uses_the_cache_does_not_wait_for_it(sources):
    cache = VectorCache(5)
    slow = [numpy.ones(3).view(SlowArray)]
    add(cache, slow, 1)
    thread = threading.Thread(target=cache.lookup, args=(slow, as_keys(1)))
    thread.start()
    try:
        assert SlowArray.begun.wait(60)
        child = multiprocessing.get_context("fork").Process(target=lookup_in_child, args=(cache, sources))
        child.start()
        child.join(60)
        assert child.exitcode == 0
    finally:
        child.kill()
        SlowArray.go_on.set()
        thread.join()
