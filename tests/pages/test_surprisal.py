"""The picture of what surprises a language model."""

import re

import numpy
import pytest
import spacy
from spacy.tokens import Doc

from spacy_rnn.pages import render_surprisal
from spacy_rnn.pages.pictures import shade
from spacy_rnn.pipeline.annotation.surprisal import register_surprisal, store_surprisals

HOSTILE = ["<script>alert('x')</script>", "&amp;", '"', "a>b", "\x00\x07", "\n\n ", "  ", "\t", "word\nword", "a\u202eb"]


def surprising(words, bits, lang="en"):
    register_surprisal()
    doc = Doc(spacy.blank(lang).vocab, words=words)
    store_surprisals(doc, numpy.asarray(bits, dtype="float32"))
    return doc


@pytest.fixture(scope="module")
def scored(language_models):
    nlp = spacy.load(language_models(), config={"components.lm.store_surprisal": True})
    return nlp("A lovely, warm film: zzz")


def test_every_token_has_its_surprisal(scored, read):
    marks = read(render_surprisal(scored)).all("mark")
    assert [mark["text"] for mark in marks] == [token.text for token in scored]
    assert [mark["title"] for mark in marks] == [f"{token._.rnn_surprisal:.2f} bits" for token in scored]
    assert len({mark["style"] for mark in marks}) > 3


def test_the_same_surprisal_has_the_same_shade_in_every_text(read):
    docs = [surprising(["a", "b"], [4, 1]), surprising(["a", "c"], [4, 200])]
    marks = read(render_surprisal(docs)).all("mark")
    colours = [re.search("background: (#[0-9a-f]+)", mark["style"])[1] for mark in marks]
    assert colours[0] == colours[2]
    brightness = [sum(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in colours]
    assert brightness[1] > brightness[0] > brightness[3]


def test_the_darkest_is_16_bits_or_more_and_the_lightest_none(read):
    marks = read(render_surprisal(surprising(list("abcd"), [0, 16, 99, float("inf")]))).all("mark")
    colours = [re.search("background: (#[0-9a-f]+)", mark["style"])[1] for mark in marks]
    assert colours == [shade(0)[0], shade(1)[0], shade(1)[0], shade(1)[0]]
    assert marks[-1]["title"] == "inf bits"


@pytest.mark.parametrize("minify", [False, True])
def test_text_is_never_markup(read, minify):
    doc = surprising(HOSTILE, range(len(HOSTILE)))
    doc.user_data["title"] = "<i>title</i>"
    page = read(render_surprisal(doc, page=True, minify=minify))
    assert {element["tag"] for element in page.elements} <= {
        *("html", "head", "meta", "title", "body", "figure", "h2", "p", "mark", "bdi", "br", "figcaption", "span")
    }
    shown = ["<script>alert('x')</script>", "&amp;", '"', "a>b", "��", "⏎⏎␣", "␣␣", "⇥", "word�word", "a\u202eb"]
    assert [mark["text"] for mark in page.all("mark")] == shown
    assert page.all("h2")[0]["text"] == "<i>title</i>"


def test_a_long_text_is_cut_and_says_so(read):
    doc = surprising(["word"] * 50, [1.0] * 50)
    page = read(render_surprisal(doc, max_length=20))
    assert len(page.all("mark")) == 20
    assert "The first 20 of 50 tokens." in page.all("figcaption")[0]["text"]
    assert "The first" not in read(render_surprisal(doc, max_length=50)).all("figcaption")[0]["text"]


def test_a_text_without_tokens_and_no_text(read):
    assert "without tokens" in read(render_surprisal(surprising([], []))).all("figure")[0]["text"]
    assert render_surprisal([]) == ""


def test_a_page_needs_nothing_else(scored, read):
    html = render_surprisal(scored, page=True)
    assert html.startswith("<!DOCTYPE html>")
    assert read(html).all("title")[0]["text"] == "Surprisal"
    assert not re.search(r"https?:|src=|url\(|<script|<link|@import", html)
    (bar,) = [element for element in read(html).elements if element.get("role") == "img"]
    assert bar["aria-label"] == "from white, 0 bits, to dark blue, 16 bits or more"


def test_what_cannot_be_shown_is_refused():
    register_surprisal()
    with pytest.raises(ValueError, match="'film' at 0 has no surprisal: set store_surprisal = true"):
        render_surprisal(spacy.blank("xx")("film"))
    with pytest.raises(ValueError, match="max_length must be at least 1, got 0"):
        render_surprisal(surprising(["a"], [1]), max_length=0)
    with pytest.raises(ValueError, match="a Doc or several.*got str"):
        render_surprisal(["A text"])
    doc = surprising(["two words", "more"], [1, 2])
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    with pytest.raises(ValueError, match="has no surprisal"):
        render_surprisal(doc)
