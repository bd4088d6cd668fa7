"""A bounded cache of the rows of texts."""

import copy
import pickle

import numpy
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.layers.contextual.text_cache import TextCache


@given(st.integers(0, 30), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 12)), max_size=40))
def test_a_cache_is_bounded_and_gives_what_was_put_in(size, texts):
    cache, stored = TextCache(size), {}
    for key, n_rows in texts:
        rows = stored.setdefault(key, numpy.full((n_rows, 2), key, dtype="float32"))
        cache.add(key, rows)
        assert len(cache) <= size
        assert len(cache) == sum(max(1, len(rows)) for known, rows in stored.items() if cache.find(known) is not None)
        assert all(found is None or found is stored[known] for known in stored for found in [cache.find(known)])
        if sum(max(1, len(rows)) for rows in stored.values()) <= size:
            assert cache.find(key) is rows


def test_a_corpus_larger_than_the_cache_is_found_in_part_when_it_is_read_again():
    cache, texts = TextCache(50), {key: numpy.zeros((1, 1), dtype="float32") for key in range(100)}
    found = 0
    for _ in range(20):
        for key, rows in texts.items():
            if cache.find(key) is None:
                cache.add(key, rows)
            else:
                found += 1
    # The last 50 would never be found, and nothing at best half the time.
    assert 700 < found <= 950


def test_copies_are_empty():
    cache = TextCache(3)
    cache.add("text", numpy.zeros((2, 1), dtype="float32"))
    for other in (copy.deepcopy(cache), pickle.loads(pickle.dumps(cache))):
        assert (other.size, len(other), other.find("text")) == (3, 0, None)


def test_a_lock_that_is_never_released_stops_nothing():
    cache = TextCache(3)
    cache.add("one", numpy.zeros((1, 1), dtype="float32"))
    cache._lock.acquire()
    cache.add("two", numpy.zeros((1, 1), dtype="float32"))
    assert cache.find("one") is not None and cache.find("two") is None


def test_new_texts_find_their_place_in_a_full_cache():
    cache = TextCache(10)
    for key in range(1000):
        cache.add(key, numpy.zeros((1, 1), dtype="float32"))
    assert len(cache) == 10
    assert sum(cache.find(key) is not None for key in range(500)) < 3
