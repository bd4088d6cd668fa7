"""Thinc's operations for the CPU, with matrix products of the compiled engine."""

from typing import Any, Optional, Tuple

import numpy
from thinc.api import Model, NumpyOps, Ops

from ..native import library
from ..recurrence.engines.cpu import whole

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
        RAISES (ValueError): If an array is no matrix of floats, or if a shape does not fit.
        """
        shape = _product_shape(x, y, trans1, trans2)
        if out is not None:
            _check_output(out, shape)
        if x.dtype != numpy.float32 or y.dtype != numpy.float32:
            return Ops.gemm(self, x, y, out=out, trans1=trans1, trans2=trans2)
        if trans1 and trans2:
            y, trans2 = y.T, False
        product = out
        if product is None or not _can_be_written_at_once(product, x, y):
            product = numpy.empty(shape, "float32")
        _multiply(whole(x), whole(y), product, trans1, trans2)
        if out is not None and product is not out:
            out[...] = product
            return out
        return product

    def affine(self, X: Any, W: Any, b: Any) -> Any:
        """Multiply by a matrix of weights, and add a bias to each row.

        X (Floats2d): [n, nI].
        W (Floats2d): [nO, nI].
        b (Floats1d): [nO].
        RETURNS (Floats2d): X Wᵀ + b [n, nO].
        RAISES (ValueError): If an array is no matrix of floats, or if a shape does not fit.
        """
        Y = self.gemm(X, W, trans2=True)
        if b.shape != Y.shape[1:]:
            raise ValueError(f"the bias b of {Y.shape[1]} outputs: expected shape ({Y.shape[1]},), got {b.shape}")
        Y += b
        return Y


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


def _product_shape(x: Any, y: Any, trans1: bool, trans2: bool) -> Tuple[int, int]:
    """Give the shape of a product.

    RAISES (ValueError): If the factors cannot be multiplied.
    """
    for name, array in (("x", x), ("y", y)):
        if array.ndim != 2 or array.dtype.kind != "f":
            raise ValueError(f"can only multiply matrices of floats, but {name} is {array.dtype} of shape {array.shape}")
    n, k = x.shape[::-1] if trans1 else x.shape
    rows, m = y.shape[::-1] if trans2 else y.shape
    if k != rows:
        raise ValueError(
            f"cannot multiply [{n}, {k}] by [{rows}, {m}]: expected as many rows of y as columns of x, after transposition"
        )
    return n, m


def _check_output(out: Any, shape: Tuple[int, int]) -> None:
    if out.shape != shape or out.dtype.kind != "f":
        raise ValueError(f"cannot multiply into out: expected floats of shape {shape}, got {out.dtype} of shape {out.shape}")


def _can_be_written_at_once(out: numpy.ndarray, x: numpy.ndarray, y: numpy.ndarray) -> bool:
    """Tell whether a product can be written where it is wanted while its factors are read."""
    is_whole = out.dtype == numpy.float32 and out.flags.c_contiguous and out.flags.aligned
    return is_whole and not numpy.may_share_memory(out, x) and not numpy.may_share_memory(out, y)


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


def use_engine_products(model: Model) -> None:
    """Replace `NumpyOps` by `EngineOps` in a model, where the engine has been built.

    Call it before a model runs: a copy of a model, and one that comes back from a GPU, has Thinc's own operations.

    model (Model): The model.
    """
    if library is not None and type(model.ops) is NumpyOps:
        for node in model.walk():
            if type(node.ops) is NumpyOps:
                node.ops = EngineOps()
