"""Generation in compiled code: the symbols are those that the sampling of spacy_rnn.generation draws from single steps."""

import _thread
import signal
import threading
import time

import numpy
import pytest
from many_threads import call_in_threads
from numpy.testing import assert_allclose, assert_array_equal
from stacks import Model, draw_stack, start

from spacy_rnn.generation import Sampling, Stopping, Uniforms, generate
from spacy_rnn.native import library
from spacy_rnn.recurrence import CELLS, reorder, session, stack_session, use_engine

pytestmark = pytest.mark.skipif(library is None, reason="the compiled engine is not built")

every_cell = pytest.mark.parametrize("name", CELLS)
SAMPLINGS = {
    "plain": {},
    "cool": {"temperature": 0.7},
    "coldest": {"temperature": 5e-324},
    "top k": {"top_k": 5},
    "top 1": {"top_k": 1},
    "nucleus": {"top_p": 0.8, "temperature": 1.3},
    "min p": {"min_p": 0.1},
    "all": {"temperature": 0.9, "top_k": 20, "top_p": 0.9, "min_p": 0.02, "repetition_penalty": 1.2},
    "repetition": {"repetition_penalty": 2.5},
    "greedy": {"greedy": True},
    "greedy without repetition": {"greedy": True, "repetition_penalty": 1.5},
}


def uniforms_of(seed, n, T):
    uniforms = Uniforms(seed, [(i, 0) for i in range(n)])
    return numpy.stack([uniforms.next() for _ in range(T)], axis=1)


def produce(stack, arguments, n, T, seed=0, state=None, symbols=None, **settings):
    symbols = numpy.ones(n, "int64") if symbols is None else symbols
    state = Model(stack, *arguments).start(n) if state is None else state
    if settings.get("repetition_penalty", 1) != 1:
        settings.setdefault("seen", numpy.zeros((n, stack.n_symbols), bool))
    return stack.generate(symbols, state, uniforms_of(seed, n, T), **settings)


def as_lists(produced):
    return [row[:n].tolist() for row, n in zip(produced.symbols, produced.lengths, strict=True)]


@pytest.mark.parametrize("depth", [1, 3])
@every_cell
def test_steps_are_those_of_sessions_and_a_softmax(isa, name, depth):
    arguments = cell, params, table, W, b = draw_stack(name, depth)
    stack, state = stack_session(*arguments), start(cell, params, 5)
    layers = [session(cell, each, table=table if k == 0 else None) for k, each in enumerate(params)]
    for symbols in numpy.random.default_rng(2).integers(0, 40, (4, 5)):
        kept = {key: array.copy() for key, array in state.items()}
        Y, after = stack.step(symbols, state)
        X = symbols
        for k, layer in enumerate(layers):
            expected = layer.step(X, reorder(state, k))
            for key, array in expected.items():
                assert_array_equal(after[key][k], array)
            X = expected[cell.output]
        scores = X.astype("float64") @ W.T + b
        expected = scores - numpy.log(numpy.exp(scores).sum(axis=1, keepdims=True))
        assert Y.dtype == "float32"
        assert_allclose(Y, expected, rtol=1e-6, atol=2e-6 * max(10, numpy.abs(scores).max()))
        for key, array in kept.items():
            assert_array_equal(state[key], array)
        state = after


@pytest.mark.parametrize("V", [1, 2, 15, 16, 17, 100])
def test_log_probabilities_of_any_number_of_symbols(isa, V):
    cell, params, table, W, b = draw_stack(V=V)
    b[0] = 60.0
    Y, after = stack_session(cell, params, table, W, b).step(numpy.zeros(3, "int64"), start(cell, params, 3))
    scores = after["h"][-1].astype("float64") @ W.T + b
    most = scores.max(axis=1, keepdims=True)
    expected = scores - most - numpy.log(numpy.exp(scores - most).sum(axis=1, keepdims=True))
    assert_allclose(Y, expected, rtol=1e-6, atol=2e-5)


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
@pytest.mark.parametrize("name, depth", [("lstm", 1), ("lstm", 2), ("gru", 1), ("elman_tanh", 3), ("gru_reset_before", 2)])
def test_symbols_are_those_that_python_draws(isa, name, depth, sampling):
    arguments = draw_stack(name, depth)
    stack = stack_session(*arguments)
    found = produce(stack, arguments, 7, 300, seed=3, forbidden=[0, 1], stops=[2], **sampling)
    stopping = Stopping(max_symbols=300, symbols=[2])
    expected = generate(
        Model(stack, *arguments), [[]] * 7, sampling=Sampling(**sampling), stopping=stopping, forbidden=[0, 1], seed=3
    )
    for i, right in enumerate(expected):
        n = found.lengths[i]
        assert found.symbols[i, :n].tolist() == right.symbols.tolist()
        assert_array_equal(found.log_probabilities[i, :n], right.log_probabilities)
        assert (found.counts[i] > 0) == (right.ended == "stop")
        assert (found.symbols[i, n:] == -1).all() and (found.log_probabilities[i, n:] == 0).all()
    is_drawn = not sampling.get("greedy") and sampling.get("top_k") != 1 and sampling.get("temperature", 1) > 1e-300
    assert (len({tuple(row) for row in as_lists(found)}) > 1) == is_drawn


@pytest.mark.parametrize("V", [65, 5000])
def test_long_samples_are_those_of_python(V):
    arguments = draw_stack("lstm", nH=64, V=V, scale=0.3)
    stack = stack_session(*arguments)
    sampling = {"temperature": 1.1, "top_p": 0.95}
    found = produce(stack, arguments, 3, 2000 if V == 65 else 200, seed=5, **sampling)
    expected = generate(
        Model(stack, *arguments),
        [[]] * 3,
        sampling=Sampling(**sampling),
        stopping=Stopping(max_symbols=found.symbols.shape[1], symbols=()),
        forbidden=(),
        seed=5,
    )
    for row, right in zip(found.symbols, expected, strict=True):
        assert_array_equal(row, right.symbols)


@pytest.mark.parametrize("sampling", [SAMPLINGS["plain"], SAMPLINGS["all"]], ids=["plain", "all"])
@every_cell
def test_a_sequence_is_the_same_alone_and_in_any_batch(isa, name, sampling):
    arguments = cell, params, *_ = draw_stack(name, 2, scale=1.0)
    stack, n, T = stack_session(*arguments), 120, 40
    state, symbols, uniforms = start(cell, params, n), numpy.arange(n) % 40, numpy.random.default_rng(4).random((n, T))

    def go(index):
        seen = numpy.zeros((len(index), 40), bool)
        found = stack.generate(
            symbols[index],
            {key: array[:, index] for key, array in state.items()},
            uniforms[index],
            stops=[2],
            seen=seen,
            **sampling,
        )
        return found, seen

    together, seen = go(numpy.arange(n))
    assert 0 < (together.counts > 0).sum() < n
    for index in ([17], [3, 99], list(range(n))[::-1], [5] * 3):
        found, seen_here = go(numpy.asarray(index))
        assert_array_equal(seen_here, seen[index])
        for one, other in zip(found[:4], together[:4], strict=True):
            assert_array_equal(one, other[index])
        for key, array in found.state.items():
            assert_array_equal(array, together.state[key][:, index])


@pytest.mark.parametrize("bounds", [(0, 1, 2, 50), (0, 20, 35, 50)], ids=str)
def test_it_goes_on_where_it_has_stopped(bounds):
    """In parts of any length: the same symbols, also where a stop sequence begins in one and ends in the next."""
    arguments = cell, params, *_ = draw_stack(scale=0.5, V=6)
    stack, n = stack_session(*arguments), 120
    uniforms, state = numpy.random.default_rng(5).random((n, 50)), start(cell, params, n)
    settings = {"stop_sequences": [[3, 4, 5], [4, 4]], "repetition_penalty": 1.3}
    seen = numpy.zeros((n, 6), bool)
    whole = stack.generate(numpy.zeros(n, "int64"), state, uniforms, seen=seen, **settings)
    assert 10 < (whole.counts > 0).sum() and 2 in whole.counts and 3 in whole.counts
    symbols, running, parts = numpy.zeros(n, "int64"), numpy.arange(n), [[] for _ in range(n)]
    own_seen, counts = numpy.zeros((n, 6), bool), numpy.zeros(n, "int64")
    for begin, end in zip(bounds, bounds[1:], strict=False):
        before = numpy.asarray([([-1, -1] + parts[i])[-2:] for i in running])
        here = own_seen[running]
        found = stack.generate(symbols, state, uniforms[running, begin:end], before=before, seen=here, **settings)
        for i, row, length in zip(running, found.symbols, found.lengths, strict=True):
            parts[i].extend(row[:length].tolist())
        counts[running], own_seen[running] = found.counts, here
        going_on = found.counts == 0
        symbols, running = found.symbols[going_on, -1], running[going_on]
        state = {key: array[:, going_on] for key, array in found.state.items()}
    assert parts == as_lists(whole)
    assert_array_equal(counts, whole.counts)
    assert_array_equal(own_seen, seen)


def test_the_state_is_the_one_before_the_last_symbol():
    arguments = cell, params, *_ = draw_stack(depth=2)
    stack, state = stack_session(*arguments), start(cell, params, 4)
    found = produce(stack, arguments, 4, 30, state=state, stops=[2, 3, 4])
    assert len(set(found.lengths)) > 1
    for i, symbols in enumerate(as_lists(found)):
        own = {key: array[:, i : i + 1] for key, array in state.items()}
        for symbol in [1, *symbols[:-1]]:
            _, own = stack.step([symbol], own)
        for key, array in own.items():
            assert_array_equal(found.state[key][:, i], array[:, 0])


def test_stop_sequences_are_those_of_python():
    arguments = draw_stack(scale=0.5, V=6)
    stack, sequences = stack_session(*arguments), [[3], [3, 4, 5], [4, 4], [5, 4, 4]]
    found = produce(stack, arguments, 60, 50, seed=8, stops=[2], stop_sequences=sequences)
    stopping = Stopping(max_symbols=50, symbols=[2], sequences=sequences)
    expected = generate(Model(stack, *arguments), [[]] * 60, stopping=stopping, forbidden=[], seed=8)
    assert as_lists(found) == [right.symbols.tolist() for right in expected]
    assert found.counts.tolist() == [right.n_stopping if right.ended == "stop" else 0 for right in expected]


def test_where_nothing_is_left_a_sequence_is_blocked():
    arguments = cell, params, table, W, b = draw_stack(V=3)
    b[:] = [0, -numpy.inf, -numpy.inf]
    for settings in ({}, {"greedy": True}, {"top_p": 0.5}, {"top_k": 1}):
        found = produce(stack_session(*arguments), arguments, 2, 5, forbidden=[0], **settings)
        assert found.lengths.tolist() == [0, 0] and found.counts.tolist() == [-1, -1]
        assert (found.symbols == -1).all()


def test_all_but_the_chosen_symbol_are_ruled_out_by_minus_infinity():
    arguments = cell, params, table, W, b = draw_stack(V=40)
    b[:] = -numpy.inf
    b[[7, 30]] = 0
    found = produce(stack_session(*arguments), arguments, 3, 50)
    assert set(found.symbols.ravel().tolist()) == {7, 30}


@pytest.mark.parametrize("uniform", [0.0, numpy.nextafter(1.0, 0.0)])
def test_the_ends_of_the_distribution(uniform):
    """The first and the last symbol of a weight above 0, whatever is rounded."""
    arguments = cell, params, table, W, b = draw_stack(V=40)
    stack = stack_session(*arguments)
    found = stack.generate([1], start(cell, params, 1), numpy.full((1, 20), uniform), forbidden=[0, 1, 38, 39])
    assert found.symbols.ravel().tolist() == [2 if uniform == 0 else 37] * 20


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
@pytest.mark.parametrize("settings", [{}, {"greedy": True}], ids=["drawn", "greedy"])
def test_weights_that_are_no_numbers_are_refused(value, settings):
    arguments = cell, params, table, W, b = draw_stack()
    b[3] = value
    with pytest.raises(ValueError, match="log-probabilities of a model: expected numbers"):
        produce(stack_session(*arguments), arguments, 2, 5, **settings)


def test_no_sequences_and_no_steps():
    arguments = cell, params, *_ = draw_stack(depth=2)
    stack = stack_session(*arguments)
    for n, T in ((0, 3), (0, 0), (4, 0)):
        state = start(cell, params, n)
        found = stack.generate(numpy.ones(n, "int64"), state, numpy.zeros((n, T)))
        assert found.symbols.shape == found.log_probabilities.shape == (n, T)
        assert found.lengths.tolist() == found.counts.tolist() == [0] * n
        for key, array in state.items():
            assert_array_equal(found.state[key], array)
    Y, after = stack.step(numpy.zeros(0, "int64"), start(cell, params, 0))
    assert Y.shape == (0, 40) and after["h"].shape == (2, 0, 19)


def test_bfloat16_rounds_the_layers(isa):
    arguments = cell, params, *_ = draw_stack(depth=2, nH=33, scale=1.0)
    stack, exact = stack_session(*arguments, precision="bfloat16"), stack_session(*arguments)
    layers = [session(cell, each, table=arguments[2] if k == 0 else None, precision="bfloat16") for k, each in enumerate(params)]
    state = start(cell, params, 3)
    (Y, after), (right, _) = stack.step([1, 2, 3], state), exact.step([1, 2, 3], state)
    X = numpy.array([1, 2, 3])
    for k, layer in enumerate(layers):
        X = layer.step(X, reorder(state, k))["h"]
        assert_array_equal(after["h"][k], X)
    assert 0 < numpy.abs(Y - right).max() < 0.3
    one, other = (produce(stack, arguments, n, 30) for n in (1, 4))
    assert_array_equal(one.symbols[0], other.symbols[0])


def test_an_engine_without_it_has_no_session():
    arguments = draw_stack()
    with use_engine("reference"):
        assert stack_session(*arguments) is None
    cell, params, *rest = arguments
    in_double = [{key: array.astype("float64") for key, array in each.items()} for each in params]
    assert stack_session(cell, in_double, *(array.astype("float64") for array in rest)) is None


def test_later_changes_of_the_output_do_not_show():
    cell, params, table, W, b = draw_stack()
    stack, state = stack_session(cell, params, table, W, b), start(cell, params, 2)
    Y, _ = stack.step([1, 2], state)
    W[...] = 0
    table[...] = 0
    assert_array_equal(stack.step([1, 2], state)[0], Y)


def wrong_stacks():
    def change(**changes):
        def changed():
            names = ("cell", "params", "table", "W", "b")
            return [changes.get(key, lambda x: x)(value) for key, value in zip(names, draw_stack(depth=2), strict=True)]

        return changed

    return {
        "no layer": (change(params=lambda p: []), "one at least"),
        "width of the table": (change(table=lambda t: t[:, :-1]), "parameter W of lstm: expected shape"),
        "units": (change(params=lambda p: [p[0], draw_stack(nI=19, nH=5)[1][0]]), "layer 1 of a stack: expected 19 units"),
        "width above": (change(params=lambda p: [p[0], draw_stack()[1][0]]), "parameter W of lstm: expected shape"),
        "W": (change(W=lambda W: W[:, 1:]), "W of symbols: expected"),
        "b": (change(b=lambda b: b[1:]), "W of symbols: expected"),
        "type": (change(b=lambda b: b.astype("float64")), "b of symbols: expected"),
        "more symbols than rows": (change(table=lambda t: t[:39]), "1 to 39 symbols, rows of its table, got 40"),
    }


@pytest.mark.parametrize("make, message", wrong_stacks().values(), ids=wrong_stacks())
def test_stacks_that_do_not_fit(make, message):
    with pytest.raises(ValueError, match=message):
        stack_session(*make())


WRONG = {
    "symbol": ({"symbols": [40, 0]}, "the table has the rows 0 to 39"),
    "symbols": ({"symbols": [0.5, 0]}, "whole numbers"),
    "state": ({"state": {"h": numpy.zeros((1, 2, 19), "float32")}}, r"has the arrays \['c', 'h'\]"),
    "shape of a state": ({"symbols": [1, 1, 1]}, r"state 'h': expected float32 \[1, 3, 19\]"),
    "uniforms": ({"uniforms": numpy.zeros((3, 4))}, r"uniforms: expected float64 \[2, T\]"),
    "type of uniforms": ({"uniforms": numpy.zeros((2, 4), "float32")}, r"uniforms: expected float64 \[2, T\]"),
    "uniform": ({"uniforms": numpy.ones((2, 4))}, r"uniforms: expected numbers in \[0, 1\)"),
    "no uniform": ({"uniforms": numpy.full((2, 4), numpy.nan)}, r"uniforms: expected numbers in \[0, 1\)"),
    "temperature": ({"temperature": 0.0}, "temperature: expected a number above 0"),
    "no temperature": ({"temperature": numpy.nan}, "temperature: expected a number above 0"),
    "top k": ({"top_k": -1}, "top_k: expected"),
    "top p": ({"top_p": 0.0}, "top_p: expected"),
    "min p": ({"min_p": 1.5}, "min_p: expected"),
    "penalty": ({"repetition_penalty": 0.0}, "repetition_penalty: expected"),
    "penalty of nothing": ({"repetition_penalty": 1.5}, "give them as `seen`"),
    "seen": ({"seen": numpy.zeros((2, 39), bool)}, r"seen: expected bool \[2, 40\]"),
    "forbidden": ({"forbidden": [40]}, "forbidden symbols: expected symbols from 0 to 39, got 40"),
    "stops": ({"stops": [-1]}, "stop symbols: expected symbols from 0 to 39, got -1"),
    "stop sequence": ({"stop_sequences": [[1, 40]]}, "a stop sequence: expected symbols from 0 to 39, got 40"),
    "empty stop sequence": ({"stop_sequences": [[]]}, "a stop sequence: expected one symbol at least"),
    "before": ({"before": numpy.zeros((3, 2), "int64")}, r"before: expected int64 \[2, T\]"),
}


@pytest.mark.parametrize("changes, message", WRONG.values(), ids=WRONG)
def test_what_generation_refuses(changes, message):
    cell, params, *_ = arguments = draw_stack()
    given = {"symbols": [1, 1], "state": start(cell, params, 2), "uniforms": numpy.zeros((2, 4)), **changes}
    with pytest.raises(ValueError, match=message):
        stack_session(*arguments).generate(**given)


@pytest.fixture
def interrupts():
    """A process that was started in the background ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_it_hears_interrupts():
    arguments = cell, params, *_ = draw_stack(nH=256, V=65)
    stack = stack_session(*arguments)
    uniforms = numpy.random.default_rng(0).random((1, 2_000_000))
    timer = threading.Timer(0.2, _thread.interrupt_main)
    began = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        stack.generate([1], start(cell, params, 1), uniforms)
    assert time.perf_counter() - began < 10
    produce(stack, arguments, 1, 5)


def test_threads_share_a_session():
    arguments = draw_stack(nH=64)
    stack = stack_session(*arguments)
    expected = produce(stack, arguments, 8, 100)
    call_in_threads(lambda i: assert_array_equal(produce(stack, arguments, 8, 100).symbols, expected.symbols), 4)
