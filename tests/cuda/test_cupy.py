"""What the package touches of CuPy, compared with CuPy as it is installed; no device is needed."""

import ast
import importlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import fake_cupy
import numpy
import pytest
import spacy
from device_arrays import on_device
from signatures import find_signature
from spacy.tokens import Doc
from spacy.vocab import Vocab
from stand_ins import assert_offers_no_more
from used_names import find_uses

import spacy_rnn
from spacy_rnn.cuda import SWEEP, device, find_problem, pointer
from spacy_rnn.cuda.availability import _INSUFFICIENT_DRIVER, _NO_DEVICE
from spacy_rnn.cuda.device import _COMPUTE_TYPES
from spacy_rnn.cuda.memory import explain_memory
from spacy_rnn.cuda.segments import MAXIMUM, SUM
from spacy_rnn.pipeline.pipe import name_batch
from spacy_rnn.recurrence import known_precisions

ROOT = Path(spacy_rnn.__file__).parents[1]
SOURCES = [*ROOT.glob("spacy_rnn/**/*.py"), *ROOT.glob("benchmarks/**/*.py"), ROOT / "tests" / "test_gpu.py"]

# What arrays on a device are asked for, as attributes; their operators are NumPy's.
ARRAY = ("T", "all", "any", "argmax", "astype", "base", "copy", "data", "dtype", "fill", "flags", "get", "item", "max", "min") + (
    "nbytes",
    "ndim",
    "reshape",
    "shape",
    "size",
    "strides",
    "sum",
    "tolist",
    "view",
)


@pytest.fixture(scope="module")
def cupy():
    cupy = pytest.importorskip("cupy", reason="needs CuPy")
    pytest.importorskip("cupy.cublas", reason="needs cuBLAS", exc_type=ImportError)
    return cupy


@pytest.fixture
def host_array(cupy):
    """An array of CuPy's whose memory is the host's: what is not computed can be asked for without a device."""
    numbers = numpy.arange(12, dtype="float32").reshape(3, 4)
    memory = cupy.cuda.UnownedMemory(numbers.ctypes.data, numbers.nbytes, numbers, 0)
    return cupy.ndarray(numbers.shape, "float32", cupy.cuda.MemoryPointer(memory, 0))


def uses_of_cupy(source):
    return find_uses(source, "cupy", stands_for=["xp"], gives=["get_array_module"])


def look_up(cupy, name):
    """Give what a name stands for, an attribute or a module."""
    found, path = cupy, "cupy"
    for part in name.split("."):
        path = f"{path}.{part}"
        found = getattr(found, part) if hasattr(found, part) else importlib.import_module(path)
    return found


def find_faults(cupy, source):
    """Give the lines that use what CuPy has not, or call it with what it does not take."""
    faults = []
    for use in uses_of_cupy(source):
        try:
            function = look_up(cupy, use.name)
        except ImportError:
            faults.append(use.line)
            continue
        if use.call is not None and not takes(function, use.call):
            faults.append(use.line)
    return faults


def takes(function, call):
    """Tell whether a function takes what it is given. What stands behind a star may be anything."""
    signature = find_signature(function)
    assert signature is not None, function
    keywords = dict.fromkeys(keyword.arg for keyword in call.keywords if keyword.arg)
    is_open = len(keywords) < len(call.keywords) or any(isinstance(each, ast.Starred) for each in call.args)
    plain = [each for each in call.args if not isinstance(each, ast.Starred)]
    try:
        (signature.bind_partial if is_open else signature.bind)(*plain, **keywords)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_all_that_is_used_is_there(cupy, path):
    assert not find_faults(cupy, path.read_text(encoding="utf8"))


def test_uses_are_found():
    source = """
from cupy.cuda import runtime as r
import cupy
def f(model, device, X):
    xp = model.ops.xp
    blas = cupy.cublas
    return xp.zeros(3), device.xp.empty_like(X), getattr(r, "a"), blas.gemm(X), get_array_module(X).take, X.sum(), numpy.ones(3)
def g(number):
    from cupy.cuda import device
    return device.get_cublas_handle()
def h(number):
    device = cupy.cuda.Device(number)
    return device.attributes, cupy.RawModule(path="a").get_function("b")
"""
    names = [use.name for use in uses_of_cupy(source)]
    of_f = ["cuda.runtime", "cublas", "zeros", "empty_like", "cuda.runtime.a", "cublas.gemm", "take"]
    of_g = ["cuda.device", "cuda.device.get_cublas_handle"]
    assert names == [*of_f, *of_g, "cuda.Device", "cuda.Device.attributes", "RawModule.get_function", "RawModule"]


@pytest.mark.parametrize(
    "line, is_fault",
    [
        ("xp.zeros((2, 3), dtype='f')", False),
        ("xp.zeros((2, 3), type='f')", True),
        ("xp.maximum(Y, 0, out=Y)", False),
        ("xp.maximum(Y, 0, where=Y)", True),
        ("xp.float_power(X, 2)", False),
        ("xp.frompyfunc(f)", True),
        ("xp.RawModule(path='a.cubin')", False),
        ("xp.RawModule('a', 'b')", True),
        ("xp.cuda.runtime.cudaErrorNoDevice", True),
        ("n, made = 1, xp.cuda.Event; made().record()", False),
        ("n, made = 1, xp.cuda.Event; made().recordd()", True),
        ("event = xp.cuda.Event(); event.record(1, 2)", True),
    ],
)
def test_what_cupy_has_not_is_a_fault(cupy, line, is_fault):
    assert find_faults(cupy, line) == ([1] if is_fault else [])


def test_stand_ins_offer_no_more_than_cupy(cupy, host_array):
    from cupy.cuda.function import Function

    module = fake_cupy.FakeModule("", options=())
    assert_offers_no_more(fake_cupy.make_cupy(), cupy)
    assert_offers_no_more(module, cupy.RawModule)
    assert_offers_no_more(fake_cupy.FakeKernel(), cupy.RawKernel)
    assert_offers_no_more(fake_cupy.FakeFunction(), Function)
    assert_offers_no_more(fake_cupy.FakeDevice(0), cupy.cuda.Device)
    assert_offers_no_more(on_device([[1.0]]), host_array)
    assert_offers_no_more(on_device([[1.0]]).data, host_array.data)
    assert set(fake_cupy.FakeDevice(0).attributes) <= device_attributes(cupy)


def device_attributes(cupy):
    """Give the keys of `Device.attributes`, which are the names that CuPy's runtime has, as its documentation says."""
    assert "`cudaDevAttr` has been trimmed" in " ".join(cupy.cuda.Device.attributes.__doc__.split())
    names = vars(importlib.import_module("cupy_backends.cuda.api.runtime"))
    return {name.removeprefix("cudaDevAttr") for name in names if name.startswith("cudaDevAttr")}


def test_a_device_tells_its_compute_capability_apart_from_its_attributes(cupy):
    attributes = device_attributes(cupy)
    assert {"MultiProcessorCount", "MaxSharedMemoryPerBlockOptin"} <= attributes
    assert not attributes & {"ComputeCapabilityMajor", "ComputeCapabilityMinor", "ClusterLaunch"}
    assert "string" in cupy.cuda.Device.compute_capability.__doc__ and hasattr(cupy.cuda.Device, "mem_info")


@pytest.mark.parametrize(
    "name, expected",
    [
        (
            "gemmEx",
            "handle transa transb m n k alpha A Atype lda B Btype ldb beta C Ctype ldc computeType algo",
        ),
        (
            "gemmStridedBatchedEx",
            "handle transa transb m n k alpha A Atype lda strideA B Btype ldb strideB beta C Ctype ldc strideC batchCount "
            "computeType algo",
        ),
    ],
)
def test_products_take_their_arguments_in_this_order(cupy, name, expected):
    assert list(find_signature(getattr(cupy.cuda.cublas, name)).parameters) == expected.split()


def test_ways_to_round_have_names(cupy):
    assert len({getattr(cupy.cuda.cublas, name) for name in _COMPUTE_TYPES.values()}) == len(_COMPUTE_TYPES)


def test_a_kernel_is_launched_so(cupy):
    from cupy.cuda.function import Function

    # Without its constructor, which needs a device.
    function = Function.__new__(Function)
    settings = {"shared_mem": 1000, "enable_cooperative_groups": True}
    with pytest.raises(TypeError, match="unexpected keyword argument 'cluster'"):
        function((1,), (512,), (), **settings, cluster=2)
    # A structure by value is taken, and nothing but the driver is missing.
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
        function((1,), (512,), (numpy.zeros((1,), SWEEP),), **settings)
    assert hasattr(Function, "ptr") and hasattr(cupy.RawModule, "get_function")
    assert hasattr(cupy.RawKernel, "kernel") and hasattr(cupy.RawKernel, "max_dynamic_shared_size_bytes")


@pytest.mark.parametrize("description", [SUM, MAXIMUM], ids=["sum", "maximum"])
def test_kernels_of_segments_are_declared_as_cupy_reads_it(cupy, description):
    reads, writes, code, name = description
    kernel = cupy.ElementwiseKernel(*description)
    assert (kernel.name, kernel.nin, kernel.nout) == (name, len(reads.split(", ")), len(writes.split(", ")))


def test_arrays_have_what_they_are_asked_for(cupy, host_array):
    assert not [name for name in ARRAY if not hasattr(host_array, name)]
    assert pointer(host_array[1:]) == pointer(host_array) + host_array.strides[0]
    with pytest.raises(TypeError, match="Implicit conversion"):
        numpy.asarray(host_array)


def test_memory_that_runs_out_is_explained(cupy):
    error = cupy.cuda.memory.OutOfMemoryError(2**40, 2**35, 2**36)
    lengths = numpy.asarray([3, 9], dtype="int32")
    with pytest.raises(MemoryError, match="12 rows in 2 sequences, .*batch_size") as found, explain_memory(lengths, 2, 64):
        raise error
    assert found.value.__cause__ is error
    # Elsewhere than in a recurrent layer it is found by its name.
    texts = [Doc(Vocab(), words=["a", "b"])]
    with pytest.raises(MemoryError, match="'tagger': .* 1 texts of 2 tokens"), name_batch("tagger", texts):
        raise error
    assert list(find_signature(cupy.get_default_memory_pool().set_limit).parameters) == ["size", "fraction"]


@pytest.mark.parametrize(
    "status, problem",
    [(_INSUFFICIENT_DRIVER, "NVIDIA driver is missing, or too old"), (_NO_DEVICE, "no NVIDIA GPU"), (999, "cudaErrorUnknown")],
)
def test_errors_of_cuda_are_explained(cupy, monkeypatch, status, problem):
    def fail():
        raise cupy.cuda.runtime.CUDARuntimeError(status)

    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", fail)
    assert problem in find_problem()


def test_a_bare_wheel_lacks_the_libraries_of_cuda(cupy, tmp_path):
    for name in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for path in Path(name).iterdir():
            if not path.name.startswith("nvidia"):
                (tmp_path / path.name).symlink_to(path)

    def run(script):
        # -S leaves the environment's own packages out.
        command = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = sys.argv[1:]; {script}", str(ROOT), str(tmp_path)]
        environment = {name: value for name, value in os.environ.items() if name not in ("CUDA_PATH", "CUDA_HOME")}
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    if run("import cupy.cublas").returncode == 0:
        pytest.skip("there is a CUDA beside the environment's")
    found = run("from spacy_rnn.cuda import find_problem; print(find_problem())")
    assert "does not find the libraries of CUDA" in found.stdout, found
    assert "spacy-rnn[cuda13x]" in found.stdout


def test_without_a_driver_there_is_no_device(monkeypatch):
    """CuPy may be installed where it cannot be used: pipelines are made there all the same."""
    monkeypatch.setattr(device, "has_cupy", True)

    class CUDARuntimeError(RuntimeError):
        pass

    def fail():
        raise CUDARuntimeError("cudaErrorInsufficientDriver")

    runtime = SimpleNamespace(CUDARuntimeError=CUDARuntimeError, getDevice=fail)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(runtime=runtime)))
    assert device.find_device() is None
    assert "bfloat16" in known_precisions()
    assert spacy.blank("xx").add_pipe("rnn_tagger") is not None
