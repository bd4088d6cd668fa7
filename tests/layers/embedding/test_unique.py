"""Distinct rows."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from spacy_rnn.layers.embedding import unique as module
from spacy_rnn.layers.embedding.unique import distinct_rows, hash_rows

SHAPES = st.tuples(st.integers(0, 60), st.integers(1, 6))
# Few values make many equal rows; large ones fill all bits.
KEYS = st.one_of(
    arrays("uint64", SHAPES, elements=st.integers(0, 2)),
    arrays("uint64", SHAPES, elements=st.sampled_from([0, 1, 2**32, 2**63, 2**64 - 1])),
    arrays("uint64", SHAPES, elements=st.integers(0, 2**64 - 1)),
)


def assert_distinct(keys):
    first, inverse = distinct_rows(keys)
    assert first.dtype == inverse.dtype == "int64"
    assert_array_equal(keys[first][inverse], keys)
    rows = [tuple(row) for row in keys.tolist()]
    assert [rows[i] for i in first] == list(dict.fromkeys(rows))
    assert first.tolist() == [rows.index(row) for row in dict.fromkeys(rows)]
    unique = numpy.unique(keys, axis=0)
    assert_array_equal(numpy.unique(keys[first], axis=0), unique)
    assert len(first) == len(unique)


@settings(deadline=None, database=None, max_examples=200)
@given(KEYS)
def test_distinct_rows_come_in_order_of_first_appearance(keys):
    assert_distinct(keys)


@settings(deadline=None, database=None, max_examples=200)
@given(KEYS, st.integers(1, 3))
def test_rows_with_the_same_hash_are_told_apart(keys, n_hashes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "hash_rows", lambda rows: hash_rows(rows) % n_hashes)
        assert_distinct(keys)


@pytest.mark.parametrize("order", ["C", "F"])
def test_order_in_memory_does_not_matter(order):
    keys = numpy.asarray([[1, 2], [3, 4], [1, 2], [1, 4]], dtype="uint64", order=order)
    first, inverse = distinct_rows(keys)
    assert first.tolist() == [0, 1, 3]
    assert inverse.tolist() == [0, 1, 0, 2]


def test_hashes_of_many_similar_rows_are_different():
    columns = numpy.meshgrid(*[numpy.arange(20, dtype="uint64")] * 4)
    keys = numpy.stack(columns, axis=-1).reshape(-1, 4)
    assert len(numpy.unique(hash_rows(keys))) == len(keys)
