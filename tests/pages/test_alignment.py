"""The pictures of attention matrices, as HTML and as SVG."""

import re
from xml.etree import ElementTree

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_rnn.pages import draw_alignment, render_alignment
from spacy_rnn.pages.pictures import shade
from spacy_rnn.pipeline.annotation.output import Attention, Output, set_output

SVG = "{http://www.w3.org/2000/svg}"
SOURCES, TARGETS = ["ein", "Mann", "schläft"], ["a", "man", "sleeps", "</s>"]
WEIGHTS = [[0.9, 0.08, 0.02], [0.1, 0.9, 0.0], [0.0, 0.004, 0.996], [0.25, 0.25, 0.5]]
HOSTILE = ["<script>alert('x')</script>", "&amp;", '"', "a>b'", "]]>", "\x00\x07", "\n\n ", " ", "\t", "a\nb", "", "\ud800", "😀"]
SHOWN = ["<script>alert('x')</script>", "&amp;", '"', "a>b'", "]]>", "��", "⏎⏎␣", "␣", "⇥", "a�b", "∅", "�", "😀"]


def attention(sources=SOURCES, targets=TARGETS, weights=WEIGHTS):
    return Attention(list(sources), list(targets), numpy.asarray(weights, dtype="float32"))


def uniform(sources, targets):
    return attention(sources, targets, numpy.full((len(targets), len(sources)), 1 / len(sources)))


def translated(found, lang="de", title=None):
    doc = Doc(spacy.blank(lang).vocab, words=[source or "∅" for source in found.sources])
    set_output(doc, Output(" ".join(found.targets), -0.5, [], found))
    if title is not None:
        doc.user_data["title"] = title
    return doc


class Drawing:
    """A picture as a reader of XML finds it."""

    def __init__(self, svg):
        self.root = ElementTree.fromstring(svg.encode("utf8"))
        self.columns, self.rows, self.cells, self.notes = self.root.findall(f"{SVG}g")

    @staticmethod
    def texts(group):
        """The labels without their tooltips."""
        return [text.find(f"{SVG}title").tail.strip("\u2067\u2069") for text in group.findall(f"{SVG}text")]

    def cell(self, row, column):
        cells = self.cells.findall(f"{SVG}g")
        return cells[row * len(self.columns) + column]


@pytest.fixture(params=["html", "svg"])
def draw(request):
    return draw_alignment if request.param == "svg" else render_alignment


def test_the_source_is_down_and_the_target_across(read):
    page = read(render_alignment(attention()))
    headers = page.all("th")
    assert [header["text"] for header in headers if header["scope"] == "col"] == TARGETS
    assert [header["text"] for header in headers if header["scope"] == "row"] == SOURCES
    cells = page.all("td")[1:]
    expected = [[WEIGHTS[column][row] for column in range(4)] for row in range(3)]
    percents = [float(re.search(r": ([\d.]+)%$", cell["title"])[1]) for cell in cells]
    assert percents == pytest.approx([100 * share for row in expected for share in row], abs=0.051)
    assert [cell["text"] for cell in cells] == ["90", "10", "", "25", "8", "90", "", "25", "2", "", "100", "50"]
    assert cells[1]["title"] == "ein → man: 10.0%"
    assert re.search("background: (#[0-9a-f]+)", cells[3]["style"])[1] == shade(0.25)[0]


def test_the_drawing_has_the_same_cells():
    drawing = Drawing(draw_alignment(attention()))
    assert drawing.texts(drawing.columns) == TARGETS
    assert drawing.texts(drawing.rows) == SOURCES
    for row in range(3):
        for column in range(4):
            share = WEIGHTS[column][row]
            cell = drawing.cell(row, column)
            title, rect = cell.find(f"{SVG}title").text, cell.find(f"{SVG}rect")
            assert title == f"{SOURCES[row]} → {TARGETS[column]}: {100 * share:.1f}%"
            assert rect.get("fill") == shade(float(numpy.float32(share)))[0]
            number = cell.find(f"{SVG}text")
            if share < 0.005:
                assert number is None
            else:
                assert number.text == f"{100 * share:.0f}" and number.get("fill") == shade(share)[1]


def test_everything_is_inside_the_drawing_and_labels_are_at_their_cells():
    drawing = Drawing(draw_alignment(attention()))
    _, _, width, height = map(float, drawing.root.get("viewBox").split())
    assert [drawing.root.get("width"), drawing.root.get("height")] == [f"{width:.0f}", f"{height:.0f}"]
    for element in drawing.root.iter():
        for name, limit in (("x", width), ("y", height)):
            assert 0 <= float(element.get(name, 0)) <= limit
    for row, label in enumerate(drawing.rows):
        rect = drawing.cell(row, 0).find(f"{SVG}rect")
        assert label.attrib["x"] < rect.get("x")
        middle = float(rect.get("y")) + float(rect.get("height")) / 2
        assert middle < float(label.get("y")) < middle + 10
    for column, label in enumerate(drawing.columns):
        rect = drawing.cell(0, column).find(f"{SVG}rect")
        x, y, angle = map(int, re.fullmatch(r"translate\((\d+) (\d+)\) rotate\((-?\d+)\)", label.get("transform")).groups())
        middle = float(rect.get("x")) + float(rect.get("width")) / 2
        assert angle == -90 and y < float(rect.get("y")) and middle < x < middle + 10


def test_letters_stand_upright_and_words_are_turned(read):
    letters, words = uniform("geht", "gehen"), uniform("geht", ["gehen", "."])
    assert "rotate" not in draw_alignment(letters) and "rotate(-90)" in draw_alignment(words)
    assert "vertical-rl" not in render_alignment(letters) and "vertical-rl" in render_alignment(words)
    drawing = Drawing(draw_alignment(letters))
    for column, label in enumerate(drawing.columns):
        rect = drawing.cell(0, column).find(f"{SVG}rect")
        assert label.get("text-anchor") == "middle"
        assert float(label.get("x")) == float(rect.get("x")) + float(rect.get("width")) / 2


@pytest.mark.parametrize("minify", [False, True])
def test_text_is_never_markup(read, minify):
    page = read(render_alignment(translated(uniform(HOSTILE[:-2], HOSTILE[:-2]), title="<i>a</i>"), page=True, minify=minify))
    assert {element["tag"] for element in page.elements} <= {
        *("html", "head", "meta", "title", "body", "figure", "h2", "div", "table", "caption", "span", "bdi"),
        *("thead", "tbody", "tr", "th", "td"),
    }
    shown = [page_label["text"] for page_label in page.all("th")]
    expected = [text if len(text) <= 24 else text[:23] + "…" for text in SHOWN[:-2]]
    assert shown == [*expected, *expected]
    assert page.all("th")[0]["title"] == HOSTILE[0]
    assert page.all("td")[1]["title"] == f"{HOSTILE[0]} → {HOSTILE[0]}: 9.1%"
    assert page.all("h2")[0]["text"] == "<i>a</i>"


def test_text_is_never_markup_in_a_drawing():
    svg = draw_alignment(uniform(HOSTILE, HOSTILE))
    drawing = Drawing(svg)
    assert {element.tag.removeprefix(SVG) for element in drawing.root.iter()} == {"svg", "title", "desc", "rect", "g", "text"}
    assert [text.find(f"{SVG}title").text for text in drawing.rows] == SHOWN
    assert [text.find(f"{SVG}title").text for text in drawing.columns] == SHOWN
    assert drawing.texts(drawing.rows)[1:] == SHOWN[1:]
    assert drawing.cell(1, 0).find(f"{SVG}title").text == f"&amp; → {SHOWN[0]}: 7.7%"


@pytest.mark.parametrize("title", ["</title><script>", "\x00\ud800", "a & b"])
def test_a_title_is_that_of_the_text(title):
    root = ElementTree.fromstring(draw_alignment(translated(attention(), title=title)).encode("utf8"))
    assert root.find(f"{SVG}title").text == title.replace("\x00", "�").replace("\ud800", "�")
    assert ElementTree.fromstring(draw_alignment(attention())).find(f"{SVG}title").text == "Attention"


@pytest.mark.parametrize("lang, direction", [("de", "auto"), ("ar", "rtl"), ("xx", "auto")])
def test_rows_have_the_language_of_the_source_and_columns_none(read, lang, direction):
    doc = translated(attention(), lang)
    headers = read(render_alignment(doc)).all("th")
    rows = [header for header in headers if header["scope"] == "row"]
    columns = [header for header in headers if header["scope"] == "col"]
    assert {(header["dir"], header["lang"]) for header in rows} == {(direction, "" if lang == "xx" else lang)}
    assert {(header["dir"], header["lang"]) for header in columns} == {("auto", "")}
    drawing, name = Drawing(draw_alignment(doc)), "{http://www.w3.org/XML/1998/namespace}lang"
    assert drawing.rows.get(name) == ("" if lang == "xx" else lang)
    assert drawing.columns.get(name) == ""
    assert {(header["dir"], header["lang"]) for header in read(render_alignment(attention())).all("th")} == {("auto", "")}


def test_labels_from_right_to_left_are_isolated_and_stay_beside_their_cells():
    drawing = Drawing(draw_alignment(uniform(["(שלום).", "abc ש", "123", "سلام"], ["ab", "של!"])))
    written = [text.find(f"{SVG}title").tail for text in drawing.rows]
    assert written == ["\u2067(שלום).\u2069", "abc ש", "123", "\u2067سلام\u2069"]
    # An anchor would change its side with an attribute of the direction, where viewers know it.
    assert drawing.rows.get("text-anchor") == "end"
    assert not [element for element in drawing.root.iter() if "direction" in element.attrib]


def test_a_label_does_not_change_the_direction_of_what_follows(read):
    page = read(render_alignment(uniform(["a\u202eb", "c"], ["\u2067", "d"])))
    assert [element["text"] for element in page.all("bdi")] == ["\u2067", "a\u202eb"]


def test_long_labels_are_cut_but_not_within_a_character(draw):
    family = "👩\u200d👩\u200d👧"
    found = draw(uniform(["x" * 21 + family + "y", "e\u0301" * 20, "z" * 24], ["a"]))
    assert ">" + "x" * 21 + "…<" in found
    assert ">" + "e\u0301" * 11 + "…<" in found
    assert ">" + "z" * 24 + "<" in found
    assert "x" * 21 + family + "y" in found


def test_wide_letters_have_more_room():
    narrow, wide = (Drawing(draw_alignment(uniform([letter * 20], ["a"]))) for letter in ("i", "日"))
    starts = [float(drawing.cell(0, 0).find(f"{SVG}rect").get("x")) for drawing in (narrow, wide)]
    assert starts[0] >= 20 * 14 * 0.3 and starts[1] >= 20 * 14


def test_long_ones_are_cut_with_a_note(read, draw):
    found = uniform([f"s{i}" for i in range(1200)], [f"t{i}" for i in range(30)])
    shown = draw(found, max_length=20)
    assert "The first 20 of 1,200 symbols of the source and the first 20 of 30 symbols of the output." in shown
    assert "s19" in shown and "s20" not in shown and "t19" in shown and "t20" not in shown
    assert "The first 100 of 1,200 symbols of the source." in draw(found)
    assert "The first" not in draw(attention(), max_length=4)


def test_several_are_figures(read):
    page = read(render_alignment(iter([attention(), translated(attention(), title="second"), uniform("a", "b")]), page=True))
    assert len(page.all("figure")) == len(page.all("table")) == 3
    assert page.all("h2")[0]["text"] == "second"
    assert page.all("title")[0]["text"] == "Alignment"
    assert render_alignment([]) == ""


def test_a_text_keeps_its_picture(draw):
    doc = translated(attention(), title="a")
    (loaded,) = DocBin(docs=[doc], store_user_data=True).get_docs(spacy.blank("de").vocab)
    loaded.user_data["title"] = "a"
    assert draw(loaded) == draw(doc) == draw(translated(attention(), title="a"))


def test_it_needs_nothing_else(read):
    html, svg = render_alignment(attention(), page=True), draw_alignment(attention())
    assert html.startswith("<!DOCTYPE html>") and svg.startswith("<?xml")
    assert not re.search(r"https?:|src=|url\(|<script|<link|@import", html)
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"src=|href|url\(|<script|<style|@import| on\w+=", svg)
    (bar,) = [element for element in read(html).elements if element.get("role") == "img"]
    assert bar["aria-label"] == "from white, 0%, to dark blue, 100%"
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img" and "12" not in root.find(f"{SVG}desc").text
    assert "an output of 4 symbols, across, to a source of 3 symbols, down" in root.find(f"{SVG}desc").text


def test_the_scale_is_the_same_for_all(draw):
    flat, sharp = draw(attention("ab", "c", [[0.5, 0.5]])), draw(attention("ab", "c", [[0.5, 0.0]]))
    assert shade(0.5)[0] in flat and shade(0.5)[0] in sharp


def test_the_scale_of_a_drawing_goes_from_none_to_all():
    notes = Drawing(draw_alignment(attention())).notes
    assert [text.text for text in notes.findall(f"{SVG}text")][-2:] == ["0%", "100%"]
    colours = [rect.get("fill") for rect in notes.findall(f"{SVG}rect")]
    assert colours[0] == shade(0)[0] and colours[-1] == shade(1)[0] and len(set(colours)) == 11


@pytest.mark.parametrize(
    "found, message",
    [
        (attention(weights=numpy.zeros((3, 4))), r"shape \[targets, sources\] = \[4, 3\].*got \[3, 4\]"),
        (attention(weights=numpy.zeros(12)), r"\[4, 3\].*got \[12\]"),
        (attention([], TARGETS, numpy.zeros((4, 0))), "there are no sources"),
        (attention(SOURCES, [], numpy.zeros((0, 3))), "there are no targets"),
        (attention("ab", "c", [[float("nan"), 1]]), r"from 0 to 1, got nan in row 0, column 0 \(target 'c', source 'a'\)"),
        (attention("ab", "cd", [[0, 1], [1, float("inf")]]), "got inf in row 1, column 1"),
        (attention("ab", "c", [[-0.01, 1]]), "got -0.0"),
        (attention("ab", "c", [[0.5, 1.01]]), "got 1.0"),
        (Attention(["a"], ["b"], [["x"]]), "weights as an array of numbers"),
        (Attention(["a", "b"], ["c"], [[0.5]]), r"\[1, 2\].*got \[1, 1\]"),
        (Attention(["a"], ["b"], None), r"got \[\]"),
        (Attention(["a", 2], ["b"], [[1, 0]]), "strings as sources, got int: 2"),
        (Attention(["a"], [None], [[1]]), "strings as targets, got NoneType"),
        ("text", "expected an Attention.*got str"),
        (None, "expected an Attention.*got NoneType"),
    ],
)
def test_what_is_no_alignment_is_refused(draw, found, message):
    with pytest.raises(ValueError, match=message):
        draw(found)


def test_it_is_said_which_one_is_wrong():
    with pytest.raises(ValueError, match="number 1: expected weights from 0 to 1, got 2.0"):
        render_alignment([attention(), attention("a", "b", [[2]])])


def test_a_text_without_attention_is_refused(draw):
    doc = spacy.blank("xx")("Ein Mann")
    with pytest.raises(ValueError, match=r"no output \(doc._.rnn_output\): set store_attention = true"):
        draw(doc)
    set_output(doc, Output("a man", -0.1, [], None))
    with pytest.raises(ValueError, match="an output without attention: set store_attention = true"):
        draw(doc)
    with pytest.raises(ValueError, match="max_length must be at least 1, got 0"):
        draw(attention(), max_length=0)


def test_what_rounding_adds_is_no_error(draw):
    assert "100.0%" in draw(attention("ab", "c", [[1.0000002, -1e-7]]))
