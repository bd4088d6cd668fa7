"""Plots of what has been measured, as figures of matplotlib."""

import base64
import re
import warnings
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Union

import numpy

from ..evaluation.extras import requires_extra
from ..evaluation.scores import NOTHING, Calibration
from ..evaluation.training_log import TrainingLog
from .files import write_file
from .text import visible

with requires_extra():
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

# Okabe & Ito's palette: told apart by everybody.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
MARKERS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", "--", ":", "-.")
# The same figures make the same file; text stays text; a label such as "$x$" is no formula.
STYLE: Dict[Any, Any] = {"svg.hashsalt": "spacy-rnn", "svg.fonttype": "none", "text.parse_math": False, "font.size": 9.0}
# Up to this size numbers stand in the cells of a matrix.
MOST_NUMBERS = 20
# Of a longer label the beginning is shown, so that there is room for the matrix; of a longer entry of a legend, both ends.
MOST_CHARACTERS = 24
MOST_IN_LEGEND = 64
# What would change the direction of the text that follows in the same label.
_DIRECTIONS = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")


def name_of(label: str) -> str:
    """Say what is shown for a label.

    label (str): A label, or `NOTHING`.
    RETURNS (str): The label, or "(none)".
    """
    return "(none)" if label == NOTHING else label


def draw_confusion(labels: Sequence[str], counts: numpy.ndarray) -> Figure:
    """Draw a confusion matrix, each row shaded by shares of its gold label.

    labels (Sequence[str]): The labels.
    counts (numpy.ndarray): int [labels, labels], gold labels down, predicted ones across.
    RETURNS (Figure): The plot.
    """
    names = [_shown(name_of(label)) for label in labels]
    longest = max(map(len, names), default=0)
    side = max(3.0, 0.26 * len(labels) + 0.8 + 0.08 * longest)
    shares = counts / numpy.maximum(counts.sum(axis=1, keepdims=True), 1)
    with _style():
        figure = Figure(figsize=(side + 0.6, side), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("gold")
        if len(labels) <= MOST_NUMBERS:
            for (row, column), count in numpy.ndenumerate(counts):
                color = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(count) if count else "", ha="center", va="center", fontsize=7, color=color)
        figure.colorbar(image, ax=axes, label="share of the gold label", shrink=0.8)
    return figure


def draw_calibration(found: Mapping[str, Optional[Calibration]]) -> Figure:
    """Draw a reliability diagram: what share of the predictions of a certain probability came true.

    found (Mapping[str, Optional[Calibration]]): The calibration of each pipeline, as far as there is one.
    RETURNS (Figure): The plot.
    """
    with _style():
        figure = Figure(figsize=(4.8, 5.2), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        upper.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="perfect")
        for i, (name, calibration) in enumerate(found.items()):
            if calibration is None:
                continue
            style = _line(i)
            upper.plot(
                calibration.predicted,
                calibration.observed,
                label=_entry(f"{visible(name)}: error {calibration.error:.3f}"),
                **style,
            )
            lower.plot(calibration.predicted, calibration.counts, **style)
        upper.set_ylabel("share that came true")
        figure.legend(loc="outside upper center", frameon=False, ncols=3)
        lower.set_yscale("log")
        lower.yaxis.set_major_formatter(FuncFormatter(_plain))
        lower.yaxis.set_minor_formatter(NullFormatter())
        lower.set_ylabel("number")
        lower.set_xlabel("predicted probability")
        lower.set_xlim(-0.02, 1.02)
        _open(upper, lower)
    return figure


def draw_learning_curve(logs: Mapping[str, Optional[TrainingLog]]) -> Figure:
    """Draw dev scores and losses over the steps of training.

    logs (Mapping[str, Optional[TrainingLog]]): The log of each pipeline, as far as there is one.
    RETURNS (Figure): The plot.
    """
    with _style():
        figure = Figure(figsize=(6.4, 4.4), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
        for i, (name, log) in enumerate(logs.items()):
            if log is None:
                continue
            style = {**_line(i), "markersize": 3}
            upper.plot(log.steps, log.score, **style)
            best = int(numpy.argmax(log.score))
            upper.annotate(f"{log.score[best]:.4f}", (log.steps[best], log.score[best]), ha="center", va="bottom")
            for k, (component, losses) in enumerate(log.losses.items()):
                lower.plot(
                    log.steps,
                    losses,
                    linestyle=LINES[k % len(LINES)],
                    label=_entry(f"{visible(name)}: {visible(component)}"),
                    **style,
                )
        upper.set_ylabel("score on dev")
        upper.margins(y=0.15)
        lower.set_ylabel("loss since the last")
        lower.set_xlabel("step")
        figure.legend(loc="outside upper center", frameon=False, ncols=2)
        _open(upper, lower)
    return figure


def draw_gradients(norms: Mapping[str, numpy.ndarray], textbook: Mapping[str, numpy.ndarray]) -> Figure:
    """Draw norms of gradients by distance, relative to that of distance 0.

    norms (Mapping[str, numpy.ndarray]): For each recurrent layer float64 [T], the norms by distance.
    textbook (Mapping[str, numpy.ndarray]): The same of linear recurrences.
    RETURNS (Figure): The plot.
    """
    with _style():
        figure = Figure(figsize=(7.2, 4.6), layout="constrained")
        axes = figure.subplots()
        for i, (name, values) in enumerate(textbook.items()):
            axes.plot(values, color="0.4", linestyle=LINES[1 + i % 3], label=_entry(name))
        for i, (name, values) in enumerate(norms.items()):
            # Markers at different places, so that lines which lie on one another are all seen.
            step = max(len(values) // 8, len(COLORS))
            axes.plot(values / values[0], label=_entry(name), markevery=(i * step // len(COLORS) % step, step), **_line(i))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(_power))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("distance k, time steps")
        axes.set_ylabel("norm of the gradient, relative to k = 0")
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        axes.grid(color="0.9")
        _open(axes)
    return figure


def draw_positions(edges: numpy.ndarray, bits: Mapping[str, numpy.ndarray]) -> Figure:
    """Draw surprisal by how much of a text has been read.

    edges (numpy.ndarray): int64 [k], where each range of positions ends, in characters.
    bits (Mapping[str, numpy.ndarray]): For each line float64 [k], bits a character in each range; nan where there is no text.
    RETURNS (Figure): The plot.
    """
    with _style():
        figure = Figure(figsize=(7.2, 4.0), layout="constrained")
        axes = figure.subplots()
        for i, (name, values) in enumerate(bits.items()):
            axes.plot(range(len(edges)), values, label=_entry(name), linestyle=LINES[i // len(COLORS) % len(LINES)], **_line(i))
        begins = [0, *edges[:-1].tolist()]
        axes.set_xticks(range(len(edges)), [f"{begin}–{end}" for begin, end in zip(begins, edges.tolist(), strict=True)])
        axes.set_xlabel("characters read before")
        axes.set_ylabel("bits a character")
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        axes.grid(color="0.9")
        _open(axes)
    return figure


def as_data(figure: Figure) -> str:
    """Give a plot as the source of an image in a page that needs no other file.

    figure (Figure): The plot.
    RETURNS (str): A data URL with an SVG.
    """
    return "data:image/svg+xml;base64," + base64.b64encode(_svg(figure)).decode("ascii")


def save_plots(figures: Mapping[str, Figure], folder: Union[str, Path]) -> None:
    """Write plots as PNG and SVG files.

    figures (Mapping[str, Figure]): The plots, by the names of the files without their endings.
    folder (Union[str, Path]): The folder, which is made if there is none.
    RAISES (OSError): If they cannot be written.
    """
    for name, figure in figures.items():
        write_file(Path(folder) / f"{name}.svg", _svg(figure))
        buffer = BytesIO()
        with _style():
            figure.savefig(buffer, format="png", dpi=150)
        write_file(Path(folder) / f"{name}.png", buffer.getvalue())


def _svg(figure: Figure) -> bytes:
    buffer = BytesIO()
    with _style():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    """Draw as all plots of this room are drawn."""
    with rc_context(STYLE), warnings.catch_warnings():
        # A box stands in a PNG for what the font does not have; an SVG keeps the text.
        warnings.filterwarnings("ignore", r"(?s)Glyph \d+ .* missing from", UserWarning)
        warnings.filterwarnings("ignore", "Matplotlib currently does not support", UserWarning)
        yield


def _line(i: int) -> Dict[str, Any]:
    return {"color": COLORS[i % len(COLORS)], "marker": MARKERS[i % len(MARKERS)], "markersize": 5}


def _shown(label: str) -> str:
    """Give what a plot can show of a label: one short line, in which no character acts on others."""
    name = _DIRECTIONS.sub("\ufffd", visible(label))
    return name if len(name) <= MOST_CHARACTERS else f"{name[: MOST_CHARACTERS - 1]}…"


def _entry(label: str) -> str:
    """Give what a legend can show of a label. It leaves out what begins with an underscore, so a space goes before."""
    name = _DIRECTIONS.sub("\ufffd", visible(label))
    half = MOST_IN_LEGEND // 2
    shown = name if len(name) <= MOST_IN_LEGEND else f"{name[:half]}…{name[1 - half :]}"
    return f" {shown}" if shown.startswith("_") else shown


def _plain(value: float, _: int) -> str:
    return f"{value:g}"


def _power(value: float, _: int) -> str:
    return f"{value:.0e}"


def _open(*panels: Any) -> None:
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
