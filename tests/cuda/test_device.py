"""What is asked of CuPy, with a stand-in for it that computes on the host."""

import sys

import numpy
import pytest
from fake_cupy import FakeDevice, FakeModule, calls, make_cupy

from spacy_rnn.cuda import ALONE, CLUSTER, GRID, ClusterError, Device, KernelForm, Rows
from spacy_rnn.cuda.device import KERNELS_VARIABLE
from spacy_rnn.cuda.launch import THREADS
from spacy_rnn.cuda.sources import ENTRY, compiled_name

FORMS = {
    ALONE: KernelForm("lstm", False, "float32", 8, True),
    GRID: KernelForm("lstm", False, "float32", 8, True, GRID),
    CLUSTER: KernelForm("lstm", False, "float32", 8, True, CLUSTER, 4),
}


@pytest.fixture
def make_device(monkeypatch):
    def make(capability="75"):
        cupy = make_cupy()
        monkeypatch.setattr(FakeDevice, "compute_capability", capability)
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        monkeypatch.setitem(sys.modules, "cupy.cuda", cupy.cuda)
        return Device(0)

    return make


@pytest.fixture
def device(make_device):
    return make_device()


def draw(*shape, seed=0):
    """Draw a matrix whose rows are apart from each other."""
    rng = numpy.random.default_rng([*shape, seed])
    return rng.standard_normal((shape[0], shape[1] + 3), "float32")[:, 1:-2]


def rows(*matrices):
    return tuple(map(Rows.of, matrices))


def launches(module):
    return module.get_function(ENTRY).kernel._launches


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("precision, compute_type", [("float32", "exact"), ("tf32", "tf32"), ("bfloat16", "bfloat16")])
def test_products(device, transpose_a, transpose_b, add, precision, compute_type):
    a, b, out = draw(*((7, 5) if transpose_a else (5, 7))), draw(*((4, 7) if transpose_b else (7, 4))), draw(5, 4)
    expected = (a.T if transpose_a else a) @ (b.T if transpose_b else b) + (out if add else 0)
    arguments = {"transpose_a": transpose_a, "transpose_b": transpose_b, "add": add, "precision": precision}
    device.multiply([rows(a, b, out)], **arguments)
    numpy.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
    assert calls == [("gemmEx", compute_type)]


def test_two_products_are_one_call_where_the_second_lies_behind_the_first(device):
    a, b, out = draw(5, 7), numpy.stack([draw(7, 4, seed=i) for i in range(2)]), numpy.empty((2, 5, 4), "float32")
    device.multiply([rows(a, b[i], out[i]) for i in range(2)])
    numpy.testing.assert_allclose(out, a @ b, rtol=1e-5, atol=1e-6)
    assert calls == [("gemmStridedBatchedEx", "exact")]


def test_long_sums_of_two_products_are_two_calls(device):
    """cuBLAS sums them in pieces side by side then."""
    rng = numpy.random.default_rng(0)
    (a, b), out = (rng.standard_normal((2, 3000, n), "float32") for n in (5, 4)), numpy.empty((2, 5, 4), "float32")
    device.multiply([rows(a[i], b[i], out[i]) for i in range(2)], transpose_a=True)
    numpy.testing.assert_allclose(out, a.transpose(0, 2, 1) @ b, rtol=1e-4, atol=1e-4)
    assert calls == [("gemmEx", "exact")] * 2


def test_two_products_are_two_calls_where_it_lies_before_the_first(device):
    a, b, out = draw(5, 7), [draw(7, 4, seed=i) for i in range(2)], numpy.empty((2, 5, 4), "float32")
    device.multiply([rows(a, b[i], out[1 - i]) for i in range(2)])
    numpy.testing.assert_allclose(out, [a @ b[1], a @ b[0]], rtol=1e-5, atol=1e-6)
    assert calls == [("gemmEx", "exact")] * 2


@pytest.mark.parametrize("team", FORMS)
def test_a_kernel_is_compiled_once_and_launched_so_that_all_blocks_run(device, team):
    for _ in range(2):
        device.launch(FORMS[team], 12, 1000, "given")
    (module,) = FakeModule._made
    assert "struct LstmCell" in module.code and "#include" not in module.code
    assert launches(module) == [((12,), (THREADS,), ("given",), 1000, team == GRID)] * 2
    assert module.get_function(ENTRY).max_dynamic_shared_size_bytes == device.memory == 65536


def test_a_kernel_that_has_been_compiled_is_loaded(device, monkeypatch, tmp_path):
    monkeypatch.setenv(KERNELS_VARIABLE, str(tmp_path))
    compiled = tmp_path / compiled_name(FORMS[ALONE], "sm_75")
    compiled.touch()
    for team in (ALONE, GRID):
        device.launch(FORMS[team], 1, 1000, "given")
    loaded, made = FakeModule._made
    assert (loaded.code, loaded.file_path) == (None, str(compiled))
    assert made.file_path is None


def test_a_folder_of_kernels_that_is_not_there_is_named(device, monkeypatch, tmp_path):
    monkeypatch.setenv(KERNELS_VARIABLE, str(tmp_path / "missing"))
    with pytest.raises(ValueError, match="SPACY_RNN_KERNELS names a folder .*missing"):
        device.load(FORMS[ALONE])


def test_a_compiled_kernel_that_is_broken_is_named(device, monkeypatch, tmp_path):
    monkeypatch.setenv(KERNELS_VARIABLE, str(tmp_path))
    name = compiled_name(FORMS[ALONE], "sm_75")
    (tmp_path / name).touch()

    def refuse(self, entry):
        raise ValueError("device kernel image is invalid")

    monkeypatch.setattr(FakeModule, "get_function", refuse)
    with pytest.raises(RuntimeError, match=f"{name} cannot be loaded .*image is invalid.*compile it again"):
        device.load(FORMS[ALONE])


@pytest.mark.parametrize("blocks, memory", [(41, 1000), (1, 3000)])
def test_blocks_that_cannot_run_at_the_same_time_are_refused(device, blocks, memory):
    with pytest.raises(RuntimeError, match=f"needs {blocks} blocks of 512 threads and {memory} bytes"):
        device.launch(FORMS[GRID], blocks, memory, "given")
    (module,) = FakeModule._made
    assert not launches(module)


@pytest.mark.parametrize("status, error", [(912, ClusterError), (700, ValueError)])
def test_a_cluster_without_room_is_told_from_other_failures(device, status, error):
    device.launch(FORMS[CLUSTER], 4, 1000, "given")
    (module,) = FakeModule._made
    failure = ValueError("refused")
    failure.status = status
    module.get_function(ENTRY).kernel._error = failure
    with pytest.raises(error, match="refused"):
        device.launch(FORMS[CLUSTER], 4, 1000, "given")


@pytest.mark.parametrize(
    "capability, rounds, max_cluster", [("75", False, 1), ("80", True, 1), ("90", True, 8), ("103", True, 1), ("121", True, 1)]
)
def test_what_a_device_can_do(make_device, capability, rounds, max_cluster):
    device = make_device(capability)
    assert (device.arch, device.rounds, device.max_cluster) == (f"sm_{capability}", rounds, max_cluster)
    assert (device.processors, device.memory, device.total_memory) == (40, 65536, 2**34)


def test_a_device_that_is_too_old_is_refused(make_device):
    with pytest.raises(RuntimeError, match=r"compute capability 6\.1, but the kernels of recurrent layers need 7\.0"):
        make_device("61")
