"""The tables and the page of `gradients`."""

from typing import TYPE_CHECKING, Dict, List, Mapping, NamedTuple

import numpy

from ..evaluation.jacobians import Reach, clipped_norm
from .environment import render_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The factors a of two linear recurrences, h_t = a h_(t-1) + x_t, whose gradient at distance k is a ** k.
FACTORS = (0.9, 1.2)
# The distances of which a table shows the norms, as far as they were measured.
SHOWN = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Table(NamedTuple):
    """Figures, as they are shown.

    header (List[str]): The columns' titles.
    rows (List[List[str]]): The cells; each row begins with its name.
    """

    header: List[str]
    rows: List[List[str]]


def tabulate_distances(reaches: Mapping[str, Reach], distance: int) -> Table:
    """Show norms at some distances; those of the layers relative to distance 0, as the textbook's are.

    reaches (Mapping[str, Reach]): How far the gradient of each layer reaches.
    distance (int): The greatest distance, time steps.
    RETURNS (Table): The norms.
    """
    shown = [k for k in SHOWN if k < distance] + [distance]
    header = ["", "norm at 0", *(f"k = {k}" for k in shown)]
    rows = [[name, _short(norms[0]), *(_short(norms[k]) for k in shown)] for name, norms in _textbook(distance).items()]
    for name, (norms, *_) in reaches.items():
        relative = [_short(norms[k] / norms[0]) if k < len(norms) else "" for k in shown]
        rows.append([name, _short(norms[0]), *relative])
    return Table(header, rows)


def tabulate_clipping(reaches: Mapping[str, Reach], distance: int, threshold: float) -> Table:
    """Show what clipping does to the textbook's gradient of the first state, and to the gradients of a layer's parameters.

    reaches (Mapping[str, Reach]): How far the gradient of each layer reaches.
    distance (int): The distance of the first state, time steps.
    threshold (float): The norm that gradients were clipped to.
    RETURNS (Table): The norms before and after.
    """
    rows = []
    for factor in FACTORS:
        gradient = numpy.asarray([factor**distance])
        rows.append([f"{factor}^{distance}", _short(gradient[0]), _short(clipped_norm(gradient, threshold))])
    rows += [[f"{name}, all parameters", _short(reach.before), _short(reach.after)] for name, reach in reaches.items()]
    return Table(["", "before", "after"], rows)


def draw_plot(reaches: Mapping[str, Reach], distance: int) -> "Figure":
    """Draw the norms by distance, beside those of linear recurrences.

    reaches (Mapping[str, Reach]): How far the gradient of each layer reaches.
    distance (int): The greatest distance, time steps.
    RETURNS (Figure): The plot.
    RAISES (ModuleNotFoundError): If matplotlib is not installed.
    """
    # Imported here because the tables need no matplotlib.
    from .plots import draw_gradients

    return draw_gradients({name: reach.norms for name, reach in reaches.items()}, _textbook(distance))


def render_gradients(
    reaches: Mapping[str, Reach], what: str, plot: "Figure", *, distance: int, threshold: float, seed: int
) -> str:
    """Make the page.

    reaches (Mapping[str, Reach]): How far the gradient of each layer reaches.
    what (str): What was measured.
    plot (Figure): The plot, as from `draw_plot`.
    distance (int): The greatest distance, time steps.
    threshold (float): The norm that gradients were clipped to.
    seed (int): What was drawn was drawn with this and the following numbers.
    RETURNS (str): An HTML page that needs no other file.
    """
    from .plots import as_data

    return render_page(
        "gradients.html",
        what=what,
        plot=as_data(plot),
        by_distance=tabulate_distances(reaches, distance),
        clipping=tabulate_clipping(reaches, distance, threshold),
        threshold=threshold,
        seed=seed,
    )


def _textbook(distance: int) -> Dict[str, numpy.ndarray]:
    """Give the norms of linear recurrences by distance."""
    return {f"{factor}^k": factor ** numpy.arange(distance + 1.0) for factor in FACTORS}


def _short(value: float) -> str:
    return f"{value:.3g}"
