"""The kernels compile for every architecture, and keep in registers what they are meant to keep there."""

import importlib.util
from pathlib import Path

import pytest

from spacy_rnn.cuda.sources import CELLS, kernel_name

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "compile_kernels.py"
_spec = importlib.util.spec_from_file_location("compile_kernels", SCRIPT)
script = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(script)
NVRTC = script.find_compiler()

pytestmark = pytest.mark.skipif(NVRTC is None, reason="needs NVRTC: install the extra kernels")


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "arch, precisions",
    [("sm_75", ["float32"]), ("sm_80", ["float32", "tf32", "bfloat16"]), ("sm_90", ["float32", "tf32", "bfloat16"])],
)
def test_kernels_compile(cell, arch, precisions):
    names = [
        kernel_name(cell, backward, precision, 8, resident)
        for backward in (False, True)
        for precision in precisions
        for resident in script.forms(cell)
    ]
    needs = script.compile_kernels(NVRTC, cell, names, arch)
    assert list(needs) == names
    for name, need in needs.items():
        # A block of 512 threads has 65,536 registers. Weights that are put away and fetched again at every step are not on chip.
        assert need.registers <= 128, name
        assert need.spilled <= 128, name
        if "Exact" in name:
            assert need.stack <= 16, name


def test_a_source_that_does_not_compile_is_refused(monkeypatch):
    monkeypatch.setattr(script, "kernel_source", lambda cell, kernels: "#error no such cell")
    with pytest.raises(ValueError, match="no such cell"):
        script.compile_kernels(NVRTC, "lstm", [], "sm_90")
