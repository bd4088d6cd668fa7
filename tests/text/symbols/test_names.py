"""How symbols are written without white space."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.text.symbols import SPECIAL_NAMES, escape_name, unescape_name

TEXTS = st.text(st.characters(), min_size=1)


@given(TEXTS)
def test_a_name_can_be_read_back_and_has_no_white_space(symbol):
    name = escape_name(symbol)
    assert unescape_name(name) == symbol
    assert name.split() == [name]
    assert name.isprintable()
    assert name not in SPECIAL_NAMES
    name.encode("utf-8")


@pytest.mark.parametrize(
    "symbol, name",
    [
        ("a", "a"),
        ("é😀", "é😀"),
        (" ", "\\u0020"),
        ("\n", "\\u000a"),
        ("\u2028", "\\u2028"),
        ("\\", "\\u005c"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
        ("<s>", "\\u003cs>"),
        ("<s", "<s"),
    ],
)
def test_what_is_escaped(symbol, name):
    assert escape_name(symbol) == name
