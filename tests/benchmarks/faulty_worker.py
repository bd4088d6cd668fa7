"""A worker of benchmarks/gpu/matrix.py on which cells go wrong, each in another way."""

import os
import sys
import time
from pathlib import Path

import numpy

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT / "benchmarks" / "gpu"), str(ROOT / "tests" / "support")]

import matrix  # noqa: E402

execute = matrix.execute
runs = []


def go_wrong(problems, device, precision):
    cell = problems[0].cell.name
    if cell == "gru":
        execute(problems, device, precision)
        time.sleep(600)
    if cell == "elman_tanh":
        execute(problems, device, precision)
        raise RuntimeError("planted")
    if cell == "elman_relu":
        execute(problems, device, precision)
        print("the last words", file=sys.stderr)
        os._exit(3)
    if cell == "lstm_peephole":
        found = execute(problems, device, precision)
        found[0]["Y"][0, 0] = numpy.nan
        return found
    found = execute(problems, device, precision)
    runs.append(cell)
    if cell == "lstm":
        found[0]["gradient W"][2, 1] += 1
    if cell == "gru_reset_before":
        found[0]["gradient b"][0] += 1e-6 * len(runs)
    return found


if __name__ == "__main__":
    matrix.execute = go_wrong
    matrix.serve_cases(matrix.open_device(emulated=True))
