"""Lists to ragged arrays and back."""

import numpy
import pytest
from numpy.testing import assert_array_equal

from spacy_rnn.layers import build_list2ragged
from spacy_rnn.layers.ragged.list2ragged import MIN_SHARED


@pytest.mark.parametrize("lengths", [[3, 0, 1], [0, 0], [2]], ids=str)
def test_rows_are_joined_and_split_again(lengths):
    rng = numpy.random.default_rng(0)
    X = [rng.normal(size=(n, 3)).astype("float32") for n in lengths]
    Y, backprop = build_list2ragged().begin_update(X)
    assert_array_equal(Y.dataXd, numpy.concatenate(X))
    assert_array_equal(Y.lengths, lengths)
    for rows, gradient in zip(X, backprop(Y), strict=True):
        assert_array_equal(gradient, rows)


def split(array, lengths):
    return numpy.split(array, numpy.cumsum(lengths)[:-1])


LENGTHS = [2, 0, MIN_SHARED // 4, 1, 0]
LARGE = numpy.arange(4 * sum(LENGTHS), dtype="float32").reshape(-1, 4).copy()


@pytest.mark.parametrize("first", [0, 2], ids=["all", "all but the first"])
def test_parts_of_a_large_array_are_not_copied(first):
    sequences = split(LARGE, LENGTHS)[first:]
    Y = build_list2ragged().predict(sequences)
    assert numpy.shares_memory(Y.data, LARGE)
    assert_array_equal(Y.data, LARGE[sum(LENGTHS[:first]) :])


NOT_ITS_PARTS = {
    "another order": split(LARGE, LENGTHS)[::-1],
    "a gap": [LARGE[:5], LARGE[6:]],
    "twice the same": [LARGE, LARGE],
    "some columns": [LARGE[:5, 1:3], LARGE[5:, 1:3]],
    "every second row": [LARGE[:5], LARGE[5::2]],
    "another array": [LARGE[:5], LARGE[5:].copy()],
    "parts of two arrays": [LARGE[:5], LARGE[:5].copy()[:], LARGE[5:]],
    "rows of another width": [LARGE.reshape(-1, 2)[:5], LARGE.reshape(-1, 2)[5:]],
    "rows before those of a larger array": [LARGE[::-1][:5], LARGE[::-1][5:]],
    "one part of the bytes": [LARGE.view("uint8")[:, :8].view("float32"), LARGE[:, :2]],
}


@pytest.mark.parametrize("sequences", NOT_ITS_PARTS.values(), ids=NOT_ITS_PARTS.keys())
def test_others_are(sequences):
    assert_array_equal(build_list2ragged().predict(sequences).data, numpy.concatenate(sequences))
