"""A worker of benchmarks/gpu_matrix.py whose device has a fault for each cell but one."""

import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests" / "support")]

import gpu_matrix  # noqa: E402
from emulated_cuda import EmulatedDevice  # noqa: E402


class FaultyDevice(EmulatedDevice):
    products = 0

    def launch(self, cell, *args, **settings):
        if cell == "gru":
            time.sleep(600)
        if cell == "elman_tanh":
            raise RuntimeError("planted")
        if cell == "elman_relu":
            os._exit(3)
        self.cell = cell
        super().launch(cell, *args, **settings)

    def product(self, a, b, out, **settings):
        super().product(a, b, out, **settings)
        self.products += 1
        if settings.get("transpose_a"):
            if self.cell == "lstm":
                out[2, 1] += 1
            if self.cell == "gru_reset_before":
                out[0, 0] += 1e-7 * self.products


if __name__ == "__main__":
    gpu_matrix.serve_cases(FaultyDevice(4))
