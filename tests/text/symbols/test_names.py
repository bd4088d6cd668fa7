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
    assert "\0" not in name
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
        ("\0", "\\u0000"),
        ("\ud800", "\\ud800"),
        # Words as they stand in texts.
        ("\\", "\\"),
        ("a\\nb", "a\\nb"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("co\u00adop", "co\u00adop"),
        ("\x01", "\x01"),
        ("\U000e0001", "\U000e0001"),
        # What would be read as an escape.
        ("\\u0041", "\\u005cu0041"),
        ("\\\\u0041", "\\\\u005cu0041"),
        ("<s>", "\\u003cs>"),
        ("<s", "<s"),
    ],
)
def test_what_is_escaped(symbol, name):
    assert escape_name(symbol) == name


@pytest.mark.parametrize("name", ["\\u0041", "\\Uffffffff", "\\U0000000a", "\\u005c", "\\u", "\\ud80", "\\"])
def test_a_name_that_others_have_written_is_the_symbol(name):
    assert unescape_name(name) == name
