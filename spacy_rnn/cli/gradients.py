"""`gradients`: the norm of the gradient by distance, of each cell or of a pipeline's recurrent layers."""

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, cast

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model, set_dropout_rate, to_numpy
from thinc.types import Ragged
from tqdm import tqdm
from wasabi import msg
from wasabi import table as format_table

from ..layers.capabilities import IsRnn, ReadsCharacters, find_all, with_forwards
from ..pipeline.pipe import OWN_RATES
from ..recurrence import CELLS
from .errors import CommandError
from .jacobians import Reach, clipped_norm, mean, measure_cell, measure_layer
from .loading import choose_components, load_pipeline, model_of, read_corpus, refusals_shown, trainable

# The factors a of two linear recurrences, h_t = a h_(t-1) + x_t, whose gradient at distance k is a ** k.
FACTORS = (0.9, 1.2)


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
    RAISES (CommandError): If there is no such cell.
    """
    for cell in cells:
        if cell not in CELLS:
            raise CommandError(f"There is no cell '{cell}'", f"Expected one of {', '.join(CELLS)}.")
    names = cells or list(CELLS)
    samples: Dict[str, List[Reach]] = {name: [] for name in names}
    runs = [(name, options.seed + i) for name in names for i in range(options.samples)]
    for name, seed in tqdm(runs, desc="Cells", unit="layer", disable=None, leave=False):
        samples[name].append(measure_cell(name, width, options.distance + 1, options.threshold, seed))
    what = f"freshly initialized layers of width {width} on random input, samples averaged: {options.samples}"
    _show({name: mean(found) for name, found in samples.items()}, what, options)


def of_pipeline(pipeline: str, corpus: Path, component: Optional[str], options: Options) -> None:
    """Show how far back the gradient of a trained pipeline's recurrent layers reaches.

    pipeline (str): A directory, or the name of an installed package.
    corpus (Path): Texts in spaCy's binary format, whose words the layers read as one long text.
    component (Optional[str]): The component's name; all that have recurrent layers if None.
    options (Options): The rest.
    RAISES (CommandError): If something is missing, or is not what was expected.
    """
    nlp = load_pipeline(pipeline)
    usable = [name for name in trainable(nlp) if _recurrent_layers(model_of(nlp, name))]
    chosen = choose_components(nlp, usable, component)
    layers = {}
    for name in chosen:
        model = model_of(nlp, name)
        set_dropout_rate(model, 0.0, attrs=OWN_RATES)
        layers.update(_named_layers(name, model))
    pieces = _pieces(nlp, corpus, options)
    inputs = _record(nlp, layers, pieces)
    reaches = {}
    for name, rnn in tqdm(layers.items(), desc="Layers", unit="layer", disable=None, leave=False):
        for direction in ("forward", "backward") if rnn.attrs["bidirectional"] else ("forward",):
            found = [
                measure_layer(rnn, rows, options.threshold, options.seed + i, backward=direction == "backward")
                for i, rows in enumerate(inputs[name])
            ]
            reaches[f"{name}, {direction}"] = mean(found)
    what = f"the recurrent layers of {pipeline} on {corpus}, pieces of text averaged: {len(pieces)}"
    _show(reaches, what, options)


def _recurrent_layers(model: Model) -> List[Model]:
    return find_all(model, IsRnn)


def _named_layers(component: str, model: Model) -> Dict[str, Model]:
    found = _recurrent_layers(model)
    numbers = [f" {i}" for i in range(1, len(found) + 1)] if len(found) > 1 else [""]
    of_characters = {rnn.id for node in find_all(model, ReadsCharacters) for rnn in _recurrent_layers(node)}
    reads = [", over characters" if rnn.id in of_characters else "" for rnn in found]
    return {f"{component}{n} ({rnn.attrs['cell']}{what})": rnn for n, rnn, what in zip(numbers, found, reads, strict=True)}


def _pieces(nlp: Language, corpus: Path, options: Options) -> List[Doc]:
    """Cut the words of a corpus into pieces of the length that the greatest distance takes."""
    length = options.distance + 1
    words = [token.text for example in read_corpus(nlp, corpus) for token in example.reference]
    if len(words) < length:
        raise CommandError(
            f"The corpus {corpus} has only {len(words)} words", f"A distance of {options.distance} takes {length} at least."
        )
    starts = range(0, len(words) - length + 1, length)[: options.samples]
    return [Doc(nlp.vocab, words=words[start : start + length]) for start in starts]


def _record(nlp: Language, layers: Mapping[str, Model], docs: Sequence[Doc]) -> Dict[str, List[numpy.ndarray]]:
    """Run a pipeline, and give what each layer read of each text of n words: the longest sequence, float32 [at most n, nI]."""
    inputs: Dict[str, List[numpy.ndarray]] = {name: [] for name in layers}
    for doc in tqdm(docs, desc="Texts", unit="text", disable=None, leave=False):
        with refusals_shown(), _recording(nlp, layers) as recorded:
            nlp(doc)
        for name, X in recorded.items():
            sequences = numpy.split(to_numpy(X.dataXd), numpy.cumsum(to_numpy(X.lengths))[:-1])
            inputs[name].append(max(sequences, key=len)[: len(doc)])
    silent = [name for name, found in inputs.items() if not found]
    if silent:
        raise CommandError("The pipeline ran without some of its layers", f"These read nothing: {', '.join(silent)}.")
    return inputs


@contextmanager
def _recording(nlp: Language, layers: Mapping[str, Model]) -> Iterator[Dict[str, Ragged]]:
    """Keep what layers read first inside a `with` block, in which components run models that share all with their own."""
    recorded: Dict[str, Ragged] = {}
    names = {id(layer): name for name, layer in layers.items()}

    def choose(layer: Model) -> Optional[Callable]:
        return partial(_record_and_run, recorded, names[id(layer)], layer) if id(layer) in names else None

    models = {name: model_of(nlp, name) for name in trainable(nlp)}
    try:
        for name, model in models.items():
            cast(Any, nlp.get_pipe(name)).model = with_forwards(model, choose)
        yield recorded
    finally:
        for name, model in models.items():
            cast(Any, nlp.get_pipe(name)).model = model


def _record_and_run(
    recorded: Dict[str, Ragged], name: str, layer: Model[Ragged, Ragged], _: Model, X: Ragged, is_train: bool
) -> Any:
    recorded.setdefault(name, X)
    return layer(X, is_train)


def _show(reaches: Mapping[str, Reach], what: str, options: Options) -> None:
    """Print the tables, and write page and plots as far as they were asked for."""
    textbook = {f"{factor}^k": factor ** numpy.arange(options.distance + 1.0) for factor in FACTORS}
    by_distance, clipping = _distance_table(reaches, textbook, options), _clipping_table(reaches, options)
    msg.text(f"Norm of the gradient by distance k, relative to that at distance 0: {what}.", spaced=True)
    _print(by_distance)
    msg.text(f"Norm of the gradient before and after clipping to {options.threshold:g}:", spaced=True)
    _print(clipping)
    if options.output is None and options.plots is None:
        return
    # Imported here because the tables need no matplotlib.
    from .page import write_page
    from .plots import as_data, draw_gradients, save_plots

    figure = draw_gradients({name: reach.norms for name, reach in reaches.items()}, textbook)
    if options.plots is not None:
        save_plots({"gradients": figure}, options.plots)
        msg.good(f"Wrote the plot to {options.plots}")
    if options.output is not None:
        tables = {"by_distance": by_distance, "clipping": clipping}
        write_page(options.output, "gradients.html", what=what, plot=as_data(figure), options=options, **tables)
        msg.good(f"Wrote the page to {options.output}")


class Table(NamedTuple):
    """Figures, as they are shown.

    header (List[str]): The columns' titles.
    rows (List[List[str]]): The cells; each row begins with its name.
    """

    header: List[str]
    rows: List[List[str]]


def _distance_table(reaches: Mapping[str, Reach], textbook: Mapping[str, numpy.ndarray], options: Options) -> Table:
    """Show norms at some distances; those of the layers relative to distance 0, as the textbook's are."""
    shown = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if k < options.distance] + [options.distance]
    header = ["", "norm at 0", *(f"k = {k}" for k in shown)]
    rows = [[name, _short(norms[0]), *(_short(norms[k]) for k in shown)] for name, norms in textbook.items()]
    for name, (norms, *_) in reaches.items():
        relative = [_short(norms[k] / norms[0]) if k < len(norms) else "" for k in shown]
        rows.append([name, _short(norms[0]), *relative])
    return Table(header, rows)


def _clipping_table(reaches: Mapping[str, Reach], options: Options) -> Table:
    """Show what clipping does to the textbook's gradient of the first state, and to the gradients of a layer's parameters."""
    k = options.distance
    rows = []
    for factor in FACTORS:
        gradient = numpy.asarray([factor**k])
        rows.append([f"{factor}^{k}", _short(gradient[0]), _short(clipped_norm(gradient, options.threshold))])
    rows += [[f"{name}, all parameters", _short(reach.before), _short(reach.after)] for name, reach in reaches.items()]
    return Table(["", "before", "after"], rows)


def _short(value: float) -> str:
    return f"{value:.3g}"


def _print(table: Table) -> None:
    aligns: Any = ("l", *["r"] * (len(table.header) - 1))
    print(format_table(table.rows, header=table.header, divider=True, aligns=aligns, max_col=80))
