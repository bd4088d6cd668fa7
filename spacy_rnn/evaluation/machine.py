"""The machine that figures are measured on."""

import platform
import re
from pathlib import Path


def processor() -> str:
    """Name the processor.

    RETURNS (str): Its name, as far as the system tells.
    """
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.*)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else []
    return names[0] if names else platform.processor() or platform.machine()
