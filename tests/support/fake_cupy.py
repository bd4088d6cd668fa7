"""A stand-in for CuPy that computes on the host: what the package touches of it, and nothing that CuPy has not.

Names that begin with an underscore are the tests' own.
"""

import ctypes
import re
from types import ModuleType, SimpleNamespace

import numpy

# The products that cuBLAS was asked for: the function, and how factors are rounded.
calls = []


def columns_at(address, rows, columns, stride):
    """See memory as cuBLAS does: column after column."""
    numbers = (ctypes.c_float * (stride * (columns - 1) + rows)).from_address(address)
    return numpy.lib.stride_tricks.as_strided(numpy.frombuffer(numbers, "float32"), (rows, columns), (4, 4 * stride))


def gemm_ex(handle, transa, transb, m, n, k, alpha, A, Atype, lda, B, Btype, ldb, beta, C, Ctype, ldc, computeType, algo):
    assert (Atype, Btype, Ctype, algo) == ("32F", "32F", "32F", "default")
    assert lda >= (k if transa == "T" else m) and ldb >= (n if transb == "T" else k) and ldc >= m
    alpha, beta = (ctypes.c_float.from_address(address).value for address in (alpha, beta))
    a = columns_at(A, k, m, lda).T if transa == "T" else columns_at(A, m, k, lda)
    b = columns_at(B, n, k, ldb).T if transb == "T" else columns_at(B, k, n, ldb)
    out = columns_at(C, m, n, ldc)
    out[...] = alpha * (a @ b) + beta * out
    calls.append(("gemmEx", computeType))


def gemm_strided_batched_ex(
    handle, transa, transb, m, n, k, alpha, A, Atype, lda, strideA, B, Btype, ldb, strideB, beta, C, Ctype, ldc, strideC,
    batchCount, computeType, algo,
):  # fmt: skip
    before = list(calls)
    for i in range(batchCount):
        a, b, c = (address + 4 * i * stride for address, stride in ((A, strideA), (B, strideB), (C, strideC)))
        gemm_ex(handle, transa, transb, m, n, k, alpha, a, Atype, lda, b, Btype, ldb, beta, c, Ctype, ldc, computeType, algo)
    calls[:] = [*before, ("gemmStridedBatchedEx", computeType)]


def occupancy(func, blockSize, dynamicSMemSize):
    return int(dynamicSMemSize <= 2000)


class FakeFunction:
    """A kernel that has been compiled."""

    ptr = 1
    _error = None

    def __init__(self):
        self._launches = []

    def __call__(self, grid, block, args, shared_mem=0, stream=None, enable_cooperative_groups=False):
        if self._error is not None:
            raise self._error
        self._launches.append((grid, block, args, shared_mem, enable_cooperative_groups))


class FakeKernel:
    """What RawModule.get_function gives."""

    max_dynamic_shared_size_bytes = 48 * 1024

    def __init__(self):
        self.kernel = FakeFunction()


class FakeModule:
    """A RawModule."""

    _made = []

    def __init__(self, code=None, *, path=None, options=()):
        assert (code is None) != (path is None)
        self.code, self.file_path, self.options = code, path, options
        self._kernel = FakeKernel()
        self._made.append(self)

    def get_function(self, name):
        assert self.code is None or re.search(rf'extern "C" __global__ void __launch_bounds__.* {name}\(', self.code)
        return self._kernel


class FakeDevice:
    """A device of the oldest compute capability that CUDA 13 compiles for."""

    compute_capability = "75"

    def __init__(self, device):
        self.id = device

    @property
    def attributes(self):
        return {"MultiProcessorCount": 40, "MaxSharedMemoryPerBlockOptin": 65536}

    @property
    def mem_info(self):
        return 2**33, 2**34


def make_cupy():
    """Give a CuPy."""
    cupy, cuda = ModuleType("cupy"), ModuleType("cupy.cuda")
    cupy.__path__ = []
    cupy.__version__ = "14.2.0"
    cupy.cuda, cupy.RawModule = cuda, FakeModule
    FakeModule._made = []
    calls.clear()
    cuda.Device = FakeDevice
    cuda.cublas = SimpleNamespace(
        gemmEx=gemm_ex,
        gemmStridedBatchedEx=gemm_strided_batched_ex,
        CUBLAS_OP_N="N",
        CUBLAS_OP_T="T",
        CUBLAS_COMPUTE_32F="exact",
        CUBLAS_COMPUTE_32F_FAST_TF32="tf32",
        CUBLAS_COMPUTE_32F_FAST_16BF="bfloat16",
        CUBLAS_GEMM_DEFAULT="default",
    )
    cuda.runtime = SimpleNamespace(CUDA_R_32F="32F", getDeviceCount=lambda: 1, runtimeGetVersion=lambda: 13020)
    cuda.driver = SimpleNamespace(occupancyMaxActiveBlocksPerMultiprocessor=occupancy)
    cuda.device = SimpleNamespace(get_cublas_handle=lambda: 0)
    return cupy
