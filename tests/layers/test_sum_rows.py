"""Sums of rows."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import NumpyOps, Ops

from spacy_rnn.layers.sum_rows import sum_rows

# The base class does what any backend but NumPy's does.
every_ops = pytest.mark.parametrize("ops", [NumpyOps(), Ops()], ids=["NumPy", "other"])
INDEXES = st.one_of(
    arrays("int64", st.integers(0, 30), elements=st.integers(0, 6)),
    arrays("uint32", st.tuples(st.integers(0, 30), st.integers(1, 4)), elements=st.integers(0, 6)),
)


@every_ops
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(deadline=None, database=None, max_examples=50)
@given(index=INDEXES)
def test_rows_are_added_where_the_index_says(ops, dtype, index):
    rows = numpy.random.default_rng(0).normal(size=(len(index), 3)).astype(dtype)
    expected = numpy.zeros((7, 3))
    for row, targets in zip(rows, index, strict=True):
        for target in numpy.atleast_1d(targets):
            expected[target] += row
    sums = sum_rows(ops, rows, index, 7)
    assert sums.dtype == dtype
    assert_allclose(sums, expected, rtol=1e-5, atol=1e-5)


@every_ops
def test_sums_are_the_same_in_every_run(ops):
    rng = numpy.random.default_rng(0)
    rows = rng.normal(size=(1000, 8)).astype("float32")
    index = rng.integers(0, 5, size=1000)
    assert_array_equal(sum_rows(ops, rows, index, 5), sum_rows(ops, rows, index, 5))
