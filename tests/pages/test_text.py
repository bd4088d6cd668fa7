"""What a text may hold becomes fit for pages and plots."""

import sys
import unicodedata
import xml.etree.ElementTree

import pytest

from spacy_rnn.pages.environment import render
from spacy_rnn.pages.text import is_directed, printable, visible


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


def test_every_template_escapes(tmp_path):
    hostile = "<script>alert('x')</script> \" & \x00\ud800"
    page = render("pictures.html", title=hostile, content=hostile)
    assert "<script" not in page and "\x00" not in page and "\ud800" not in page
    assert page.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &#34; &amp; ��") == 2
