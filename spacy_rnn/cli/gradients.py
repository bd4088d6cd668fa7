"""`gradients`: the norm of the gradient by distance, of each cell or of a pipeline's recurrent layers."""

from pathlib import Path
from typing import Any, Mapping, NamedTuple, Optional, Sequence

from wasabi import msg
from wasabi import table as format_table

from ..evaluation.gradients import cut_pieces, measure_cells, measure_pipeline
from ..evaluation.jacobians import Reach
from ..pages.files import write_file
from ..pages.gradients import Table, draw_plot, render_gradients, tabulate_clipping, tabulate_distances
from .errors import writing
from .loading import load_pipeline, read_corpus


class Options(NamedTuple):
    """What a user chooses.

    distance (int): The greatest distance, time steps.
    samples (int): How many freshly initialized layers, or pieces of text, are averaged.
    threshold (float): The norm that gradients are clipped to.
    seed (int): What is drawn is drawn with this and the following numbers.
    output (Optional[Path]): Where the page goes, if there is to be one.
    plots (Optional[Path]): A folder for the plot as files.
    """

    distance: int
    samples: int
    threshold: float
    seed: int
    output: Optional[Path]
    plots: Optional[Path]


def of_cells(cells: Sequence[str], width: int, options: Options) -> None:
    """Show how far back the gradient of freshly initialized layers reaches.

    cells (Sequence[str]): The cells; all if there are none.
    width (int): The width of input and output.
    options (Options): The rest.
    RAISES (CommandError): If a file cannot be written.
    RAISES (ValueError): If there is no such cell.
    """
    reaches = measure_cells(cells, width, options.distance, options.samples, options.threshold, options.seed)
    what = f"freshly initialized layers of width {width} on random input, samples averaged: {options.samples}"
    _show(reaches, what, options)


def of_pipeline(pipeline: str, corpus: Path, component: Optional[str], options: Options) -> None:
    """Show how far back the gradient of a trained pipeline's recurrent layers reaches.

    pipeline (str): A directory, or the name of an installed package.
    corpus (Path): Texts in spaCy's binary format, whose words the layers read as one long text.
    component (Optional[str]): The component's name; all that have recurrent layers if None.
    options (Options): The rest.
    RAISES (CommandError): If a file is missing or cannot be written.
    RAISES (ValueError): If something is not what was expected.
    """
    nlp = load_pipeline(pipeline)
    words = [token.text for example in read_corpus(nlp, corpus) for token in example.reference]
    pieces = cut_pieces(nlp, words, options.distance, options.samples)
    reaches = measure_pipeline(nlp, pieces, component, options.threshold, options.seed)
    what = f"the recurrent layers of {pipeline} on {corpus}, pieces of text averaged: {len(pieces)}"
    _show(reaches, what, options)


def _show(reaches: Mapping[str, Reach], what: str, options: Options) -> None:
    """Print the tables, and write page and plots as far as they were asked for."""
    msg.text(f"Norm of the gradient by distance k, relative to that at distance 0: {what}.", spaced=True)
    _print(tabulate_distances(reaches, options.distance))
    msg.text(f"Norm of the gradient before and after clipping to {options.threshold:g}:", spaced=True)
    _print(tabulate_clipping(reaches, options.distance, options.threshold))
    if options.output is None and options.plots is None:
        return
    figure = draw_plot(reaches, options.distance)
    if options.plots is not None:
        # Imported here because the tables need no matplotlib.
        from ..pages.plots import save_plots

        with writing("plots", options.plots):
            save_plots({"gradients": figure}, options.plots)
    if options.output is not None:
        page = render_gradients(reaches, what, figure, distance=options.distance, threshold=options.threshold, seed=options.seed)
        with writing("page", options.output):
            write_file(options.output, page)


def _print(table: Table) -> None:
    aligns: Any = ("l", *["r"] * (len(table.header) - 1))
    print(format_table(table.rows, header=table.header, divider=True, aligns=aligns, max_col=80))
