"""What a browser makes of the pages. Skipped where there is none."""

import shutil
import subprocess

import numpy
import pytest

from spacy_rnn.pages import draw_alignment, render_alignment, render_attention, render_states
from spacy_rnn.pipeline.annotation.output import Attention

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome")


@pytest.fixture
def open_page(tmp_path, read):
    """(HTML) -> the document as the browser understands it, after every script in it would have run."""

    def load(html):
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf8")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
        process = subprocess.run([BROWSER, *flags, path.as_uri()], capture_output=True, text=True, timeout=120, check=True)
        return read(process.stdout)

    return load


@pytest.mark.parametrize("render", ["attention", "states"])
def test_a_browser_shows_the_tokens_and_runs_nothing(nlp, read, open_page, render):
    doc = nlp("A <script>document.title='broken'</script> warm <img src=x onerror=document.title='broken'> film\n\n & \x07")
    html = render_attention(doc, page=True) if render == "attention" else render_states(nlp, doc, page=True)
    page, written = open_page(html), read(html)
    assert page.all("title")[0]["text"] == written.all("title")[0]["text"]
    assert not page.all("script") and not page.all("img")
    for tag in ("mark", "th", "td", "figcaption", "caption"):
        assert [element["text"] for element in page.all(tag)] == [element["text"] for element in written.all(tag)]


def test_a_browser_shows_an_alignment_and_its_drawing(read, open_page):
    hostile = [
        "<script>document.title='broken'</script>",
        "</title><img src=x onerror=document.title='broken'>",
        "שלום",
        "a & b",
        " ",
    ]
    attention = Attention(hostile, hostile[::-1], numpy.eye(5, dtype="float32"))
    html = render_alignment(attention, page=True)
    page, written = open_page(html), read(html)
    assert page.all("title")[0]["text"] == "Alignment"
    assert not page.all("script") and not page.all("img")
    for tag in ("th", "td", "caption"):
        assert [element["text"] for element in page.all(tag)] == [element["text"] for element in written.all(tag)]
    svg = draw_alignment(attention)
    inline = svg.partition("\n")[2]
    page, written = open_page(f"<!DOCTYPE html><meta charset=utf-8><title>Drawing</title>{inline}"), read(inline)
    assert page.all("title")[0]["text"] == "Drawing" and not page.all("script") and not page.all("img")
    assert [element["text"] for element in page.all("text")] == [element["text"] for element in written.all("text")]
