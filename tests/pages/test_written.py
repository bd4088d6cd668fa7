"""The page of images and of what was written about them."""

import base64
import re
from io import BytesIO

import numpy
import pytest

from spacy_rnn.pages.written import Group, WrittenImage, as_png, render_written


def image(seed=0, width=16):
    return numpy.random.default_rng(seed).uniform(size=(8, width)).astype("float32")


def render(examples, groups=(), **settings):
    settings = {"title": "Digits", "note": "Some.", "command": "make digits", **settings}
    return render_written(examples, groups, **settings)


def rows(html):
    """The texts of the rows of the tables of images."""
    cells = [re.findall(r"<bdi>(.*?)</bdi>", row) for row in re.findall(r"<tr><td.*?</tr>", html, re.DOTALL)]
    return [tuple(row) for row in cells]


def test_an_image_stays_what_it_is():
    from matplotlib.image import imread

    pixels = image()
    source = as_png(pixels)
    assert source.startswith("data:image/png;base64,")
    shown = imread(BytesIO(base64.b64decode(source.split(",")[1])), format="png")
    assert shown.shape[:2] == pixels.shape
    numpy.testing.assert_allclose(1 - shown[..., 0], pixels, atol=0.01)


@pytest.mark.parametrize("wrong", [numpy.zeros(3), numpy.zeros((0, 4)), numpy.full((2, 2), numpy.nan), numpy.zeros((2, 2, 3))])
def test_what_is_no_image_is_refused(wrong):
    with pytest.raises(ValueError, match="an image is an array"):
        render([WrittenImage(wrong, "one", "one", 1.0)])


def test_errors_come_first_and_the_surest_before_others():
    examples = [
        WrittenImage(image(), "one", "one", 0.99),
        WrittenImage(image(), "two", "one", 0.4),
        WrittenImage(image(), "three", "one three", 0.8),
        WrittenImage(image(), "four", "four", 0.5),
        WrittenImage(image(), "five", "", 0.1),
    ]
    html = render(examples)
    expected = [("three", "one three"), ("two", "one"), ("five", "(nothing)"), ("four", "four"), ("one", "one")]
    assert rows(html) == expected
    assert html.count("<mark>") == 3
    assert rows(render(examples, n_shown=1)) == [expected[0], expected[3]]
    assert "1 of 3, the most confident first" in render(examples, n_shown=1)
    assert render([]).count("There are none.") == 2


def test_scores_are_shares():
    html = render([], [Group("rows of 1 digit", 1234, 1200), Group("rows of 2 digits", 0, 0)])
    assert "<td>1,234</td><td>1,200</td><td>97.24 %</td>" in html
    assert "<td>0</td><td>0</td><td>–</td>" in html


def test_texts_are_escaped():
    html = render([WrittenImage(image(), "<b>", "<script>", 1.0)], title="<i>", note="<u>", command="<s>")
    assert not re.search("<(b|script|i|u|s)>", html.partition("</style>")[2])
    assert rows(html) == [("&lt;b&gt;", "&lt;script&gt;")]
