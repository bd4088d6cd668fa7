"""Models whose probabilities are averaged, each with a loss of its own."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Linear, Logistic, Softmax, chain

from spacy_rnn.layers import build_ensemble
from spacy_rnn.layers.capabilities import Averages, find

X = numpy.random.RandomState(0).normal(size=(6, 4)).astype("float32")
TRUTH = numpy.eye(3, dtype="float32")[[0, 1, 2, 2, 1, 0]]
MEMBERS = {"softmax": lambda: Softmax(3, 4), "sigmoid": lambda: chain(Linear(3, 4), Logistic())}


def make(kind, n=2):
    members = [MEMBERS[kind]() for _ in range(n)]
    ensemble = build_ensemble(members)
    ensemble.initialize(X=X, Y=TRUTH)
    for i, member in enumerate(members):
        layer = next(node for node in member.walk() if node.has_param("W"))
        layer.set_param("W", numpy.random.RandomState(i).normal(size=(3, 4)).astype("float32"))
    return ensemble, members


def gradients(member):
    return [node.get_grad(name).copy() for node in member.walk() for name in node.param_names]


def own_gradients(member, weights):
    """The gradients of a member that is trained by itself."""
    twin = member.copy()
    probabilities, backprop = twin.begin_update(X)
    backprop((probabilities - TRUTH) * weights)
    return gradients(twin)


@pytest.mark.parametrize("kind", MEMBERS)
def test_probabilities_are_averaged(kind):
    ensemble, members = make(kind, 3)
    expected = sum(member.predict(X) for member in members) / 3
    assert_allclose(ensemble.predict(X), expected, rtol=1e-6)
    assert_allclose(ensemble.begin_update(X)[0], expected, rtol=1e-6)


@pytest.mark.parametrize("kind", MEMBERS)
def test_each_member_learns_as_if_alone(kind):
    ensemble, members = make(kind)
    expected = [own_gradients(member, 1) for member in members]
    probabilities, backprop = ensemble.begin_update(X)
    backprop(probabilities - TRUTH)
    for member, grads in zip(members, expected, strict=True):
        for found, grad in zip(gradients(member), grads, strict=True):
            assert_allclose(found, grad, atol=1e-6)


@pytest.mark.parametrize("kind", MEMBERS)
def test_what_has_no_truth_teaches_nothing(kind):
    ensemble, members = make(kind)
    known = numpy.ones_like(TRUTH)
    known[2:4] = 0
    expected = [own_gradients(member, known) for member in members]
    probabilities, backprop = ensemble.begin_update(X)
    backprop((probabilities - TRUTH) * known)
    for member, grads in zip(members, expected, strict=True):
        for found, grad in zip(gradients(member), grads, strict=True):
            assert_allclose(found, grad, atol=1e-6)


def test_members_can_be_given_their_gradients():
    ensemble, members = make("softmax")
    weights = numpy.asarray([[3.0], [1], [0.5], [0], [1], [2]], dtype="float32")
    expected = [own_gradients(member, weights) for member in members]
    probabilities, backprop = find(ensemble, Averages).begin(ensemble, X)
    backprop([(each - TRUTH) * weights for each in probabilities])
    for member, grads in zip(members, expected, strict=True):
        for found, grad in zip(gradients(member), grads, strict=True):
            assert_array_equal(found, grad)


def test_a_prediction_has_no_gradient():
    ensemble, _ = make("softmax")
    Y, backprop = ensemble(X, is_train=False)
    with pytest.raises(ValueError, match="begin_update"):
        backprop(Y)


def test_an_ensemble_of_none_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        build_ensemble([])
