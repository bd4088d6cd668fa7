import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.generation import History, Sampling, distribution, draw
from spacy_rnn.generation.sampling import choose

SETTINGS = [
    Sampling(),
    Sampling(temperature=0.5),
    Sampling(temperature=2.0, top_k=3),
    Sampling(top_k=1),
    Sampling(top_p=0.7),
    Sampling(min_p=0.3),
    Sampling(typical_p=0.6),
    Sampling(temperature=0.8, top_k=5, top_p=0.9, min_p=0.05, typical_p=0.9),
]
NOTHING = numpy.empty(0, dtype="int64")
LAST_UNIFORM = 1 - 2.0**-53


def logs(*probabilities):
    with numpy.errstate(divide="ignore"):
        return numpy.log(numpy.asarray([probabilities], dtype="float32"))


def slow_distribution(probabilities, sampling):
    """One row, symbol by symbol."""

    def restrict(weights, kept):
        weights = {symbol: weights[symbol] for symbol in kept}
        total = sum(weights.values())
        return {symbol: weight / total for symbol, weight in weights.items()}

    def nucleus(weights, order, p):
        kept, sum_before = [], 0.0
        for symbol in order:
            if kept and sum_before >= p:
                break
            kept.append(symbol)
            sum_before += weights[symbol]
        return kept

    weights = {symbol: float(p) ** (1 / sampling.temperature) for symbol, p in enumerate(probabilities) if p > 0}
    weights = restrict(weights, weights)
    descending = sorted(weights, key=lambda symbol: (-weights[symbol], symbol))
    if sampling.top_k:
        weights = restrict(weights, descending[: sampling.top_k])
        descending = descending[: sampling.top_k]
    if sampling.top_p < 1:
        weights = restrict(weights, nucleus(weights, descending, sampling.top_p))
    top = max(weights.values())
    weights = restrict(weights, [symbol for symbol in weights if weights[symbol] >= sampling.min_p * top])
    if sampling.typical_p < 1:
        entropy = -sum(p * numpy.log(p) for p in weights.values())
        order = sorted(weights, key=lambda symbol: (abs(-numpy.log(weights[symbol]) - entropy), symbol))
        weights = restrict(weights, nucleus(weights, order, sampling.typical_p))
    return [weights.get(symbol, 0.0) for symbol in range(len(probabilities))]


@pytest.mark.parametrize("setting", SETTINGS)
def test_distributions_are_those_of_the_definitions(setting):
    rng = numpy.random.default_rng(7)
    probabilities = rng.dirichlet(numpy.full(9, 0.4), size=50)
    found = distribution(numpy.log(probabilities), setting)
    for row, expected in zip(found, probabilities, strict=True):
        assert_allclose(row, slow_distribution(expected, setting), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "setting, expected",
    [
        (Sampling(temperature=0.5), [0.16 / 0.3, 0.09 / 0.3, 0.04 / 0.3, 0.01 / 0.3]),
        (Sampling(top_k=2), [4 / 7, 3 / 7, 0, 0]),
        (Sampling(top_p=0.65), [4 / 7, 3 / 7, 0, 0]),
        (Sampling(top_p=0.75), [4 / 9, 3 / 9, 2 / 9, 0]),
        (Sampling(top_p=0.1), [1, 0, 0, 0]),
        (Sampling(min_p=0.6), [4 / 7, 3 / 7, 0, 0]),
        (Sampling(min_p=1.0), [1, 0, 0, 0]),
        # The entropy is 1.28 nats, the surprisals are 0.92, 1.20, 1.61 and 2.30.
        (Sampling(typical_p=0.2), [0, 1, 0, 0]),
        (Sampling(typical_p=0.45), [0, 3 / 5, 2 / 5, 0]),
        (Sampling(greedy=True), [1, 0, 0, 0]),
    ],
)
def test_distributions_of_four_symbols(setting, expected):
    assert_allclose(distribution(logs(0.4, 0.3, 0.2, 0.1), setting), [expected], atol=1e-6)


@pytest.mark.parametrize("setting", [Sampling(top_k=2), Sampling(top_p=0.5), Sampling(typical_p=0.5)])
def test_of_equal_symbols_the_first_are_taken(setting):
    assert_allclose(distribution(logs(0.25, 0.25, 0.25, 0.25), setting), [[0.5, 0.5, 0, 0]])
    assert_allclose(distribution(logs(0, 0.25, 0.25, 0.25, 0.25), setting), [[0, 0.5, 0.5, 0, 0]])


def test_more_than_all_symbols_are_all():
    assert_allclose(distribution(logs(0.5, 0.3, 0.2), Sampling(top_k=100)), [[0.5, 0.3, 0.2]], rtol=1e-6)


@pytest.mark.parametrize("setting", [*SETTINGS, Sampling(greedy=True)])
@pytest.mark.parametrize("n_symbols", [2, 5, 68, 257, 1500])
def test_a_row_is_the_same_in_every_batch_to_the_last_bit(setting, n_symbols):
    rng = numpy.random.default_rng(n_symbols)
    scores = numpy.log(rng.dirichlet(numpy.full(n_symbols, 0.5), size=33) + 1e-30).astype("float32")
    together = distribution(scores, setting)
    for row in range(len(scores)):
        assert_array_equal(distribution(scores[row : row + 1], setting)[0], together[row])
    assert_array_equal(distribution(numpy.asfortranarray(scores), setting), together)
    uniforms = rng.random(33)
    symbols = choose(scores, setting, NOTHING, None, uniforms)
    alone = [choose(scores[[row]], setting, NOTHING, None, uniforms[[row]])[0] for row in range(33)]
    assert_array_equal(symbols, alone)
    assert_array_equal(symbols, draw(together, uniforms))


def test_large_vocabularies_are_sorted_in_part_with_the_same_result():
    rng = numpy.random.default_rng(2)
    for concentration in (0.01, 0.1, 10.0):
        probabilities = rng.dirichlet(numpy.full(3000, concentration), size=4) + 1e-12
        probabilities[:, 7:40] = probabilities[:, 7:8]
        for p in (0.3, 0.9, 0.999):
            found = distribution(numpy.log(probabilities), Sampling(top_p=p))
            for row, expected in zip(found, probabilities, strict=True):
                assert_allclose(row, slow_distribution(expected, Sampling(top_p=p)), rtol=1e-9, atol=1e-15)


def test_log_probabilities_stay_as_they_are():
    scores = logs(0.4, 0.3, 0.2, 0.1).astype("float64")
    before = scores.copy()
    history = History([[0, 1]], 4, repetition_penalty=2.0, no_repeat_ngram=1)
    distribution(scores, Sampling(temperature=0.5, top_k=2), forbidden=[3], history=history)
    assert_array_equal(scores, before)


def test_large_batches_are_worked_on_in_pieces_with_the_same_result(monkeypatch):
    rng = numpy.random.default_rng(1)
    scores, uniforms = numpy.log(rng.dirichlet(numpy.ones(6), size=20)), rng.random(20)
    setting = Sampling(repetition_penalty=3.0, no_repeat_ngram=2)
    history = History(rng.integers(0, 6, size=(20, 7)), 6, repetition_penalty=3.0, no_repeat_ngram=2)
    expected = choose(scores, setting, NOTHING, history, uniforms)
    monkeypatch.setattr("spacy_rnn.generation.sampling._PIECE", 20)
    assert_array_equal(choose(scores, setting, NOTHING, history, uniforms), expected)


def test_forbidden_symbols_have_no_probability_and_no_part_in_filters():
    assert_allclose(distribution(logs(0.4, 0.3, 0.2, 0.1), Sampling(top_k=2), forbidden=[0]), [[0, 0.6, 0.4, 0]], atol=1e-6)
    assert_allclose(distribution(logs(0.4, 0.3, 0.2, 0.1), Sampling(greedy=True), forbidden={0, 1}), [[0, 0, 1, 0]])


def test_symbols_are_drawn_by_the_sums_of_weights():
    weights = numpy.tile([0.0, 0.25, 0.0, 0.5, 0.25, 0.0], (6, 1))
    assert draw(weights, numpy.asarray([0, 0.2499, 0.25, 0.7499, 0.75, LAST_UNIFORM])).tolist() == [1, 1, 3, 3, 4, 4]


@pytest.mark.parametrize(
    "weights",
    [
        # What is added is lost, or the sum of all is not that of the parts.
        [1.0, 1e-17, 0.0],
        [0.1] * 10 + [0.0],
        [1e-17] * 10 + [1.0, 0.0],
        [0.0, 5e-324, 0.0],
        [0.0, 0.3, 1e-300, 0.0],
    ],
)
def test_impossible_symbols_are_never_drawn_whatever_is_rounded(weights):
    weights = numpy.asarray([weights])
    for uniform in (0.0, 0.5, 1 - 2.0**-52, LAST_UNIFORM):
        (symbol,) = draw(weights, numpy.asarray([uniform]))
        assert weights[0, symbol] > 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([0.0, 1e-320, 1e-17, 1e-8, 0.1, 0.3, 1.0]), min_size=1, max_size=12), st.floats(0, LAST_UNIFORM))
def test_drawn_symbols_are_possible(weights, uniform):
    array = numpy.asarray([weights])
    (symbol,) = draw(array, numpy.asarray([uniform]))
    assert symbol == -1 if not any(weights) else array[0, symbol] > 0


def test_drawn_symbols_come_as_often_as_they_should():
    setting = Sampling(temperature=0.9, top_k=5)
    expected = distribution(logs(0.3, 0.25, 0.2, 0.15, 0.07, 0.03), setting)[0]
    n = 20_000
    uniforms = numpy.random.default_rng(3).random(n)
    symbols = choose(numpy.tile(logs(0.3, 0.25, 0.2, 0.15, 0.07, 0.03), (n, 1)), setting, NOTHING, None, uniforms)
    counts = numpy.bincount(symbols, minlength=6)
    assert counts[5] == 0
    # The 99.9 % quantile of chi-square with 4 degrees of freedom.
    assert ((counts[:5] - n * expected[:5]) ** 2 / (n * expected[:5])).sum() < 18.5


def test_nothing_is_drawn_where_nothing_is_left():
    scores = numpy.concatenate([logs(0.5, 0.5, 0), logs(0, 0, 1.0)])
    for setting in (*SETTINGS, Sampling(greedy=True)):
        assert choose(scores, setting, numpy.asarray([2]), None, numpy.asarray([0.5, 0.5]))[1] == -1
        assert_array_equal(distribution(scores, setting, forbidden=[2])[1], [0, 0, 0])


def test_the_smallest_temperature_takes_the_most_probable():
    scores = logs(0.3, 0.4, 0.3)
    for temperature in (1e-300, 1e-309, 5e-324):
        assert_allclose(distribution(scores, Sampling(temperature=temperature)), [[0, 1, 0]])
    assert_allclose(distribution(scores, Sampling(temperature=1e300)), [[1 / 3] * 3])
    assert_allclose(distribution(scores - numpy.float32(5000), Sampling()), [[0.3, 0.4, 0.3]], rtol=1e-2)


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
@pytest.mark.parametrize("setting", [*SETTINGS, Sampling(greedy=True)])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_no_number_is_refused(value, setting):
    scores = logs(0.4, 0.3, 0.3)
    scores[0, 1] = value
    with pytest.raises(ValueError, match="NaN or"):
        choose(scores, setting, NOTHING, None, numpy.asarray([0.5]))
    with pytest.raises(ValueError, match="NaN or"):
        distribution(scores, setting)


@pytest.mark.parametrize("name", ["temperature", "top_p", "typical_p", "min_p", "repetition_penalty"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "0.5", None, True])
def test_numbers_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}: expected a number"):
        Sampling(**{name: value})


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("temperature", 0, r"temperature: expected a number above 0 \(for none, greedy=True\), got 0"),
        ("temperature", 0.0, "got 0.0"),
        ("top_p", 0.0, r"top_p: expected a number in \(0, 1\], 1 being all symbols, got 0.0"),
        ("top_p", 1.01, "got 1.01"),
        ("typical_p", 0, "typical_p"),
        ("typical_p", 2, "typical_p"),
        ("min_p", 1.5, r"in \[0, 1\]"),
        ("repetition_penalty", 0.0, "above 0"),
        ("top_k", -1, "top_k: expected a whole number of at least 0, 0 being all symbols, got -1"),
        ("top_k", 1.5, "top_k"),
        ("top_k", True, "top_k"),
        ("no_repeat_ngram", -2, "no_repeat_ngram"),
        ("no_repeat_ngram", 2.0, "no_repeat_ngram"),
    ],
)
def test_settings_out_of_range_say_what_the_range_is(name, value, message):
    with pytest.raises(ValueError, match=message):
        Sampling(**{name: value})


def test_numbers_of_numpy_are_numbers():
    setting = Sampling(temperature=numpy.float32(0.5), top_k=numpy.int64(2))
    assert_allclose(distribution(logs(0.4, 0.3, 0.3), setting)[0], [16 / 25, 9 / 25, 0], rtol=1e-5)


def test_greedy_stands_beside_no_filter():
    with pytest.raises(ValueError, match="without temperature, top_k"):
        Sampling(greedy=True, temperature=0.5, top_k=3)
    assert Sampling(greedy=True, repetition_penalty=1.2, no_repeat_ngram=3).needs_history


@pytest.mark.parametrize("forbidden, message", [([4], "from 0 to 3"), ([-1], "from 0 to 3"), ([0, 1, 2, 3], "all 4 symbols")])
def test_forbidden_symbols_that_are_none_or_all_are_refused(forbidden, message):
    with pytest.raises(ValueError, match=message):
        distribution(logs(0.4, 0.3, 0.2, 0.1), Sampling(), forbidden=forbidden)
