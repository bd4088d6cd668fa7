"""What is asked of CuPy, with a stand-in for it that computes on the host."""

import sys

import numpy
import pytest
from fake_cupy import FakeArray, FakeModule, gemm_ex, make_cupy

from spacy_rnn.cuda import Device
from spacy_rnn.cuda.shares import THREADS
from spacy_rnn.cuda.sources import ENTRY


@pytest.fixture
def device(monkeypatch):
    cupy = make_cupy()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupy.cuda", cupy.cuda)
    return Device(0)


def draw(*shape):
    """Draw a matrix whose rows are apart from each other."""
    return numpy.random.default_rng(sum(shape)).standard_normal((shape[0], shape[1] + 3), "float32")[:, 1:-2]


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("precision, compute_type", [("float32", "exact"), ("tf32", "tf32"), ("bfloat16", "bfloat16")])
def test_products(device, transpose_a, transpose_b, add, precision, compute_type):
    a, b, out = draw(*((7, 5) if transpose_a else (5, 7))), draw(*((4, 7) if transpose_b else (7, 4))), draw(5, 4)
    expected = (a.T if transpose_a else a) @ (b.T if transpose_b else b) + (out if add else 0)
    arguments = {"transpose_a": transpose_a, "transpose_b": transpose_b, "add": add, "precision": precision}
    device.product(FakeArray(a), FakeArray(b), FakeArray(out), **arguments)
    numpy.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
    assert gemm_ex._compute_type == compute_type


@pytest.mark.parametrize("add", [False, True])
def test_a_product_of_nothing(device, add):
    out = numpy.ones((3, 4), "float32")
    device.product(FakeArray(draw(3, 0)), FakeArray(draw(0, 4)), FakeArray(out), add=add)
    assert (out == float(add)).all()


def test_a_kernel_is_compiled_once_and_launched_so_that_all_blocks_run(device):
    for _ in range(2):
        device.launch("lstm", "forward<Lstm, Exact<8>, true>", 12, 1000, "given")
    (module,) = FakeModule._made
    assert "struct LstmCell" in module.code and "#include" not in module.code
    kernel = module.get_function(ENTRY)
    assert kernel.kernel._launches == [((12,), (THREADS,), ("given",), 1000, True)] * 2
    assert kernel.max_dynamic_shared_size_bytes == device.memory == 65536


@pytest.mark.parametrize("blocks, memory", [(41, 1000), (1, 3000)])
def test_blocks_that_cannot_run_at_the_same_time_are_refused(device, blocks, memory):
    with pytest.raises(RuntimeError, match=f"needs {blocks} blocks of 512 threads and {memory} bytes"):
        device.launch("lstm", "forward<Lstm, Exact<8>, true>", blocks, memory, "given")
    (module,) = FakeModule._made
    assert not module.get_function(ENTRY).kernel._launches


def test_what_a_device_can_do(device):
    assert device.processors == 40
    assert not device.rounds
