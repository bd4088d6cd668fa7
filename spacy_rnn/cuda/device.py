"""A CUDA device, through CuPy."""

import os
from functools import cache
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Set, Tuple

import numpy
from thinc.util import has_cupy

from .arena import Rows
from .availability import find_old_device
from .launch import CLUSTER, GRID, THREADS, Chip
from .sources import ENTRY, OPTIONS, KernelForm, compiled_name, kernel_source

# A folder of kernels that scripts/compile_kernels.py has compiled beforehand.
KERNELS_VARIABLE = "SPACY_RNN_KERNELS"

_COMPUTE_TYPES = {
    "float32": "CUBLAS_COMPUTE_32F",
    "tf32": "CUBLAS_COMPUTE_32F_FAST_TF32",
    "bfloat16": "CUBLAS_COMPUTE_32F_FAST_16BF",
}

# What a driver answers where a cluster has no room: CUDA_ERROR_INVALID_CLUSTER_SIZE, or, where a process has a part of a device,
# _INVALID_VALUE and _LAUNCH_OUT_OF_RESOURCES.
_NO_ROOM = (912, 1, 701)

# Up to how many rows the sums of two products take one call: cuBLAS sums longer ones in pieces side by side, unless in a batch.
_LONGEST_BATCHED = 2048

# Two factors, and where their product is written.
Product = Tuple[Rows, Rows, Rows]


class ClusterError(RuntimeError):
    """A device has no room for a thread block cluster, e.g. where a process is given a part of it."""


class Device:
    """What executes kernels. Tests put a stand-in in its place.

    xp (Any): The array module.
    arch (str): The architecture that kernels are compiled for, e.g. "sm_90".
    processors (int): Its multiprocessors.
    memory (int): The memory that the threads of a block may share, bytes.
    total_memory (int): All of its memory, bytes.
    max_cluster (int): The blocks of a thread block cluster at most; 1 where there are none.
    rounds (bool): Whether its tensor cores multiply "tf32" and "bfloat16".
    """

    def __init__(self, number: int) -> None:
        """Look a device up.

        number (int): Its number.
        RAISES (RuntimeError): If it is too old for the kernels.
        """
        import cupy

        device = cupy.cuda.Device(number)
        capability = int(device.compute_capability)
        problem = find_old_device(capability, cupy.cuda.runtime.runtimeGetVersion())
        if problem is not None:
            raise RuntimeError(problem)
        self.xp: Any = cupy
        self.arch = f"sm_{capability}"
        self.processors = int(device.attributes["MultiProcessorCount"])
        self.memory = int(device.attributes["MaxSharedMemoryPerBlockOptin"])
        self.total_memory = int(device.mem_info[1])
        # Hopper's.
        self.max_cluster = 8 if capability // 10 == 9 else 1
        self.rounds = capability >= 80
        self._kernels: Dict[KernelForm, Any] = {}
        self._checked: Set[Tuple[KernelForm, int, int]] = set()

    @property
    def chip(self) -> Chip:
        """RETURNS (Chip): What it has for blocks."""
        return Chip(self.processors, self.memory, self.max_cluster)

    def load(self, form: KernelForm) -> Any:
        """Load a kernel, or compile it, unless that has been done.

        form (KernelForm): The kernel.
        RETURNS (cupy.RawKernel): The kernel.
        RAISES (ValueError): If SPACY_RNN_KERNELS names no folder.
        RAISES (RuntimeError): If what has been compiled beforehand cannot be loaded.
        """
        if form not in self._kernels:
            compiled = find_compiled(form, self.arch)
            try:
                self._kernels[form] = self._module(form, compiled).get_function(ENTRY)
            except Exception as error:
                if compiled is None:
                    raise
                raise RuntimeError(f"the compiled kernel {compiled} cannot be loaded ({error}): compile it again") from error
            self._kernels[form].max_dynamic_shared_size_bytes = self.memory
        return self._kernels[form]

    def launch(self, form: KernelForm, blocks: int, memory: int, sweep: numpy.ndarray) -> None:
        """Launch a kernel in the current stream; do not wait for it.

        form (KernelForm): The kernel.
        blocks (int): The number of blocks. Those of a grid all run at the same time.
        memory (int): What the threads of a block share, bytes.
        sweep (numpy.ndarray): What the kernel is given, a SWEEP.
        RAISES (RuntimeError): If the device cannot run so many blocks at the same time.
        RAISES (ClusterError): If it has no room for a cluster. Nothing has been launched.
        """
        # Not by enable_cooperative_groups of the module, which would link a library of CUDA's that is not always there.
        launch = self.load(form).kernel
        if form.team == GRID:
            self._check(form, launch, blocks, memory)
        # Blocks of a cluster run at the same time by themselves, and blocks that are alone need not.
        try:
            launch((blocks,), (THREADS,), (sweep,), shared_mem=memory, enable_cooperative_groups=form.team == GRID)
        except Exception as error:
            if form.team == CLUSTER and getattr(error, "status", None) in _NO_ROOM:
                raise ClusterError(f"this GPU has no room for clusters of {form.cluster} blocks ({error})") from error
            raise

    def multiply(
        self,
        products: Sequence[Product],
        *,
        transpose_a: bool = False,
        transpose_b: bool = False,
        add: bool = False,
        precision: str = "float32",
    ) -> None:
        """Multiply matrices of the same shapes by the device's BLAS.

        Two products take one call where the matrices of the second lie behind those of the first, but for long sums.

        products (Sequence[Tuple[Rows, Rows, Rows]]): For each a [n, k], or [k, n] if transpose_a; b [k, m], or [m, k] if
            transpose_b; and where the product is written [n, m].
        transpose_a (bool): Whether a is transposed.
        transpose_b (bool): Whether b is transposed.
        add (bool): Whether the product is added to what is there.
        precision (str): "tf32" or "bfloat16" to round the factors.
        """
        from cupy.cuda import cublas, device, runtime

        a, b, out = products[0]
        (n, m), k = out.shape, a.shape[0 if transpose_a else 1]
        # cuBLAS sees columns where there are rows: the product of the transposed matrices is the transposed product.
        operations = [cublas.CUBLAS_OP_T if transposed else cublas.CUBLAS_OP_N for transposed in (transpose_b, transpose_a)]
        alpha, beta = numpy.asarray(1, "float32"), numpy.asarray(add, "float32")
        start = (device.get_cublas_handle(), *operations, m, n, k, alpha.ctypes.data)
        how = (getattr(cublas, _COMPUTE_TYPES[precision]), cublas.CUBLAS_GEMM_DEFAULT)
        apart = _distances(products) if k <= _LONGEST_BATCHED else None
        if apart is not None:
            of_a, of_b, of_out = apart
            cublas.gemmStridedBatchedEx(
                *start,
                *(b.address, runtime.CUDA_R_32F, b.stride, of_b),
                *(a.address, runtime.CUDA_R_32F, a.stride, of_a),
                beta.ctypes.data,
                *(out.address, runtime.CUDA_R_32F, out.stride, of_out),
                2,
                *how,
            )
            return
        for a, b, out in products:
            cublas.gemmEx(
                *start,
                *(b.address, runtime.CUDA_R_32F, b.stride),
                *(a.address, runtime.CUDA_R_32F, a.stride),
                beta.ctypes.data,
                *(out.address, runtime.CUDA_R_32F, out.stride),
                *how,
            )

    def _module(self, form: KernelForm, compiled: Optional[Path]) -> Any:
        if compiled is not None:
            return self.xp.RawModule(path=str(compiled))
        # CuPy has the other option itself.
        return self.xp.RawModule(code=kernel_source(form), options=OPTIONS[:1])

    def _check(self, form: KernelForm, function: Any, blocks: int, memory: int) -> None:
        """Refuse a launch that CuPy would cut short: the blocks that run would wait for the others for ever."""
        if (form, blocks, memory) in self._checked:
            return
        per_processor = self.xp.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(function.ptr, THREADS, memory)
        if per_processor * self.processors < blocks:
            raise RuntimeError(
                f"a sweep needs {blocks} blocks of {THREADS} threads and {memory} bytes at the same time, but this GPU runs "
                f"{per_processor * self.processors}: give the process all of its multiprocessors, or compute on the CPU"
            )
        self._checked.add((form, blocks, memory))


def find_compiled(form: KernelForm, arch: str) -> Optional[Path]:
    """Find a kernel that has been compiled beforehand.

    form (KernelForm): The kernel.
    arch (str): The architecture, e.g. "sm_90".
    RETURNS (Optional[Path]): Its file in the folder SPACY_RNN_KERNELS; None if it is not there.
    RAISES (ValueError): If that is no folder.
    """
    folder = os.environ.get(KERNELS_VARIABLE)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise ValueError(f"{KERNELS_VARIABLE} names a folder of compiled kernels, got {folder!r}, which is none")
    path = Path(folder, compiled_name(form, arch))
    return path if path.is_file() else None


def _distances(products: Sequence[Product]) -> Optional[Tuple[int, int, int]]:
    """Say how many numbers the matrices of the second product lie behind those of the first; None unless they do."""
    if len(products) != 2 or any(one[1:] != other[1:] for one, other in zip(*products, strict=True)):
        return None
    a, b, out = (other.address - one.address for one, other in zip(*products, strict=True))
    return (a // 4, b // 4, out // 4) if min(a, b) >= 0 and out > 0 else None


@cache
def _device(number: int) -> Device:
    return Device(number)


def find_device() -> Optional[Device]:
    """Give the device that CuPy uses at present.

    RETURNS (Optional[Device]): The device; None where there is none.
    """
    if not has_cupy:
        return None
    import cupy

    try:
        number = cupy.cuda.runtime.getDevice()
    except cupy.cuda.runtime.CUDARuntimeError:
        # CuPy without a driver, or with one that is too old for it.
        return None
    return _device(number)
