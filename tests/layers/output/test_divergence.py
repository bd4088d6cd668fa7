"""How far two conditional random fields are from each other, found by trying all paths."""

import numpy
import pytest
from fields import all_paths, draw, log_sum
from numpy.testing import assert_allclose
from thinc.api import Model

from spacy_rnn.crf import Crf
from spacy_rnn.layers import build_crf, crf_divergence, set_labels

LENGTHS = [3, 0, 1, 4]


def make(seed, n_labels, constraints=None, labels=()):
    """A layer in float64, and its scores for some sequences."""
    p = draw(n_labels, LENGTHS, seed=seed, dtype="float64")
    model = build_crf(Model("scores", lambda model, X, is_train: (X, lambda dY: dY)), nO=n_labels, constraints=constraints)
    for name, array in p.crf._asdict().items():
        model.set_param(name, array)
    set_labels(model, labels)
    return model, numpy.split(p.scores, numpy.cumsum(LENGTHS)[:-1])


def field(model):
    params = [model.get_param(name) for name in Crf._fields]
    if model.attrs["constraints"] is None:
        return Crf(*params)
    masks = [model.attrs[f"allowed_{name}"] for name in Crf._fields]
    return Crf(*(numpy.where(mask, param, -numpy.inf) for mask, param in zip(masks, params, strict=True)))


def divergence_by_paths(model, scores, teacher, teacher_scores):
    total = 0.0
    for rows, teacher_rows in zip(scores, teacher_scores, strict=True):
        if not len(rows):
            continue
        paths, taught = all_paths(field(model), rows), all_paths(field(teacher), teacher_rows)
        log_z, taught_log_z = log_sum(list(paths.values())), log_sum(list(taught.values()))
        for path, score in taught.items():
            if score > -numpy.inf:
                total += numpy.exp(score - taught_log_z) * (score - taught_log_z - paths[path] + log_z)
    return total


FIELDS = [(1, None, ()), (3, None, ()), (3, "BIO", ("O", "B-X", "I-X"))]


@pytest.mark.parametrize("n_labels, constraints, labels", FIELDS)
def test_it_is_that_of_all_paths(n_labels, constraints, labels, difference_error):
    model, scores = make(0, n_labels, constraints, labels)
    teacher, teacher_scores = make(1, n_labels, constraints, labels)

    def loss():
        return divergence_by_paths(model, scores, teacher, teacher_scores)

    divergence, d_scores = crf_divergence(model, scores, teacher, teacher_scores)
    assert divergence == pytest.approx(loss(), rel=1e-9, abs=1e-12)
    parameters = [model.get_param(name) for name in Crf._fields]
    arrays = [*zip(parameters, d_scores.parameters, strict=True), *zip(scores, d_scores, strict=True)]
    for array, gradient in arrays:
        if n_labels == 1:
            assert_allclose(gradient, 0, atol=1e-12)
        else:
            assert difference_error(loss, array, gradient) < 1e-6


def test_a_field_does_not_diverge_from_itself():
    model, scores = make(0, 4)
    teacher, _ = make(0, 4)
    divergence, d_scores = crf_divergence(model, scores, teacher, scores)
    assert divergence == pytest.approx(0, abs=1e-12)
    for gradient in [*d_scores, *d_scores.parameters]:
        assert_allclose(gradient, 0, atol=1e-12)


def test_it_leaves_no_gradient_in_either():
    (model, scores), (teacher, teacher_scores) = make(0, 3), make(1, 3)
    crf_divergence(model, scores, teacher, teacher_scores)
    assert not any(each.has_grad(name) for each in (model, teacher) for name in Crf._fields)
