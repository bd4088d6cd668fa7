"""The CUDA kernels of recurrent sweeps: their sources, what they are given, and how a device executes them."""

from .arena import Arena, Rows
from .arguments import SWEEP, pointer
from .availability import find_problem, require_gpu
from .device import ClusterError, Device, find_device
from .launch import ALONE, CLUSTER, GRID, Chip, Launch
from .memory import explain_memory
from .sources import CELLS, PRECISIONS, CellSource, KernelForm, plan_kernel

__all__ = [
    "ALONE",
    "CELLS",
    "CLUSTER",
    "GRID",
    "PRECISIONS",
    "SWEEP",
    "Arena",
    "CellSource",
    "Chip",
    "ClusterError",
    "Device",
    "KernelForm",
    "Launch",
    "Rows",
    "explain_memory",
    "find_device",
    "find_problem",
    "plan_kernel",
    "pointer",
    "require_gpu",
]
