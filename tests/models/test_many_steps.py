"""Recurrent language models that generate in one call: which do, and what they generate."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import fix_random_seed

from spacy_rnn.generation import Sampling, Stopping, generate
from spacy_rnn.layers import learn_vocabulary
from spacy_rnn.layers.capabilities import PredictsSymbols, find
from spacy_rnn.layers.recurrent.rnn import build_rnn
from spacy_rnn.layers.recurrent.session import RnnSession, begin_stack_session
from spacy_rnn.models.rnn_lm import build_rnn_lm
from spacy_rnn.native import library
from spacy_rnn.recurrence import use_engine
from spacy_rnn.text.symbols.characters import build_characters

pytestmark = pytest.mark.skipif(library is None, reason="the compiled engine is not built")

VOCAB = Vocab()
MODELS = {
    "lstm": {},
    "deep gru": {"cell": "gru", "depth": 2},
    "tied": {"tied": True, "hidden_width": 5},
    "tied and projected": {"tied": True},
    "sampled": {"output": "sampled", "n_samples": 4},
    "adaptive": {"output": "adaptive", "cutoffs": [4]},
    "bfloat16": {"precision": "bfloat16"},
}


def begin(**settings):
    fix_random_seed(0)
    model = build_rnn_lm(build_characters(), **{"width": 5, "hidden_width": 7, **settings})
    learn_vocabulary(model, [Doc(VOCAB, words=["the cat sat on the mat"], spaces=[False])])
    model.initialize()
    rng = numpy.random.default_rng(0)
    for node in model.walk():
        for name in node.param_names:
            if node.has_param(name):
                node.set_param(name, rng.normal(scale=0.7, size=node.get_param(name).shape).astype("float32"))
    return find(model, PredictsSymbols).begin(model)


class StepByStep:
    """The model without its quicker way."""

    def __init__(self, model):
        self.n_symbols, self.start, self.step, self.reorder = model.n_symbols, model.start, model.step, model.reorder
        self.score = model.score


@pytest.mark.parametrize("settings", MODELS.values(), ids=MODELS)
def test_what_is_generated_is_what_single_steps_give(settings):
    model = begin(**settings)
    assert (model.many_steps() is None) == (settings.get("output") == "adaptive")
    options = {"sampling": Sampling(top_p=0.95, repetition_penalty=1.1), "stopping": Stopping(max_symbols=120), "n": 3, "seed": 6}
    found, expected = (generate(each, [[4, 5, 6], [], [7]], **options) for each in (model, StepByStep(model)))
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one.symbols, other.symbols)
        assert_array_equal(one.log_probabilities, other.log_probabilities)
    if settings.get("precision") != "bfloat16":
        with use_engine("reference"):
            state, slow = model.start(3), begin(**settings)
            for symbols in ([1, 1, 1], [4, 5, 6], [2, 2, 7]):
                scores, state_after = slow.step(numpy.asarray(symbols), state)
                assert_allclose(model.step(numpy.asarray(symbols), state)[0], scores, rtol=1e-4, atol=1e-4)
                state = state_after
            assert slow.many_steps() is None


PLAIN = {"nO": 8, "nI": 6}


@pytest.mark.parametrize(
    "settings, is_plain",
    [
        (PLAIN, True),
        ({**PLAIN, "depth": 2, "train_initial_state": True}, True),
        ({**PLAIN, "bidirectional": True}, False),
        ({**PLAIN, "residual": True, "depth": 2}, False),
        ({"nO": 6, "nI": 6, "residual": True}, False),
    ],
    ids=str,
)
def test_layers_that_are_plain_stacks(settings, is_plain, randomize):
    layer = build_rnn(**settings).initialize()
    randomize(layer, dtype="float32")
    rng = numpy.random.default_rng(1)
    table, W, b = (rng.normal(size=shape).astype("float32") for shape in ((9, 6), (9, settings["nO"]), (9,)))
    session = begin_stack_session(layer, table, W, b)
    assert (session is not None) == is_plain
    if session is None:
        return
    whole = RnnSession(layer, table)
    state = whole.start(4)
    for symbols in ([1, 2, 3, 4], [8, 8, 0, 1]):
        (Y, after), (H, expected) = session.step(symbols, state), whole.step(numpy.asarray(symbols), state)
        for name, array in expected.items():
            assert_array_equal(after[name], array)
        scores = H @ W.T + b
        assert_allclose(Y, scores - numpy.log(numpy.exp(scores).sum(axis=1, keepdims=True)), rtol=1e-5, atol=1e-5)
        state = after
