"""Initializers Thinc does not have."""

from typing import Callable, cast

import numpy
from thinc.api import Ops
from thinc.types import FloatsXd, Shape


def orthogonal_init(ops: Ops, shape: Shape) -> FloatsXd:
    """Draw a matrix whose rows or columns, whichever are fewer, are orthonormal.

    It is drawn uniformly among all such matrices (Mezzadri 2007, "How to generate random matrices from the classical compact
    groups"), for the reasons of Saxe et al. 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks".

    ops (Ops): The backend the matrix is made for.
    shape (Shape): The two sizes of the matrix.
    RETURNS (FloatsXd): The matrix.
    RAISES (ValueError): If the shape has not two sizes.
    """
    if len(shape) != 2:
        raise ValueError(f"an orthogonal matrix has two sizes, got shape {shape}")
    gaussian = numpy.random.normal(size=(max(shape), min(shape)))
    q, r = numpy.linalg.qr(gaussian)
    # Without the signs of r's diagonal, q would not be uniform.
    q = q * numpy.where(numpy.diag(r) < 0, -1.0, 1.0)
    return ops.asarray_f(cast(FloatsXd, q if shape[0] >= shape[1] else q.T))


def build_orthogonal_init() -> Callable[[Ops, Shape], FloatsXd]:
    """Give `orthogonal_init` to a config.

    RETURNS (Callable[[Ops, Shape], FloatsXd]): The initializer.
    """
    return orthogonal_init
