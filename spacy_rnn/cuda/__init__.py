"""The CUDA kernels of recurrent sweeps: their sources, what they are given, and how a device executes them."""

from .device import Device, find_device
from .memory import explain_memory
from .problem import find_problem, require_gpu
from .shares import Kernel, Launch, plan_launch
from .sources import kernel_name
from .structures import SWEEP, pointer

__all__ = [
    "SWEEP",
    "Device",
    "Kernel",
    "Launch",
    "explain_memory",
    "find_device",
    "find_problem",
    "kernel_name",
    "plan_launch",
    "pointer",
    "require_gpu",
]
