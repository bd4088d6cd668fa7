"""Embeddings as one array of rows."""

from typing import Callable, List, Tuple, cast

import numpy
from spacy.tokens import Doc
from thinc.api import Model, Ops
from thinc.types import Floats2d, Ints1d, Ragged

from ..capabilities import GivesRows, find
from ..ragged.split import split_rows


def embed_rows(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[Ragged, Callable]:
    """Run an embedding layer and give all rows of the batch together.

    model (Model[List[Doc], List[Floats2d]]): The layer, also one that is not of this package.
    docs (List[Doc]): The texts.
    is_train (bool): Whether there is dropout, and is going to be a gradient.
    RETURNS (Tuple[Ragged, Callable]): The rows [N, width], their lengths on the host; and a function from their gradient to what
        the layer's backpropagation returns, which increments the gradients of the parameters.
    """
    gives_rows = find(model, GivesRows)
    if gives_rows is not None:
        return gives_rows.forward(model, docs, is_train)
    Xs, list_backprop = model(docs, is_train)
    lengths = cast(Ints1d, numpy.asarray([len(X) for X in Xs], dtype="int32"))

    def backprop(d_rows: Ragged) -> List[Doc]:
        return list_backprop(model.ops.unflatten(cast(Floats2d, d_rows.dataXd), lengths))

    return Ragged(model.ops.flatten(Xs), lengths), backprop


def as_lists(ops: Ops, rows: Ragged, rows_backprop: Callable[[Ragged], List[Doc]]) -> Tuple[List[Floats2d], Callable]:
    """Take the rows of an embedding apart into texts.

    ops (Ops): The backend of the rows.
    rows (Ragged): The rows [N, width] of all texts.
    rows_backprop (Callable): Their backpropagation.
    RETURNS (Tuple[List[Floats2d], Callable]): The rows [n, width] of each text of n tokens, and their backpropagation.
    """

    def backprop(dY: List[Floats2d]) -> List[Doc]:
        return rows_backprop(Ragged(ops.flatten(dY), rows.lengths))

    return split_rows(rows), backprop
