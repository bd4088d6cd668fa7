"""What rnn_lemmatizer and rnn_seq2seq have in common."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam

from spacy_rnn.pipeline.annotation.output import Output, set_output

SMALL = {"width": 4, "hidden_width": 4}
CHARACTERS = {"@misc": "spacy_rnn.Characters.v1"}
CONFIGS = {
    "rnn_lemmatizer": {"model": SMALL, "tags": []},
    "rnn_seq2seq": {"model": {**SMALL, "source": CHARACTERS, "target": CHARACTERS}},
}
every_component = pytest.mark.parametrize("factory", CONFIGS)


def make(factory):
    nlp = spacy.blank("xx")
    pipe = nlp.add_pipe(factory, config=CONFIGS[factory])
    reference = Doc(nlp.vocab, words=["cats", "sat"], lemmas=["cat", "sit"])
    set_output(reference, Output("chats assis"))
    return nlp, pipe, [Example(Doc(nlp.vocab, words=["cats", "sat"]), reference)]


def weights_of(pipe):
    return [node.get_param(name).copy() for node in pipe.model.walk() for name in node.param_names]


@every_component
def test_a_loss_that_is_no_number(factory):
    """Nothing is learned from it."""
    nlp, pipe, examples = make(factory)
    nlp.initialize(lambda: examples)
    bridge = pipe.model.get_ref("bridge")
    bridge.set_param("b", bridge.get_param("b") * numpy.nan)
    before = weights_of(pipe)
    with pytest.raises(ValueError, match="E910"):
        nlp.update(examples, sgd=Adam(0.1))
    for one, other in zip(before, weights_of(pipe), strict=True):
        numpy.testing.assert_array_equal(one, other)


@every_component
def test_the_loss_of_what_is_not_initialized(factory):
    _, pipe, examples = make(factory)
    with pytest.raises(ValueError, match="E109"):
        pipe.get_loss(examples, None)


@pytest.mark.parametrize("target", ["", " ", "\n"])
def test_an_empty_target(target):
    nlp, pipe, examples = make("rnn_seq2seq")
    nlp.initialize(lambda: examples)
    set_output(examples[0].reference, Output(target))
    for run in (lambda: nlp.initialize(lambda: examples), lambda: nlp.update(examples), lambda: pipe.get_loss(examples, None)):
        with pytest.raises(ValueError, match="the target of the text 'cats sat ' is empty: correct or remove the pair"):
            run()
