"""Plots stay readable, whatever the labels are."""

import re
import warnings

import numpy

from spacy_rnn.pages.plots import MOST_CHARACTERS, as_data, draw_confusion, save_plots


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
