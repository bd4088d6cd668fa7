"""A stand-in for a CUDA device: NumPy arrays, and the kernels compiled for the host."""

import atexit
import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy

from spacy_rnn.cuda import CLUSTER, Chip
from spacy_rnn.cuda.sources import read_source

FOLDER = Path(__file__).parent
COMPILER = shutil.which("g++")
OPTIONS = "-std=c++17 -O1 -fno-strict-aliasing -U_FORTIFY_SOURCE -shared -fPIC -x c++ -DSPACY_RNN_ON_HOST".split()
ORDERS = ("forward", "reverse", "blocks")
ENTRY = """
extern "C" const char *launch(unsigned blocks, unsigned of_cluster, long long memory, int order, const Sweep *sweep) {{
    const auto kernel = [](const void *given) {{ {name}(*static_cast<const Sweep *>(given)); }};
    return host::run(blocks, of_cluster, THREADS, memory, static_cast<host::Order>(order), kernel, sweep);
}}
extern "C" long long size_of_sweep() {{ return sizeof(Sweep); }}
"""


class EmulatedDevice:
    """Executes kernels on the host.

    processors (int): How many blocks may run at the same time.
    memory (int): What the threads of a block may share, bytes.
    order (str): Who has a turn next, one of ORDERS: the next warp, the warp before, or the same block as long as it can go on.
    max_cluster (int): The blocks of a cluster at most; 1 if there are none.
    """

    xp = numpy
    rounds = True
    total_memory = 2**34
    _kernels = {}

    def __init__(self, processors=8, memory=64 * 1024, order="forward", max_cluster=1):
        self.processors = processors
        self.memory = memory
        self.order = ORDERS.index(order)
        self.max_cluster = max_cluster
        self.launched = []

    @property
    def chip(self):
        return Chip(self.processors, self.memory, self.max_cluster)

    def launch(self, form, blocks, memory, sweep):
        # Clusters need not run at the same time.
        assert blocks <= self.processors or form.team == CLUSTER
        assert memory <= self.memory and form.cluster <= self.max_cluster
        self.launched.append((form, blocks))
        kernel = self.kernel(form)
        assert kernel.size_of_sweep() == sweep.dtype.itemsize
        arguments = (ctypes.c_uint(blocks), ctypes.c_uint(form.cluster), ctypes.c_longlong(memory), ctypes.c_int(self.order))
        failure = kernel.launch(*arguments, ctypes.c_void_p(sweep.ctypes.data))
        if failure:
            raise RuntimeError(failure.decode())

    def multiply(self, products, *, transpose_a=False, transpose_b=False, add=False, precision="float32"):
        for a, b, out in products:
            a, b, out = matrix_at(a), matrix_at(b), matrix_at(out)
            product = round_to(precision, a.T if transpose_a else a) @ round_to(precision, b.T if transpose_b else b)
            out[...] = out + product if add else product

    @classmethod
    def kernel(cls, form):
        if "" not in cls._kernels:
            # The kernels find in it what they call.
            cls._kernels[""] = compile_for_host((FOLDER / "host.cpp").read_text(), ctypes.RTLD_GLOBAL)
        if form not in cls._kernels:
            cls._kernels[form] = compile_for_host(read_source(form.cell) + ENTRY.format(name=form))
            cls._kernels[form].launch.restype = ctypes.c_char_p
        return cls._kernels[form]


def matrix_at(rows):
    """Give a matrix by its address, as a BLAS sees it."""
    (n, columns), stride = rows.shape, rows.stride
    assert n and columns and stride >= columns
    numbers = (ctypes.c_float * (stride * (n - 1) + columns)).from_address(rows.address)
    return numpy.lib.stride_tricks.as_strided(numpy.frombuffer(numbers, "float32"), (n, columns), (4 * stride, 4))


def round_to(precision, x):
    """Round numbers as the kernels do their factors."""
    bits = numpy.ascontiguousarray(x, "float32").view("uint32")
    if precision == "tf32":
        bits = (bits + 0x1000) & 0xFFFFE000
    elif precision == "bfloat16":
        bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return bits.astype("uint32").view("float32")


@cache
def library_folder():
    """Find where compiled kernels are kept for other processes and later runs: in the checkout, if it can be written to."""
    folder = FOLDER.parents[1] / "build" / "emulated_kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="emulated_kernels_"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def compiler_and_headers():
    """Give what a library depends on besides its source."""
    version = subprocess.run([COMPILER, "--version"], capture_output=True, check=True).stdout
    return version + " ".join(OPTIONS).encode() + b"".join(path.read_bytes() for path in sorted(FOLDER.glob("*.h")))


def compile_for_host(source, mode=ctypes.DEFAULT_MODE):
    """Load a source as a library, and compile it unless that was done before."""
    key = hashlib.sha256(compiler_and_headers() + source.encode()).hexdigest()[:32]
    library = library_folder() / f"{key}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            compiled = Path(folder) / "library.so"
            command = [COMPILER, *OPTIONS, f"-I{FOLDER}", "-include", "host.h", "-", "-o", str(compiled)]
            subprocess.run(command, input=source, text=True, check=True)
            # Other processes see a whole library or none.
            compiled.replace(library)
    return ctypes.CDLL(str(library), mode=mode)
