"""A CUDA device, through CuPy."""

from functools import cache
from typing import Any, Dict, Optional, Set, Tuple

import numpy
from thinc.util import has_cupy

from .shares import THREADS
from .sources import ENTRY, kernel_source

_COMPUTE_TYPES = {
    "float32": "CUBLAS_COMPUTE_32F",
    "tf32": "CUBLAS_COMPUTE_32F_FAST_TF32",
    "bfloat16": "CUBLAS_COMPUTE_32F_FAST_16BF",
}


class Device:
    """What executes kernels. Tests put a stand-in in its place.

    xp (Any): The array module.
    processors (int): Its multiprocessors.
    memory (int): The memory that the threads of a block may share, bytes.
    rounds (bool): Whether its tensor cores multiply "tf32" and "bfloat16".
    """

    def __init__(self, number: int) -> None:
        """Look a device up.

        number (int): Its number.
        """
        import cupy

        attributes = cupy.cuda.Device(number).attributes
        self.xp: Any = cupy
        self.processors = int(attributes["MultiProcessorCount"])
        self.memory = int(attributes["MaxSharedMemoryPerBlockOptin"])
        self.rounds = int(attributes["ComputeCapabilityMajor"]) >= 8
        self._kernels: Dict[str, Any] = {}
        self._checked: Set[Tuple[str, int, int]] = set()

    def launch(self, cell: str, kernel: str, blocks: int, memory: int, sweep: numpy.ndarray) -> None:
        """Launch a kernel in the current stream; do not wait for it.

        cell (str): The name of the cell.
        kernel (str): The kernel, as `kernel_name` gives it.
        blocks (int): The number of blocks. All run at the same time.
        memory (int): What the threads of a block share, bytes.
        sweep (numpy.ndarray): What the kernel is given, a SWEEP.
        RAISES (RuntimeError): If the device cannot run so many blocks at the same time.
        """
        # Not by enable_cooperative_groups of the module, which would link a library of CUDA's that is not always there.
        launch = self._kernel(kernel, cell).kernel
        self._check(kernel, launch, blocks, memory)
        launch((blocks,), (THREADS,), (sweep,), shared_mem=memory, enable_cooperative_groups=True)

    def product(
        self,
        a: Any,
        b: Any,
        out: Any,
        *,
        transpose_a: bool = False,
        transpose_b: bool = False,
        add: bool = False,
        precision: str = "float32",
    ) -> None:
        """Multiply two matrices by the device's BLAS. Rows of all three may be apart from each other.

        a (cupy.ndarray): float32 [n, k]; [k, n] if transpose_a.
        b (cupy.ndarray): float32 [k, m]; [m, k] if transpose_b.
        out (cupy.ndarray): float32 [n, m], where the product is written.
        transpose_a (bool): Whether a is transposed.
        transpose_b (bool): Whether b is transposed.
        add (bool): Whether the product is added to what is there.
        precision (str): "tf32" or "bfloat16" to round the factors.
        """
        from cupy.cuda import cublas, device, runtime

        (n, m), k = out.shape, a.shape[0] if transpose_a else a.shape[1]
        if not (n and m and k):
            if not add:
                out.fill(0)
            return
        # cuBLAS sees columns where there are rows: the product of the transposed matrices is the transposed product.
        operations = [cublas.CUBLAS_OP_T if transposed else cublas.CUBLAS_OP_N for transposed in (transpose_b, transpose_a)]
        alpha, beta = numpy.asarray(1, "float32"), numpy.asarray(add, "float32")
        cublas.gemmEx(
            device.get_cublas_handle(),
            *operations,
            m,
            n,
            k,
            alpha.ctypes.data,
            *(b.data.ptr, runtime.CUDA_R_32F, b.strides[0] // 4),
            *(a.data.ptr, runtime.CUDA_R_32F, a.strides[0] // 4),
            beta.ctypes.data,
            *(out.data.ptr, runtime.CUDA_R_32F, out.strides[0] // 4),
            getattr(cublas, _COMPUTE_TYPES[precision]),
            cublas.CUBLAS_GEMM_DEFAULT,
        )

    def _kernel(self, name: str, cell: str) -> Any:
        if name not in self._kernels:
            module = self.xp.RawModule(code=kernel_source(cell, {ENTRY: name}), options=("-std=c++17",))
            self._kernels[name] = module.get_function(ENTRY)
            self._kernels[name].max_dynamic_shared_size_bytes = self.memory
        return self._kernels[name]

    def _check(self, name: str, function: Any, blocks: int, memory: int) -> None:
        """Refuse a launch that CuPy would cut short: the blocks that run would wait for the others for ever."""
        if (name, blocks, memory) in self._checked:
            return
        per_processor = self.xp.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(function.ptr, THREADS, memory)
        if per_processor * self.processors < blocks:
            raise RuntimeError(
                f"a sweep needs {blocks} blocks of {THREADS} threads and {memory} bytes at the same time, but this GPU runs "
                f"{per_processor * self.processors}: give the process all of its multiprocessors, or compute on the CPU"
            )
        self._checked.add((name, blocks, memory))


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

    return _device(cupy.cuda.runtime.getDevice())
