"""A GPU that is the host: stand-ins for CuPy's arrays and for kernels of Thinc's, and the device that is emulated."""

from types import SimpleNamespace

import device_arrays
import numpy
from device_arrays import DeviceArray, record, xp
from emulated_cuda import EmulatedDevice
from thinc import types, util
from thinc.api import CupyOps, NumpyOps
from thinc.backends import _custom_kernels, cupy_ops

_HOST = NumpyOps()


class EmulatedGpu(EmulatedDevice):
    """The emulated device, for arrays that are on it."""

    xp = xp

    def launch(self, *arguments):
        record.launches += 1
        super().launch(*arguments)

    def multiply(self, products, **settings):
        record.launches += 1
        super().multiply(products, **settings)


def install(monkeypatch):
    """Let Thinc and the CUDA engine find a GPU.

    RETURNS (CupyOps): Thinc's own operations for it.
    """
    device = EmulatedGpu()
    monkeypatch.setattr("spacy_rnn.recurrence.engines.cuda.find_device", lambda: device)
    device_arrays.install(monkeypatch)
    for module in (cupy_ops, _custom_kernels):
        monkeypatch.setattr(module, "cupy", xp)
    monkeypatch.setattr(types, "get_array_module", util.get_array_module)
    monkeypatch.setattr(CupyOps, "xp", xp)
    monkeypatch.setattr(CupyOps, "_xp2", SimpleNamespace(scatter_add=_scatter_add))
    monkeypatch.setattr(cupy_ops, "cublas", SimpleNamespace(nrm2=lambda x: xp.asarray(numpy.linalg.norm(x._host))))
    monkeypatch.setattr(cupy_ops, "adam_kernel", _adam)
    monkeypatch.setattr(_custom_kernels, "_values_within_range", lambda x, lower, upper: ((x >= lower) & (x < upper)).all())
    for name, kernel in _KERNELS.items():
        monkeypatch.setattr(_custom_kernels, f"{name}_kernel_float", _launched(kernel))
    monkeypatch.setattr(_custom_kernels, "hash_data_kernel", _launched(_hash))
    return CupyOps()


def _launched(kernel):
    """Run a kernel of Thinc's: the blocks, the threads, and what it is given, first what it writes."""

    def launch(blocks, threads, arguments):
        record.launches += 1
        kernel(*(each._host if isinstance(each, DeviceArray) else each for each in arguments))

    return launch


def _scatter_add(table, indices, values):
    record.launches += 1
    numpy.add.at(table._host, indices._host, values._host)


def _adam(gradient, learn_rate, one_minus_beta1, one_minus_beta2, eps, weights, mom1, mom2):
    record.launches += 1
    gradient, weights, mom1, mom2 = (each._host for each in (gradient, weights, mom1, mom2))
    mom1 += one_minus_beta1 * (gradient - mom1)
    mom2 += one_minus_beta2 * (gradient * gradient - mom2)
    weights -= learn_rate * mom1 / (numpy.sqrt(mom2) + eps)


def _hash(out, ids, out_size, in_size, n, seed):
    out[...] = _HOST.hash(ids, seed)


def _gather_add(out, table, indices, *sizes):
    out[...] = table[indices].sum(axis=1)


def _gelu(out, X, *settings):
    out[...] = _HOST.gelu(X)


def _backprop_gelu(out, dY, X, *settings):
    out[...] = _HOST.backprop_gelu(dY, X)


def _maxout(best, which, X, *sizes):
    best[...], which[...] = X.max(axis=-1), X.argmax(axis=-1)


def _backprop_maxout(out, dY, which, *sizes):
    numpy.put_along_axis(out, which[..., None], dY[..., None], axis=-1)


_KERNELS = {
    "gather_add": _gather_add,
    "gelu": _gelu,
    "backprop_gelu": _backprop_gelu,
    "maxout": _maxout,
    "backprop_maxout": _backprop_maxout,
}
