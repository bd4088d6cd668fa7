import numpy
import pytest

from spacy_rnn.recurrence import CELLS


@pytest.fixture
def make_problem():
    """Draw parameters, rows, states, a mask and output gradients for a cell and some lengths."""

    def make(name, lengths, with_initial=True, with_mask=False, seed=0, nI=3, nH=4):
        rng = numpy.random.default_rng(seed)
        cell = CELLS[name]
        params = {key: rng.normal(scale=0.6, size=shape) for key, shape in cell.parameter_shapes(nI, nH).items()}
        X = rng.normal(size=(sum(lengths), nI))
        B = len(lengths)
        initial = None
        if with_initial:
            initial = {state: rng.normal(size=(B, nH)) for state in cell.states}
        mask = None
        if with_mask:
            mask = (rng.uniform(size=(B, nH)) > 0.4) / 0.6
        dY = rng.normal(size=(sum(lengths), nH))
        d_final = {state: rng.normal(size=(B, nH)) for state in cell.states}
        return cell, params, X, initial, mask, dY, d_final

    return make
