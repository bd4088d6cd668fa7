"""Embeddings as one array of rows."""

from typing import Callable, List, Tuple, cast

import numpy
from spacy.tokens import Doc
from thinc.api import Model, Ops
from thinc.types import Floats2d, Ints1d, Ragged

from ..capabilities import Chains, GivesRows, TakesRows, find, is_observed
from ..ragged.list2ragged import join_rows
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
    return as_rows(model.ops, *model(docs, is_train))


def predict_rows(model: Model[List[Doc], List[Floats2d]], docs: List[Doc]) -> Floats2d:
    """Predict, and give all rows of the batch together.

    They are not taken apart in between, where the layers allow it.

    model (Model[List[Doc], List[Floats2d]]): Any model from texts of n tokens to rows [n, nO], e.g. that of a tagger.
    docs (List[Doc]): The texts.
    RETURNS (Floats2d): The rows [N, nO].
    """
    return cast(Floats2d, _predict(model, docs).dataXd)


def _predict(model: Model, docs: List[Doc]) -> Ragged:
    if not is_observed(model):
        gives_rows = find(model, GivesRows)
        if gives_rows is not None:
            return gives_rows.forward(model, docs, False)[0]
        if find(model, Chains) and all(_takes_rows(layer) for layer in model.layers[1:]):
            rows = _predict(model.layers[0], docs)
            for layer in model.layers[1:]:
                rows = layer.predict(rows)
            return rows
    return as_rows(model.ops, *model(docs, False))[0]


def _takes_rows(layer: Model) -> bool:
    takes_rows = find(layer, TakesRows)
    return takes_rows is not None and takes_rows.holds(layer)


def as_rows(
    ops: Ops, Xs: List[Floats2d], list_backprop: Callable[[List[Floats2d]], List[Doc]]
) -> Tuple[Ragged, Callable[[Ragged], List[Doc]]]:
    """Join the rows of texts.

    ops (Ops): The backend of the rows.
    Xs (List[Floats2d]): The rows [n, width] of each text of n tokens.
    list_backprop (Callable): Their backpropagation.
    RETURNS (Tuple[Ragged, Callable]): The rows [N, width] of all texts, their lengths on the host, and their backpropagation.
    """
    lengths = cast(Ints1d, numpy.asarray([len(X) for X in Xs], dtype="int32"))

    def backprop(d_rows: Ragged) -> List[Doc]:
        return list_backprop(ops.unflatten(cast(Floats2d, d_rows.dataXd), lengths))

    return Ragged(join_rows(ops, Xs), lengths), backprop


def as_lists(ops: Ops, rows: Ragged, rows_backprop: Callable[[Ragged], List[Doc]]) -> Tuple[List[Floats2d], Callable]:
    """Take the rows of an embedding apart into texts.

    ops (Ops): The backend of the rows.
    rows (Ragged): The rows [N, width] of all texts.
    rows_backprop (Callable): Their backpropagation.
    RETURNS (Tuple[List[Floats2d], Callable]): The rows [n, width] of each text of n tokens, and their backpropagation.
    """

    def backprop(dY: List[Floats2d]) -> List[Doc]:
        return rows_backprop(Ragged(join_rows(ops, dY), rows.lengths))

    return split_rows(rows), backprop
