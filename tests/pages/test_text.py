"""What a text may hold becomes fit for pages and plots."""

import sys
import unicodedata
import xml.etree.ElementTree

import pytest

from spacy_rnn.pages.environment import render
from spacy_rnn.pages.text import estimate_width, is_begun_right_to_left, is_directed, printable, shorten, visible


def test_every_character_is_fit_for_xml():
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    for text in (printable(everything), visible(everything)):
        document = "<r>" + text.replace("&", "&amp;").replace("<", "&lt;").replace("\r", "&#13;") + "</r>"
        assert xml.etree.ElementTree.fromstring(document.encode("utf8")).text == text
        assert len(text) == len(everything)
    kept = {a for a, b in zip(everything, printable(everything), strict=True) if a == b}
    assert {character for character in everything if unicodedata.category(character)[0] in "LMNPSZ"} <= kept
    assert {"\t", "\n", "\r", "\u200d", "\u200f"} <= kept
    assert not {"\x00", "\x1b", "\x7f", "\x85", "\ud800", "\ufffe", "\U0010ffff"} & kept


@pytest.mark.parametrize(
    "text, shown",
    [("\n\t \u00a0", "⏎⇥␣␣"), ("a\nb", "a�b"), ("a\x00\x1b", "a��"), ("a b", "a b"), ("", ""), ("שלום", "שלום"), ("$x$", "$x$")],
)
def test_a_label_is_visible_in_one_line(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize("text, expected", [("\u202eabc", True), ("a\u2067", True), ("\u200fאבג", False), ("abc", False)])
def test_what_changes_the_direction_is_told(text, expected):
    assert is_directed(text) is expected


@pytest.mark.parametrize(
    "text, expected", [("שלום a", True), ("(12) سلام", True), ("a שלום", False), ("12.", False), ("", False), ("日本", False)]
)
def test_the_first_letter_says_in_which_direction_a_text_is_written(text, expected):
    assert is_begun_right_to_left(text) is expected


@pytest.mark.parametrize(
    "text, n, shown",
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        # A letter with its mark, a thumb with its colour, a family: whole or not at all.
        ("abcde\u0301f", 6, "abcd…"),
        ("abcd👍🏽e", 6, "abcd…"),
        ("ab👩\u200d👩\u200d👧c", 6, "ab…"),
        ("a" + "\u0301" * 20, 6, "a…"),
        ("", 2, ""),
    ],
)
def test_a_long_name_is_cut_between_characters(text, n, shown):
    assert shorten(text, n) == shown


def test_an_estimate_has_room_for_the_text():
    """The advance widths of DejaVu Sans, which is a broad typeface, from its own table."""
    fonts = pytest.importorskip("matplotlib.font_manager")
    font = fonts.get_font(fonts.findfont("DejaVu Sans"))
    for text in ("schläft", "WWWWWWWW", "Mm@%&", "illicit", "(</s>)", "Привет", "Ελληνικά", "1234567890", "e\u0301e\u0301"):
        font.set_size(100, 72)
        font.set_text(text)
        width = font.get_width_height()[0] / 64 / 100
        assert width <= estimate_width(text) + 0.1
        assert estimate_width(text) <= 2.5 * width


def test_every_template_escapes(tmp_path):
    hostile = "<script>alert('x')</script> \" & \x00\ud800"
    page = render("pictures.html", title=hostile, content=hostile)
    assert "<script" not in page and "\x00" not in page and "\ud800" not in page
    assert page.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &#34; &amp; ��") == 2
