"""Which symbols of a source an encoder-decoder looked at when it wrote each symbol of its output."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Union

import numpy
from markupsafe import Markup
from spacy.tokens import Doc

from ..pipeline.annotation.output import Attention, get_output
from .environment import render
from .pictures import is_right_to_left, publish, shade
from .text import estimate_width, shorten, visible

# Longer labels are cut, and wider ones than this, in ems, turned where they stand over a column.
_LABEL, _UPRIGHT = 24, 2.0
# How far the rounding of float32 may lead beyond 0 and 1.
_TOLERANCE = 1e-4


class Matrix(NamedTuple):
    """An attention matrix that can be shown.

    doc (Optional[Doc]): The source text, if it is known.
    sources (List[str]): The labels of the rows, symbols of the source. They are visible; "∅" stands for an empty one.
    targets (List[str]): The labels of the columns, symbols of the output.
    shares (List[List[float]]): By row and column, each from 0 to 1.
    n_sources (int): How many symbols the whole source has.
    n_targets (int): How many the whole output has.
    """

    doc: Optional[Doc]
    sources: List[str]
    targets: List[str]
    shares: List[List[float]]
    n_sources: int
    n_targets: int

    @property
    def is_turned(self) -> bool:
        """RETURNS (bool): Whether labels of columns are too wide to stand upright."""
        return any(estimate_width(cut_label(label)) > _UPRIGHT for label in self.targets)

    @property
    def cut(self) -> str:
        """RETURNS (str): A sentence that says what is not shown, if anything is not."""
        shown = [
            f"{len(labels):,} of {n:,} symbols of the {name}"
            for labels, n, name in ((self.sources, self.n_sources, "source"), (self.targets, self.n_targets, "output"))
            if len(labels) < n
        ]
        return f"The first {' and the first '.join(shown)}." if shown else ""


def render_alignment(
    alignments: Union[Attention, Doc, Iterable[Union[Attention, Doc]]],
    *,
    max_length: int = 100,
    page: bool = False,
    minify: bool = False,
    jupyter: Optional[bool] = None,
) -> Optional[str]:
    """Show which symbols of the source counted for each symbol of an output: the darker, the more.

    Each is a table: the source down, the output across. The page has the style of `displacy.render`, and takes the title of a
    text from `doc.user_data["title"]`.

    alignments (Union[Attention, Doc, Iterable[Union[Attention, Doc]]]): Attention matrices, or texts that a component with
        `store_attention = true` has given an output (`doc._.rnn_output`); one or several.
    max_length (int): How many symbols of the source, and of the output, are shown at most.
    page (bool): Whether to make a whole HTML page.
    minify (bool): Whether to leave line breaks out.
    jupyter (Optional[bool]): Whether to show the HTML in a notebook; None to find out whether there is one.
    RETURNS (Optional[str]): HTML that needs no other file, e.g. to be written to one; None if it has been shown in a notebook.
    RAISES (ValueError): If a text has no attention, if a matrix has no rows or no columns, other ones than symbols, or weights
        that are not from 0 to 1; or if max_length is below 1.
    """
    check_length(max_length)
    is_one = isinstance(alignments, (Attention, Doc)) or not isinstance(alignments, Iterable)
    found: List[Any] = [alignments] if is_one else list(alignments)
    figures = []
    for number, each in enumerate(found):
        try:
            figures.append(_figure(read_matrix(each, max_length)))
        except ValueError as error:
            raise ValueError(f"number {number}: {error}" if len(found) > 1 else str(error)) from error
    return publish(figures, "Alignment", page, minify, jupyter)


def read_matrix(alignment: Union[Attention, Doc], max_length: int) -> Matrix:
    """Check an attention matrix, and make it fit to be shown.

    alignment (Union[Attention, Doc]): The matrix, or a text that has one with its output.
    max_length (int): How many rows, and how many columns, are shown at most.
    RETURNS (Matrix): The matrix.
    RAISES (ValueError): If the text has none, or it is none.
    """
    doc = alignment if isinstance(alignment, Doc) else None
    attention = _find_attention(alignment)
    weights = _check(attention)
    return Matrix(
        doc,
        [visible(label) or "∅" for label in attention.sources[:max_length]],
        [visible(label) or "∅" for label in attention.targets[:max_length]],
        weights[:max_length, :max_length].T.tolist(),
        len(attention.sources),
        len(attention.targets),
    )


def check_length(max_length: int) -> None:
    """Check how much is to be shown at most.

    max_length (int): How many rows, and how many columns.
    RAISES (ValueError): If it is below 1.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, got {max_length}")


def cut_label(label: str) -> str:
    """Cut a label that is too long for a row or a column.

    label (str): The label.
    RETURNS (str): The label, or its beginning and an ellipsis.
    """
    return shorten(label, _LABEL)


def _find_attention(alignment: Union[Attention, Doc]) -> Attention:
    if isinstance(alignment, Attention):
        return alignment
    if not isinstance(alignment, Doc):
        raise ValueError(
            "expected an Attention, or a Doc that has one as doc._.rnn_output.attention, got "
            f"{type(alignment).__name__}: {alignment!r:.40}"
        )
    output = get_output(alignment)
    if output is None or output.attention is None:
        has = "no output (doc._.rnn_output)" if output is None else "an output without attention"
        raise ValueError(
            f"the text has {has}: set store_attention = true on a component rnn_seq2seq, and run the pipeline over the text; a "
            "DocBin keeps it only with store_user_data=True"
        )
    return output.attention


def _check(attention: Attention) -> numpy.ndarray:
    """Give the weights, float64 [n_targets, n_sources], if they are a share for each pair of symbols."""
    for name, labels in (("sources", attention.sources), ("targets", attention.targets)):
        for label in labels:
            if not isinstance(label, str):
                raise ValueError(f"expected strings as {name}, got {type(label).__name__}: {label!r:.40}")
    try:
        weights = numpy.asarray(attention.weights, dtype="float64")
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected weights as an array of numbers [targets, sources]: {error}") from error
    shape = (len(attention.targets), len(attention.sources))
    if 0 in shape:
        empty = "targets" if not shape[0] else "sources"
        raise ValueError(f"there are no {empty}: expected at least one symbol of the source, and one of the output")
    if weights.shape != shape:
        raise ValueError(
            f"expected weights of the shape [targets, sources] = {list(shape)}, a row for each symbol of the output, got "
            f"{list(weights.shape)}"
        )
    wrong = ~((weights >= -_TOLERANCE) & (weights <= 1 + _TOLERANCE))
    if wrong.any():
        row, column = numpy.argwhere(wrong)[0].tolist()
        raise ValueError(
            f"expected weights from 0 to 1, got {weights[row, column]} in row {row}, column {column} (target "
            f"{attention.targets[row]!r:.40}, source {attention.sources[column]!r:.40})"
        )
    return weights.clip(0.0, 1.0)


def _figure(matrix: Matrix) -> Markup:
    rows = [
        {"label": label, "cut": cut_label(label), "cells": [describe_cell(share) for share in shares]}
        for label, shares in zip(matrix.sources, matrix.shares, strict=True)
    ]
    return render(
        "alignment.html",
        doc=matrix.doc,
        right_to_left=matrix.doc is not None and is_right_to_left(matrix.doc),
        rows=rows,
        targets=[{"label": label, "cut": cut_label(label)} for label in matrix.targets],
        is_turned=matrix.is_turned,
        note=matrix.cut,
        low=shade(0.0)[0],
        high=shade(1.0)[0],
    )


def describe_cell(share: float) -> Dict[str, Any]:
    """Give what a picture shows of a share.

    share (float): From 0 to 1.
    RETURNS (Dict[str, Any]): "background" and "foreground", its colours; "percent", with one decimal; "number", what is written
        into the cell: whole percent, nothing for less than one half.
    """
    background, foreground = shade(share)
    number = f"{100 * share:.0f}"
    return {
        "background": background,
        "foreground": foreground,
        "percent": f"{100 * share:.1f}%",
        "number": "" if number == "0" else number,
    }
