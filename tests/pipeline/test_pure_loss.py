"""A loss changes nothing: gradients come with backpropagation alone."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

# Components, and how the batch they find the loss of is made.
COMPONENTS = {
    "rnn_tagger": {},
    "rnn_tagger, CRF": {"use_crf": True},
    "rnn_tagger, constraints": {"use_crf": True, "constraints": "BILUO"},
    "rnn_tagger, smoothed": {"label_smoothing": 0.1},
    "rnn_pos_tagger": {},
    "rnn_pos_tagger, CRF": {"use_crf": True},
    "rnn_ner": {},
    "rnn_textcat": {},
    "rnn_textcat, balanced": {"class_weight": "balanced"},
    "rnn_textcat_multilabel": {},
}
every_component = pytest.mark.parametrize("component", COMPONENTS)


@pytest.fixture
def make(component_config, make_examples, tok2vec_config, listener_config, learn):
    """(component, shared) -> a pipeline that has learned a little, the component, and examples."""

    def build(name, shared=False):
        factory = name.split(",")[0]
        nlp = spacy.blank("xx")
        if shared:
            nlp.add_pipe("tok2vec", config={"model": tok2vec_config()})
        config = component_config(factory, listener_config if shared else None)
        component = nlp.add_pipe(factory, config={**config, **COMPONENTS[name]})
        examples = make_examples(nlp, factory)
        if "constraints" in name:
            examples = [with_spans(nlp, example) for example in examples]
        nlp, examples = learn(nlp, examples, 2)
        return nlp, component, examples

    return build


def with_spans(nlp, example):
    words = [token.text for token in example.y]
    tags = ["B-X", "L-X", "U-X", "O", "O"][: len(words)]
    return Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words, tags=tags))


def gradients(nlp):
    """Copies of all gradients of a pipeline, None where there is no buffer."""
    return [
        numpy.array(node.get_grad(name)) if node.has_grad(name) else None
        for _, pipe in nlp.pipeline
        for node in pipe.model.walk()
        for name in node.param_names
    ]


def assert_same(arrays, others):
    for array, other in zip(arrays, others, strict=True):
        assert (array is None) == (other is None)
        if array is not None:
            numpy.testing.assert_array_equal(array, other)


@pytest.mark.parametrize("n_examples", [1, None], ids=["one text", "a batch"])
@pytest.mark.parametrize("shared", [False, True], ids=["its own encoder", "a shared encoder"])
@every_component
def test_a_loss_leaves_gradients_and_scores_as_they_are(component, shared, n_examples, make):
    nlp, pipe, examples = make(component, shared)
    examples = examples[:n_examples]
    # One batch has left gradients; they are not to be added to, nor to be cleared.
    nlp.update(examples, sgd=False)
    scores, _ = pipe.model.begin_update([example.predicted for example in examples])
    before, given = gradients(nlp), [numpy.array(rows) for rows in scores]
    loss, d_scores = pipe.get_loss(examples, scores)
    assert loss > 0
    assert_same(gradients(nlp), before)
    assert_same(scores, given)


@every_component
def test_a_loss_in_between_does_not_change_what_is_learned(component, make, parameters):
    found = []
    for peeks in (False, True):
        fix_random_seed(0)
        _, pipe, examples = make(component)
        optimizer = Adam(0.01)
        for _ in range(3):
            if peeks:
                pipe.get_loss(examples[:2], pipe.model.begin_update([example.x for example in examples[:2]])[0])
            pipe.update(examples, sgd=optimizer)
        found.append(parameters(pipe.model))
    assert_same(*found)


@pytest.mark.parametrize("component", ["rnn_tagger", "rnn_tagger, CRF", "rnn_tagger, constraints", "rnn_ner"])
def test_rehearsal_leaves_no_gradient_in_the_teacher(component, make):
    nlp, pipe, examples = make(component)
    nlp.resume_training()
    pipe.update(examples, sgd=Adam(0.1))
    pipe.rehearse(examples, sgd=None)
    teacher = [node.get_grad(name) for node in pipe._rehearsal_model.walk() for name in node.grad_names]
    assert not any(gradient.any() for gradient in teacher)
    assert any(gradient is not None and gradient.any() for gradient in gradients(nlp))


@pytest.mark.parametrize("component", ["rnn_tagger, CRF", "rnn_tagger, constraints", "rnn_ner"])
def test_transitions_are_learned_all_the_same(component, make):
    _, pipe, examples = make(component)
    before = numpy.array(pipe.model.get_param("transitions"))
    pipe.update(examples, sgd=Adam(0.01))
    assert (pipe.model.get_param("transitions") != before).any()
