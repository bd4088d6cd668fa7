"""Lists to ragged arrays and back."""

import numpy
import pytest
from numpy.testing import assert_array_equal

from spacy_rnn.layers import build_list2ragged


@pytest.mark.parametrize("lengths", [[3, 0, 1], [0, 0], [2]], ids=str)
def test_rows_are_joined_and_split_again(lengths):
    rng = numpy.random.default_rng(0)
    X = [rng.normal(size=(n, 3)).astype("float32") for n in lengths]
    Y, backprop = build_list2ragged().begin_update(X)
    assert_array_equal(Y.dataXd, numpy.concatenate(X))
    assert_array_equal(Y.lengths, lengths)
    for rows, gradient in zip(X, backprop(Y), strict=True):
        assert_array_equal(gradient, rows)
