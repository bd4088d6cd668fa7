"""Which shared encoder a component listens to: the one that spaCy's training hands its token vectors to it from."""

import numpy
import pytest
import spacy
from spacy.pipeline.tok2vec import Tok2VecListener

from spacy_rnn.pipeline.listeners import find_shared_encoder


@pytest.fixture
def build(tok2vec_config, component_config, make_examples):
    """(names of encoders and "tagger:upstream" in their order) -> an initialized pipeline."""

    def make(*order):
        nlp = spacy.blank("xx")
        for each in order:
            name, _, upstream = each.partition(":")
            if upstream:
                listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": upstream}
                nlp.add_pipe("rnn_tagger", name, config=component_config("rnn_tagger", listener))
            else:
                nlp.add_pipe("tok2vec", name, config={"model": tok2vec_config()})
        nlp.initialize(lambda: make_examples(nlp))
        return nlp

    return make


def heard_in_training(nlp, name, examples):
    """Give the name of the encoder of which a component's listener holds the vectors after an update."""
    docs = [example.predicted for example in examples]
    sent = {each: nlp.get_pipe(each).model.predict(docs) for each in ("first", "second") if each in nlp.pipe_names}
    nlp.update(examples)
    (listener,) = (node for node in nlp.get_pipe(name).model.walk() if isinstance(node, Tok2VecListener))
    return [each for each, rows in sent.items() if numpy.allclose(numpy.concatenate(rows), numpy.concatenate(listener._outputs))]


@pytest.mark.parametrize(
    "order, expected",
    [
        (("first", "tagger:*"), "first"),
        (("first", "second", "tagger:*"), "second"),
        (("first", "tagger:*", "second"), "first"),
        (("first", "second", "tagger:first"), "first"),
        (("first", "second", "tagger:second"), "second"),
        (("second", "first", "tagger:*"), "first"),
    ],
    ids=" ".join,
)
def test_it_is_the_one_whose_vectors_come_in_training(order, expected, build, make_examples):
    nlp = build(*order)
    assert find_shared_encoder(nlp, "tagger") is nlp.get_pipe(expected)
    assert heard_in_training(nlp, "tagger", make_examples(nlp)) == [expected]


def test_a_component_without_listeners_has_none(build, make_nlp):
    assert find_shared_encoder(make_nlp("rnn_tagger")[0], "rnn_tagger") is None
    nlp = build("first", "tagger:*")
    assert find_shared_encoder(nlp, "first") is None
    nlp.add_pipe("sentencizer")
    assert find_shared_encoder(nlp, "sentencizer") is None


def test_none_is_found_where_listeners_were_replaced(build):
    nlp = build("first", "second", "tagger:second", "other:first")
    nlp.replace_listeners("second", "tagger", ["model.tok2vec"])
    assert find_shared_encoder(nlp, "tagger") is None
    assert find_shared_encoder(nlp, "other") is nlp.get_pipe("first")


def test_an_encoder_of_another_name_or_behind_is_none(build):
    nlp = build("first", "tagger:*")
    nlp.rename_pipe("first", "renamed")
    assert find_shared_encoder(nlp, "tagger") is nlp.get_pipe("renamed")
    nlp = build("first", "tagger:first")
    nlp.rename_pipe("first", "renamed")
    assert find_shared_encoder(nlp, "tagger") is None
    nlp = spacy.blank("xx")
    nlp.add_pipe("rnn_tagger", config={"model": {"tok2vec": {"@architectures": "spacy.Tok2VecListener.v1", "width": 8}}})
    nlp.add_pipe("tok2vec")
    assert find_shared_encoder(nlp, "rnn_tagger") is None


def test_disabled_encoders_count_on_demand(build):
    nlp = build("first", "second", "tagger:*")
    with nlp.select_pipes(disable=["second"]):
        assert find_shared_encoder(nlp, "tagger") is nlp.get_pipe("first")
        assert find_shared_encoder(nlp, "tagger", include_disabled=True) is nlp.get_pipe("second")
    nlp = build("first", "tagger:*", "second")
    nlp.disable_pipe("tagger")
    assert find_shared_encoder(nlp, "tagger") is nlp.get_pipe("first")


def test_a_sourced_encoder_is_found(build):
    source, nlp = build("first", "tagger:*"), spacy.blank("xx")
    for name in ("first", "tagger"):
        nlp.add_pipe(name, source=source)
    assert find_shared_encoder(nlp, "tagger") is nlp.get_pipe("first")


def test_an_unknown_component_is_named(build):
    with pytest.raises(KeyError, match="E001.*parser"):
        find_shared_encoder(build("first"), "parser")
