"""The table of rows."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from spacy_rnn.layers.embedding import row_table
from spacy_rnn.layers.embedding.row_table import RowTable
from spacy_rnn.layers.embedding.unique import distinct_rows

ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 255, 2**63, 2**64 - 1])), max_size=20)


def as_keys(rows):
    return numpy.asarray(rows, dtype="uint64").reshape(-1, 2)


def assert_agrees_with_a_dictionary(batches):
    """Look rows up and insert those that are new, batch after batch."""
    table, numbers = RowTable(2), {}
    for batch in batches:
        found = table.lookup(as_keys(batch))
        assert found.tolist() == [numbers.get(row, -1) for row in batch]
        new = [row for row in dict.fromkeys(batch) if row not in numbers]
        inserted = table.insert(as_keys(new))
        numbers.update({row: len(numbers) + i for i, row in enumerate(new)})
        assert inserted.tolist() == [numbers[row] for row in new]
        assert len(table) == len(numbers)
    assert table.lookup(as_keys(list(numbers))).tolist() == list(numbers.values())


@settings(deadline=None, database=None, max_examples=100)
@given(st.lists(ROWS, max_size=6))
def test_rows_are_found_where_they_were_inserted(batches):
    assert_agrees_with_a_dictionary(batches)


@pytest.mark.parametrize("collide", [lambda keys: keys[:, 0] * 0, lambda keys: ~(keys[:, 0] * 0), lambda keys: keys[:, 0] << 62])
@settings(deadline=None, database=None, max_examples=50)
@given(batches=st.lists(ROWS, max_size=6))
def test_rows_with_the_same_hash_are_told_apart(collide, batches):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_table, "hash_rows", collide)
        assert_agrees_with_a_dictionary(batches)


@pytest.mark.parametrize("width", [1, 5])
def test_a_table_grows(width):
    rng = numpy.random.default_rng(0)
    keys = rng.integers(0, 2**64, size=(20_000, width), dtype="uint64")
    keys = keys[distinct_rows(keys)[0]]
    table = RowTable(width)
    for start in range(0, len(keys), 3000):
        assert (table.lookup(keys[start : start + 3000]) == -1).all()
        table.insert(keys[start : start + 3000])
    assert_array_equal(table.lookup(keys), numpy.arange(len(keys)))
    absent = keys.copy()
    absent[:, -1] ^= numpy.uint64(1)
    assert (table.lookup(absent) == -1).all()
