"""The sampled softmax, where it is not the full one."""

import numpy
import pytest
import srsly
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Embed, fix_random_seed

from spacy_rnn.layers import build_full_softmax, build_sampled_softmax
from spacy_rnn.layers.capabilities import ScoresSymbols, find
from spacy_rnn.layers.output import symbol_scores
from spacy_rnn.layers.output.sampled_softmax import draw_sample
from spacy_rnn.layers.weights import load_weights

nI, nV, N = 5, 30, 13
LAYERS = {
    "own weights": lambda n_samples=12: build_sampled_softmax(nI, nV, n_samples),
    "projected": lambda n_samples=12: build_sampled_softmax(nI, nV, n_samples, tied=Embed(3, nV).initialize()),
}


@pytest.fixture(params=LAYERS)
def make_layer(request, randomize):
    """Make a layer of each kind, in float64, always with the same weights."""
    return lambda *args: randomize(LAYERS[request.param](*args).initialize())


def make_batch():
    rng = numpy.random.default_rng(4)
    return rng.normal(size=(N, nI)), rng.integers(0, nV, size=N), rng.normal(size=N)


def gradients(model):
    return [node.get_grad(name) for node in model.walk() for name in node.grad_names]


def test_in_prediction_it_is_the_full_softmax(randomize):
    H, targets, _ = make_batch()
    layer, full = (randomize(build(nI, nV).initialize()) for build in (build_sampled_softmax, build_full_softmax))
    assert_array_equal(layer.predict(H), full.predict(H))
    assert_array_equal(find(layer, ScoresSymbols).score(layer, H, targets), full.predict(H)[numpy.arange(N), targets])


def test_sample_is_drawn_from_the_log_uniform_distribution():
    symbols, log_weights = draw_sample(nV, 200_000)
    assert_array_equal(symbols, numpy.arange(nV))
    expected = numpy.log((symbols + 2) / (symbols + 1)) / numpy.log(nV + 1)
    assert expected.sum() == pytest.approx(1)
    # Each weight is a count over its expectation.
    assert_allclose(numpy.exp(log_weights), numpy.ones(nV), atol=5 / numpy.sqrt(200_000 * expected.min()))


def test_the_sum_over_all_symbols_is_estimated_without_bias(make_layer):
    layer, (H, targets, _) = make_layer(), make_batch()
    scores = find(layer, ScoresSymbols)
    # exp(score of the target) / probability is the sum: its mean over many samples is that over all symbols.
    relative = [numpy.exp(scores.score(layer, H, targets) - scores.begin_update(layer, H, targets, None)[0]) for _ in range(1000)]
    error = numpy.std(relative, axis=0) / numpy.sqrt(len(relative))
    assert (error > 0).all()
    assert (numpy.abs(numpy.mean(relative, axis=0) - 1) < 4 * error).all()


@pytest.mark.parametrize("size", [1, 30, 1 << 22])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_gradients_of_the_estimate_are_exact(
    make_layer, size, is_weighted, monkeypatch, check_parameter_gradients, difference_error
):
    monkeypatch.setattr(symbol_scores, "_PIECE", size)
    layer, (H, targets, weights) = make_layer(), make_batch()
    begin_update = find(layer, ScoresSymbols).begin_update

    def update():
        fix_random_seed(3)
        return begin_update(layer, H, targets, weights if is_weighted else None)

    def loss():
        return float(-(update()[0] * (weights if is_weighted else 1)).sum())

    _, backprop = update()
    assert not gradients(layer)
    dH = backprop()
    check_parameter_gradients(layer, loss)
    assert difference_error(loss, H, dH) < 1e-6


def test_with_many_samples_gradients_are_those_of_the_full_softmax(make_layer):
    layer, (H, targets, weights) = make_layer(200_000), make_batch()
    dH = find(layer, ScoresSymbols).begin_update(layer, H, targets, weights)[1]()
    full = make_layer()
    full.replace_callbacks(build_full_softmax()._func, init=full.init)
    full_dH = find(full, ScoresSymbols).begin_update(full, H, targets, weights)[1]()
    for one, other in zip([dH, *gradients(layer)], [full_dH, *gradients(full)], strict=True):
        assert_allclose(one, other, atol=0.02 * numpy.abs(other).max())


def test_same_seed_same_estimate(make_layer):
    layer, (H, targets, _) = make_layer(), make_batch()
    estimates = []
    for seed in (1, 1, 2):
        fix_random_seed(seed)
        estimates.append(find(layer, ScoresSymbols).begin_update(layer, H, targets, None)[0])
    assert_array_equal(estimates[0], estimates[1])
    assert (estimates[0] != estimates[2]).any()


def test_float32_and_no_rows(randomize):
    layer = randomize(build_sampled_softmax(nI, nV, 4).initialize(), "float32")
    H, targets, _ = make_batch()
    begin_update = find(layer, ScoresSymbols).begin_update
    for n in (N, 0):
        log_probabilities, backprop = begin_update(layer, H[:n].astype("float32"), targets[:n], None)
        dH = backprop()
        assert (log_probabilities.dtype, dH.dtype) == ("float32", "float32")
        assert (log_probabilities.shape, dH.shape) == ((n,), (n, nI))
    assert all(gradient.dtype == "float32" for gradient in gradients(layer))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_saved_and_loaded(make, randomize):
    layer, H = randomize(make().initialize(), "float32"), make_batch()[0].astype("float32")
    loaded = make()
    load_weights(loaded, layer.to_bytes())
    assert_array_equal(loaded.predict(H), layer.predict(H))
    data = srsly.msgpack_loads(layer.to_bytes())
    data["params"][0]["b"] = data["params"][0]["b"][1:]
    with pytest.raises(ValueError, match="parameter b has the shape"):
        load_weights(make(), srsly.msgpack_dumps(data))


def test_bad_input_is_refused(make_layer):
    layer, (H, targets, weights) = make_layer(), make_batch()
    begin_update = find(layer, ScoresSymbols).begin_update
    with pytest.raises(ValueError, match="numbers of 30 symbols, 0 to 29, got .* to 30"):
        begin_update(layer, H, numpy.append(targets[1:], nV), None)
    with pytest.raises(ValueError, match="a finite weight for each of 13 rows"):
        begin_update(layer, H, targets, weights[1:])
    with pytest.raises(ValueError, match="n_samples must be at least 1, got 0"):
        build_sampled_softmax(nI, nV, 0)
