"""The device that the benchmarks measure."""

import spacy
from thinc.api import CupyOps, NumpyOps, Ops


def use_gpu(gpu: int) -> Ops:
    """Compute on a GPU from now on.

    gpu (int): The number of the GPU, or -1 for the CPU.
    RETURNS (Ops): The backend.
    """
    if gpu < 0:
        return NumpyOps()
    spacy.require_gpu(gpu)
    return CupyOps()


def device_name(gpu: int) -> str:
    """Say what computes.

    gpu (int): The number of the GPU, or -1.
    RETURNS (str): Its name, and the version of its driver.
    """
    if gpu < 0:
        return "CPU"
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(gpu)
    return f"{properties['name'].decode()}, driver {cupy.cuda.runtime.driverGetVersion()}, CuPy {cupy.__version__}"


def synchronize(ops: Ops) -> None:
    """Wait until the device has done everything.

    ops (Ops): The backend.
    """
    if isinstance(ops, CupyOps):
        ops.xp.cuda.Device().synchronize()
