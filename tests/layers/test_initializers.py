"""Orthogonal matrices."""

import numpy
import pytest
from numpy.testing import assert_allclose
from thinc.api import NumpyOps, registry

from spacy_rnn.layers import orthogonal_init


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (1, 4), (1, 1)])
def test_the_fewer_of_rows_and_columns_are_orthonormal(shape):
    matrix = orthogonal_init(NumpyOps(), shape)
    assert matrix.shape == shape
    assert matrix.dtype == "float32"
    product = matrix @ matrix.T if shape[0] <= shape[1] else matrix.T @ matrix
    assert_allclose(product, numpy.eye(min(shape)), atol=1e-5)


def test_matrices_are_drawn_from_all_orthogonal_ones():
    """Without a correction, QR would favour one sign of each diagonal value."""
    matrices = numpy.asarray([orthogonal_init(NumpyOps(), (3, 3)) for _ in range(400)])
    assert numpy.abs(matrices.mean(axis=0)).max() < 0.12
    assert 0.4 < (numpy.linalg.det(matrices) > 0).mean() < 0.6


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2)])
def test_shapes_that_are_no_matrix_are_refused(shape):
    with pytest.raises(ValueError, match="two sizes"):
        orthogonal_init(NumpyOps(), shape)


def test_config_finds_the_initializer():
    config = {"init": {"@initializers": "spacy_rnn.orthogonal_init.v1"}}
    matrix = registry.resolve(config)["init"](NumpyOps(), (4, 4))
    assert_allclose(matrix @ matrix.T, numpy.eye(4), atol=1e-5)
