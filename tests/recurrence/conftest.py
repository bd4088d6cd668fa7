import numpy
import pytest

from spacy_rnn.recurrence import CELLS


@pytest.fixture
def make_problem():
    """Draw parameters, rows, states, a mask and output gradients for a cell and some lengths."""

    def make(name, lengths, with_initial=True, with_mask=False, seed=0, nI=3, nH=4, dtype="float64"):
        rng = numpy.random.default_rng(seed)
        cell = CELLS[name]
        B = len(lengths)

        def normal(*shape, scale=1.0):
            return rng.normal(scale=scale, size=shape).astype(dtype)

        params = {key: normal(*shape, scale=0.6) for key, shape in cell.parameter_shapes(nI, nH).items()}
        X = normal(sum(lengths), nI)
        initial = None
        if with_initial:
            initial = {state: normal(B, nH) for state in cell.states}
        mask = None
        if with_mask:
            mask = ((rng.uniform(size=(B, nH)) > 0.4) / 0.6).astype(dtype)
        dY = normal(sum(lengths), nH)
        d_final = {state: normal(B, nH) for state in cell.states}
        return cell, params, X, initial, mask, dY, d_final

    return make
