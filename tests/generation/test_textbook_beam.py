"""Beam search finds what a beam finds that is written by the textbook."""

import numpy
import pytest
from next_symbols import Attending, Chain, Deaf, Memory, ScoringChain, Ties, finding
from numpy.testing import assert_allclose
from textbook_beam import textbook_beam

from spacy_rnn.generation import LengthNormalization, Stopping, beam_search

MODELS = [Chain, ScoringChain, Memory, Ties, Deaf, Attending]
PROMPTS = [[], [3], [4, 5], [], [6, 3, 3], [5, 4], [7]]
NORMALIZATIONS = [("wu", 0.6), ("wu", 0.0), ("power", 1.0), ("wu", 2.0)]
STOPPING = {
    "an end": Stopping(9),
    "two ends": Stopping(9, symbols=[2, 5]),
    "sequences": Stopping(8, symbols=[], sequences=[[3], [4, 3], [6, 6]]),
    "no end": Stopping(4, symbols=[]),
    "one symbol": Stopping(1),
}


def make_contexts(model, n, seed=0):
    """Sources of 1 to 5 rows, if the model knows any."""
    random = numpy.random.default_rng(seed)
    return [random.normal(size=(1 + i % 5, model.width)) for i in range(n)] if isinstance(model, Attending) else None


def as_data(found):
    return [
        [(one.symbols.tolist(), one.log_probabilities.tolist(), one.score, one.ended, one.n_stopping) for one in hypotheses]
        for hypotheses in found
    ]


def pick(contexts, index):
    return None if contexts is None else [contexts[i] for i in index]


def check(model, searched, prompts, width, n_best, normalization, coverage, stopping, forbidden=(0, 1)):
    contexts = make_contexts(model, len(prompts))
    found = beam_search(
        searched,
        prompts,
        width=width,
        n_best=n_best,
        normalization=LengthNormalization(*normalization),
        coverage=coverage,
        stopping=stopping,
        forbidden=forbidden,
        context=contexts,
    )
    for i, prompt in enumerate(prompts):
        expected = textbook_beam(
            model,
            prompt,
            width=width,
            n_best=n_best,
            kind=normalization[0],
            alpha=normalization[1],
            coverage=coverage,
            max_symbols=stopping.max_symbols,
            stops=stopping.symbols,
            sequences=stopping.sequences,
            forbidden=forbidden,
            context=pick(contexts, [i]),
        )
        assert [one.symbols.tolist() for one in found[i]] == [one["symbols"] for one in expected]
        assert [one.log_probabilities.tolist() for one in found[i]] == [one["log_probabilities"] for one in expected]
        assert [(one.ended, one.n_stopping) for one in found[i]] == [(one["ended"], one["n_stopping"]) for one in expected]
        assert_allclose([one.score for one in found[i]], [one["score"] for one in expected], rtol=1e-12)
    return found


@pytest.mark.parametrize("width", range(1, 9))
@pytest.mark.parametrize("kind", MODELS)
def test_every_width(kind, width):
    for seed in range(4):
        model = kind(9, seed=seed)
        for searched in (model, finding(model)):
            check(model, searched, PROMPTS, width, 1 + width // 2, NORMALIZATIONS[seed], 0.0, Stopping(9))


@pytest.mark.parametrize("stopping", STOPPING.values(), ids=STOPPING)
@pytest.mark.parametrize("kind", MODELS)
def test_whatever_ends_a_sequence(kind, stopping):
    for seed in range(3):
        model = kind(8, seed=seed)
        for searched in (model, finding(model)):
            check(model, searched, PROMPTS, 4, 4, NORMALIZATIONS[seed], 0.0, stopping)


@pytest.mark.parametrize("coverage", [0.2, 1, 5.0])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_coverage(coverage, normalization):
    for seed in range(3):
        model = Attending(8, seed=seed)
        for searched in (model, finding(model)):
            for stopping in (Stopping(7), Stopping(3, symbols=[])):
                check(model, searched, PROMPTS, 5, 3, normalization, coverage, stopping)


@pytest.mark.parametrize("forbidden", [(), (0, 1, 2), (3, 4, 5, 6, 7, 8)])
@pytest.mark.parametrize("kind", MODELS)
def test_forbidden_symbols(kind, forbidden):
    model = kind(9, seed=7)
    for searched in (model, finding(model)):
        check(model, searched, PROMPTS, 6, 6, ("wu", 0.6), 0.0, Stopping(6), forbidden)


def test_all_hypotheses_that_there_are():
    model = Attending(5, seed=2)
    found = check(model, finding(model), [[3], []], 40, 40, ("wu", 0.6), 0.5, Stopping(3), (0, 1, 4))
    assert [len(hypotheses) for hypotheses in found] == [4, 4]


@pytest.mark.parametrize("coverage", [0.0, 1.0])
@pytest.mark.parametrize("width", [1, 3, 8])
def test_alone_and_in_any_batch(width, coverage):
    model = Attending(9, seed=3)
    contexts = make_contexts(model, len(PROMPTS))
    arguments = {"width": width, "n_best": width, "coverage": coverage, "stopping": Stopping(8)}
    together = as_data(beam_search(finding(model), PROMPTS, context=contexts, **arguments))
    for index in ([0], [3], [6, 2], [5, 4, 3, 2, 1, 0], [1, 1, 1]):
        part = beam_search(finding(model), [PROMPTS[i] for i in index], context=pick(contexts, index), **arguments)
        assert as_data(part) == [together[i] for i in index]


def test_coverage_chooses_what_has_looked_at_everything():
    class Translator(Attending):
        """Ends at once, having looked at one half of its source, or writes two symbols, and looks at the other as well."""

        def step(self, symbols, state):
            scores, after = numpy.full((len(symbols), 5), -numpy.inf, "float32"), []
            for row, (symbol, (_, source, sums)) in enumerate(zip(symbols, state, strict=True)):
                if symbol == 1:
                    scores[row, [2, 3]] = numpy.log([0.6, 0.4])
                else:
                    scores[row, 2] = 0
                after.append((None, source, sums + ([0.99, 0.01] if symbol == 1 else [0.01, 0.99])))
            return scores, tuple(after)

    contexts, plain = [numpy.zeros((2, 6))], LengthNormalization(alpha=0)
    for model in (Translator(5), finding(Translator(5))):
        (best,) = beam_search(model, [[]], normalization=plain, context=contexts)[0]
        assert best.symbols.tolist() == [2]
        (best,) = beam_search(model, [[]], normalization=plain, coverage=0.2, context=contexts)[0]
        assert best.symbols.tolist() == [3, 2]
        # Both halves have had attention of 1 by the time the end was predicted.
        assert_allclose(best.score, numpy.log(0.4), rtol=1e-6)
        (_, second) = beam_search(model, [[]], n_best=2, normalization=plain, coverage=0.2, context=contexts)[0]
        assert_allclose(second.score, numpy.log(0.6) + 0.2 * (numpy.log(0.99) + numpy.log(0.01)), rtol=1e-6)


def test_the_search_ends_early_without_another_result(monkeypatch):
    def search(model):
        n_steps = []

        class Counting(Attending):
            def best(self, *arguments):
                n_steps.append(1)
                return model.best(*arguments)

        counting = Counting(8)
        counting.__dict__.update(model.__dict__)
        contexts = make_contexts(model, len(PROMPTS))
        return as_data(beam_search(counting, PROMPTS, coverage=0.3, n_best=2, stopping=Stopping(20), context=contexts)), n_steps

    models = [finding(Attending(8, seed=seed)) for seed in range(5)]
    early = [search(model) for model in models]
    monkeypatch.setattr(LengthNormalization, "bound", lambda self, sums, length, max_length: numpy.full(len(sums), numpy.inf))
    late = [search(model) for model in models]
    assert [found for found, _ in early] == [found for found, _ in late]
    assert sum(len(steps) for _, steps in early) < sum(len(steps) for _, steps in late)


def test_blocked_n_grams_need_all_symbols():
    model = Memory(9, seed=4)
    arguments = {"width": 4, "n_best": 4, "no_repeat_ngram": 2, "stopping": Stopping(8)}
    assert as_data(beam_search(finding(model), PROMPTS, **arguments)) == as_data(beam_search(model, PROMPTS, **arguments))


def test_only_the_best_are_asked_for():
    model = finding(Chain(9))
    expected = as_data(beam_search(Chain(9), [[], []], stopping=Stopping(8)))
    model.is_searched = True
    assert as_data(beam_search(model, [[], []], stopping=Stopping(8))) == expected


@pytest.mark.parametrize(
    "coverage, message",
    [(-1, "coverage: expected a number of 0 or above"), (numpy.nan, "coverage"), (True, "coverage"), ("1", "coverage")],
)
def test_bad_weights_of_coverage_are_refused(coverage, message):
    with pytest.raises(ValueError, match=message):
        beam_search(Attending(8), [[]], coverage=coverage)


def test_coverage_without_attention_is_refused():
    with pytest.raises(ValueError, match="attends to no source, which Chain is, got 0.5"):
        beam_search(Chain(8), [[]], coverage=0.5)


@pytest.mark.parametrize("coverage", [numpy.zeros(3), numpy.zeros((1, 1)), numpy.asarray([0.1]), numpy.asarray([numpy.nan])])
def test_what_is_no_coverage_is_refused(coverage):
    model = Attending(8)
    model.coverage = lambda state: coverage
    with pytest.raises(ValueError, match="coverage of a model: expected"):
        beam_search(model, [[]], coverage=0.5)


@pytest.mark.parametrize(
    "symbols, log_probabilities, message",
    [
        ([[3, 4]], [[-1, -2, -3]], r"best symbols of a model: expected shape \(1, 3\), got \(1, 2\)"),
        ([[3, 4, 5]], [[-1, -2]], r"best log-probabilities of a model: expected shape \(1, 3\), got \(1, 2\)"),
        ([[3, 4, 8]], [[-1, -2, -3]], "expected 0 to 7, or -1 with -inf where no more can come, got -1 to 8"),
        ([[3, 4, -2]], [[-1, -2, -numpy.inf]], "expected 0 to 7"),
        ([[3, 4, -1]], [[-1, -2, -3]], "expected 0 to 7"),
        ([[3, 4, 5]], [[-1, numpy.nan, -3]], "NaN or"),
        ([[3, 4, 5]], [[numpy.inf, -2, -3]], "NaN or"),
    ],
)
def test_what_are_no_best_symbols_is_refused(symbols, log_probabilities, message):
    model = finding(Chain(8))
    model.best = lambda *_: (numpy.asarray(symbols), numpy.asarray(log_probabilities, "float32"), numpy.zeros(1, "int64"))
    with pytest.raises(ValueError, match=message):
        beam_search(model, [[]], width=3)
