"""Large batches, cut into parts."""

import numpy
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.layers.ragged.cut import cut_batch

LENGTHS = st.lists(st.integers(0, 40), max_size=12).map(lambda lengths: numpy.asarray(lengths, dtype="int32"))


@given(LENGTHS, st.integers(1, 30))
def test_parts_have_every_row_once_and_are_bounded(lengths, n_rows):
    parts = cut_batch(lengths, n_rows)
    rows = [part.rows for part in parts]
    assert numpy.concatenate([numpy.zeros(0, int), *rows]).tolist() == list(range(lengths.sum()))
    assert all(len(part.rows) <= n_rows and len(part.rows) == part.lengths.sum() for part in parts)
    owner = numpy.repeat(numpy.arange(len(lengths)), lengths)
    for part in parts:
        numbers = numpy.arange(len(lengths))[part.sequences]
        assert owner[part.rows].tolist() == numpy.repeat(numbers, part.lengths).tolist()
        assert part.is_whole == (part.lengths.tolist() == lengths[part.sequences].tolist())
        assert part.is_first == (len(part.rows) == 0 or part.rows[0] == 0 or owner[part.rows[0]] != owner[part.rows[0] - 1])


@given(LENGTHS, st.integers(1, 30), st.integers(0, 60))
def test_where_a_sequence_is_cut_depends_on_it_alone(lengths, n_rows, length):
    alone = [part.lengths.tolist() for part in cut_batch(numpy.asarray([length], dtype="int32"), n_rows)]
    parts = cut_batch(numpy.append(lengths, numpy.int32(length)), n_rows)
    own = [[int(part.lengths[-1])] for part in parts if part.sequences.stop == len(lengths) + 1]
    assert own == alone
