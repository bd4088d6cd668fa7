"""The layer around a model that scores labels."""

import itertools
import pickle

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Adam, Linear, Softmax_v2, chain, ragged2list, with_array

from spacy_rnn.crf import Crf, log_likelihood, marginals, viterbi
from spacy_rnn.layers import build_crf, build_list2ragged, build_rnn, crf_decode, crf_log_likelihood, crf_marginals, set_labels
from spacy_rnn.layers.output.crf import get_field

LENGTHS = [3, 0, 1, 4]
BIO = ["O", "B-X", "I-X"]
TAGGER = {
    "@architectures": "spacy_rnn.CRF.v1",
    "scores": {
        "@architectures": "spacy.Tagger.v2",
        "tok2vec": {"@architectures": "spacy_rnn.Embed.v1", "width": 8, "size": 20, "attr": "ORTH"},
    },
}


def make_rows(width, dtype="float32", seed=0):
    rng = numpy.random.default_rng(seed)
    return [rng.normal(size=(n, width)).astype(dtype) for n in LENGTHS]


def make_model(constraints=None, nO=3, nI=4):
    model = build_crf(with_array(Linear(nO, nI)), constraints=constraints)
    model.initialize()
    return model


def make_allowed(nO=3, seed=0):
    """Some labels are known, some are missing, some are known to be wrong."""
    rng = numpy.random.default_rng(seed)
    known = [numpy.eye(nO, dtype=bool)[rng.integers(0, nO, n)] for n in LENGTHS]
    known[0][1] = True
    known[3][2] = ~known[3][2]
    return known


def build_tagger(**settings):
    return spacy.registry.resolve({"model": {**TAGGER, **settings}})["model"]


def one_hot(labels, n_labels):
    return [numpy.eye(n_labels, dtype="float32")[each] for each in labels]


def learn(model, docs, gold, steps=100, rate=0.05):
    optimizer = Adam(rate)
    for _ in range(steps):
        scores, backprop = model.begin_update(docs)
        loss, d_scores = crf_log_likelihood(model, scores, [labels.astype(bool) for labels in gold])
        backprop(d_scores)
        model.finish_update(optimizer)
    return loss


def test_functions_are_those_of_the_field(randomize):
    model = randomize(make_model(), "float32")
    scores = model.predict(make_rows(4))
    rows, lengths, allowed = numpy.concatenate(scores), numpy.asarray(LENGTHS), make_allowed()
    field = Crf(*(model.get_param(name) for name in Crf._fields))
    log_likelihoods, backprop = log_likelihood(field, rows, lengths, numpy.concatenate(allowed))
    d_rows, grads = backprop(-numpy.ones(4, "float32"))

    loss, d_scores = crf_log_likelihood(model, scores, allowed)
    assert_allclose(loss, -log_likelihoods.sum())
    assert [d.shape for d in d_scores] == [(n, 3) for n in LENGTHS]
    assert_array_equal(numpy.concatenate(d_scores), d_rows)
    for found, grad in zip(d_scores.parameters, grads, strict=True):
        assert_array_equal(found, grad)
    labels = crf_decode(model, scores)
    assert [each.shape for each in labels] == [(n,) for n in LENGTHS]
    assert_array_equal(numpy.concatenate(labels), viterbi(field, rows, lengths)[0])
    probabilities = crf_marginals(model, scores)
    assert [each.shape for each in probabilities] == [(n, 3) for n in LENGTHS]
    assert_array_equal(numpy.concatenate(probabilities), marginals(field, rows, lengths))


def test_gradients_of_the_parameters_come_with_backpropagation(randomize):
    model = randomize(make_model(), "float32")
    scores, backprop = model.begin_update(make_rows(4))
    _, d_scores = crf_log_likelihood(model, scores, make_allowed())
    assert not any(model.has_grad(name) for name in Crf._fields)
    for times in (1, 2):
        backprop(d_scores)
        for name, grad in zip(Crf._fields, d_scores.parameters, strict=True):
            assert_array_equal(model.get_grad(name), times * grad)
    # The gradient of the scores alone says nothing about the parameters.
    backprop(list(d_scores))
    assert_array_equal(model.get_grad("start"), 2 * d_scores.parameters.start)


def test_what_is_allowed_may_be_one_array(randomize):
    model = randomize(make_model(), "float32")
    scores = model.predict(make_rows(4))
    loss, d_scores = crf_log_likelihood(model, scores, make_allowed())
    loss_of_one, d_scores_of_one = crf_log_likelihood(model, scores, numpy.concatenate(make_allowed()).astype("uint8"))
    assert loss_of_one == loss
    for one, other in zip(d_scores_of_one, d_scores, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("constraints", [None, "BIO"])
def test_gradients_match_central_differences(randomize, difference_error, constraints):
    X = make_rows(4, "float64")
    model = build_crf(chain(build_list2ragged(), build_rnn(3, 4), ragged2list()), nO=3, constraints=constraints)
    model.initialize()
    randomize(model)
    set_labels(model, BIO)
    allowed = make_allowed()
    if constraints:
        allowed = [numpy.eye(3, dtype=bool)[[1, 2, 0]], allowed[1], numpy.ones((1, 3), bool), numpy.ones((4, 3), bool)]
        allowed[3][1] = [True, True, False]

    def loss():
        return crf_log_likelihood(model, model.predict(X), allowed)[0]

    scores, backprop = model.begin_update(X)
    _, d_scores = crf_log_likelihood(model, scores, allowed)
    dX = backprop(d_scores)
    grads = {(node.id, name): node.get_grad(name).copy() for node in model.walk() for name in node.param_names}
    for node in model.walk():
        for name in node.param_names:
            assert difference_error(loss, node.get_param(name), grads[node.id, name]) < 1e-6, name
    for array, gradient in zip(X, dX, strict=True):
        assert difference_error(loss, array, gradient) < 1e-6


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_batches_without_rows(lengths):
    model = make_model()
    scores = [numpy.zeros((n, 3), "float32") for n in lengths]
    loss, d_scores = crf_log_likelihood(model, scores, [rows.astype(bool) for rows in scores])
    assert loss == 0 and [d.shape for d in d_scores] == [(0, 3)] * len(lengths)
    assert [labels.shape for labels in crf_decode(model, scores)] == [(0,)] * len(lengths)
    assert [rows.shape for rows in crf_marginals(model, scores)] == [(0, 3)] * len(lengths)


def test_learns_what_only_transitions_tell(make_docs):
    """All words are the same, and their labels take turns."""
    docs = make_docs("a a a a a", "a a", "a a a")
    gold = one_hot([[0, 1, 0, 1, 0], [0, 1], [0, 1, 0]], 2)
    model = build_tagger()
    model.initialize(X=docs, Y=gold)
    assert learn(model, docs, gold) < 0.1
    more = make_docs("a a a a a a a", "a", "")
    assert [labels.tolist() for labels in crf_decode(model, model.predict(more))] == [[0, 1, 0, 1, 0, 1, 0], [0], []]
    assert crf_marginals(model, model.predict(more))[0][1, 1] > 0.9


def test_learns_from_tokens_without_annotation(make_docs):
    docs = make_docs("a b a b a b", "b a")
    gold = one_hot([[0, 1, 0, 1, 0, 1], [1, 0]], 2)
    gold[0][2:4] = 1
    model = build_tagger()
    model.initialize(X=docs, Y=gold)
    learn(model, docs, gold)
    assert [labels.tolist() for labels in crf_decode(model, model.predict(docs))] == [[0, 1, 0, 1, 0, 1], [1, 0]]


class TestScores:
    """What comes out of the model inside."""

    @pytest.mark.parametrize("normalize", [False, True])
    def test_are_those_before_the_softmax(self, make_docs, randomize, normalize):
        model = build_tagger(scores={**TAGGER["scores"], "normalize": normalize})
        docs = make_docs("a bird sings", "", "a song")
        model.initialize(X=docs, Y=[numpy.zeros((len(doc), 4), "float32") for doc in docs])
        randomize(model, "float32")
        output = model.get_ref("output_layer")
        vectors = model.get_ref("tok2vec").predict(docs)
        for scores in (model.predict(docs), model.begin_update(docs)[0]):
            for rows, X in zip(scores, vectors, strict=True):
                assert_allclose(rows, X @ output.get_param("W").T + output.get_param("b"), atol=1e-6)

    def test_of_any_other_model_are_its_own(self):
        inner = with_array(Linear(3, 4))
        inner.initialize()
        X = make_rows(4)
        for rows, expected in zip(build_crf(inner).predict(X), inner.predict(X), strict=True):
            assert_array_equal(rows, expected)

    def test_have_the_references_of_a_tagger(self):
        model = build_tagger()
        inner = model.layers[0]
        assert {name: model.get_ref(name) for name in model.ref_names} == {
            name: inner.get_ref(name) for name in ("tok2vec", "softmax", "output_layer")
        }
        assert make_model().ref_names == ()


class TestConstraints:
    def test_hold_whatever_was_learned(self, randomize):
        model = randomize(make_model("BIO"), "float32")
        set_labels(model, BIO)
        scores = [
            numpy.full((5, 3), [0, 0, 9], "float32"),
            numpy.zeros((0, 3), "float32"),
            numpy.full((1, 3), [0, 1, 9], "float32"),
        ]
        model.get_param("transitions")[0] = [0, 0, 1000]
        labels = crf_decode(model, scores)
        assert [each.tolist() for each in labels] == [[1, 2, 2, 2, 2], [], [1]]
        probabilities = crf_marginals(model, scores)[0]
        assert probabilities[0, 2] == 0
        assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)

    def test_keep_what_is_forbidden_out_of_learning(self, make_docs):
        docs = make_docs("a b b", "a", "c a b")
        gold = one_hot([[1, 2, 2], [1], [0, 1, 2]], 3)
        model = build_tagger(constraints="BIO")
        model.initialize(X=docs, Y=gold)
        set_labels(model, BIO)
        learn(model, docs, gold)
        assert model.get_param("start")[2] == model.get_param("transitions")[0, 2] == 0
        assert all(numpy.isfinite(model.get_param(name)).all() for name in Crf._fields)
        assert [labels.tolist() for labels in crf_decode(model, model.predict(docs))] == [[1, 2, 2], [1], [0, 1, 2]]

    def test_refuse_annotation_that_breaks_them(self):
        model = make_model("BIO")
        set_labels(model, BIO)
        scores = [numpy.zeros((2, 3), "float32")] * 2
        allowed = [numpy.eye(3, dtype=bool)[path] for path in ([1, 2], [0, 2])]
        with pytest.raises(ValueError, match="sequence 1 of 2 rows"):
            crf_log_likelihood(model, scores, allowed)
        assert not model.has_grad("transitions")

    @pytest.mark.parametrize(
        "clone",
        [
            lambda model: make_model("BIO").from_bytes(model.to_bytes()),
            lambda model: model.copy(),
            lambda model: pickle.loads(pickle.dumps(model)),
        ],
        ids=["bytes", "copy", "pickle"],
    )
    def test_are_saved(self, randomize, clone):
        model = randomize(make_model("BIO"), "float32")
        set_labels(model, BIO)
        other = clone(model)
        X = make_rows(4)
        for function in (crf_decode, crf_marginals):
            for one, expected in zip(function(other, other.predict(X)), function(model, model.predict(X)), strict=True):
                assert_array_equal(one, expected)

    def test_need_labels(self):
        model = make_model("BIO")
        for function in (crf_decode, crf_marginals):
            with pytest.raises(ValueError, match="BIO.*set_labels"):
                function(model, [numpy.zeros((2, 3), "float32")])

    def test_refuse_labels_that_do_not_fit(self):
        model = make_model("BIO")
        with pytest.raises(ValueError, match="has 3 labels, .* told of 2"):
            set_labels(model, ["O", "B-X"])
        early = build_crf(with_array(Linear(nI=4)), constraints="BIO")
        set_labels(early, ["O", "B-X"])
        with pytest.raises(ValueError, match="has 3 labels, .* told of 2"):
            early.initialize(X=make_rows(4), Y=make_rows(3))
        with pytest.raises(ValueError, match="'NOUN' is none of the scheme BIO"):
            set_labels(model, ["O", "B-X", "NOUN"])
        with pytest.raises(ValueError, match="unknown scheme 'IOB'"):
            make_model("IOB")


class TestNumberOfLabels:
    def test_comes_from_the_model_inside(self):
        assert make_model(nO=5).get_param("transitions").shape == (5, 5)

    def test_comes_from_the_output(self):
        model = build_crf(with_array(Linear(nI=4)))
        model.initialize(X=make_rows(4), Y=make_rows(6))
        assert model.get_dim("nO") == 6 and model.get_param("end").shape == (6,)

    def test_may_be_given(self):
        for inner in (
            with_array(Linear(nI=4)),
            with_array(Softmax_v2(nI=4)),
            chain(with_array(Linear(2, 4)), with_array(Linear(nI=2))),
        ):
            model = build_crf(inner, nO=7)
            model.initialize(X=make_rows(4))
            assert [rows.shape for rows in model.predict(make_rows(4))] == [(n, 7) for n in LENGTHS]

    def test_must_be_that_of_the_model_inside(self):
        with pytest.raises(ValueError, match="nO = 7 labels, but .* nO = 3"):
            build_crf(with_array(Linear(3, 4)), nO=7)

    def test_must_be_known(self):
        model = build_crf(with_array(Linear(nI=4)))
        with pytest.raises(ValueError, match="nO"):
            model.initialize(X=make_rows(4))


class TestWhatIsRefused:
    def test_a_model_that_is_no_field(self):
        inner = with_array(Linear(3, 4))
        for function in (crf_decode, crf_marginals, set_labels):
            with pytest.raises(ValueError, match="build_crf.*with_array"):
                function(inner, [])
        with pytest.raises(ValueError, match="build_crf.*with_array"):
            crf_log_likelihood(inner, [], [])

    def test_a_layer_without_parameters(self):
        with pytest.raises(ValueError, match="initialize"):
            crf_decode(build_crf(with_array(Linear(3, 4))), [numpy.zeros((2, 3), "float32")])

    def test_scores_of_another_width(self):
        with pytest.raises(ValueError, match="start scores of 4 labels"):
            crf_decode(make_model(), [numpy.zeros((2, 4), "float32")])

    def test_scores_that_are_not_a_number(self):
        with pytest.raises(ValueError, match="NaN"):
            crf_decode(make_model(), [numpy.full((2, 3), numpy.nan, "float32")])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("constraints", [None, "BIO"])
def test_marginals_at_a_temperature_are_those_of_all_paths(randomize, constraints, temperature):
    model = randomize(make_model(constraints), "float32")
    set_labels(model, BIO)
    scores = model.predict(make_rows(4))
    field = get_field(model)
    for rows, found in zip(scores, crf_marginals(model, scores, temperature), strict=True):
        expected = numpy.zeros(rows.shape)
        for path in itertools.product(range(3), repeat=len(rows)):
            if path:
                score = field.start[path[0]] + field.end[path[-1]] + sum(rows[t, label] for t, label in enumerate(path))
                score += sum(field.transitions[pair] for pair in itertools.pairwise(path))
                expected[numpy.arange(len(path)), path] += numpy.exp(numpy.float64(score) / temperature)
        if len(rows):
            assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("temperature", [0.0, -1.0, numpy.inf, numpy.nan])
def test_a_temperature_is_above_0(temperature):
    model = make_model()
    with pytest.raises(ValueError, match="finite number above 0"):
        crf_marginals(model, model.predict(make_rows(4)), temperature)
