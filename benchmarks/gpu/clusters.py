"""How many thread block clusters a GPU runs at the same time: what spacy_rnn/cuda/launch.py assumes, asked of the driver."""

import ctypes
from typing import Any, Dict

from spacy_rnn.cuda import CLUSTER, KernelForm
from spacy_rnn.cuda.launch import THREADS, teams_at_once

# CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION
_CLUSTER_DIMENSION = 4


class Attribute(ctypes.Structure):
    """CUlaunchAttribute of CUDA's driver, as a cluster's size."""

    _fields_ = [("id", ctypes.c_uint), ("pad", ctypes.c_uint), ("size", ctypes.c_uint * 3), ("rest", ctypes.c_uint * 13)]


class Config(ctypes.Structure):
    """CUlaunchConfig of CUDA's driver."""

    _fields_ = [
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("memory", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.POINTER(Attribute)),
        ("n_attributes", ctypes.c_uint),
    ]


def count_clusters(device: Any) -> Dict[str, Dict[str, Any]]:
    """Ask how many clusters of an LSTM's kernel run at the same time.

    device (Device): The device.
    RETURNS (Dict[str, Dict[str, Any]]): By their blocks: `found`, and `planned`; the driver's error, if it gives one.
    """
    driver = ctypes.CDLL("libcuda.so.1")
    found = {}
    for size in range(2, device.max_cluster + 1):
        kernel = device.load(KernelForm("lstm", False, "float32", 16, True, CLUSTER, size)).kernel
        attribute = Attribute(id=_CLUSTER_DIMENSION, size=(size, 1, 1))
        config = Config(
            grid=(size * device.processors, 1, 1),
            block=(THREADS, 1, 1),
            memory=device.memory,
            attributes=ctypes.pointer(attribute),
            n_attributes=1,
        )
        count = ctypes.c_int()
        error = driver.cuOccupancyMaxActiveClusters(ctypes.byref(count), ctypes.c_void_p(kernel.ptr), ctypes.byref(config))
        planned = teams_at_once(CLUSTER, size, device.processors)
        found[str(size)] = {"found": count.value, "planned": planned, **({"error": error} if error else {})}
    return found
