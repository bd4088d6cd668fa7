"""The kernels compile for every architecture, and keep in registers what they are meant to keep there."""

import importlib.util
import sys
from pathlib import Path

import pytest

from spacy_rnn.cuda import ALONE, CLUSTER, GRID
from spacy_rnn.cuda.sources import CELLS, KernelForm, compiled_name, kernel_source

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "compile_kernels.py"
_spec = importlib.util.spec_from_file_location("compile_kernels", SCRIPT)
script = importlib.util.module_from_spec(_spec)
# Its processes look for it there.
sys.modules["compile_kernels"] = script
_spec.loader.exec_module(script)
NVRTC = script.find_compiler()

pytestmark = pytest.mark.skipif(NVRTC is None, reason="needs NVRTC: install the extra kernels")


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "arch, precision", [("sm_75", "float32"), ("sm_80", "tf32"), ("sm_80", "bfloat16"), ("sm_90", "float32")]
)
def test_kernels_compile(cell, arch, precision):
    for form in script.all_kernels(cell, arch, [8]):
        if form.precision != precision:
            continue
        code, need = script.compile_kernel(form, arch)
        assert code.startswith(b"\x7fELF")
        # A block of 512 threads has 65,536 registers. Weights that are put away and fetched again at every step are not on chip.
        assert need.registers <= 128, form
        assert need.spilled <= 128, form
        if precision == "float32":
            assert need.stack <= 32, form


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_clusters_compile(cell, backward):
    code, need = script.compile_kernel(KernelForm(cell, backward, "float32", 16, True, CLUSTER, 8), "sm_90")
    assert need.registers <= 128 and need.spilled <= 32


def test_compiled_kernels_are_kept_once(tmp_path):
    forms = [KernelForm("elman_tanh", False, "float32", 2, True), KernelForm("elman_tanh", True, "float32", 2, True)]
    assert list(script.compile_all(forms[:1], "sm_90", tmp_path, 1)) == forms[:1]
    assert list(script.compile_all(forms, "sm_90", tmp_path, 1)) == forms[1:]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(compiled_name(form, "sm_90") for form in forms)


def test_a_source_that_does_not_compile_is_refused_and_the_others_are_kept(monkeypatch, tmp_path):
    forms = [KernelForm(cell, False, "float32", 2, True) for cell in ("lstm", "elman_relu")]
    monkeypatch.setattr(
        script, "kernel_source", lambda form: "#error no such cell" if form.cell == "lstm" else kernel_source(form)
    )
    found = script.compile_all(forms, "sm_90", tmp_path, 1)
    assert "no such cell" in found[forms[0]] and found[forms[1]].registers > 0
    assert [path.name for path in tmp_path.iterdir()] == [compiled_name(forms[1], "sm_90")]


@pytest.mark.parametrize("arch", ["sm_75", "sm_80", "sm_86", "sm_90"])
def test_an_architecture_needs_only_kernels_that_it_can_run(arch):
    forms = script.needed_kernels(arch)
    assert {form.precision for form in forms} == set(script.precisions_of(arch))
    assert {form.team for form in forms} == ({ALONE, GRID, CLUSTER} if arch == "sm_90" else {ALONE, GRID})
