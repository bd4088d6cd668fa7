"""Without a GPU, what is missing is said."""

import sys
from types import ModuleType

import numpy
import pytest
from fake_cupy import make_cupy

from spacy_rnn.cuda import find_problem, require_gpu
from spacy_rnn.cuda.memory import explain_memory


class FakeError(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


@pytest.fixture
def install(monkeypatch):
    """Put a CuPy in place."""

    def install(count, with_libraries=True, capability="90", cuda=13020):
        cupy = make_cupy()
        cupy.cuda.runtime.getDeviceCount = count
        cupy.cuda.runtime.runtimeGetVersion = lambda: cuda
        monkeypatch.setattr(cupy.cuda.Device, "compute_capability", capability)
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        # None in its place makes an import fail.
        monkeypatch.setitem(sys.modules, "cupy.cublas", ModuleType("cupy.cublas") if with_libraries else None)

    return install


def failing(status, message):
    def count():
        raise FakeError(status, message)

    return count


def test_cupy_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert "CuPy cannot be imported" in find_problem()
    with pytest.raises(ValueError, match=r"cannot use the GPU.*spacy-rnn\[cuda13x\]"):
        require_gpu()


def test_the_libraries_of_cuda_are_missing(install):
    install(lambda: 1, with_libraries=False)
    assert "does not find the libraries of CUDA" in find_problem()
    assert "cuda13x" in find_problem()


def test_the_driver_is_too_old(install):
    install(failing(35, "CUDA driver version is insufficient for CUDA runtime version"))
    assert "too old" in find_problem() and "cuda12x" in find_problem()


@pytest.mark.parametrize("count", [lambda: 0, failing(100, "no CUDA-capable device is detected")])
def test_there_is_no_device(install, count):
    install(count)
    assert "no NVIDIA GPU" in find_problem()


def test_something_else(install):
    install(failing(999, "unknown error"))
    assert "unknown error" in find_problem()


@pytest.mark.parametrize("number", [2, -1])
def test_a_device_of_this_number_is_not_there(install, number):
    install(lambda: 2)
    with pytest.raises(ValueError, match=f"no GPU {number}: their numbers go from 0 to 1"):
        require_gpu(number)


@pytest.mark.parametrize(
    "capability, cuda, problem",
    [
        ("61", 12090, "has compute capability 6.1, but the kernels of recurrent layers need 7.0 or more"),
        ("61", 13020, "has compute capability 6.1, but the kernels of recurrent layers need 7.0 or more"),
        ("72", 13020, "has compute capability 7.2, but CUDA 13 compiles for 7.5 and more: install the extra cuda12x"),
        ("72", 12090, None),
        ("75", 13020, None),
        ("103", 13020, None),
    ],
)
def test_the_device_is_too_old(install, capability, cuda, problem):
    install(lambda: 1, capability=capability, cuda=cuda)
    found = find_problem()
    assert found == problem if problem is None else problem in found


def test_there_is_a_gpu(install):
    install(lambda: 1)
    assert find_problem() is None


LENGTHS = numpy.asarray([3, 0, 9], dtype="int32")


class OutOfMemoryError(RuntimeError):
    """As torch's."""


@pytest.mark.parametrize("error", [MemoryError("full"), OutOfMemoryError("full")])
def test_memory_that_runs_out_names_the_batch_and_what_to_lower(error):
    expected = r"12 rows in 3 sequences, the longest of 9: lower .*batch_size"
    with pytest.raises(MemoryError, match=expected), explain_memory(LENGTHS, 2, 64):
        raise error


def test_other_errors_are_left_alone():
    with pytest.raises(KeyError), explain_memory(LENGTHS, 2, 64):
        raise KeyError("something")
