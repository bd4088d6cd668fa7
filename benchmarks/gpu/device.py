"""Say what the GPU and the software for it are, and run one small sweep.

    python benchmarks/gpu/device.py OUTPUT.json

It ends with 3 if there is no GPU to compute on, and says why in its last line; with 1 if there is one and the sweep is wrong.
"""

import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Dict, Optional

PACKAGES = (
    "spacy-rnn",
    "spacy",
    "thinc",
    "numpy",
    "cupy-cuda13x",
    "torch",
    "nvidia-cuda-nvrtc",
    "nvidia-cudnn-cu13",
)
# What it ends with where there is no device.
NO_DEVICE = 3


def find_version(package: str) -> Optional[str]:
    """Give the version of a package.

    package (str): Its name.
    RETURNS (Optional[str]): The version; None if it is not installed.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def describe_software() -> Dict[str, Any]:
    """Say what there is on any machine.

    RETURNS (Dict[str, Any]): Date, Python, versions.
    """
    versions = {package: find_version(package) for package in PACKAGES}
    return {"date": datetime.date.today().isoformat(), "python": platform.python_version(), "versions": versions}


def describe_device() -> Dict[str, Any]:
    """Say what the device is.

    RETURNS (Dict[str, Any]): Name, architecture, versions of driver and CUDA, all attributes by CuPy's names.
    """
    import cupy

    runtime, device = cupy.cuda.runtime, cupy.cuda.Device()
    return {
        "name": runtime.getDeviceProperties(device.id)["name"].decode(),
        "arch": f"sm_{device.compute_capability}",
        "driver": runtime.driverGetVersion(),
        "cuda": runtime.runtimeGetVersion(),
        "memory, GiB": round(device.mem_info[1] / 2**30, 1),
        "attributes": dict(device.attributes),
    }


def try_to_count_clusters() -> Any:
    """Say how many thread block clusters run at the same time.

    RETURNS (Any): As `count_clusters`; or why that is not known.
    """
    from clusters import count_clusters

    from spacy_rnn.cuda import find_device

    try:
        return count_clusters(find_device())
    except Exception as error:  # noqa: BLE001 - the rest of the run does not need it
        return f"{type(error).__name__}: {error}"


def write(output: Path, found: Dict[str, Any]) -> None:
    """Write what was found, all of it or nothing.

    output (Path): Where it goes.
    found (Dict[str, Any]): What was found.
    """
    begun = output.with_name(f".{output.name}")
    begun.write_text(json.dumps(found, indent=1, default=str), encoding="utf8")
    os.replace(begun, output)


def main(output: Path) -> int:
    """Find the device and try it.

    output (Path): Where what was found goes.
    RETURNS (int): What the process ends with.
    """
    found = describe_software()
    print(json.dumps(found))
    if shutil.which("nvidia-smi"):
        subprocess.run(["nvidia-smi"], check=False)
    # Imported late: what a machine lacks is said by what has been printed before.
    from spacy_rnn.cuda import find_problem

    problem = find_problem()
    if problem is not None:
        print(" ".join(problem.split()))
        return NO_DEVICE
    found.update(describe_device())
    write(output, found)
    print(json.dumps(found, default=str), flush=True)
    from matrix import check, describe, open_device

    task = {"shape": "5 units", "cell": "lstm", "precision": "float32", "clusters": "on"}
    line = {**task, **check(task, open_device(emulated=False), lambda launch: None)}
    print(describe(line) if line["status"] != "ok" else f"an LSTM of 5 units is right: {line['margin']} of the limit")
    found["clusters"] = try_to_count_clusters()
    print(f"clusters at the same time: {found['clusters']}")
    write(output, found)
    return int(line["status"] != "ok")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(main(Path(sys.argv[1])))
