"""Thinc's operations for the CPU, with matrix products of the compiled engine."""

from typing import Any, Optional

import numpy
from thinc.api import Model, NumpyOps, Ops

from ..native import library

_SUMMED_ROWS = 4096


class EngineOps(NumpyOps):
    """`NumpyOps`, but `gemm` does not depend on a BLAS library."""

    def gemm(self, x: Any, y: Any, *, out: Optional[Any] = None, trans1: bool = False, trans2: bool = False) -> Any:
        """Multiply two matrices.

        x (Floats2d): [n, k]; [k, n] if trans1.
        y (Floats2d): [k, m]; [m, k] if trans2.
        out (Optional[Floats2d]): [n, m], where the product is written.
        trans1 (bool): Whether x is transposed.
        trans2 (bool): Whether y is transposed.
        RETURNS (Floats2d): The product [n, m].
        """
        if x.dtype != numpy.float32 or y.dtype != numpy.float32:
            return Ops.gemm(self, x, y, out=out, trans1=trans1, trans2=trans2)
        if trans1 and trans2:
            y, trans2 = y.T, False
        product = out
        if product is None or not product.flags.c_contiguous or product.dtype != numpy.float32:
            product = numpy.empty((x.shape[1 if trans1 else 0], y.shape[0 if trans2 else 1]), "float32")
        _multiply(_whole(x), _whole(y), product, trans1, trans2)
        if out is not None and product is not out:
            out[...] = product
            return out
        return product


def multiply(ops: Ops, x: Any, y: Any, *, out: Optional[Any] = None, trans1: bool = False, trans2: bool = False) -> Any:
    """Multiply two matrices of any float type; Thinc's `NumpyOps.gemm` takes float32 alone.

    ops (Ops): The backend of the matrices.
    x (Floats2d): [n, k]; [k, n] if trans1.
    y (Floats2d): [k, m]; [m, k] if trans2.
    out (Optional[Floats2d]): [n, m], in one piece, where the product is written.
    trans1 (bool): Whether x is transposed.
    trans2 (bool): Whether y is transposed.
    RETURNS (Floats2d): The product [n, m].
    """
    if x.dtype == numpy.float32:
        return ops.gemm(x, y, out=out, trans1=trans1, trans2=trans2)
    return Ops.gemm(ops, x, y, out=out, trans1=trans1, trans2=trans2)


def _multiply(x: numpy.ndarray, y: numpy.ndarray, product: numpy.ndarray, trans1: bool, trans2: bool) -> None:
    """Multiply; a sum over very many rows, such as a gradient's, in parts: float32 loses what is small beside the sum so far."""
    if not trans1 or x.shape[0] <= _SUMMED_ROWS:
        library.multiply(x, y, product, trans1, trans2)
        return
    product.fill(0)
    part = numpy.empty_like(product)
    for start in range(0, x.shape[0], _SUMMED_ROWS):
        rows = slice(start, start + _SUMMED_ROWS)
        library.multiply(x[rows], y[rows], part, trans1, trans2)
        product += part


def _whole(array: Any) -> numpy.ndarray:
    """Give an array in one piece, where a processor may read its numbers."""
    return numpy.require(array, requirements=["C", "A"])


def use_engine_products(model: Model) -> None:
    """Let a model that uses `NumpyOps` use `EngineOps`, where the engine has been built. To be called before a model runs,
    because a copy of a model, and one that comes back from a GPU, has Thinc's own operations.

    model (Model): The model.
    """
    if library is not None and type(model.ops) is NumpyOps:
        for node in model.walk():
            if type(node.ops) is NumpyOps:
                node.ops = EngineOps()
