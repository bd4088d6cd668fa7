"""The components of this package, as parameters of tests."""

import pytest

# Two differ from another one in little: what they write, or that classes do not exclude each other.
EVERY_COMPONENT = [
    "rnn_tagger",
    pytest.param("rnn_pos_tagger", marks=pytest.mark.slow),
    "rnn_ner",
    "rnn_textcat",
    pytest.param("rnn_textcat_multilabel", marks=pytest.mark.slow),
]
