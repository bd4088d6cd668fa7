"""Token vectors as language models of two directions."""

import numpy
import pytest
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from thinc.api import Adam

from spacy_rnn.layers import learn_vocabulary
from spacy_rnn.models.pretraining.encoding import read_apart
from spacy_rnn.models.pretraining.language_model import build_language_model, predict
from spacy_rnn.models.pretraining.targets import build_targets

SETTINGS = {"n_characters": 3, "size": 100, "min_count": 1, "attr": "ORTH", "n_samples": 5, "cutoffs": None}


@pytest.fixture
def build(vocab, corpus, make_tok2vec, randomize):
    """(what is predicted, output, encoder arguments) -> a model with random weights, and the texts."""

    def make(predict="word", output="full", dtype="float64", **encode):
        docs = [*(Doc(vocab, words=text.split()) for text in ("the cat sat", "", "a cat", "dog")), Doc(vocab)]
        targets = build_targets(predict, output=output, **SETTINGS)
        list(targets.learn(docs))
        tok2vec = make_tok2vec(**encode)
        learn_vocabulary(tok2vec, docs)
        model = build_language_model(tok2vec, targets)
        model.initialize(X=docs)
        return randomize(model, dtype=dtype), docs

    return make


@pytest.mark.parametrize("predicted, output", [("word", "full"), ("word", "adaptive"), ("characters", "full")])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_gradients_are_those_of_the_mean_over_predictions(build, difference_error, bidirectional, predicted, output):
    model, docs = build(predicted, output, bidirectional=bidirectional)

    def loss():
        return -float(predict(model, docs).log_probabilities.mean())

    prediction, backprop = model.begin_update(docs)
    assert len(prediction.log_probabilities) == (12 if bidirectional else 6)
    assert not any(node.has_grad(name) for node in model.walk() for name in node.param_names)
    backprop(None)
    for node in model.walk():
        for name in node.param_names:
            # Of 256 bytes and a table of 50 words most are not met.
            array, gradient = node.get_param(name), node.get_grad(name)
            rows = numpy.flatnonzero(gradient.reshape(len(gradient), -1).any(axis=1))[:8]
            part = array[rows]

            def loss_of_part(node=node, name=name, rows=rows, part=part):
                node.get_param(name)[rows] = part
                return loss()

            assert difference_error(loss_of_part, part, gradient[rows]) < 1e-5, f"{name} of {node.name}"
            node.get_param(name)[rows] = part


def test_predictions_are_of_neighbours_alone(build):
    """The probability of each neighbour, by hand: from a row's scores of all symbols."""
    model, docs = build(depth=2)
    tok2vec, head = model.layers
    rows = read_apart(tok2vec, docs, False)[0].rows
    log_probabilities = head.predict(rows)
    number = {word: 3 + i for i, word in enumerate(model.attrs["targets"].vocabulary.words)}
    following = [number["cat"], number["sat"], 2, number["cat"], 2, 2]
    previous = [1, number["the"], number["cat"], 1, number["a"], 1]
    expected = log_probabilities[numpy.arange(12), following + previous]
    assert_allclose(predict(model, docs).log_probabilities, expected, rtol=1e-10)


def test_a_text_is_predicted_alike_in_any_batch(build):
    model, docs = build(depth=2)
    together = predict(model, docs).log_probabilities.reshape((2, -1))
    alone = [predict(model, [doc]).log_probabilities.reshape((2, -1)) for doc in docs]
    assert_allclose(together, numpy.hstack(alone), rtol=1e-10)


@pytest.mark.parametrize("predicted, output", [("word", "sampled"), ("characters", "full")])
def test_it_learns(build, predicted, output):
    model, docs = build(predicted, output, dtype="float32")
    before, optimizer = predict(model, docs).log_probabilities.mean(), Adam(0.02)
    for _ in range(60):
        _, backprop = model.begin_update(docs)
        backprop(None)
        model.finish_update(optimizer)
    assert predict(model, docs).log_probabilities.mean() > before / 4


def test_initialization_leaves_the_token_vectors_as_they_are(build):
    model, docs = build(dtype="float32")
    before = model.get_ref("tok2vec").to_bytes()
    model.initialize(X=[Doc(docs[0].vocab, words=["other", "words"])])
    assert model.get_ref("tok2vec").to_bytes() == before


def test_it_tells_before_weights_are_saved(build):
    model, _ = build(dtype="float32")
    direction = next(node for node in model.walk() if "R" in node.param_names)
    seen = []
    model.before_saving = lambda: seen.append(direction.get_param("R").sum())
    with model.use_params({(direction.id, "R"): numpy.ones_like(direction.get_param("R"))}):
        pass
    # Of an optimizer without averages.
    with model.use_params(None):
        pass
    assert seen == [direction.get_param("R").size, direction.get_param("R").sum()]


def test_a_prediction_has_no_gradient(build):
    model, docs = build()
    with pytest.raises(ValueError, match="is_train=True"):
        model(docs, is_train=False)[1](None)
