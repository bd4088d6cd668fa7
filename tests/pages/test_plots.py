"""Plots stay readable, whatever the labels are."""

import re
import warnings
import xml.etree.ElementTree
from pathlib import Path

import numpy
import pytest

from spacy_rnn.evaluation import Calibration, TrainingLog
from spacy_rnn.pages.plots import (
    MOST_CHARACTERS,
    MOST_IN_LEGEND,
    as_data,
    draw_calibration,
    draw_confusion,
    draw_gradients,
    draw_learning_curve,
    draw_positions,
    save_plots,
)

# A label, and what is shown of it.
HOSTILE = {
    "bell\x07escape\x1b[0m": "bell�escape�[0m",
    "two\nlines\tand a tab": "two�lines�and a tab",
    "\n": "⏎",
    "null\x00": "null�",
    "surrogate\ud800": "surrogate�",
    "no character\ufffe": "no character�",
    "$x_1$": "$x_1$",
    "$\\frac{": "$\\frac{",
    "100 % $": "100 % $",
    "<script>&amp;</script>": "<script>&amp;</script>",
    "quotes \"'": "quotes \"'",
    "\u202egnp.exe": "�gnp.exe",
    "a\u2067b": "a�b",
    "中文标签": "中文标签",
    "שלום": "שלום",
    "हिन्दी": "हिन्दी",
    "🙂": "🙂",
}


def texts_of(path):
    """The texts of a plot; parsing refuses what is not XML, as a browser does."""
    root = xml.etree.ElementTree.fromstring(path.read_bytes())
    return ["".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")]


def draw(kind, labels):
    numbers = Calibration([0.2, 0.9], [0.1, 0.8], [3, 5], 0.1)
    if kind == "confusion":
        return draw_confusion(labels, numpy.eye(len(labels), dtype=int))
    if kind == "calibration":
        return draw_calibration(dict.fromkeys(labels, numbers))
    if kind == "learning curve":
        log = TrainingLog(Path("log"), [1, 2], {label: [2.0, 1.0] for label in labels}, {}, [0.5, 0.6], True)
        return draw_learning_curve({"A": log})
    if kind == "positions":
        return draw_positions(numpy.asarray([10, 20]), {label: numpy.asarray([2.5, numpy.nan]) for label in labels})
    return draw_gradients({label: numpy.asarray([1.0, 0.5]) for label in labels}, {"0.9^k": numpy.asarray([1.0, 0.9])})


@pytest.mark.parametrize("kind", ["confusion", "calibration", "learning curve", "gradients", "positions"])
def test_labels_are_shown_as_they_are_or_as_what_cannot_be_shown(tmp_path, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Of so many entries a legend leaves a curve little room, and says so.
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        save_plots({"plot": draw(kind, list(HOSTILE))}, tmp_path)
    assert (tmp_path / "plot.png").read_bytes()[1:4] == b"PNG"
    texts = texts_of(tmp_path / "plot.svg")
    for shown in HOSTILE.values():
        assert any(shown in text for text in texts), texts


@pytest.mark.parametrize("kind", ["calibration", "learning curve", "gradients", "positions"])
def test_an_underscore_does_not_hide_an_entry_of_a_legend(tmp_path, kind):
    name = "_ner"
    save_plots({"plot": draw(kind, [name]) if kind != "learning curve" else draw_learning_curve(logs(name))}, tmp_path)
    assert any(name in text for text in texts_of(tmp_path / "plot.svg"))


def logs(name):
    return {name: TrainingLog(Path("log"), [1, 2], {"_ner": [2.0, 1.0]}, {}, [0.5, 0.6], True)}


def test_long_labels_leave_room_for_the_matrix(tmp_path):
    labels = [letter * 80 for letter in "abc"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw_confusion(labels, numpy.eye(3, dtype=int))
        save_plots({"confusion": figure}, tmp_path)
        assert as_data(figure).startswith("data:image/svg+xml;base64,")
    written = (tmp_path / "confusion.svg").read_text(encoding="utf8")
    shown = re.findall(r">(a+…)<", written)
    assert shown == ["a" * (MOST_CHARACTERS - 1) + "…"] * 2
    matrix = figure.axes[0].get_window_extent()
    assert min(matrix.width, matrix.height) > 0.3 * figure.get_window_extent().height


@pytest.mark.parametrize("kind", ["calibration", "learning curve", "gradients", "positions"])
def test_long_names_leave_room_beside_the_legend(tmp_path, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(kind, ["n" * 5000 + ", forward", "n" * 5000 + ", backward"])
        save_plots({"plot": figure}, tmp_path)
    entries = [text for text in texts_of(tmp_path / "plot.svg") if "…" in text]
    assert len(entries) == 2 and all(len(text) <= MOST_IN_LEGEND for text in entries)
    panel = figure.axes[0].get_window_extent()
    assert min(panel.width, panel.height) > 0.1 * figure.get_window_extent().height
