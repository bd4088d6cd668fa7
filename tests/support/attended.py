"""Attention written plainly in float64, and what the compiled one is given."""

import numpy

from spacy_rnn.native import library


def _scores(query, keys, u):
    return keys @ query if u is None else numpy.tanh(query + keys) @ u


def attend(Q, keys, values, starts, owners, u):
    """Give the weights of each query [n] and the contexts [M, dv]."""
    weights, C = [], numpy.zeros((len(Q), values.shape[1]))
    for m, owner in enumerate(owners):
        rows = slice(starts[owner], starts[owner + 1])
        scores = _scores(Q[m], keys[rows], u)
        exponentials = numpy.exp(scores - scores.max(initial=-numpy.inf))
        weights.append(exponentials / exponentials.sum())
        C[m] = weights[-1] @ values[rows]
    return weights, C


def gradients(Q, keys, values, starts, owners, u, dC, d_weights):
    """Give the gradients by name."""
    dQ, d_keys, d_values = numpy.zeros_like(Q), numpy.zeros_like(keys), numpy.zeros_like(values)
    du = None if u is None else numpy.zeros_like(u)
    at = 0
    for m, (owner, w) in enumerate(zip(owners, attend(Q, keys, values, starts, owners, u)[0], strict=True)):
        rows = slice(starts[owner], starts[owner + 1])
        dw = values[rows] @ dC[m] + (0.0 if d_weights is None else d_weights[at : at + len(w)])
        ds = w * (dw - w @ dw)
        d_values[rows] += numpy.outer(w, dC[m])
        if u is None:
            dQ[m] = ds @ keys[rows]
            d_keys[rows] += numpy.outer(ds, Q[m])
        else:
            t = numpy.tanh(Q[m] + keys[rows])
            d_sums = ds[:, None] * u * (1 - t**2)
            dQ[m] = d_sums.sum(axis=0)
            d_keys[rows] += d_sums
            du += ds @ t
        at += len(w)
    found = {"dQ": dQ, "d_keys": d_keys, "d_values": d_values, "du": du}
    return {name: array for name, array in found.items() if array is not None}


class Attended:
    """Arrays for `library.attend`."""

    def __init__(self, lengths, owners, d, dv, is_additive):
        self.lengths, self.owners = numpy.array(lengths, "int64"), numpy.array(owners, "int64")
        self.starts = numpy.concatenate([[0], self.lengths.cumsum()])
        self.random = numpy.random.default_rng(d)
        M, N = len(self.owners), int(self.lengths.sum())
        self.Q, self.keys, self.values = self.uniform(M, d), self.uniform(N, d), self.uniform(N, dv)
        self.u = self.uniform(d) if is_additive else None

    def uniform(self, *shape):
        return self.random.uniform(-1, 1, size=shape).astype("float32")

    @property
    def P(self):
        return int(self.lengths[self.owners].sum())

    def arrays(self):
        return {name: getattr(self, name) for name in ("Q", "keys", "values", "starts", "owners", "u")}

    def exact(self):
        return [
            array.astype("float64") if array is not None and array.dtype == "float32" else array
            for array in self.arrays().values()
        ]

    def alone(self, m):
        """What query m is given without the other queries and rows."""
        one = self.of_owner(self.owners[m])
        one.Q, one.owners = self.Q[m : m + 1].copy(), one.owners[:1]
        return one

    def of_owner(self, owner):
        """What the queries of an owner are given without the others."""
        chosen, rows = self.owners == owner, slice(self.starts[owner], self.starts[owner + 1])
        one = Attended([self.lengths[owner]], [0] * chosen.sum(), self.Q.shape[1], self.values.shape[1], self.u is not None)
        one.Q, one.keys, one.values, one.u = self.Q[chosen], self.keys[rows].copy(), self.values[rows].copy(), self.u
        return one

    def run(self, weights=None, C="new", **changed):
        weights = numpy.full(self.P, 7, "float32") if weights is None else weights
        C = numpy.full((len(self.owners), self.values.shape[1]), 7, "float32") if isinstance(C, str) else C
        library.attend(*{**self.arrays(), **changed}.values(), weights, C)
        return weights, C

    def run_backward(self, given_weights, given_dC, given_d_weights, **changed):
        arrays = {**self.arrays(), "weights": given_weights, "dC": given_dC, "d_weights": given_d_weights}
        written = {"dQ": self.Q, "d_keys": self.keys, "d_values": self.values, "du": self.u}
        written = {name: None if like is None else numpy.full(like.shape, 7, "float32") for name, like in written.items()}
        library.attend_backward(*{**arrays, **written, **changed}.values())
        return {name: array for name, array in written.items() if array is not None}
