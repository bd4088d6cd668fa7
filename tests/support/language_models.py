"""What tests of language models share."""

import numpy


def as_batch(texts):
    """Inputs, targets and lengths of whole texts."""
    inputs = [symbol for text in texts for symbol in [1, *text]]
    targets = [symbol for text in texts for symbol in [*text, 2]]
    return numpy.array(inputs, "int32"), numpy.array(targets, "int32"), numpy.array([len(text) + 1 for text in texts], "int32")


def step_through(model, texts):
    """Score whole texts symbol by symbol, each alone."""
    found = []
    for text in texts:
        state = model.start(1)
        for read, wanted in zip([1, *text], [*text, 2], strict=True):
            row, state = model.step(numpy.array([read]), state)
            found.append(row[0, wanted])
    return numpy.array(found, "float32")
