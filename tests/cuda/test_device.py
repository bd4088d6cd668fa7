"""What is asked of CuPy, with a stand-in for it that computes on the host."""

import ctypes
import sys
from types import ModuleType, SimpleNamespace

import numpy
import pytest

from spacy_rnn.cuda import Device
from spacy_rnn.cuda.shares import THREADS


class FakeArray:
    """An array of NumPy's that looks like one of CuPy's."""

    def __init__(self, array):
        self.array = array
        self.shape, self.strides = array.shape, array.strides
        self.data = SimpleNamespace(ptr=array.ctypes.data)

    def fill(self, value):
        self.array.fill(value)


def columns_at(address, rows, columns, stride):
    """See memory as cuBLAS does: column after column."""
    numbers = (ctypes.c_float * (stride * (columns - 1) + rows)).from_address(address)
    return numpy.lib.stride_tricks.as_strided(numpy.frombuffer(numbers, "float32"), (rows, columns), (4, 4 * stride))


def gemm_ex(handle, op_a, op_b, m, n, k, alpha, A, A_type, lda, B, B_type, ldb, beta, C, C_type, ldc, compute_type, algorithm):
    assert (A_type, B_type, C_type, algorithm) == ("32F", "32F", "32F", "default")
    assert lda >= (k if op_a == "T" else m) and ldb >= (n if op_b == "T" else k) and ldc >= m
    alpha, beta = (ctypes.c_float.from_address(address).value for address in (alpha, beta))
    a = columns_at(A, k, m, lda).T if op_a == "T" else columns_at(A, m, k, lda)
    b = columns_at(B, n, k, ldb).T if op_b == "T" else columns_at(B, k, n, ldb)
    out = columns_at(C, m, n, ldc)
    out[...] = alpha * (a @ b) + beta * out
    gemm_ex.compute_type = compute_type


class FakeKernel:
    """What RawModule.get_function gives, and the function inside."""

    ptr = 1

    def __init__(self):
        self.launches = []
        self.kernel = self

    def __call__(self, grid, block, args, **settings):
        self.launches.append((grid, block, args, settings))


class FakeModule:
    made = []

    def __init__(self, code, options):
        self.code, self.options = code, options
        self.kernel = FakeKernel()
        self.made.append(self)

    def get_function(self, name):
        assert f'extern "C" __global__ void __launch_bounds__(THREADS, 1) {name}(' in self.code
        return self.kernel


@pytest.fixture
def device(monkeypatch):
    cublas = SimpleNamespace(
        gemmEx=gemm_ex,
        CUBLAS_OP_N="N",
        CUBLAS_OP_T="T",
        CUBLAS_COMPUTE_32F="exact",
        CUBLAS_COMPUTE_32F_FAST_TF32="tf32",
        CUBLAS_COMPUTE_32F_FAST_16BF="bfloat16",
        CUBLAS_GEMM_DEFAULT="default",
    )
    attributes = {"MultiProcessorCount": 40, "MaxSharedMemoryPerBlockOptin": 65536, "ComputeCapabilityMajor": 7}
    cuda = ModuleType("cupy.cuda")
    cuda.Device = lambda number: SimpleNamespace(attributes=attributes)
    cuda.cublas, cuda.runtime = cublas, SimpleNamespace(CUDA_R_32F="32F")
    cuda.driver = SimpleNamespace(occupancyMaxActiveBlocksPerMultiprocessor=lambda function, threads, memory: memory <= 2000)
    cuda.device = SimpleNamespace(get_cublas_handle=lambda: 0)
    cupy = ModuleType("cupy")
    cupy.cuda, cupy.RawModule = cuda, FakeModule
    FakeModule.made = []
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupy.cuda", cuda)
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
    assert gemm_ex.compute_type == compute_type


@pytest.mark.parametrize("add", [False, True])
def test_a_product_of_nothing(device, add):
    out = numpy.ones((3, 4), "float32")
    device.product(FakeArray(draw(3, 0)), FakeArray(draw(0, 4)), FakeArray(out), add=add)
    assert (out == float(add)).all()


def test_a_kernel_is_compiled_once_and_launched_so_that_all_blocks_run(device):
    for _ in range(2):
        device.launch("lstm", "forward<Lstm, Exact<8>, true>", 12, 1000, "given")
    (module,) = FakeModule.made
    assert "struct LstmCell" in module.code and "#include" not in module.code
    launch = ((12,), (THREADS,), ("given",), {"shared_mem": 1000, "enable_cooperative_groups": True})
    assert module.kernel.launches == [launch] * 2
    assert module.kernel.max_dynamic_shared_size_bytes == device.memory == 65536


@pytest.mark.parametrize("blocks, memory", [(41, 1000), (1, 3000)])
def test_blocks_that_cannot_run_at_the_same_time_are_refused(device, blocks, memory):
    with pytest.raises(RuntimeError, match=f"needs {blocks} blocks of 512 threads and {memory} bytes"):
        device.launch("lstm", "forward<Lstm, Exact<8>, true>", blocks, memory, "given")
    (module,) = FakeModule.made
    assert not module.kernel.launches


def test_what_a_device_can_do(device):
    assert device.processors == 40
    assert not device.rounds
