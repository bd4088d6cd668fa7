"""The picture of a text's attention."""

import builtins
import re
import sys
import types

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_rnn.pages import render_attention
from spacy_rnn.pages.pictures import shade
from spacy_rnn.pipeline.annotation.attention import write_attention

HOSTILE = ["<script>alert('x')</script>", "&amp;", '"', "a>b", "\x00\x07", "\n\n ", "  ", "\t", "word\nword", "ok"]


def attended(words, shares, lang="en", spaces=None):
    doc = Doc(spacy.blank(lang).vocab if lang else Vocab(), words=words, spaces=spaces)
    write_attention(doc, numpy.asarray(shares, dtype="float32"))
    return doc


def percent(element):
    return float(element["title"].rstrip("%"))


def test_every_token_has_its_share(nlp, read):
    doc = nlp("A lovely warm film, and a dull one: a film as long as this has some words.")
    marks = read(render_attention(doc)).all("mark")
    assert [mark["text"].split(" ")[0] for mark in marks] == [token.text for token in doc]
    assert [percent(mark) for mark in marks] == pytest.approx([100 * share for share in doc._.rnn_attention], abs=0.06)
    assert sum(percent(mark) for mark in marks) == pytest.approx(100, abs=1)


def test_the_largest_shares_are_darkest_and_written_out(read):
    shares = [0.3, 0.2, 0.15, 0.12, 0.1, 0.08, 0.05, 0.0]
    marks = read(render_attention(attended(list("abcdefgh"), shares))).all("mark")
    assert [mark["text"] for mark in marks] == ["a 30%", "b 20%", "c 15%", "d 12%", "e 10%", "f", "g", "h"]
    colours = [re.search("background: #(..)(..)(..)", mark["style"]).groups() for mark in marks]
    brightness = [sum(int(channel, 16) for channel in colour) for colour in colours]
    assert brightness == sorted(brightness) and len(set(brightness)) == 8
    assert colours[-1] == ("ff", "ff", "ff")


def test_text_is_read_on_every_shade():
    """4.5 is what WCAG 2 asks for."""

    def luminance(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for step in range(101):
        light, dark = sorted(map(luminance, shade(step / 100)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize("minify", [False, True])
def test_text_is_never_markup(read, minify):
    doc = attended(HOSTILE, numpy.full(len(HOSTILE), 0.1))
    doc.cats = {"<b>": 0.75, "other": 0.25}
    doc.user_data["title"] = "<i>title</i>"
    page = read(render_attention(doc, page=True, minify=minify))
    assert {element["tag"] for element in page.elements} <= {
        *("html", "head", "meta", "title", "body", "figure", "h2", "p", "mark", "bdi", "br", "figcaption", "span")
    }
    texts = [re.sub(" 10%$", "", mark["text"]) for mark in page.all("mark")]
    assert texts == ["<script>alert('x')</script>", "&amp;", '"', "a>b", "��", "⏎⏎␣", "␣␣", "⇥", "word�word", "ok"]
    assert "<b> 0.75, other 0.25" in page.all("figcaption")[0]["text"]
    assert page.all("h2")[0]["text"] == "<i>title</i>"


def test_a_token_does_not_change_the_direction_of_what_follows(read):
    doc = attended(["a\u202eb", "\u2067", "\u05d0\u200f", "c"], [0.4, 0.3, 0.2, 0.1])
    doc.cats = {"\u202elabel": 0.75, "other": 0.25}
    page = read(render_attention(doc))
    isolated = [element["text"] for element in page.all("bdi") if not element["text"].endswith("%")]
    assert isolated == ["a\u202eb", "\u2067", "\u202elabel", "other"]
    # Marks of one letter's direction are part of how a text is written.
    assert page.all("mark")[2]["text"] == "\u05d0\u200f 20%"


def test_a_language_or_a_title_is_never_markup(read):
    doc = attended(["ok"], [1.0])
    doc.user_data["title"] = "</h2><script>alert(1)</script>\x00\ud800"
    page = read(render_attention(doc, page=True))
    assert not page.all("script")
    assert page.all("h2")[0]["text"] == "</h2><script>alert(1)</script>��"


def test_tokens_stand_as_in_the_text(read):
    doc = attended(["Do", "n't", "go", "."], [0.7, 0.1, 0.1, 0.1], spaces=[False, True, False, False])
    (text,) = read(render_attention(doc)).all("p")
    assert text["text"] == "Do 70%n't 10% go 10%. 10%"


@pytest.mark.parametrize("lang, direction", [("en", "auto"), ("ar", "rtl"), ("he", "rtl"), ("xx", "auto"), (None, "auto")])
def test_the_direction_is_that_of_the_language(read, lang, direction):
    (text,) = read(render_attention(attended(["سلام"], [1.0], lang))).all("p")
    assert text["dir"] == direction
    assert text.get("lang") == (lang if lang not in ("xx", None) else None)


def test_a_text_without_tokens_and_no_text(read):
    assert "without tokens" in read(render_attention(attended([], []))).all("figure")[0]["text"]
    assert render_attention([]) == ""
    assert read(render_attention([], page=True)).all("body")[0]["text"].strip() == ""


def test_each_text_is_a_figure(nlp, read):
    docs = [nlp("A warm film"), nlp(""), nlp("dull")]
    page = read(render_attention(iter(docs)))
    assert len(page.all("figure")) == 3
    assert len(page.all("mark")) == 4


def test_a_page_needs_nothing_else(nlp, read):
    html = render_attention(nlp("A warm film"), page=True)
    assert html.startswith("<!DOCTYPE html>")
    page = read(html)
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("title")[0]["text"] == "Attention"
    assert page.all("meta")[0]["charset"] == "utf-8"
    assert not re.search(r"https?:|src=|url\(|<script|<link|@import", html)
    (bar,) = [element for element in page.elements if element.get("role") == "img"]
    assert re.fullmatch(r"from white, 0%, to dark blue, [\d.]+%", bar["aria-label"])


def test_minified_html_has_no_line_break_and_the_same_text(nlp, read):
    doc = nlp("A warm\n\nfilm")
    html, small = render_attention(doc), render_attention(doc, minify=True)
    assert "\n" not in small and len(small) < len(html)
    assert [mark["text"] for mark in read(small).all("mark")] == [mark["text"] for mark in read(html).all("mark")]


def test_it_is_shown_in_a_notebook(nlp, monkeypatch):
    shown = []
    module = types.ModuleType("IPython.display")
    module.HTML, module.display = str, shown.append
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    doc = nlp("A warm film")
    html = render_attention(doc)
    assert render_attention(doc, jupyter=True) is None
    assert shown == [f'<span class="tex2jax_ignore">{html}</span>']
    # What tells spaCy that there is a notebook.
    shell = type("ZMQInteractiveShell", (), {})
    monkeypatch.setattr(builtins, "get_ipython", shell, raising=False)
    assert render_attention(doc) is None
    assert render_attention(doc, jupyter=False) == html


@pytest.mark.parametrize(
    "docs, message", [(["A text"], "a Doc or several.*got str"), ("A text", "got str"), ([None], "NoneType")]
)
def test_what_is_no_text_is_refused(docs, message):
    with pytest.raises(ValueError, match=message):
        render_attention(docs)


def test_a_text_without_attention_is_refused():
    with pytest.raises(ValueError, match="store_attention = true"):
        render_attention(spacy.blank("xx")("A film"))
