"""Ways in which the weights of a model change."""

import numpy


def update(model, docs, optimizer):
    """Train a model from texts to lists of rows a little."""
    Y, backprop = model.begin_update(docs)
    backprop([numpy.ones_like(rows) for rows in Y])
    model.finish_update(optimizer)


def write_in_place(model, factor):
    """Multiply all parameters of a model where they are."""
    for node in model.walk():
        for name in node.param_names:
            if node.has_param(name):
                node.get_param(name)[...] *= factor


def load_others(model, docs, optimizer):
    """Load the bytes of a copy that has been trained."""
    another = model.copy()
    update(another, docs, optimizer)
    model.from_bytes(another.to_bytes())
