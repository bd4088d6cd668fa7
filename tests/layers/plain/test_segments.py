"""Sums, means and maxima over sequences: on a GPU, emulated, the same as by Thinc's operations."""

import emulated_gpu
import numpy
import pytest
from device_arrays import on_device, record
from emulated_cuda import COMPILER
from numpy.testing import assert_allclose
from thinc.api import NumpyOps

from spacy_rnn.layers.plain.segments import DeviceSegments, make_segments

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++")

LENGTHS = numpy.asarray([3, 1, 7, 2], dtype="int32")


@pytest.fixture
def both(monkeypatch):
    """The same sequences on the host and on a GPU."""
    on_host = make_segments(NumpyOps(), LENGTHS)
    on_gpu = make_segments(emulated_gpu.install(monkeypatch), LENGTHS)
    assert isinstance(on_gpu, DeviceSegments) and not isinstance(on_host, DeviceSegments)
    return on_host, on_gpu


@pytest.fixture
def rows():
    rows = numpy.random.default_rng(0).standard_normal((LENGTHS.sum(), 5), "float32")
    # Of equal maxima the first one counts.
    rows[1] = rows[0]
    return rows


@pytest.mark.parametrize("way", ["mean", "max"])
def test_reductions_and_their_gradients(both, rows, way):
    on_host, on_gpu = both
    dY = numpy.random.default_rng(1).standard_normal((len(LENGTHS), 5), "float32")
    Y, backprop = getattr(on_host, way)(rows)
    Y_gpu, backprop_gpu = getattr(on_gpu, way)(on_device(rows))
    dX_gpu = backprop_gpu(on_device(dY))
    assert not record.waits
    assert_allclose(Y_gpu.get(), Y, rtol=1e-6, atol=1e-6)
    assert_allclose(dX_gpu.get(), backprop(dY), rtol=1e-6, atol=1e-6)


def test_sums_and_what_rows_have_in_common(both, rows):
    on_host, on_gpu = both
    total = on_gpu.sum(on_device(rows))
    spread = on_gpu.spread(total)
    assert not record.waits
    assert_allclose(total.get(), on_host.sum(rows), rtol=1e-5, atol=1e-6)
    assert_allclose(spread.get(), numpy.repeat(total.get(), LENGTHS, axis=0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_have_the_type_of_the_rows(both, rows, dtype):
    X = on_device(rows.astype(dtype))
    for Y, backprop in (both[1].mean(X), both[1].max(X)):
        assert Y.dtype == backprop(Y).dtype == dtype
