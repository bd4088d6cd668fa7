"""Stacks of recurrent layers over symbols, for the tests of generation."""

import numpy

from spacy_rnn.recurrence import CELLS


def draw_stack(name="lstm", depth=1, nI=7, nH=19, V=40, n_inputs=None, scale=3.0, seed=0):
    rng = numpy.random.default_rng(seed)
    cell = CELLS[name]

    def normal(*shape, by=1.0):
        return rng.normal(scale=by, size=shape).astype("float32")

    params = [
        {key: normal(*shape, by=0.4) for key, shape in cell.parameter_shapes(nH if k else nI, nH).items()} for k in range(depth)
    ]
    return cell, params, normal(n_inputs or V, nI), normal(V, nH, by=scale), normal(V)


def start(cell, params, n, seed=1):
    rng = numpy.random.default_rng(seed)
    nH = params[0]["R"].shape[1]
    return {name: rng.normal(scale=0.5, size=(len(params), n, nH)).astype("float32") for name in cell.states}


class Model:
    """A stack as a model of the next symbol, for what is written in Python."""

    def __init__(self, stack, *arguments):
        self.stack, self.n_symbols = stack, stack.n_symbols
        self.cell, self.params = arguments[:2]

    def start(self, n, context=None):
        return {name: numpy.zeros((len(self.params), n, self.params[0]["R"].shape[1]), "float32") for name in self.cell.states}

    def step(self, symbols, state):
        return self.stack.step(symbols, state)

    def reorder(self, state, index):
        return {name: array[:, index] for name, array in state.items()}
