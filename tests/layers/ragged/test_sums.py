"""Sums of rows."""

import emulated_gpu
import numpy
import pytest
from device_arrays import on_device, record
from emulated_cuda import COMPILER
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import NumpyOps

from spacy_rnn.layers.ragged.sums import sum_rows, take_sums

INDEXES = st.one_of(
    arrays("int64", st.integers(0, 30), elements=st.integers(0, 6)),
    arrays("uint32", st.tuples(st.integers(0, 30), st.integers(1, 4)), elements=st.integers(0, 6)),
)
every_index = settings(deadline=None, database=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
on_gpu = pytest.param("gpu", marks=pytest.mark.skipif(COMPILER is None, reason="needs g++"))


@pytest.fixture(params=["cpu", on_gpu])
def run(request, monkeypatch):
    """Call a function with operations and rows of NumPy's, or on a GPU, where it must not wait."""
    ops = NumpyOps() if request.param == "cpu" else emulated_gpu.install(monkeypatch)

    def run(function, rows, *arguments):
        if request.param == "cpu":
            return function(ops, rows, *arguments)
        record.clear()
        found = function(ops, on_device(rows), *arguments)
        assert not record.waits
        return found.get()

    return run


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_index
@given(index=INDEXES)
def test_rows_are_added_where_the_index_says(run, dtype, index):
    rows = numpy.random.default_rng(0).normal(size=(len(index), 3)).astype(dtype)
    expected = numpy.zeros((7, 3))
    for row, targets in zip(rows, index, strict=True):
        for target in numpy.atleast_1d(targets):
            expected[target] += row
    sums = run(sum_rows, rows, index, 7)
    assert sums.dtype == dtype
    assert_allclose(sums, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_that_belong_together_are_summed(run, dtype):
    table = numpy.random.default_rng(0).normal(size=(7, 3)).astype(dtype)
    index = numpy.random.default_rng(0).integers(0, 7, (11, 4)).astype("uint32")
    sums = run(take_sums, table, index)
    assert sums.dtype == dtype
    assert_allclose(sums, table[index].sum(axis=1), rtol=1e-5, atol=1e-5)


def test_sums_are_the_same_in_every_run(run):
    rng = numpy.random.default_rng(0)
    rows = rng.normal(size=(1000, 8)).astype("float32")
    index = rng.integers(0, 5, size=1000)
    assert_array_equal(run(sum_rows, rows, index, 5), run(sum_rows, rows, index, 5))
