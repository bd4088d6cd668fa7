"""A stand-in for a CUDA device: NumPy arrays, and the kernels compiled for the host."""

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy

from spacy_rnn.cuda.sources import read_source

FOLDER = Path(__file__).parent
COMPILER = shutil.which("g++")
OPTIONS = ["-std=c++17", "-O1", "-fno-strict-aliasing", "-U_FORTIFY_SOURCE", "-shared", "-fPIC", "-x", "c++"]
ENTRY = """
extern "C" void launch(unsigned blocks, long long memory, bool reverse, const Sweep *sweep) {{
    host::run(blocks, THREADS, memory, reverse, [](const void *given) {{ {name}(*static_cast<const Sweep *>(given)); }}, sweep);
}}
extern "C" long long size_of_sweep() {{ return sizeof(Sweep); }}
"""


class EmulatedDevice:
    """Executes kernels on the host.

    processors (int): How many blocks may run at the same time.
    memory (int): What the threads of a block may share, bytes.
    reverse (bool): Whether the last thread has its turn first.
    """

    xp = numpy
    rounds = True
    _folder = tempfile.TemporaryDirectory(prefix="emulated_kernels_")
    _kernels = {}

    def __init__(self, processors=8, memory=64 * 1024, reverse=False):
        self.processors = processors
        self.memory = memory
        self.reverse = reverse
        self.launched = []

    def launch(self, cell, kernel, blocks, memory, sweep):
        assert blocks <= self.processors
        assert memory <= self.memory
        self.launched.append((kernel, blocks))
        kernel = self.kernel(cell, kernel)
        assert kernel.size_of_sweep() == sweep.dtype.itemsize
        arguments = (ctypes.c_uint(blocks), ctypes.c_longlong(memory), ctypes.c_bool(self.reverse))
        kernel.launch(*arguments, ctypes.c_void_p(sweep.ctypes.data))

    def product(self, a, b, out, *, transpose_a=False, transpose_b=False, add=False, precision="float32"):
        # As far apart as the rows of a matrix may be, the numbers of a row stand side by side.
        assert all(x.dtype == "float32" and x.strides[1] == 4 for x in (a, b, out) if x.size)
        product = round_to(precision, a.T if transpose_a else a) @ round_to(precision, b.T if transpose_b else b)
        out[...] = out + product if add else product

    @classmethod
    def kernel(cls, cell, name):
        if "" not in cls._kernels:
            # The kernels find in it what they call.
            cls._kernels[""] = compile_for_host((FOLDER / "host.cpp").read_text(), cls._folder.name, ctypes.RTLD_GLOBAL)
        if name not in cls._kernels:
            cls._kernels[name] = compile_for_host(read_source(cell) + ENTRY.format(name=name), cls._folder.name)
        return cls._kernels[name]


def round_to(precision, x):
    """Round numbers as the kernels do their factors."""
    bits = numpy.ascontiguousarray(x, "float32").view("uint32")
    if precision == "tf32":
        bits = (bits + 0x1000) & 0xFFFFE000
    elif precision == "bfloat16":
        bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return bits.astype("uint32").view("float32")


def compile_for_host(source, folder, mode=ctypes.DEFAULT_MODE):
    """Compile and load a source."""
    library = Path(folder) / f"{hashlib.sha256(source.encode()).hexdigest()[:16]}.so"
    command = [COMPILER, *OPTIONS, "-DSPACY_RNN_ON_HOST", f"-I{FOLDER}", "-include", "host.h", "-", "-o", str(library)]
    subprocess.run(command, input=source, text=True, check=True)
    return ctypes.CDLL(str(library), mode=mode)
