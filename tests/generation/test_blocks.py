"""Sequences that a model draws many symbols at a time: those that are drawn one by one."""

import numpy
import pytest
from numpy.testing import assert_array_equal
from stacks import Model, draw_stack

from spacy_rnn.generation import MakesManySteps, Sampling, Stopping, Uniforms, generate, stream
from spacy_rnn.native import library
from spacy_rnn.recurrence import stack_session

pytestmark = pytest.mark.skipif(library is None, reason="the compiled engine is not built")

SAMPLINGS = {
    "plain": Sampling(),
    "filters": Sampling(temperature=0.8, top_k=9, top_p=0.9, min_p=0.01),
    "repetition": Sampling(repetition_penalty=1.5),
    "greedy": Sampling(greedy=True),
    "not at a time": Sampling(typical_p=0.9, no_repeat_ngram=3),
}
STOPPINGS = {
    "length": Stopping(max_symbols=150, symbols=()),
    "symbol": Stopping(max_symbols=150),
    "sequences": Stopping(max_symbols=150, symbols=[2, 7], sequences=[[3, 4], [5, 5, 5], [4, 3, 3, 4]]),
    "none": Stopping(max_symbols=0),
    "one": Stopping(max_symbols=1),
}
PROMPTS = [[3, 4, 5], [], [6], [3, 4, 5], [7, 7, 3, 4, 5, 6, 3], [], [4]]


class ManyStepsModel(Model):
    """The model with its quicker way."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.calls = []

    def many_steps(self):
        return self

    def generate(self, symbols, state, uniforms, **settings):
        self.calls.append(uniforms.shape)
        return self.stack.generate(symbols, state, uniforms, **settings)


@pytest.fixture
def pair():
    """A model, by single steps and by many."""
    arguments = draw_stack("lstm", V=12, scale=0.8)
    stack = stack_session(*arguments)
    return Model(stack, *arguments), ManyStepsModel(stack, *arguments)


def as_data(generations):
    return [(one.symbols.tolist(), one.log_probabilities.tolist(), one.ended, one.n_stopping) for one in generations]


@pytest.mark.parametrize("stopping", STOPPINGS.values(), ids=STOPPINGS)
@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
def test_sequences_are_the_same(pair, sampling, stopping):
    assert not isinstance(pair[0], MakesManySteps) and isinstance(pair[1], MakesManySteps)
    found = [as_data(generate(model, PROMPTS, sampling=sampling, stopping=stopping, n=3, seed=4)) for model in pair]
    assert found[0] == found[1]
    assert bool(pair[1].calls) == (sampling is not SAMPLINGS["not at a time"] and stopping.max_symbols > 0)
    streams = [list(stream(model, PROMPTS, sampling=sampling, stopping=stopping, n=3, seed=4)) for model in pair]
    assert streams[0] == streams[1]


def test_sequences_that_ended_leave(pair):
    generate(pair[1], [[]] * 50, stopping=STOPPINGS["sequences"], seed=1)
    rows = [n for n, _ in pair[1].calls]
    assert rows[0] == 50 and rows == sorted(rows, reverse=True) and rows[-1] < 50


def test_where_no_symbol_may_come(pair):
    for model in pair:
        model.stack = stack_session(*blocked_after(5))
    found = [as_data(generate(model, [[], [5]], stopping=STOPPINGS["length"], seed=2)) for model in pair]
    assert found[0] == found[1]
    assert {one[2] for one in found[0]} == {"blocked"}


def blocked_after(n):
    """A stack whose units are saturated by a symbol: after it, only what is forbidden may come."""
    cell, params, table, W, b = draw_stack("lstm", V=12, scale=0.8)
    params[0]["R"][...] = 0
    params[0]["b"][...] = 0
    table[...] = 0
    table[n, 0] = 100
    params[0]["W"][...] = 0
    # The gates and the candidate are open after that symbol.
    params[0]["W"][:, 0] = 1
    W[...] = 0
    W[2:, :] = -1e38
    return cell, params, table, W, b


def test_symbols_come_a_few_at_first(pair):
    produced = stream(pair[1], [[3]], stopping=STOPPINGS["length"])
    next(produced)
    assert pair[1].calls == [(1, 4)]


def test_uniform_numbers_are_the_same_however_they_are_taken():
    keys = [(0, 0), (3, 1)]
    one, other = Uniforms(9, keys), Uniforms(9, keys)
    assert_array_equal(numpy.concatenate([one.take(n) for n in (0, 1, 300, 7)], axis=1), other.take(308))
    assert_array_equal(one.next(), other.next())


def test_a_model_without_a_quicker_way_goes_step_by_step(pair):
    single, many = pair
    many.many_steps = lambda: None
    found = [as_data(generate(model, PROMPTS, stopping=STOPPINGS["symbol"])) for model in pair]
    assert found[0] == found[1] and not many.calls
