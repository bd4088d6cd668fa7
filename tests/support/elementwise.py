"""A stand-in for CuPy's ElementwiseKernel, compiled for the host."""

import ctypes

import numpy
from emulated_cuda import compile_for_host

_TYPES = {"int32": "int", "float32": "float", "float64": "double"}
_SOURCE = """
#include <cstddef>
typedef {T} T;
extern "C" void run(ptrdiff_t size, void **given) {{
    {declared}
    for (ptrdiff_t i = 0; i < size; ++i) {{
        {named}
        {code}
    }}
}}
"""


class ElementwiseKernel:
    """Runs its code for each number of what it writes, on arrays of NumPy's."""

    def __init__(self, in_params, out_params, operation, name):
        self.operation = operation
        self.name = name
        self._params = [param.split() for param in f"{in_params}, {out_params}".split(", ")]
        self._n_written = len(out_params.split(", "))
        self._compiled = {}

    def __call__(self, *args):
        written = args[-self._n_written :]
        arrays = [each if isinstance(each, numpy.ndarray) else numpy.asarray(each, "int32") for each in args]
        assert all(array.flags.c_contiguous for array in arrays)
        # T is the type of what is declared as such.
        (T,) = {str(array.dtype) for (*_, kind, _), array in zip(self._params, arrays, strict=True) if kind == "T"}
        for (*_, kind, _), array in zip(self._params, arrays, strict=True):
            assert array.dtype == (T if kind == "T" else kind)
        addresses = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
        self._function(T)(ctypes.c_ssize_t(written[0].size), addresses)

    def _function(self, T):
        if T not in self._compiled:
            declared, named = [], []
            for place, (*raw, kind, name) in enumerate(self._params):
                kind = _TYPES.get(kind, kind)
                pointer = name if raw else f"{name}_all"
                declared.append(f"{kind} *{pointer} = static_cast<{kind} *>(given[{place}]);")
                if not raw:
                    is_written = place >= len(self._params) - self._n_written
                    named.append(f"{kind} &{name} = {pointer}[{'i' if is_written else 0}];")
            source = _SOURCE.format(T=_TYPES[T], declared=" ".join(declared), named=" ".join(named), code=self.operation)
            self._compiled[T] = compile_for_host(source).run
        return self._compiled[T]
