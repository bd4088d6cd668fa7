from itertools import product

import numpy
import pytest
from next_symbols import Chain, Memory, ScoringChain
from numpy.testing import assert_allclose

from spacy_rnn.generation import END, LengthNormalization, Sampling, Stopping, beam_search, generate

NORMALIZATIONS = [
    LengthNormalization(),
    LengthNormalization("wu", 2.0),
    LengthNormalization("power", 1.0),
    LengthNormalization("power", 0.0),
]
PROMPTS = [[3, 4, 5], [], [6], [3, 4, 5], [7, 7, 3, 4, 5, 6, 3], []]


def as_data(found):
    return [
        [(one.symbols.tolist(), one.log_probabilities.tolist(), one.score, one.ended, one.n_stopping) for one in hypotheses]
        for hypotheses in found
    ]


def exhaust(model, prompt, stopping, normalization, forbidden, no_repeat_ngram=0):
    """All sequences there are, by their scores: the definition."""
    found = []
    for length in range(1, stopping.max_symbols + 1):
        for symbols in product(range(model.n_symbols), repeat=length):
            stops = [i for i, symbol in enumerate(symbols) if symbol in stopping.symbols]
            if (
                set(symbols) & set(forbidden)
                or stops[:1] not in ([], [length - 1])
                or (not stops and length < stopping.max_symbols)
            ):
                continue
            text = [*prompt, *symbols]
            ngrams = [tuple(text[i : i + no_repeat_ngram]) for i in range(len(text) - no_repeat_ngram + 1)]
            new = ngrams[max(len(prompt) - no_repeat_ngram + 1, 0) :]
            if no_repeat_ngram and any(ngram in ngrams[: len(ngrams) - len(new) + i] for i, ngram in enumerate(new)):
                continue
            total = float(numpy.sum(log_probabilities(model, prompt, symbols), dtype="float64"))
            divisor = ((5 + length) / 6 if normalization.kind == "wu" else length) ** normalization.alpha
            found.append((total / divisor, list(symbols)))
    return sorted(found, key=lambda pair: -pair[0])


def log_probabilities(model, prompt, symbols):
    state, found = model.start(1), []
    for symbol in [1, *prompt]:
        scores, state = model.step(numpy.asarray([symbol]), state)
    for symbol in symbols:
        found.append(scores[0, symbol])
        scores, state = model.step(numpy.asarray([symbol]), state)
    return found


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("model", [Chain, ScoringChain, Memory])
@pytest.mark.parametrize("no_repeat_ngram", [0, 2])
def test_a_wide_beam_finds_what_is_best_of_all(normalization, model, no_repeat_ngram):
    stopping, prompts = Stopping(max_symbols=4), [[3], [], [3, 2, 0]]
    for seed in range(3):
        found = beam_search(
            model(4, seed=seed),
            prompts,
            width=256,
            n_best=12,
            normalization=normalization,
            stopping=stopping,
            no_repeat_ngram=no_repeat_ngram,
            forbidden=[1],
        )
        for hypotheses, prompt in zip(found, prompts, strict=True):
            expected = exhaust(model(4, seed=seed), prompt, stopping, normalization, [1], no_repeat_ngram)[:12]
            assert [one.symbols.tolist() for one in hypotheses] == [symbols for _, symbols in expected]
            assert_allclose([one.score for one in hypotheses], [score for score, _ in expected], rtol=1e-6)


@pytest.mark.parametrize("width, n_best", [(1, 1), (2, 2), (5, 1), (5, 3)])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_the_search_ends_early_without_another_result(monkeypatch, width, n_best, normalization):
    stopping = Stopping(max_symbols=12)
    arguments = {"width": width, "n_best": n_best, "normalization": normalization, "stopping": stopping}
    models = [Chain(6, seed=seed) for seed in range(20)]
    found = [as_data(beam_search(model, [[], [3]], **arguments)) for model in models]
    n_steps = sum(len(model.batches) for model in models)
    monkeypatch.setattr(LengthNormalization, "bound", lambda self, sums, length, max_length: numpy.full(len(sums), numpy.inf))
    models = [Chain(6, seed=seed) for seed in range(20)]
    assert [as_data(beam_search(model, [[], [3]], **arguments)) for model in models] == found
    assert sum(len(model.batches) for model in models) >= n_steps
    if width == 5 and normalization.alpha < 1:
        assert sum(len(model.batches) for model in models) > n_steps


@pytest.mark.parametrize("model", [Chain, ScoringChain, Memory])
@pytest.mark.parametrize("no_repeat_ngram", [0, 2])
def test_a_beam_of_one_is_greedy(model, no_repeat_ngram):
    stopping = Stopping(max_symbols=30, sequences=[[3, 4]])
    sampling = Sampling(greedy=True, no_repeat_ngram=no_repeat_ngram)
    for seed in range(5):
        expected = generate(model(8, seed=seed), PROMPTS, sampling=sampling, stopping=stopping)
        found = beam_search(model(8, seed=seed), PROMPTS, width=1, stopping=stopping, no_repeat_ngram=no_repeat_ngram)
        for (hypothesis,), greedy in zip(found, expected, strict=True):
            assert hypothesis.symbols.tolist() == greedy.symbols.tolist()
            assert hypothesis.log_probabilities.tolist() == greedy.log_probabilities.tolist()
            assert (hypothesis.ended, hypothesis.n_stopping) == (greedy.ended, greedy.n_stopping)


@pytest.mark.parametrize("model", [Chain, ScoringChain, Memory])
@pytest.mark.parametrize("width", [1, 3, 10])
def test_what_is_found_is_the_same_alone_and_in_any_batch(model, width):
    arguments = {"width": width, "n_best": min(width, 3), "stopping": Stopping(max_symbols=15, sequences=[[5, 6]])}
    together = as_data(beam_search(model(9), PROMPTS, **arguments))
    for prompt, hypotheses in zip(PROMPTS, together, strict=True):
        assert as_data(beam_search(model(9), [prompt], **arguments)) == [hypotheses]
    assert as_data(beam_search(model(9), PROMPTS[::-1], **arguments)) == together[::-1]


def test_pieces_of_a_batch_give_the_same(monkeypatch):
    arguments = {"width": 4, "n_best": 3, "no_repeat_ngram": 2, "stopping": Stopping(max_symbols=10)}
    expected = as_data(beam_search(Memory(9), PROMPTS, **arguments))
    monkeypatch.setattr("spacy_rnn.generation.search._PIECE", 27)
    assert as_data(beam_search(Memory(9), PROMPTS, **arguments)) == expected


def test_a_wider_beam_finds_what_greedy_misses():
    model = Chain(5)
    table = numpy.full((5, 5, 5), -numpy.inf, dtype="float32")
    table[:, 1, [3, 4]] = numpy.log([0.6, 0.4])
    table[:, 3, [3, 4, END]] = numpy.log([0.3, 0.3, 0.4])
    table[:, 4, END] = 0
    model.table = table
    plain = LengthNormalization(alpha=0)
    assert beam_search(model, [[]], width=1, normalization=plain)[0][0].symbols.tolist() == [3, END]
    (best, second), *_ = beam_search(model, [[]], width=2, n_best=2, normalization=plain)
    assert (best.symbols.tolist(), best.ended, best.content.tolist()) == ([4, END], "stop", [4])
    assert_allclose(best.score, numpy.log(0.4), rtol=1e-6)
    assert_allclose(best.log_probabilities, [numpy.log(0.4), 0], rtol=1e-6)
    assert second.symbols.tolist() == [3, END]


def test_a_beam_is_never_wider_than_was_asked_for():
    model = Chain(8)
    beam_search(model, [[], []], width=3, stopping=Stopping(max_symbols=6, symbols=[]))
    assert model.batches == [2, 6, 6, 6, 6, 6]


def test_length_normalization_is_that_of_the_papers():
    sums = numpy.asarray([-3.0])
    assert_allclose(LengthNormalization("wu", 0.6).score(sums, 7), -3 / 2**0.6)
    assert_allclose(LengthNormalization("power", 2.0).score(sums, 3), -3 / 9)
    assert_allclose(LengthNormalization("power", 0.0).score(sums, 3), -3)


def test_longer_hypotheses_win_under_a_stronger_normalization():
    model = Chain(4)
    table = numpy.full((4, 4, 4), -numpy.inf, dtype="float32")
    table[:, :, [3, END]] = numpy.log([0.6, 0.4])
    model.table = table
    lengths = [
        len(
            beam_search(model, [[]], width=10, normalization=LengthNormalization("power", alpha), stopping=Stopping(6))[0][
                0
            ].symbols
        )
        for alpha in (0.0, 1.0)
    ]
    assert lengths == [1, 6]


@pytest.mark.parametrize("max_symbols", [1, 2, 3])
def test_equal_hypotheses_come_in_a_fixed_order(max_symbols):
    model = Chain(4)
    model.table = numpy.full((4, 4, 4), -numpy.log(4), dtype="float32")
    (found,) = beam_search(
        model, [[]], width=64, n_best=64, stopping=Stopping(max_symbols), normalization=LengthNormalization(alpha=0)
    )
    symbols = [one.symbols.tolist() for one in found]
    assert symbols == sorted(symbols, key=lambda one: (len(one), one))
    assert len(symbols) == {1: 2, 2: 3, 3: 4}[max_symbols]


def test_hypotheses_that_are_blocked_come_last():
    model = Chain(5)
    table = numpy.full((5, 5, 5), -numpy.inf, dtype="float32")
    table[:, 1, [3, 4]] = numpy.log([0.9, 0.1])
    table[:, 4, END] = 0
    model.table = table
    (found,) = beam_search(model, [[]], width=3, n_best=3)
    assert [(one.symbols.tolist(), one.ended) for one in found] == [([4, END], "stop"), ([3], "blocked")]
    (found,) = beam_search(model, [[3]], width=3, n_best=3)
    assert [(one.symbols.tolist(), one.ended, one.score) for one in found] == [([], "blocked", 0.0)]


def test_nothing_is_searched_for_where_nothing_may_come():
    assert beam_search(Chain(8), []) == []
    for hypotheses in beam_search(Chain(8), [[], [3]], n_best=2, stopping=Stopping(0)):
        assert [(one.symbols.tolist(), one.ended, one.score) for one in hypotheses] == [([], "length", 0.0)]


def test_forbidden_symbols_are_not_found():
    found = beam_search(Chain(8), PROMPTS, width=6, n_best=6, stopping=Stopping(8), forbidden=[0, 1, 3])
    assert not {0, 1, 3} & {symbol for hypotheses in found for one in hypotheses for symbol in one.symbols.tolist()}


def test_a_context_belongs_to_its_prompt():
    model = Memory(8)
    contexts = numpy.random.default_rng(0).normal(size=(3, model.width)) * 3
    prompts, stopping = [[3, 4], [], [5]], Stopping(max_symbols=10)
    together = as_data(beam_search(model, prompts, context=contexts, stopping=stopping))
    alone = [as_data(beam_search(model, [p], context=contexts[[i]], stopping=stopping))[0] for i, p in enumerate(prompts)]
    assert together == alone
    assert as_data(beam_search(model, prompts, stopping=stopping)) != together


def test_log_probabilities_that_rounding_left_above_zero_are_no_gain():
    model = Chain(4)
    table = numpy.full((4, 4, 4), -20.0, dtype="float32")
    table[:, :, 3] = 1e-7
    table[:, 3, END] = 1e-7
    model.table = table
    (found,) = beam_search(model, [[3]], width=2, n_best=2, normalization=LengthNormalization(alpha=0), stopping=Stopping(5))
    assert found[0].symbols.tolist() == [END]
    assert found[0].score == 0


@pytest.mark.parametrize(
    "prompts, arguments, message",
    [
        ("abc", {}, "encode it first"),
        ([[8]], {}, "prompt 0: expected symbols from 0 to 7"),
        ([[3]], {"width": 0}, "width: expected a whole number of at least 1, got 0"),
        ([[3]], {"n_best": 0}, "n_best"),
        ([[3]], {"width": 2, "n_best": 3}, "at most the width of the beam, 2, got 3; widen the beam"),
        ([[3]], {"no_repeat_ngram": -1}, "no_repeat_ngram"),
        ([[3]], {"start": -1}, "start"),
        ([[3]], {"forbidden": range(8)}, "all 8 symbols"),
        ([[3]], {"stopping": Stopping(symbols=[9])}, "stop symbols"),
    ],
)
def test_bad_arguments_are_refused(prompts, arguments, message):
    with pytest.raises(ValueError, match=message):
        beam_search(Chain(8), prompts, **arguments)


@pytest.mark.parametrize("kind, alpha", [("length", 1.0), (None, 1.0), ("wu", -0.5), ("power", float("nan"))])
def test_bad_normalizations_are_refused(kind, alpha):
    with pytest.raises(ValueError, match="length normalization"):
        LengthNormalization(kind, alpha)


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
def test_what_is_no_number_is_refused(value):
    model = Chain(8)
    model.table = model.table.copy()
    model.table[:, 1, 5] = value
    with pytest.raises(ValueError, match="NaN or"):
        beam_search(model, [[]])
