"""An attention matrix as SVG, for documents and slides."""

from typing import Any, Dict, List, Union

from spacy.tokens import Doc

from ..pipeline.annotation.output import Attention
from .alignment import Matrix, check_length, cut_label, describe_cell, read_matrix
from .environment import render
from .pictures import shade
from .text import estimate_width, is_begun_right_to_left, visible

# Sizes in pixels, which is what the units of the picture are: a cell, around everything, between labels and cells, a line.
_CELL, _MARGIN, _GAP, _LINE = 28, 10, 6, 18
_LABEL_FONT, _NUMBER_FONT, _NOTE_FONT = 14, 11, 12
# The steps of the scale.
_N_STEPS = 11
_NOTES = ("Down, the source; across, the output.", "Share in the attention, in percent:")


def draw_alignment(alignment: Union[Attention, Doc], *, max_length: int = 100) -> str:
    """Draw an attention matrix: the source down, the output across; the darker, the more a symbol of the source counted.

    alignment (Union[Attention, Doc]): The matrix, or a text that a component with `store_attention = true` has given an output
        (`doc._.rnn_output`); its title is taken from `doc.user_data["title"]`.
    max_length (int): How many symbols of the source, and of the output, are drawn at most.
    RETURNS (str): SVG that needs no other file and no script, e.g. to be written to one and put into a document.
    RAISES (ValueError): As `render_alignment` does.
    """
    check_length(max_length)
    matrix = read_matrix(alignment, max_length)
    notes = [*([matrix.cut] if matrix.cut else []), *_NOTES]
    left = _MARGIN + _longest(matrix.sources) + _GAP
    top = _MARGIN + (_longest(matrix.targets) if matrix.is_turned else _LINE) + _GAP
    bottom = top + _CELL * len(matrix.sources) + _GAP
    ends = [left + _CELL * len(matrix.targets), *(_MARGIN + estimate_width(note) * _NOTE_FONT for note in notes)]
    title = matrix.doc.user_data.get("title") if matrix.doc is not None else None
    return str(
        render(
            "alignment.svg",
            width=round(max(ends) + _MARGIN),
            height=bottom + _LINE * (len(notes) + 1) + _MARGIN,
            title=visible(str(title)) if title else "Attention",
            n_sources=matrix.n_sources,
            n_targets=matrix.n_targets,
            lang=matrix.doc.lang_ if matrix.doc is not None and matrix.doc.lang_ != "xx" else "",
            rows=_rows(matrix, left, top),
            columns=_columns(matrix, left, top),
            is_turned=matrix.is_turned,
            notes=[{"text": note, "y": bottom + _LINE * (i + 1)} for i, note in enumerate(notes)],
            scale=_scale(bottom + _LINE * (len(notes) + 1)),
            cell_size=_CELL,
            fonts={"label": _LABEL_FONT, "number": _NUMBER_FONT, "note": _NOTE_FONT},
        )
    )


def _longest(labels: List[str]) -> int:
    return round(max(estimate_width(cut_label(label)) for label in labels) * _LABEL_FONT)


def _rows(matrix: Matrix, left: int, top: int) -> List[Dict[str, Any]]:
    """Place the labels of the rows, which end at the cells, and the cells."""
    rows = []
    for i, (source, shares) in enumerate(zip(matrix.sources, matrix.shares, strict=True)):
        y = top + _CELL * i
        cells = [
            {**describe_cell(share), "x": left + _CELL * j, "target": target}
            for j, (share, target) in enumerate(zip(shares, matrix.targets, strict=True))
        ]
        rows.append({"label": source, "text": _isolate(cut_label(source)), "x": left - _GAP, "y": y, "cells": cells})
    return rows


def _columns(matrix: Matrix, left: int, top: int) -> List[Dict[str, Any]]:
    """Place the labels of the columns, which begin at the cells and run upwards if they are turned."""
    return [
        {"label": target, "text": _isolate(cut_label(target)), "x": left + _CELL * j + _CELL // 2, "y": top - _GAP}
        for j, target in enumerate(matrix.targets)
    ]


def _isolate(label: str) -> str:
    """Have a label run from right to left, if it begins so, in viewers that know no attribute of the direction, too."""
    return f"\u2067{label}\u2069" if is_begun_right_to_left(label) else label


def _scale(y: int) -> Dict[str, Any]:
    return {
        "y": y,
        "x": _MARGIN,
        "steps": [{"x": _MARGIN + 26 + 12 * i, "colour": shade(i / (_N_STEPS - 1))[0]} for i in range(_N_STEPS)],
        "end": _MARGIN + 26 + 12 * _N_STEPS + 4,
    }
