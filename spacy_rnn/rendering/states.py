"""How the state of a text categorizer develops over a text."""

import html
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple, Union

import numpy
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.pipeline.textcat import TextCategorizer
from spacy.pipeline.tok2vec import Tok2Vec, Tok2VecListener
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import Model, to_numpy

from ..layers.capabilities import IsRnn, find_all
from ..models.textcat import has_pool
from .markup import EMPTY, FONT, PRINTED, as_docs, direction, heading, likeliest, publish, visible

# How many beginnings of a text are classified at a time, and how many classes are shown.
_BATCH_SIZE = 64
_N_CLASSES = 6
_CHANGE, _PROBABILITY = "#56b4e9", "#0072b2"
_CELL = "padding: 0.1em 0.5em; text-align: left; vertical-align: top"


class StateTrace(NamedTuple):
    """What happened in a text categorizer at each of the first m tokens of a text.

    labels (Tuple[str, ...]): The classes.
    probabilities (numpy.ndarray): float32 [m, classes], what the categorizer would say if the text ended after the token.
    changes (Dict[str, numpy.ndarray]): float32 [m], by direction ("forward", "backward"): how far the output of the last
        recurrent layer moves at the token, as Euclidean distance from the token read before it, and at the first token read from
        the state before the text. NaN at tokens that are cut off (`Truncate.v1`). Empty if the model has no recurrent layer.
    """

    labels: Tuple[str, ...]
    probabilities: numpy.ndarray
    changes: Dict[str, numpy.ndarray]


def render_states(
    nlp: Language,
    docs: Union[Doc, Iterable[Doc]],
    *,
    component: Optional[str] = None,
    max_length: int = 1000,
    page: bool = False,
    minify: bool = False,
    jupyter: Optional[bool] = None,
) -> Optional[str]:
    """Show how the state of a text categorizer develops over a text: a table that is read from top to bottom, with a row for each
    token; in it how far the state moves, and the class probabilities if the text ended there.

    nlp (Language): The pipeline.
    docs (Union[Doc, Iterable[Doc]]): The texts, e.g. `nlp(text)`.
    component (Optional[str]): The name of the categorizer, if there are several.
    max_length (int): How many tokens of a text are shown at most: every beginning of it is classified, so the time grows with the
        square of the length.
    page (bool): Whether to make a whole HTML page.
    minify (bool): Whether to leave line breaks out.
    jupyter (Optional[bool]): Whether to show the HTML in a notebook; None to find out whether there is one.
    RETURNS (Optional[str]): HTML that needs no other file; None if it has been shown in a notebook.
    RAISES (ValueError): If there is no such component, or more than one; or if max_length is below 1.
    """
    figures = [_figure(doc, trace_states(nlp, doc, component=component, max_length=max_length)) for doc in as_docs(docs)]
    return publish(figures, "States", page, minify, jupyter)


def trace_states(nlp: Language, doc: Doc, *, component: Optional[str] = None, max_length: int = 1000) -> StateTrace:
    """Find out how the state of a text categorizer develops over a text. Every beginning of the text is classified as a text of
    its own, so the probabilities are exact for any model.

    nlp (Language): The pipeline.
    doc (Doc): The text.
    component (Optional[str]): The name of the categorizer, if there are several.
    max_length (int): How many tokens are looked at at most.
    RETURNS (StateTrace): What happened at each token.
    RAISES (ValueError): If there is no such component, or more than one; or if max_length is below 1.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, got {max_length}")
    categorizer = _find_categorizer(nlp, component)
    shared = _shared_models(nlp, categorizer)
    n_tokens = min(len(doc), max_length)
    beginnings = (doc[: n + 1].as_doc() for n in range(n_tokens))
    scores = [numpy.zeros((0, len(categorizer.labels)), dtype="float32")]
    for batch in minibatch(beginnings, _BATCH_SIZE):
        scores.append(to_numpy(categorizer.predict(_encode_shared(shared, batch))))
    changes = _trace_changes(categorizer, shared, doc[:n_tokens].as_doc()) if n_tokens else {}
    return StateTrace(categorizer.labels, numpy.concatenate(scores), changes)


def _find_categorizer(nlp: Language, name: Optional[str]) -> TextCategorizer:
    found = {each: pipe for each, pipe in nlp.pipeline if isinstance(pipe, TextCategorizer) and has_pool(pipe.model)}
    there = ", ".join(found) or "none"
    if name is not None and name not in found:
        raise ValueError(
            f"the pipeline has no text categorizer {name!r} with a model spacy_rnn.TextCat.v1; it has {there}, of the components "
            f"{', '.join(nlp.pipe_names) or 'none'}"
        )
    if name is None and len(found) != 1:
        raise ValueError(
            f"expected one text categorizer with a model spacy_rnn.TextCat.v1, but the pipeline has {there}: say which one with "
            "component=…, or add one"
        )
    return found[name] if name is not None else next(iter(found.values()))


def _shared_models(nlp: Language, categorizer: TextCategorizer) -> List[TrainablePipe]:
    """List the components whose token vectors a categorizer reads."""
    listened_to = {node.upstream_name for node in categorizer.model.walk() if isinstance(node, Tok2VecListener)}
    return [pipe for name, pipe in nlp.pipeline if isinstance(pipe, Tok2Vec) and listened_to & {"*", name}]


def _encode_shared(shared: List[TrainablePipe], docs: List[Doc]) -> List[Doc]:
    for pipe in shared:
        docs = list(pipe.pipe(docs, batch_size=_BATCH_SIZE))
    return docs


def _trace_changes(categorizer: TextCategorizer, shared: List[TrainablePipe], doc: Doc) -> Dict[str, numpy.ndarray]:
    _encode_shared(shared, [doc])
    rows = to_numpy(categorizer.model.get_ref("tok2vec").predict([doc])[0])
    models = [*(pipe.model for pipe in shared), categorizer.model]
    layers = [node for model in models for node in find_all(model, IsRnn)]
    if not layers or layers[-1].get_dim("nO") != rows.shape[1]:
        return {}
    rnn = layers[-1]
    names = ("forward", "backward") if rnn.attrs["bidirectional"] else ("forward",)
    directions = rnn.layers[-len(names) :]
    changes = {}
    for name, layer, states in zip(names, directions, numpy.split(rows, len(names), axis=1), strict=True):
        step = 1 if name == "forward" else -1
        moved = numpy.diff(states[::step], axis=0, prepend=_first_state(layer))
        norms = numpy.full(len(doc), numpy.nan, dtype="float32")
        norms[: len(rows)] = numpy.linalg.norm(moved, axis=1)[::step]
        changes[name] = norms
    return changes


def _first_state(layer: Model) -> numpy.ndarray:
    """Give the hidden state before a text [1, nH]."""
    if layer.attrs["train_initial_state"]:
        return to_numpy(layer.get_param("h0")).reshape(1, -1)
    return numpy.zeros((1, layer.get_dim("nO")), dtype="float32")


def _figure(doc: Doc, trace: StateTrace) -> str:
    if not len(doc):
        return f'<figure style="{FONT}; margin: 1.5em 0">\n{heading(doc)}{EMPTY}\n</figure>'
    last = dict(zip(trace.labels, trace.probabilities[-1].tolist(), strict=True))
    shown = [label for label, _ in likeliest(last, _N_CLASSES)]
    columns = [trace.labels.index(label) for label in shown]
    header = ["Token", *(f"Change of state, {name}" for name in trace.changes), *shown]
    cells = "".join(f'<th scope="col" style="{_CELL}">{html.escape(name)}</th>' for name in header)
    rows = "\n".join(_row(doc, i, trace, columns) for i in range(len(trace.probabilities)))
    return (
        f'<figure style="{FONT}; margin: 1.5em 0">\n{heading(doc)}<table dir="ltr" lang="en" style="border-collapse: collapse; '
        f'font-size: 0.9em">\n{_caption(doc, trace, len(shown))}\n<thead><tr>{cells}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n'
        "</table>\n</figure>"
    )


def _caption(doc: Doc, trace: StateTrace, n_shown: int) -> str:
    parts = []
    if trace.changes:
        parts.append("Change of state: how far the output of the recurrent layer moves at the token.")
    parts.append("Under each class: its probability if the text ended after the token; the highest one is bold.")
    if n_shown < len(trace.labels):
        parts.append(f"The {n_shown} most probable of {len(trace.labels)} classes.")
    if len(trace.probabilities) < len(doc):
        parts.append(f"The first {len(trace.probabilities):,} of {len(doc):,} tokens.")
    return f'<caption style="caption-side: bottom; text-align: left; padding-top: 0.5em">{" ".join(parts)}</caption>'


def _row(doc: Doc, i: int, trace: StateTrace, columns: List[int]) -> str:
    style = f"{_CELL}; font-weight: normal; overflow-wrap: break-word; max-width: 12em"
    cells = [f'<th scope="row" {direction(doc)} style="{style}">{visible(doc[i].text)}</th>']
    for changes in trace.changes.values():
        cells.append(_bar(float(changes[i]), float(numpy.nanmax(changes)), _CHANGE, bold=False))
    best = int(trace.probabilities[i].argmax())
    cells += [_bar(float(trace.probabilities[i, column]), 1.0, _PROBABILITY, bold=column == best) for column in columns]
    return f'<tr style="border-top: 1px solid #ccc">{"".join(cells)}</tr>'


def _bar(value: float, longest: float, colour: str, bold: bool) -> str:
    """Make a cell with a number and a bar that shows it."""
    if numpy.isnan(value):
        return f'<td style="{_CELL}">not read</td>'
    number = f"<strong>{value:.2f}</strong>" if bold else f"{value:.2f}"
    length = 8 * value / longest if longest else 0.0
    bar = f"display: inline-block; height: 0.7em; width: {length:.2f}em; background: {colour}; {PRINTED}"
    return f'<td style="{_CELL}; white-space: nowrap; min-width: 11.5em">{number} <span style="{bar}"></span></td>'
