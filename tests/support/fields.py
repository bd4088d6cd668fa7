"""Conditional random fields with sequences and annotation, and what they say found by trying all paths."""

import itertools
from typing import Any, List, NamedTuple

import numpy
from problems import slices

from spacy_rnn.crf import Crf, log_likelihood, marginals

ANNOTATIONS = ("known", "missing", "negative", "mixed")


class Problem(NamedTuple):
    """The arguments of a log-likelihood, and its gradient."""

    crf: Crf
    scores: Any
    lengths: List[int]
    allowed: Any
    weights: Any

    def astype(self, dtype):
        crf = Crf(*(array.astype(dtype) for array in self.crf))
        return self._replace(crf=crf, scores=self.scores.astype(dtype), weights=self.weights.astype(dtype))

    def alone(self, i):
        """Give a sequence without its neighbours."""
        rows, one = slices(self.lengths)[i], slice(i, i + 1)
        return Problem(self.crf, self.scores[rows], self.lengths[one], self.allowed[rows], self.weights[one])


def draw(n_labels, lengths, annotation="mixed", scale=1.0, forbidden=0.0, seed=0, dtype="float32"):
    """Draw a field and sequences; with `forbidden`, a share of transitions is, but never those of a label to itself."""
    rng = numpy.random.default_rng(seed)
    L, N = n_labels, sum(lengths)

    def normal(*shape):
        return rng.normal(scale=scale, size=shape).astype("float32")

    crf = Crf(normal(L), normal(L, L), normal(L))
    if forbidden:
        crf.transitions[(rng.random((L, L)) < forbidden) & ~numpy.eye(L, dtype=bool)] = -numpy.inf
    scores, allowed = normal(N, L), annotate(rng, annotation, L, lengths, forbidden)
    return Problem(crf, scores, lengths, allowed, rng.normal(size=len(lengths))).astype(dtype)


def annotate(rng, annotation, n_labels, lengths, forbidden):
    """Draw which labels rows may have. Where something is forbidden, a label that stays the same is always among them."""
    N = sum(lengths)
    one = numpy.repeat(rng.integers(0, n_labels, len(lengths)), lengths) if forbidden else rng.integers(0, n_labels, N)
    known = numpy.eye(n_labels, dtype=bool)[one]
    negative = known | ~numpy.eye(n_labels, dtype=bool)[rng.integers(0, n_labels, N)]
    kinds = {"known": known, "missing": numpy.ones((N, n_labels), dtype=bool), "negative": negative}
    if annotation in kinds:
        return kinds[annotation]
    return numpy.stack([*kinds.values(), known | (rng.random((N, n_labels)) < 0.5)])[rng.integers(0, 4, N), numpy.arange(N)]


def run(p):
    """Give all results by name."""
    log_likelihoods, backprop = log_likelihood(p.crf, p.scores, p.lengths, p.allowed)
    d_scores, grads = backprop(p.weights)
    gradients = {f"gradient of {name}": grad for name, grad in zip(Crf._fields, grads, strict=True)}
    return {
        "log-likelihoods": log_likelihoods,
        "gradient of scores": d_scores,
        **gradients,
        "marginals": marginals(p.crf, p.scores, p.lengths),
    }


def assert_close(found, expected, tolerance=1e-5):
    """Every number, relative to its size. Gradients of parameters are sums over rows, which may cancel."""
    n_rows = len(expected["marginals"])
    assert set(found) == set(expected)
    for key, array in found.items():
        assert array.shape == expected[key].shape, key
        assert array.dtype == ("float64" if key == "log-likelihoods" else "float32"), key
        smallest = max(1, n_rows) ** 0.5 if key == "gradient of transitions" else 1.0
        limit = tolerance * numpy.maximum(smallest, numpy.abs(expected[key]))
        assert (numpy.abs(array - expected[key]) <= limit).all(), key


def sequences(p):
    """Give the scores and the allowed labels of each sequence."""
    return [(p.scores[rows], p.allowed[rows]) for rows in slices(p.lengths)]


def path_score(crf, scores, path):
    score = float(crf.start[path[0]]) + float(crf.end[path[-1]])
    score += sum(float(row[label]) for row, label in zip(scores, path, strict=True))
    return score + sum(float(crf.transitions[pair]) for pair in itertools.pairwise(path))


def all_paths(crf, scores):
    """Give the scores of all paths through a sequence of at least one row."""
    paths = itertools.product(range(scores.shape[1]), repeat=len(scores))
    return {path: path_score(crf, scores, path) for path in paths}


def log_sum(values):
    values = numpy.asarray(values)
    return values.max() + numpy.log(numpy.exp(values - values.max()).sum())
