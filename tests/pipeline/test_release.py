"""What is kept of a batch for backpropagation is gone after the next one, and stands in the way of no pickle."""

import gc
import pickle
import weakref

import numpy
import pytest
import spacy
from srsly import cloudpickle
from thinc.api import Adam

RNN = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8, "depth": 2}
ENCODERS = {
    "lists": {},
    "rows": {"@architectures": "spacy_rnn.Tok2Vec.v1"},
    "highway and dropout": {
        "encode": {**RNN, "highway": True, "residual": False, "layer_norm": True, "variational_dropout": 0.2}
    },
    "two cells": {"encode": {**RNN, "cell": "gru", "dropout": 0.2, "recurrent_dropout": 0.2}},
    "pieces": {"encode": {**RNN, "checkpoint_rows": 4}},
    "characters": {
        "@architectures": "spacy_rnn.Tok2Vec.v1",
        "embed": {"@architectures": "spacy_rnn.CharEmbed.v1", "width": 8},
    },
    "hashes": {
        "@architectures": "spacy_rnn.Tok2Vec.v1",
        "embed": {
            "@architectures": "spacy_rnn.HashEmbed.v1",
            "width": 8,
            "attrs": ["NORM"],
            "rows": [50],
            "include_static_vectors": False,
        },
    },
    "convolution": {"encode": {"@architectures": "spacy_rnn.CNN.v1", "width": 8, "filter_widths": [2, 3]}},
}
every_encoder = pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
FACTORIES = ["rnn_tagger", "rnn_ner", "rnn_textcat"]


@pytest.fixture
def make(tok2vec_config, listener_config, component_config, make_examples):
    """(encoder, factories) -> a pipeline over a shared encoder that has just been updated, and its examples."""

    def build(encoder, *factories):
        nlp = spacy.blank("xx")
        nlp.add_pipe("tok2vec", config={"model": {**tok2vec_config(), **encoder}})
        for factory in factories:
            nlp.add_pipe(factory, config=component_config(factory, listener_config))
        examples = make_examples(nlp)
        for i, example in enumerate(examples):
            example.reference.cats = {"good": float(i % 2), "bad": float(1 - i % 2)}
        nlp.initialize(lambda: examples)
        nlp.update(examples, sgd=Adam(0.01))
        return nlp, examples

    return build


@every_encoder
def test_a_pipeline_is_pickled_between_two_updates(encoder, make, output):
    nlp, examples = make(encoder, *FACTORIES)
    loaded = pickle.loads(cloudpickle.dumps(nlp))
    text = "They book a small room"
    assert output(loaded(text)) == output(nlp(text))
    losses = [each.update(examples, sgd=Adam(0.01)) for each in (nlp, loaded)]
    if not any(key in encoder.get("encode", {}) for key in ("variational_dropout", "dropout")):
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_pipeline_is_pickled_where_nothing_went_back(make, make_examples):
    """An encoder sends its vectors, but no component learns from them."""
    nlp, examples = make(ENCODERS["rows"], "rnn_tagger")
    nlp.get_pipe("tok2vec").update(examples, sgd=None)
    loaded = pickle.loads(cloudpickle.dumps(nlp))
    (listener,) = loaded.get_pipe("tok2vec").listeners
    with pytest.raises(ValueError, match="not pickled.*Run it again"):
        listener._backprop([numpy.zeros_like(rows) for rows in listener._outputs])


@pytest.fixture
def sweeps(monkeypatch):
    """References to whatever runs a sweep for training."""
    from spacy_rnn.layers.recurrent import stack

    alive = []
    run = stack.run_sweeps

    def watched(*args, **settings):
        results, backprop = run(*args, **settings)
        if backprop is not None:
            alive.append(weakref.ref(backprop))
        return results, backprop

    monkeypatch.setattr(stack, "run_sweeps", watched)
    return alive


@pytest.mark.slow
@every_encoder
def test_nothing_is_kept_after_the_next_batch(encoder, make, sweeps):
    nlp, examples = make(encoder, *FACTORIES)
    n = len(sweeps)
    assert n or "CNN" in str(encoder)
    nlp.update(examples, sgd=Adam(0.01))
    gc.collect()
    assert len(sweeps) == 2 * n
    assert not any(sweep() is not None for sweep in sweeps[:n])


@every_encoder
def test_rehearsal_goes_back_through_the_last_batch(encoder, make):
    """spaCy's listeners give a component that rehearses what they have of the texts of the last update."""
    nlp, examples = make(encoder, "rnn_tagger")
    nlp.resume_training()
    nlp.update(examples, sgd=Adam(0.01))
    before = nlp.get_pipe("rnn_tagger").model.to_bytes()
    assert nlp.rehearse(examples, sgd=Adam(0.01))["rnn_tagger"] > 0
    assert nlp.get_pipe("rnn_tagger").model.to_bytes() != before
