"""How the state of a text categorizer develops over a text."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple, Union

import numpy
from markupsafe import Markup
from spacy.language import Language
from spacy.pipeline.textcat import TextCategorizer
from spacy.pipeline.tok2vec import Tok2Vec
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import Model, to_numpy

from ..layers.capabilities import IsRnn, find_all
from ..models.textcat import has_pool
from ..pipeline.listeners import find_shared_encoder
from ..recurrence import get_cell
from .environment import render
from .pictures import as_docs, is_right_to_left, likeliest, publish

# How many beginnings of a text are classified at a time, and how many classes are shown.
_BATCH_SIZE = 64
_N_CLASSES = 6


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
    """Show how the state of a text categorizer develops over a text.

    The page is a table read from top to bottom, with a row for each token: how far the state moves, and the class probabilities
    if the text ended there.

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
    """Trace how the state of a text categorizer develops over a text.

    Every beginning of the text is classified as a text of its own, so the probabilities are exact for any model.

    nlp (Language): The pipeline.
    doc (Doc): The text.
    component (Optional[str]): The name of the categorizer, if there are several.
    max_length (int): How many tokens are looked at at most.
    RETURNS (StateTrace): What happened at each token.
    RAISES (ValueError): If there is no such component, or more than one; or if max_length is below 1.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, got {max_length}")
    name, categorizer = _find_categorizer(nlp, component)
    shared = find_shared_encoder(nlp, name)
    n_tokens = min(len(doc), max_length)
    beginnings = (doc[: n + 1].as_doc() for n in range(n_tokens))
    scores = [numpy.zeros((0, len(categorizer.labels)), dtype="float32")]
    for batch in minibatch(beginnings, _BATCH_SIZE):
        scores.append(to_numpy(categorizer.predict(_encode(shared, batch))))
    changes = _trace_changes(categorizer, shared, doc[:n_tokens].as_doc()) if n_tokens else {}
    return StateTrace(categorizer.labels, numpy.concatenate(scores), changes)


def _find_categorizer(nlp: Language, name: Optional[str]) -> Tuple[str, TextCategorizer]:
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
    return (name, found[name]) if name is not None else next(iter(found.items()))


def _encode(shared: Optional[Tok2Vec], docs: List[Doc]) -> List[Doc]:
    """Give texts the vectors of the encoder that a categorizer listens to, if it does."""
    return list(shared.pipe(docs, batch_size=_BATCH_SIZE)) if shared is not None else docs


def _trace_changes(categorizer: TextCategorizer, shared: Optional[Tok2Vec], doc: Doc) -> Dict[str, numpy.ndarray]:
    _encode(shared, [doc])
    rows = to_numpy(categorizer.model.get_ref("tok2vec").predict([doc])[0])
    models = [*([shared.model] if shared is not None else []), categorizer.model]
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
        return to_numpy(layer.get_param(f"{get_cell(layer.attrs['cell']).output}0")).reshape(1, -1)
    return numpy.zeros((1, layer.get_dim("nO")), dtype="float32")


def _figure(doc: Doc, trace: StateTrace) -> Markup:
    last = trace.probabilities[-1:].sum(axis=0).tolist()
    shown = likeliest(dict(zip(trace.labels, last, strict=True)), _N_CLASSES)
    columns = [trace.labels.index(label) for label, _ in shown]
    return render(
        "states.html",
        doc=doc,
        right_to_left=is_right_to_left(doc),
        changes=list(trace.changes),
        labels=[label for label, _ in shown],
        n_labels=len(trace.labels),
        rows=[_row(doc, i, trace, columns) for i in range(len(trace.probabilities))],
    )


def _row(doc: Doc, i: int, trace: StateTrace, columns: List[int]) -> Dict[str, Any]:
    """Give what the picture shows of a token."""
    changes = [(float(moved[i]), float(numpy.nanmax(moved))) for moved in trace.changes.values()]
    probabilities, best = trace.probabilities[i], int(trace.probabilities[i].argmax())
    return {
        "text": doc[i].text,
        "changes": [(None if numpy.isnan(moved) else moved, longest) for moved, longest in changes],
        "probabilities": [(float(probabilities[column]), column == best) for column in columns],
    }
