"""How far back gradients reach, in cells and in the recurrent layers of a pipeline."""

from contextlib import contextmanager
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, cast

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model, to_numpy
from thinc.types import Ragged
from tqdm import tqdm

from ..layers.capabilities import IsRnn, ReadsCharacters, find_all, with_forwards
from ..recurrence import CELLS
from .components import choose_components, find_trainable, get_model, own_copy
from .jacobians import Reach, mean_reach, measure_cell, measure_layer


def measure_cells(
    cells: Sequence[str] = (), width: int = 64, distance: int = 100, n_samples: int = 5, threshold: float = 1.0, seed: int = 0
) -> Dict[str, Reach]:
    """Measure freshly initialized layers on random input.

    cells (Sequence[str]): The cells; all if there are none.
    width (int): The width of input and output.
    distance (int): The greatest distance, time steps.
    n_samples (int): How many layers of each cell are averaged.
    threshold (float): The norm that gradients are clipped to.
    seed (int): What the layers and their input are drawn with, and the following numbers.
    RETURNS (Dict[str, Reach]): How far the gradient of each cell reaches.
    RAISES (ValueError): If there is no such cell, or a number is below 1.
    """
    for cell in cells:
        if cell not in CELLS:
            raise ValueError(f"there is no cell {cell!r}: expected one of {', '.join(CELLS)}")
    _require_positive(width=width, distance=distance, n_samples=n_samples)
    samples: Dict[str, List[Reach]] = {name: [] for name in cells or CELLS}
    runs = [(name, seed + i) for name in samples for i in range(n_samples)]
    for name, number in tqdm(runs, desc="Cells", unit="layer", disable=None, leave=False):
        samples[name].append(measure_cell(name, width, distance + 1, threshold, number))
    return {name: mean_reach(found) for name, found in samples.items()}


def cut_pieces(nlp: Language, words: Sequence[str], distance: int = 100, n_pieces: int = 5) -> List[Doc]:
    """Cut words into pieces of the length that the greatest distance takes.

    nlp (Language): The pipeline that the pieces are for.
    words (Sequence[str]): The words.
    distance (int): The greatest distance, time steps.
    n_pieces (int): How many pieces are cut at most.
    RETURNS (List[Doc]): The pieces, of distance + 1 words each.
    RAISES (ValueError): If there are too few words for a piece, or a number is below 1.
    """
    _require_positive(distance=distance, n_pieces=n_pieces)
    length = distance + 1
    if len(words) < length:
        raise ValueError(f"the texts have only {len(words)} words: a distance of {distance} takes {length} at least")
    starts = range(0, len(words) - length + 1, length)[:n_pieces]
    return [Doc(nlp.vocab, words=list(words[start : start + length])) for start in starts]


def measure_pipeline(
    nlp: Language, pieces: Sequence[Doc], component: Optional[str] = None, threshold: float = 1.0, seed: int = 0
) -> Dict[str, Reach]:
    """Measure the recurrent layers of a trained pipeline on what they read of texts.

    nlp (Language): The pipeline, which is left as it is.
    pieces (Sequence[Doc]): The texts, e.g. from `cut_pieces`, whose lengths are the distances; they are left as they are.
    component (Optional[str]): The component's name; all that have recurrent layers if None.
    threshold (float): The norm that gradients are clipped to.
    seed (int): What the gradient that comes to the last output is drawn with, and the following numbers.
    RETURNS (Dict[str, Reach]): How far the gradient of each layer reaches in each direction, the mean of the texts.
    RAISES (ValueError): If there is no such component, or none with recurrent layers; if there are no texts, or the pipeline
        refuses them, e.g. because it has not been trained.
    """
    usable = [name for name in find_trainable(nlp) if _recurrent_layers(get_model(nlp, name))]
    chosen = choose_components(nlp, usable, component)
    if not pieces or not all(len(piece) for piece in pieces):
        raise ValueError("expected at least one text, and none without tokens")
    layers = {title: rnn for name in chosen for title, rnn in _named_layers(name, get_model(nlp, name)).items()}
    inputs = _record(nlp, layers, pieces)
    reaches = {}
    for name, rnn in tqdm(layers.items(), desc="Layers", unit="layer", disable=None, leave=False):
        for direction in ("forward", "backward") if rnn.attrs["bidirectional"] else ("forward",):
            found = [
                measure_layer(rnn, rows, threshold, seed + i, backward=direction == "backward")
                for i, rows in enumerate(inputs[name])
            ]
            reaches[f"{name}, {direction}"] = mean_reach(found)
    return reaches


def _recurrent_layers(model: Model) -> List[Model]:
    return find_all(model, IsRnn)


def _named_layers(component: str, model: Model) -> Dict[str, Model]:
    found = _recurrent_layers(model)
    numbers = [f" {i}" for i in range(1, len(found) + 1)] if len(found) > 1 else [""]
    of_characters = {rnn.id for node in find_all(model, ReadsCharacters) for rnn in _recurrent_layers(node)}
    reads = [", over characters" if rnn.id in of_characters else "" for rnn in found]
    return {f"{component}{n} ({rnn.attrs['cell']}{what})": rnn for n, rnn, what in zip(numbers, found, reads, strict=True)}


def _record(nlp: Language, layers: Mapping[str, Model], docs: Sequence[Doc]) -> Dict[str, List[numpy.ndarray]]:
    """Run a pipeline, and give what each layer read of each text of n words: the longest sequence, float32 [at most n, nI]."""
    inputs: Dict[str, List[numpy.ndarray]] = {name: [] for name in layers}
    for doc in tqdm(docs, desc="Texts", unit="text", disable=None, leave=False):
        with _recording(nlp, layers) as recorded:
            nlp(own_copy(nlp, doc))
        for name, X in recorded.items():
            sequences = numpy.split(to_numpy(X.dataXd), numpy.cumsum(to_numpy(X.lengths))[:-1])
            inputs[name].append(max(sequences, key=len)[: len(doc)])
    silent = [name for name, found in inputs.items() if not found]
    if silent:
        raise ValueError(f"the pipeline ran without some of its layers: these read nothing: {', '.join(silent)}")
    return inputs


@contextmanager
def _recording(nlp: Language, layers: Mapping[str, Model]) -> Iterator[Dict[str, Ragged]]:
    """Keep what layers read first inside a `with` block, in which components run models that share all with their own."""
    recorded: Dict[str, Ragged] = {}
    names = {id(layer): name for name, layer in layers.items()}

    def choose(layer: Model) -> Optional[Callable]:
        return partial(_record_and_run, recorded, names[id(layer)], layer) if id(layer) in names else None

    models = {name: get_model(nlp, name) for name in find_trainable(nlp)}
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


def _require_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
