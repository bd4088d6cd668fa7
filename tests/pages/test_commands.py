"""The pages are sound HTML, need nothing but themselves, and look as they should in a browser, as far as that can be measured."""

import html
import json
import re
import shutil
import subprocess

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
# The width of a small phone, in CSS pixels.
PHONE = 360
MEASURE = """<!DOCTYPE html>
<meta charset="utf-8">
<iframe id="page" src="{page}" style="width:{width}px;height:800px;border:0"></iframe>
<pre id="found"></pre>
<script>
window.onload = () => {{
  const page = document.getElementById("page").contentDocument;
  document.getElementById("found").textContent = JSON.stringify({{
    mode: page.compatMode,
    title: page.title,
    width: page.documentElement.scrollWidth,
    images: [...page.images].map(image => image.naturalWidth),
    background: getComputedStyle(page.body).backgroundColor,
    text: page.body.innerText,
  }});
}};
</script>
"""


@pytest.fixture(
    scope="module",
    params=["report", *(pytest.param(name, marks=pytest.mark.slow) for name in ("compare", "gradients", "entities"))],
)
def path(request, run, pipelines, corpora, tmp_path_factory):
    output = tmp_path_factory.mktemp(request.param) / "page.html"
    arguments = {
        "report": ("report", pipelines("rnn_tagger"), corpora("tags")),
        "compare": ("compare", pipelines("rnn_textcat", 1), pipelines("rnn_textcat"), corpora("reviews"), "--samples", "100"),
        "gradients": ("gradients", "--samples", "1", "--width", "4"),
        "entities": ("report", pipelines("ner"), corpora("entities")),
    }[request.param]
    code, printed = run(*arguments, "--output", output)
    assert code == 0, printed
    return output


def test_the_html_is_sound(path, read_page):
    page = read_page(path)
    assert page.faults == []
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)


def test_the_page_needs_nothing_but_itself(path, read_page):
    page = read_page(path)
    assert page.images
    assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in page.images)
    assert all(link.startswith("#") for link in page.links)
    assert not {"script", "link", "iframe", "object"} & page.tags
    assert not re.search(r"@import|url\(", path.read_text(encoding="utf8"))


def test_images_and_tables_can_be_read_aloud(path, read_page):
    page = read_page(path)
    assert all(image["alt"] for image in page.images)
    assert '<html lang="en">' in path.read_text(encoding="utf8")


def test_texts_are_written_in_their_own_direction(path):
    cells = re.findall(r'<td class="text words"[^>]*>', path.read_text(encoding="utf8"))
    assert all('dir="auto"' in cell for cell in cells)


@pytest.fixture(scope="module")
def measured(path):
    """What a browser makes of a page on a phone."""
    if BROWSER is None:
        pytest.skip("needs Chromium or Chrome")
    wrapper = path.parent / "measure.html"
    wrapper.write_text(MEASURE.format(page=path.name, width=PHONE), encoding="utf8")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        f"--user-data-dir={path.parent}/user",
    ]
    command = [BROWSER, *options, "--dump-dom", wrapper.as_uri()]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'<pre id="found">(.+?)</pre>', process.stdout, re.DOTALL)
    assert found is not None, process.stderr
    return json.loads(html.unescape(found[1]))


def test_a_browser_shows_all_of_the_page(measured, path, read_page):
    assert measured["mode"] == "CSS1Compat"
    assert measured["title"]
    assert len(measured["images"]) == len(read_page(path).images)
    assert all(width > 100 for width in measured["images"])
    assert measured["background"] == "rgb(255, 255, 255)"
    assert "spacy-rnn" in measured["text"]


def test_a_phone_need_not_scroll_sideways(measured):
    assert measured["width"] <= PHONE
