"""Why there is no GPU to compute on."""

from typing import Optional

from thinc.api import require_gpu as require_thinc_gpu

# As CUDA numbers them; CuPy has no names for them.
_INSUFFICIENT_DRIVER, _NO_DEVICE = 35, 100
# The least compute capability, times 10: for how kernels read what other blocks have written, and for the compiler of CUDA 13.
_LEAST, _LEAST_OF_CUDA_13 = 70, 75
_NO_GPU = "there is no NVIDIA GPU here, or CUDA_VISIBLE_DEVICES hides it"
_EXTRAS = 'the extras bring all that is needed, e.g. python -m pip install "spacy-rnn[cuda13x]" (drivers of CUDA 12: cuda12x)'


def find_problem(gpu_id: int = 0) -> Optional[str]:
    """Say why there is no GPU to compute on, and what to do about it.

    gpu_id (int): The number of the GPU.
    RETURNS (Optional[str]): The reason; None if there is a GPU.
    """
    try:
        import cupy
    except ImportError as error:
        return f"CuPy cannot be imported ({error}); {_EXTRAS}"
    try:
        # Thinc needs it, and it needs the libraries of CUDA, which CuPy does not bring of itself.
        import cupy.cublas  # noqa: F401
    except Exception as error:  # noqa: BLE001 - what CuPy raises differs from version to version
        return f"CuPy {cupy.__version__} does not find the libraries of CUDA ({error}); {_EXTRAS}"
    try:
        n_devices = cupy.cuda.runtime.getDeviceCount()
        if 0 <= gpu_id < n_devices:
            return find_old_device(int(cupy.cuda.Device(gpu_id).compute_capability), cupy.cuda.runtime.runtimeGetVersion())
    except Exception as error:  # noqa: BLE001
        return _explain(error)
    return f"there is no GPU {gpu_id}: their numbers go from 0 to {n_devices - 1}" if n_devices else _NO_GPU


def require_gpu(gpu_id: int = 0) -> None:
    """Compute on a GPU from now on, as `spacy.require_gpu` does, but say what is missing where that is not possible.

    gpu_id (int): The number of the GPU.
    RAISES (ValueError): If it cannot be used: why, and what to do about it.
    """
    problem = find_problem(gpu_id)
    if problem is not None:
        raise ValueError(f"cannot use the GPU: {problem}")
    require_thinc_gpu(gpu_id)


def find_old_device(capability: int, cuda: int) -> Optional[str]:
    """Say what a device is too old for.

    capability (int): Its compute capability, times 10.
    cuda (int): The version of CUDA: 13020 for 13.2.
    RETURNS (Optional[str]): What it has and what it would need; None if it is new enough.
    """
    has = f"the GPU has compute capability {capability // 10}.{capability % 10}"
    if capability < _LEAST:
        return f"{has}, but the kernels of recurrent layers need {_LEAST / 10} or more: compute on the CPU"
    if capability < _LEAST_OF_CUDA_13 and cuda >= 13000:
        return f"{has}, but CUDA 13 compiles for {_LEAST_OF_CUDA_13 / 10} and more: install the extra cuda12x instead of cuda13x"
    return None


def _explain(error: Exception) -> str:
    """Say what a CUDA that does not start is missing."""
    status = getattr(error, "status", None)
    if status == _INSUFFICIENT_DRIVER:
        return (
            f"the NVIDIA driver is missing, or too old for the CUDA of this CuPy ({error}): install a newer driver, or the extra "
            "cuda12x, which is content with an older one"
        )
    return _NO_GPU if status == _NO_DEVICE else f"CUDA does not start: {error}"
