"""Sweeps and fields as the compiled engine itself takes them, for its tests; also in processes of their own."""

import threading
import time

import numpy

from spacy_rnn.native import library
from spacy_rnn.recurrence import CELLS


def uniform(*shape, seed=0):
    return numpy.random.default_rng(seed).uniform(-0.1, 0.1, shape).astype("float32")


def weights(cell, nI, nH, follow=False):
    """Pack parameters of small numbers; give them, too."""
    params = [uniform(*shape) for shape in CELLS[cell].parameter_shapes(nI, nH).values()]
    return library.Weights(cell, params, False, follow), params


class Layer:
    """A sweep over a batch with all its arrays, which a test may then change."""

    def __init__(self, cell="lstm", lengths=(3, 0, 5), nI=4, nH=6, reverse=False, X=None, Y=None, is_train=True):
        self.cell, self.nI, self.nH = cell, nI, nH
        self.lengths = numpy.array(lengths, "int32")
        self.start, self.order = numpy.empty(len(lengths), "int64"), numpy.empty(len(lengths), "int32")
        library.by_length(self.lengths, self.start, self.order)
        N, B = int(self.lengths.sum()), len(lengths)
        self.weights, self.params = weights(cell, nI, nH)
        self.X = uniform(N, nI) if X is None else X
        self.Y = numpy.zeros((N, nH), "float32") if Y is None else Y
        self.final = [numpy.zeros((B, nH), "float32") for _ in CELLS[cell].states]
        self.is_train = is_train
        self.reverse = reverse

    def arguments(self):
        hN, cN = (*self.final, None)[:2]
        batch = self.start, self.lengths, self.order
        return [self.weights, self.X, *batch, self.reverse, None, None, None, self.Y, hN, cN, self.is_train]

    def sweep(self):
        return library.ForwardSweep(*self.arguments())

    def gradients(self, dY=None, dX=None):
        """Give the arguments of a way back without the sweep, and what it writes."""
        N, B, nI, nH = len(self.X), len(self.lengths), self.nI, self.nH
        sizes = {name: param.size for name, param in zip(CELLS[self.cell].parameters, self.params, strict=True)}
        written = {name: numpy.zeros(size, "float32") for name, size in sizes.items()}
        written["dX"] = numpy.zeros((N, nI), "float32") if dX is None else dX
        states = [numpy.zeros((B, nH), "float32") for _ in self.final]
        written |= {f"d_{state}0": array for state, array in zip("hc", states, strict=False)}
        dY = uniform(N, nH, seed=1) if dY is None else dY
        parameters = [written.get(name) for name in ("W", "R", "b", "bR", "p")]
        return [dY, None, None, written["dX"], False, *parameters, *(*states, None)[:2]], written


def field(n_labels):
    return uniform(n_labels), uniform(n_labels, n_labels, seed=1), uniform(n_labels, seed=2)


def at_once(shape):
    """Give an array all rows of which stand in the same place, so that a test of many takes no memory."""
    row = numpy.zeros(shape[1], "float32")
    return numpy.lib.stride_tricks.as_strided(row, shape, (0, 4))


def while_it_runs(call, change):
    """Change something while a long call runs, as another thread may; the call has to take longer than this waits."""
    begun, changed = threading.Event(), threading.Event()

    def wait_and_change():
        begun.wait()
        time.sleep(0.005)
        change()
        changed.set()

    thread = threading.Thread(target=wait_and_change)
    thread.start()
    begun.set()
    result = call()
    assert changed.is_set(), "the call was too short for the test"
    thread.join()
    return result
