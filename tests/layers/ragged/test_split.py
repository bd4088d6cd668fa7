"""Batches taken apart."""

import numpy
import pytest
from numpy.testing import assert_array_equal
from thinc.api import Ragged

from spacy_rnn.layers import split_rows


@pytest.mark.parametrize("lengths", [[], [0], [0, 0], [2], [3, 0, 1], [0, 3, 0]], ids=str)
def test_every_sequence_gets_its_rows(lengths):
    rows = numpy.arange(3 * sum(lengths), dtype="float32").reshape(-1, 3)
    split = split_rows(Ragged(rows, numpy.asarray(lengths, dtype="int32")))
    assert [part.shape for part in split] == [(n, 3) for n in lengths]
    assert_array_equal(numpy.concatenate([numpy.zeros((0, 3)), *split]), rows)
