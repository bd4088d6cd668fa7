"""Embeddings as one array of rows."""

from typing import Callable, Dict, List, Tuple, cast

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ints1d, Ragged

RowsForward = Callable[[Model, List[Doc], bool], Tuple[Ragged, Callable]]

# What gives rows, for each forward that gives lists.
_ROWS_FORWARDS: Dict[Callable, RowsForward] = {}


def gives_rows(forward: Callable, rows_forward: RowsForward) -> None:
    """Declare that an embedding can give the rows of a batch together.

    forward (Callable): The layer's forward, from texts of n tokens to lists of rows [n, width].
    rows_forward (Callable): What `embed_rows` calls in its place.
    """
    _ROWS_FORWARDS[forward] = rows_forward


def embed_rows(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[Ragged, Callable]:
    """Run an embedding layer and give all rows of the batch together.

    model (Model[List[Doc], List[Floats2d]]): The layer, also one that is not of this package.
    docs (List[Doc]): The texts.
    is_train (bool): Whether there is dropout, and is going to be a gradient.
    RETURNS (Tuple[Ragged, Callable]): The rows [N, width], their lengths on the host; and a function from their gradient to what
        the layer's way back returns, which increments the gradients of the parameters.
    """
    rows_forward = _ROWS_FORWARDS.get(model._func)
    if rows_forward is not None:
        return rows_forward(model, docs, is_train)
    Xs, list_backprop = model(docs, is_train)
    lengths = cast(Ints1d, numpy.asarray([len(X) for X in Xs], dtype="int32"))

    def backprop(d_rows: Ragged) -> List[Doc]:
        return list_backprop(model.ops.unflatten(cast(Floats2d, d_rows.dataXd), lengths))

    return Ragged(model.ops.flatten(Xs), lengths), backprop
