"""Sums and maxima of rows: the kernels, compiled for the host."""

import numpy
import pytest
from device_arrays import DeviceArray, on_device, record, xp
from emulated_cuda import COMPILER

from spacy_rnn.cuda.segments import max_segments, sum_segments

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++")


@pytest.fixture(params=["float32", "float64"])
def rows(request):
    return numpy.random.default_rng(0).standard_normal((20, 7)).astype(request.param)


def test_sums_are_over_what_the_index_names(rows):
    index, ends = numpy.asarray([3, 0, 19, 3, 5, 5]), numpy.asarray([0, 2, 5, 5, 6])
    found = sum_segments(xp, on_device(rows), index, ends)
    expected = [rows[:0], rows[[3, 0]], rows[[19, 3, 5]], rows[:0], rows[[5]]]
    assert isinstance(found, DeviceArray) and found.dtype == rows.dtype
    numpy.testing.assert_allclose(found.get(), [part.sum(axis=0) for part in expected], rtol=1e-6, atol=1e-6)


def test_maxima_are_the_first_ones(rows):
    rows[4] = rows[2]
    ends = numpy.asarray([1, 7, 20])
    maxima, which = max_segments(xp, on_device(rows), ends)
    for i, (start, end) in enumerate([(0, 1), (1, 7), (7, 20)]):
        numpy.testing.assert_array_equal(maxima.get()[i], rows[start:end].max(axis=0))
        numpy.testing.assert_array_equal(which.get()[i], start + rows[start:end].argmax(axis=0))


@pytest.mark.parametrize("place", [0, 2, 4])
def test_the_maximum_of_what_is_not_a_number_is_none(rows, place):
    rows[place, 3] = numpy.nan
    maxima, which = max_segments(xp, on_device(rows), numpy.asarray([5, 20]))
    assert numpy.isnan(maxima.get()[0, 3]) and which.get()[0, 3] == place
    assert numpy.isfinite(maxima.get()[1]).all()


def test_nothing_waits(rows):
    on_gpu = on_device(rows)
    record.clear()
    sum_segments(xp, on_gpu, numpy.arange(20), numpy.asarray([20]))
    max_segments(xp, on_gpu, numpy.asarray([20]))
    assert not record.waits


def test_nothing_at_all():
    none = on_device(numpy.zeros((0, 3), "float32"))
    assert sum_segments(xp, none, numpy.zeros(0, "int32"), numpy.zeros(2, "int32")).get().tolist() == [[0, 0, 0]] * 2
    assert max_segments(xp, none, numpy.zeros(0, "int32"))[0].shape == (0, 3)
