"""Encoder-decoders on a stand-in for a GPU: arrays of the host are no arrays of the device."""

import emulated_gpu
import numpy
import pytest
import spacy
from emulated_cuda import COMPILER
from numpy.testing import assert_allclose
from thinc.api import fix_random_seed, use_ops

from spacy_rnn.native import library
from spacy_rnn.pipeline.annotation.output import get_output

pytestmark = pytest.mark.skipif(COMPILER is None or library is None, reason="needs g++ and the compiled engine")

CHARACTERS = {"@misc": "spacy_rnn.Characters.v1"}
COPYING = {"source": {**CHARACTERS, "size": 3}, "target": None, "copy": True}
MODELS = {
    "general": {"dropout": 0.2, "symbol_dropout": 0.2, "label_smoothing": 0.1, "tied": True},
    "fed lstm": {"input_feeding": True, "cell": "lstm", "attention": "additive", "decoder_depth": 2},
    "copying": {**COPYING, "scheduled_sampling": 0.5},
    "copying, fed": {**COPYING, "input_feeding": True, "attention": "dot"},
    "no attention": {"attention": "none", "bidirectional": False},
}
PAIRS = [("a b c", "c b a"), ("", "a"), ("d", "d"), ("b a", "a b"), ("c d a b", "b a")]
TEXTS = ["a b", "", "d c b"]


def run(config, pairs, name, n_updates):
    """Learn some batches, and translate texts: the last loss, the outputs and the weights."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    coverage = 0.0 if name == "no attention" else 0.2
    settings = {"store_attention": True, "n_alternatives": 1, "beam_width": 2, "max_symbols": 4, "coverage": coverage}
    pipe = nlp.add_pipe("rnn_seq2seq", config=config(MODELS[name], **settings))
    examples = pairs(nlp, PAIRS)
    optimizer = nlp.initialize(lambda: examples)
    losses = [nlp.update(examples, sgd=optimizer)["rnn_seq2seq"] for _ in range(n_updates)]
    outputs = [get_output(doc) for doc in nlp.pipe(TEXTS)]
    return losses, outputs, pipe.get_loss(examples, None)[0]


@pytest.mark.parametrize("name", [name if name == "copying" else pytest.param(name, marks=pytest.mark.slow) for name in MODELS])
def test_the_same_as_on_a_cpu(config, pairs, monkeypatch, name):
    expected_losses, expected, expected_loss = run(config, pairs, name, 1)
    emulated_gpu.install(monkeypatch)
    with use_ops("cupy"):
        losses, outputs, loss = run(config, pairs, name, 1)
    assert_allclose(losses, expected_losses, rtol=1e-3)
    assert_allclose(loss, expected_loss, rtol=1e-3)
    for found, right in zip(outputs, expected, strict=True):
        assert found.text == right.text
        assert [text for text, _ in found.alternatives] == [text for text, _ in right.alternatives]
        assert_allclose(found.score, right.score, rtol=1e-3)
        if right.attention is not None:
            assert isinstance(found.attention.weights, numpy.ndarray)
            assert found.attention.sources == right.attention.sources and found.attention.targets == right.attention.targets
            assert_allclose(found.attention.weights, right.attention.weights, rtol=1e-2, atol=1e-4)
