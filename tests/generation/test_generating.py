from itertools import product

import numpy
import pytest
from next_symbols import Chain, Memory, ScoringChain
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.generation import (
    END,
    START,
    UNKNOWN,
    LanguageModel,
    Sampling,
    Stopping,
    Uniforms,
    distribution,
    draw,
    generate,
    stream,
)

SETTINGS = [
    Sampling(),
    Sampling(temperature=0.7, top_p=0.9, repetition_penalty=1.3, no_repeat_ngram=3),
    Sampling(top_k=4, typical_p=0.8),
    Sampling(greedy=True, no_repeat_ngram=2),
]
MODELS = [Chain, ScoringChain, Memory]
PROMPTS = [[3, 4, 5], [], [6], [3, 4, 5], [7, 7, 3, 4, 5, 6, 3], [], [4]]
STOPPING = Stopping(max_symbols=25, sequences=[[3, 4], [5, 5, 5]])


def as_data(generations):
    return [(one.symbols.tolist(), one.log_probabilities.tolist(), one.ended, one.n_stopping) for one in generations]


def draw_slowly(model, prompt, key, seed, sampling, stopping):
    """One sequence, symbol by symbol, without penalties."""
    uniforms, state = Uniforms(seed, [key]), model.start(1)
    for symbol in [START, *prompt]:
        scores, state = model.step(numpy.asarray([symbol]), state)
    symbols = []
    while len(symbols) < stopping.max_symbols:
        found = distribution(scores, sampling, forbidden=(UNKNOWN, START))
        symbols.append(int(draw(found, uniforms.next())[0]))
        if symbols[-1] in stopping.symbols:
            break
        scores, state = model.step(numpy.asarray(symbols[-1:]), state)
    return symbols


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=1.4, top_p=0.9), Sampling(greedy=True)])
def test_symbols_are_drawn_from_the_distributions_of_the_model(model, sampling):
    stopping = Stopping(max_symbols=300)
    found = generate(model(8), PROMPTS, sampling=sampling, stopping=stopping, n=2, seed=11)
    expected = [
        draw_slowly(model(8), prompt, (number, sample), 11, sampling, stopping)
        for number, prompt in enumerate(PROMPTS)
        for sample in range(2)
    ]
    assert [one.symbols.tolist() for one in found] == expected


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sampling", SETTINGS)
def test_a_sequence_is_the_same_alone_and_in_any_batch(model, sampling):
    together = as_data(generate(model(8), PROMPTS, sampling=sampling, stopping=STOPPING, n=3, seed=5))
    assert len({str(data) for data in together}) > 3
    for number, prompt in enumerate(PROMPTS):
        alone = generate(model(8), [prompt], sampling=sampling, stopping=STOPPING, n=3, seed=5, indices=[number])
        assert as_data(alone) == together[3 * number : 3 * number + 3]
    order = numpy.random.default_rng(0).permutation(len(PROMPTS)).tolist()
    shuffled = generate(model(8), [PROMPTS[i] for i in order], sampling=sampling, stopping=STOPPING, n=2, seed=5, indices=order)
    assert as_data(shuffled) == [together[3 * i + sample] for i in order for sample in range(2)]


@pytest.mark.parametrize("sampling", SETTINGS)
def test_a_model_reads_prompts_as_a_whole_or_step_by_step(sampling):
    assert isinstance(ScoringChain(8), LanguageModel)
    assert not isinstance(Chain(8), LanguageModel)
    by_steps = generate(Chain(8), PROMPTS, sampling=sampling, stopping=STOPPING, n=2)
    as_a_whole = generate(ScoringChain(8), PROMPTS, sampling=sampling, stopping=STOPPING, n=2)
    assert as_data(by_steps) == as_data(as_a_whole)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sampling", SETTINGS)
def test_a_stream_yields_the_same_symbols_as_they_come(model, sampling):
    expected = generate(model(8), PROMPTS, sampling=sampling, stopping=STOPPING, n=2, seed=3)
    found = [([], []) for _ in expected]
    for sequence, symbol, log_probability in stream(model(8), PROMPTS, sampling=sampling, stopping=STOPPING, n=2, seed=3):
        assert isinstance(symbol, int)
        found[sequence][0].append(symbol)
        found[sequence][1].append(log_probability)
    assert found == [(one.symbols.tolist(), one.log_probabilities.tolist()) for one in expected]


def test_a_stream_takes_no_step_before_it_must():
    model = Chain(8)
    symbols = stream(model, [[3, 4]], stopping=Stopping(max_symbols=100, symbols=()))
    assert model.batches == []
    next(symbols)
    assert len(model.batches) == 3
    next(symbols)
    assert len(model.batches) == 4


def test_sequences_come_as_often_as_the_model_says():
    model, n = Chain(5, spread=1.0), 20_000
    stopping = Stopping(max_symbols=3, symbols=[END])
    found = generate(model, [[4, 3]], stopping=stopping, forbidden=(), n=n, seed=1)
    counts = {}
    for one in found:
        counts[tuple(one.symbols.tolist())] = counts.get(tuple(one.symbols.tolist()), 0) + 1
    statistic, n_possible = 0.0, 0
    for length in (1, 2, 3):
        for symbols in product(range(5), repeat=length):
            if END in symbols[:-1] or (length < 3 and symbols[-1] != END):
                continue
            expected = n * numpy.exp(sum(model.probability([4, 3], symbols)))
            statistic += (counts.get(symbols, 0) - expected) ** 2 / expected
            n_possible += 1
    assert sum(counts.values()) == n
    # Its mean is the number of degrees of freedom, f = 84, its variance 2 f: four standard deviations above.
    assert statistic < n_possible - 1 + 4 * (2 * (n_possible - 1)) ** 0.5


def test_seeds_samples_and_prompts_draw_from_streams_of_their_own():
    model, stopping = Chain(8, spread=0.1), Stopping(max_symbols=30, symbols=())
    found = generate(model, [[], []], stopping=stopping, n=2, seed=0) + generate(model, [[], []], stopping=stopping, n=2, seed=1)
    assert len({tuple(one.symbols.tolist()) for one in found}) == 8
    again = generate(model, [[], []], stopping=stopping, n=2, seed=1)
    assert as_data(again) == as_data(found[4:])


def test_log_probabilities_are_those_of_the_model_whatever_is_drawn_from():
    model = Chain(8)
    sampling = Sampling(temperature=3.0, top_k=5, repetition_penalty=2.0)
    for one, prompt in zip(generate(model, PROMPTS, sampling=sampling, stopping=STOPPING), PROMPTS, strict=True):
        assert one.log_probabilities.dtype == "float32"
        assert one.symbols.dtype == "int32"
        assert_array_equal(one.log_probabilities, model.probability(prompt, one.symbols.tolist()))


def test_greedy_takes_the_most_probable_of_equal_ones_the_first():
    model = Chain(6)
    model.table = numpy.full((6, 6, 6), -numpy.log(6), dtype="float32")
    (one,) = generate(model, [[]], sampling=Sampling(greedy=True), stopping=Stopping(max_symbols=3, symbols=[]))
    assert one.symbols.tolist() == [2, 2, 2]


def test_what_is_forbidden_never_comes():
    stopping = Stopping(max_symbols=100, symbols=[])
    for sampling in (*SETTINGS[:3], Sampling(greedy=True)):
        drawn = numpy.concatenate([one.symbols for one in generate(Chain(8), PROMPTS, sampling=sampling, stopping=stopping)])
        assert not set(drawn.tolist()) & {UNKNOWN, START}
    (one,) = generate(Chain(8), [[]], forbidden=[0, 1, 2, 3, 4, 5, 6], stopping=Stopping(max_symbols=4))
    assert one.symbols.tolist() == [7, 7, 7, 7]
    free = generate(Chain(8), PROMPTS, forbidden=(), stopping=Stopping(max_symbols=100, symbols=[]))
    assert {UNKNOWN, START} <= set(numpy.concatenate([one.symbols for one in free]).tolist())


def cycle(*symbols, n_symbols=9):
    """A model that goes through symbols in turn, from any of them, and from all others to the first."""
    model = Chain(n_symbols)
    table = numpy.full((n_symbols,) * 3, -numpy.inf, dtype="float32")
    table[:, :, symbols[0]] = 0
    for symbol, following in zip(symbols, symbols[1:], strict=False):
        table[:, symbol] = -numpy.inf
        table[:, symbol, following] = 0
    model.table = table
    return model


@pytest.mark.parametrize(
    "stopping, symbols, ended, content",
    [
        (Stopping(max_symbols=4), [3, 4, 5, 6], "length", [3, 4, 5, 6]),
        (Stopping(max_symbols=5), [3, 4, 5, 6, END], "stop", [3, 4, 5, 6]),
        (Stopping(max_symbols=9), [3, 4, 5, 6, END], "stop", [3, 4, 5, 6]),
        (Stopping(max_symbols=9, symbols=[5]), [3, 4, 5], "stop", [3, 4]),
        (Stopping(max_symbols=9, sequences=[[4, 5]]), [3, 4, 5], "stop", [3]),
        (Stopping(max_symbols=2, sequences=[[3, 4]]), [3, 4], "stop", []),
        (Stopping(max_symbols=0), [], "length", []),
        (Stopping(max_symbols=6, symbols=[]), [3, 4, 5, 6, END, 3], "length", [3, 4, 5, 6, END, 3]),
    ],
)
def test_a_sequence_ends_and_says_why(stopping, symbols, ended, content):
    (one,) = generate(cycle(3, 4, 5, 6, END), [[7]], stopping=stopping)
    assert (one.symbols.tolist(), one.ended, one.content.tolist()) == (symbols, ended, content)
    assert one.symbols.dtype == "int32"
    assert [symbol for _, symbol, _ in stream(cycle(3, 4, 5, 6, END), [[7]], stopping=stopping)] == symbols


def test_a_prompt_neither_stops_a_sequence_nor_begins_what_does():
    stopping = Stopping(max_symbols=7, sequences=[[3, 4]])
    (one,) = generate(cycle(3, 4, 5, END), [[END, 3, 4, 3]], stopping=stopping)
    assert one.symbols.tolist() == [4, 5, END]


def test_a_prompt_counts_for_repetitions():
    flat = Chain(9)
    flat.table = numpy.full((9,) * 3, -numpy.log(9), dtype="float32")
    (one,) = generate(flat, [[3, 4, 5]], sampling=Sampling(greedy=True, no_repeat_ngram=1), stopping=Stopping(3, []))
    assert one.symbols.tolist() == [2, 6, 7]
    (one,) = generate(flat, [[2, 3]], sampling=Sampling(greedy=True, repetition_penalty=1.1), stopping=Stopping(4, []))
    assert one.symbols.tolist() == [4, 5, 6, 7]


def test_a_sequence_to_which_nothing_can_be_added_is_blocked():
    model = cycle(3, 4, 5, 6)
    sampling = Sampling(no_repeat_ngram=1)
    found = generate(model, [[7], [6], [5]], sampling=sampling)
    assert [(one.symbols.tolist(), one.ended) for one in found] == [
        ([3, 4, 5, 6], "blocked"),
        ([3, 4, 5], "blocked"),
        ([6, 3, 4], "blocked"),
    ]
    assert [len(one.log_probabilities) for one in found] == [4, 3, 3]
    assert [produced.symbol for produced in stream(model, [[5]], sampling=sampling)] == [6, 3, 4]
    # The last symbol is what -1 would be taken for.
    (one,) = generate(cycle(3, 4, 5, 8), [[7]], sampling=sampling, stopping=Stopping(symbols=[END]), forbidden=[8])
    assert (one.symbols.tolist(), one.ended) == ([3, 4, 5], "blocked")
    (one,) = generate(cycle(3, 4, 8), [[7]], sampling=sampling, stopping=Stopping(symbols=[8]), forbidden=[8])
    assert (one.symbols.tolist(), one.ended, one.n_stopping) == ([3, 4], "blocked", 0)


def test_sequences_leave_the_batch_when_they_end():
    model = ScoringChain(8)
    found = generate(model, [[3]] * 20, stopping=Stopping(max_symbols=40), seed=2)
    lengths = numpy.asarray([len(one.symbols) for one in found])
    assert lengths.min() < lengths.max()
    # The first step reads the prompts.
    assert model.batches == [20, *(int((lengths >= t).sum()) for t in range(1, lengths.max() + 1))]


def test_a_prompt_is_read_once_for_all_its_samples():
    model = Chain(8)
    generate(model, [[3, 4, 5]], stopping=Stopping(max_symbols=1), n=10)
    assert model.batches == [1, 1, 1, 10]


def test_a_context_belongs_to_its_prompt():
    model = Memory(8)
    contexts = numpy.random.default_rng(0).normal(size=(3, model.width)) * 3
    prompts, stopping = [[3, 4], [], [5]], Stopping(max_symbols=20, symbols=[])
    together = generate(model, prompts, context=contexts, stopping=stopping, n=2)
    for i, prompt in enumerate(prompts):
        alone = generate(model, [prompt], context=contexts[[i]], stopping=stopping, n=2, indices=[i])
        assert as_data(alone) == as_data(together[2 * i : 2 * i + 2])
    assert as_data(generate(model, prompts, stopping=stopping, n=2)) != as_data(together)


def test_nothing_comes_of_no_prompts():
    assert generate(Chain(8), []) == []
    assert list(stream(Chain(8), [])) == []


def test_prompts_may_be_arrays():
    expected = generate(Chain(8), [[3, 4], [5, 6]])
    assert as_data(generate(Chain(8), numpy.asarray([[3, 4], [5, 6]], dtype="int32"))) == as_data(expected)
    assert as_data(generate(Chain(8), [(3, 4), numpy.asarray([5, 6])])) == as_data(expected)


def test_another_symbol_may_be_the_start():
    model = Chain(8, start=6)
    (one,) = generate(model, [[3]], start=6, forbidden=[6], stopping=Stopping(5, []))
    assert_allclose(one.log_probabilities, [model.table[6, 3, one.symbols[0]], *one.log_probabilities[1:]])


@pytest.mark.parametrize("function", [generate, stream])
@pytest.mark.parametrize(
    "prompts, arguments, message",
    [
        ("abc", {}, "prompts: expected a list of prompts, .* encode it first"),
        (["abc"], {}, "prompt 0: .* encode it first"),
        ([3, 4], {}, "prompt 0: expected a sequence of the numbers of symbols, got 3"),
        ([[3], [3, 8]], {}, "prompt 1: expected symbols from 0 to 7, which the model has, got 8 at position 1"),
        ([[3, -1]], {}, "prompt 0: .* got -1 at position 1"),
        ([[3.0]], {}, "prompt 0"),
        ([[[3], [3, 4]]], {}, "prompt 0"),
        ([[3]], {"n": 0}, "n, the number of sequences for each prompt: .* at least 1, got 0"),
        ([[3]], {"start": 8}, "start: expected symbols from 0 to 7"),
        ([[3]], {"forbidden": [8]}, "forbidden symbols"),
        ([[3]], {"forbidden": range(8)}, "all 8 symbols"),
        ([[3]], {"stopping": Stopping(symbols=[8])}, "stop symbols"),
        ([[3]], {"stopping": Stopping(sequences=[[3, 8]])}, "stop sequence 0"),
        ([[3]], {"seed": -1}, "seed"),
        ([[3]], {"indices": [0, 1]}, "indices: expected a number for each of the 1 prompts, got 2"),
        ([[3]], {"indices": [-1]}, "number of a prompt"),
    ],
)
def test_bad_arguments_are_refused_at_once(function, prompts, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(Chain(8), prompts, **arguments)


class Narrow(Chain):
    def step(self, symbols, state):
        scores, state = super().step(symbols, state)
        return scores[:, 1:], state


def test_log_probabilities_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"expected shape \(1, 8\), got \(1, 7\)"):
        generate(Narrow(8), [[3]])
