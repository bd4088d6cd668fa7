"""The page of `samples`: what language models write, side by side."""

from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy

from ..evaluation.language.positions import PositionBits
from ..evaluation.language.samples import LONGEST, Samples
from .environment import render_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Writer(NamedTuple):
    """A language model on the page.

    name (str): What it is called there, distinct from the others.
    unit (str): What its symbols are.
    samples (List[Samples]): What it has written under each setting.
    own (PositionBits): The surprisal of what it has written at temperature 1, by itself and by position.
    by_others (List[float]): The mean of that by each model of the page, in bits a character.
    real (Optional[PositionBits]): That of real text by position, if there is any.
    """

    name: str
    unit: str
    samples: List[Samples]
    own: PositionBits
    by_others: List[float]
    real: Optional[PositionBits]


class Conditions(NamedTuple):
    """What was asked of the models.

    prompts (Sequence[str]): What texts go on from.
    n (int): How many texts were drawn for each prompt.
    max_symbols (int): The largest number of symbols after a prompt.
    seed (int): What random numbers began with.
    text (Optional[str]): Where the real text is.
    n_passages (int): How many passages of it were scored.
    train (Optional[str]): Where the training texts are.
    n_own (int): How many texts of its own each model has scored.
    """

    prompts: Sequence[str]
    n: int
    max_symbols: int
    seed: int
    text: Optional[str]
    n_passages: int
    train: Optional[str]
    n_own: int


def draw_plots(writers: Sequence[Writer]) -> Dict[str, "Figure"]:
    """Draw surprisal by position.

    writers (Sequence[Writer]): The models.
    RETURNS (Dict[str, Figure]): By name: "context", that of real text, if there is any; and "own", that of the models' own texts
        beside it.
    RAISES (ModuleNotFoundError): If matplotlib is not installed.
    """
    # Imported here because the rest of the room needs no matplotlib.
    from .plots import draw_positions

    real = {f"{each.name}, real text": each.real.per_character for each in writers if each.real is not None}
    own = {f"{each.name}, its own": each.own.per_character for each in writers}
    edges = writers[0].own.edges
    plots = {"context": draw_positions(edges, real)} if real else {}
    return {**plots, "own": draw_positions(edges, {**own, **real})}


def render_samples(writers: Sequence[Writer], plots: Mapping[str, "Figure"], conditions: Conditions) -> str:
    """Make the page.

    writers (Sequence[Writer]): The models.
    plots (Mapping[str, Figure]): The plots, as from `draw_plots`.
    conditions (Conditions): What was asked of them.
    RETURNS (str): An HTML page that needs no other file.
    """
    from .plots import as_data

    settings = [samples.setting for samples in writers[0].samples]
    edges = writers[0].own.edges.tolist()
    return render_page(
        "samples.html",
        writers=writers,
        plots={name: as_data(figure) for name, figure in plots.items()},
        conditions=conditions,
        ranges=[f"{begin}–{end}" for begin, end in zip([0, *edges[:-1]], edges, strict=True)],
        lengths=range(1, LONGEST + 1),
        settings=[_section(writers, i, name) for i, name in enumerate(settings)],
        real=[(each.name, _numbers(each.real)) for each in writers if each.real is not None],
        own=[(each.name, _numbers(each.own)) for each in writers],
    )


def _section(writers: Sequence[Writer], number: int, name: str) -> Dict[str, Any]:
    """Give what the page shows of a setting: in each row the texts of all models that go on from the same prompt."""
    samples = [each.samples[number] for each in writers]
    return {"name": name, "rows": list(zip_longest(*(each.texts for each in samples))), "samples": samples}


def _numbers(found: PositionBits) -> List[Optional[float]]:
    """Give bits a character by position, and of all positions; None where there is no text."""
    values = [*found.per_character.tolist(), found.mean]
    return [None if numpy.isnan(value) else value for value in values]
