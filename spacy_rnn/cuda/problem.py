"""Why there is no GPU to compute on."""

from typing import Any, Optional

from thinc.api import require_gpu as require_thinc_gpu

_EXTRAS = 'the extras bring all that is needed, e.g. python -m pip install "spacy-rnn[cuda13x]" (drivers of CUDA 12: cuda12x)'


def find_problem() -> Optional[str]:
    """Say why there is no GPU to compute on, and what to do about it.

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
    except Exception as error:  # noqa: BLE001
        return _explain(cupy, error)
    return None if n_devices else "there is no NVIDIA GPU here, or CUDA_VISIBLE_DEVICES hides it"


def require_gpu(gpu_id: int = 0) -> None:
    """Compute on a GPU from now on, as `spacy.require_gpu` does, but say what is missing where that is not possible.

    gpu_id (int): The number of the GPU.
    RAISES (ValueError): If it cannot be used: why, and what to do about it.
    """
    problem = find_problem()
    if problem is not None:
        raise ValueError(f"cannot use the GPU: {problem}")
    require_thinc_gpu(gpu_id)


def _explain(cupy: Any, error: Exception) -> str:
    """Say what a CUDA that does not start is missing."""
    runtime = cupy.cuda.runtime
    status = getattr(error, "status", None)
    if status == getattr(runtime, "cudaErrorInsufficientDriver", 35):
        return (
            f"the NVIDIA driver is missing, or too old for the CUDA of this CuPy ({error}): install a newer driver, or the extra "
            "cuda12x, which is content with an older one"
        )
    if status == getattr(runtime, "cudaErrorNoDevice", 100):
        return "there is no NVIDIA GPU here, or CUDA_VISIBLE_DEVICES hides it"
    return f"CUDA does not start: {error}"
