"""Inference and training of a recurrent layer take their input, their output and a fixed working set."""

import subprocess
import sys
from pathlib import Path

import pytest

LIMIT = 64  # MB
# Of many sequences there are many states.
LIMIT_OF_TRAINING = 96
# In a process of its own: what a process has once used at most, it does not forget.
MEASURE = """
import re, sys
import numpy
from thinc.api import Ragged
from spacy_rnn.layers import build_rnn

def megabytes(key):
    return int(re.search(key + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

lengths = numpy.full(int(sys.argv[1]), 1_000_000 // int(sys.argv[1]), dtype="int32")
model = build_rnn(16, 8, cell=sys.argv[2], bidirectional=True)
model.initialize()
rows = numpy.ones((1_000_000, 8), dtype="float32")
model.predict(Ragged(rows[:10], numpy.asarray([10], dtype="int32")))
open("/proc/self/clear_refs", "w").write("5")
before = megabytes("VmRSS")
output = model.predict(Ragged(rows, lengths)).data
print(megabytes("VmHWM") - before - output.nbytes / 2**20)
"""
# Gates and states of all rows would be 460 MB, or 340 MB of a GRU.
MEASURE_TRAINING = """
import re, sys
import numpy
from thinc.api import Ragged
from spacy_rnn.layers import build_rnn

def megabytes(key):
    return int(re.search(key + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

lengths = numpy.full(int(sys.argv[1]), 600_000 // int(sys.argv[1]), dtype="int32")
model = build_rnn(32, 8, cell=sys.argv[2], bidirectional=True, recurrent_dropout=0.5)
model.initialize()
rows = numpy.ones((600_000, 8), dtype="float32")
Y, backprop = model.begin_update(Ragged(rows[:10], numpy.asarray([10], dtype="int32")))
backprop(Y)
open("/proc/self/clear_refs", "w").write("5")
before = megabytes("VmRSS")
Y, backprop = model.begin_update(Ragged(rows, lengths))
dX = backprop(Y)
print(megabytes("VmHWM") - before - (Y.data.nbytes + dX.data.nbytes) / 2**20)
"""

on_linux = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="needs Linux to say what a process has used at most"
)


def measure(program, n_sequences, cell):
    """Run a program in a process of its own; give the megabytes it prints."""
    from spacy_rnn.native import library

    if library is None:
        pytest.skip("the reference engine keeps a second copy of the output")
    command = [sys.executable, "-c", program, str(n_sequences), cell]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@on_linux
@pytest.mark.parametrize("cell", ["lstm", pytest.param("gru", marks=pytest.mark.slow)])
@pytest.mark.parametrize("n_sequences", [1, pytest.param(40_000, marks=pytest.mark.slow)])
def test_a_million_rows_fit_into_a_fixed_working_set(n_sequences, cell):
    assert measure(MEASURE, n_sequences, cell) < LIMIT


@pytest.mark.slow
@on_linux
@pytest.mark.parametrize("n_sequences, cell", [(1, "gru"), (24_000, "lstm")])
def test_training_on_many_rows_fits_into_a_fixed_working_set(n_sequences, cell):
    assert measure(MEASURE_TRAINING, n_sequences, cell) < LIMIT_OF_TRAINING
