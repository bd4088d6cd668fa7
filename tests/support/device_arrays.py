"""A stand-in for CuPy's arrays that computes on the host, counts launches, and writes down where the host waits for the device.

Arrays offer what `cupy.ndarray` offers, or less: no implicit conversion to NumPy's, and no operation with an array of NumPy's.
"""

import sys
from collections import Counter
from types import ModuleType, SimpleNamespace

import numpy
from elementwise import ElementwiseKernel
from numpy.lib.mixins import NDArrayOperatorsMixin
from thinc import util

# What takes arrays of the host, and what tells the host how large its result is.
_FROM_HOST = ("array", "asarray", "split")
_WAITING = ("argwhere", "asnumpy", "flatnonzero", "intersect1d", "nonzero", "setdiff1d", "union1d", "unique")
# Views, and properties that are looked up on the host.
_VIEWS = ("T", "ravel", "reshape", "squeeze", "transpose", "view")
_METHODS = ("all", "any", "argmax", "argmin", "astype", "copy", "cumsum", "dot", "max", "mean", "min", "sum", "take", "var")
_PROPERTIES = ("dtype", "flags", "itemsize", "nbytes", "ndim", "shape", "size", "strides")
_OWN_FILES = (__file__, numpy.__file__.removesuffix("__init__.py"))
# Functions that only hand on what they are asked for: the wait is their caller's.
_ONLY_ASK = ("to_numpy", "asnumpy")


class Record:
    """What an array was asked for.

    launches (int): The kernels that a device would have run.
    waits (Counter): How often the host waited, by file and function: "layers/plain/pool.py:forward".
    """

    def __init__(self):
        self.clear()

    def clear(self):
        self.launches = 0
        self.waits = Counter()

    def wait(self):
        frame = sys._getframe(1)
        while frame.f_code.co_filename.startswith(_OWN_FILES) or frame.f_code.co_name in _ONLY_ASK:
            frame = frame.f_back
        path = frame.f_code.co_filename.replace("\\", "/").split("/")
        packages = [i for i, folder in enumerate(path) if folder in ("spacy_rnn", "thinc", "spacy")]
        name = "/".join(path[packages[-1] + 1 :] if packages else path[-1:])
        self.waits[f"{name}:{frame.f_code.co_name}"] += 1


record = Record()


class DeviceArray(NDArrayOperatorsMixin):
    """An array on a device."""

    # Operators of NumPy's arrays leave the work to this one.
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, host, base=None):
        self._host = host
        self.base = base

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **settings):
        assert method == "__call__", method
        record.launches += 1
        into = tuple(_host(each) for each in out)
        result = ufunc(*map(_host, inputs), **({"out": into} if into else {}), **settings)
        return out[0] if out else _on_device(result)

    def __array_function__(self, function, types, arguments, settings):
        return getattr(xp, function.__name__)(*arguments, **settings)

    def __getitem__(self, key):
        wants = key if isinstance(key, tuple) else (key,)
        if any(_is_mask(each) for each in wants):
            record.wait()
        if any(isinstance(each, (list, numpy.ndarray, DeviceArray)) for each in wants):
            record.launches += 1
        return self._viewed(self._host[_index(key)])

    def __setitem__(self, key, value):
        if any(_is_mask(each) for each in (key if isinstance(key, tuple) else (key,))):
            record.wait()
        record.launches += 1
        self._host[_index(key)] = _host(value)

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        return bool(self.get())

    def __int__(self):
        return int(self.get())

    def __float__(self):
        return float(self.get())

    def __deepcopy__(self, memory):
        return self.copy()

    def get(self):
        record.wait()
        return self._host.copy()

    def item(self):
        return self.get().item()

    def tolist(self):
        return self.get().tolist()

    def fill(self, value):
        record.launches += 1
        self._host.fill(value)

    @property
    def data(self):
        return SimpleNamespace(ptr=self._host.ctypes.data)

    def _viewed(self, result):
        if isinstance(result, numpy.ndarray) and numpy.may_share_memory(result, self._host):
            return DeviceArray(result, self if self.base is None else self.base)
        return _on_device(result)


def _add(name):
    if name in _PROPERTIES:
        setattr(DeviceArray, name, property(lambda self: getattr(self._host, name)))
    elif name == "T":
        DeviceArray.T = property(lambda self: self._viewed(self._host.T))
    else:

        def method(self, *arguments, **settings):
            if name not in _VIEWS:
                record.launches += 1
            result = getattr(self._host, name)(*map(_host, arguments), **settings)
            return self._viewed(result) if name in _VIEWS else _on_device(result)

        setattr(DeviceArray, name, method)


for each in (*_PROPERTIES, *_VIEWS, *_METHODS):
    _add(each)


def on_device(array):
    """Put an array on the device."""
    return DeviceArray(numpy.array(array))


def _on_device(result):
    """Wrap what has been computed. CuPy gives arrays without dimensions where NumPy gives numbers."""
    if isinstance(result, (list, tuple)):
        return type(result)(map(_on_device, result))
    return DeviceArray(numpy.asarray(result)) if isinstance(result, (numpy.ndarray, numpy.generic)) else result


def _host(value):
    """Give what is behind an array; the device takes no array of the host's."""
    if isinstance(value, DeviceArray):
        return value._host
    if isinstance(value, numpy.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, (list, tuple)):
        return type(value)(map(_host, value))
    return value


def _index(key):
    """Indices may be arrays of the host's: these are copied to the device."""
    if isinstance(key, tuple):
        return tuple(map(_index, key))
    return key._host if isinstance(key, DeviceArray) else key


def _is_mask(key):
    return isinstance(key, (numpy.ndarray, DeviceArray)) and key.dtype == bool


class _ArrayModule(ModuleType):
    """The functions of NumPy, on the device. That CuPy has them is tested where they are called."""

    ndarray = DeviceArray

    def __init__(self):
        super().__init__("cupy")
        self.random = SimpleNamespace(uniform=lambda *given: _on_device(numpy.random.uniform(*given)))

    def ElementwiseKernel(self, *description):
        kernel = ElementwiseKernel(*description)

        def launch(*arguments):
            record.launches += 1
            kernel(*map(_host, arguments))

        return launch

    def __getattr__(self, name):
        function = getattr(numpy, name)
        if not callable(function) or isinstance(function, type):
            return function

        def call(*arguments, **settings):
            record.launches += 1
            if name in _WAITING or (name == "where" and len(arguments) == 1):
                record.wait()
            unwrap = _behind if name in _FROM_HOST else _host
            into = settings.get("out")
            result = function(*map(unwrap, arguments), **{key: unwrap(value) for key, value in settings.items()})
            if into is not None:
                return into
            if name == "asarray" and isinstance(arguments[0], DeviceArray) and result is arguments[0]._host:
                return arguments[0]
            return result if name == "asnumpy" else _on_device(result if name != "asarray" else result.copy())

        return call


def _behind(value):
    """As `_host`, where arrays of the host are taken, too."""
    return value if isinstance(value, numpy.ndarray) else _host(value)


xp = _ArrayModule()


def install(monkeypatch):
    """Let Thinc take these arrays for CuPy's, and begin a new record."""
    monkeypatch.setattr(util, "cupy", xp)
    monkeypatch.setattr(util, "has_cupy", True)
    record.clear()
