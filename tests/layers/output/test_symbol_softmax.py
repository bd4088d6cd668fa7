"""What all layers that score symbols have to do."""

import emulated_gpu
import numpy
import pytest
import srsly
from device_arrays import on_device, record
from emulated_cuda import COMPILER
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Embed, Linear, chain, fix_random_seed, use_ops

from spacy_rnn.layers import count_parameters
from spacy_rnn.layers.capabilities import ScoresSymbols, find
from spacy_rnn.layers.output import symbol_scores
from spacy_rnn.layers.output.adaptive_softmax import build_adaptive_softmax
from spacy_rnn.layers.output.full_softmax import build_full_softmax
from spacy_rnn.layers.output.sampled_softmax import build_sampled_softmax
from spacy_rnn.layers.weights import load_weights

nI, nV, N = 6, 23, 17


def make_embedding(width=nI):
    return Embed(width, nV).initialize()


LAYERS = {
    "full": lambda: build_full_softmax(nI, nV),
    "tied": lambda: build_full_softmax(nI, nV, tied=make_embedding()),
    "projected": lambda: build_full_softmax(nI, nV, tied=make_embedding(width=4)),
    "adaptive": lambda: build_adaptive_softmax(nI, nV, [4, 9, 21], shrink=2),
    "two clusters": lambda: build_adaptive_softmax(nI, nV),
}


@pytest.fixture(params=LAYERS)
def layer(request, randomize):
    """A layer of each kind, in float64."""
    return randomize(LAYERS[request.param]().initialize())


@pytest.fixture(params=LAYERS)
def float32_layer(request, randomize):
    return randomize(LAYERS[request.param]().initialize(), "float32")


@pytest.fixture(params=[1, 5 * nV, 1 << 22], ids=["a row at a time", "five rows", "all rows"])
def piece(request, monkeypatch):
    monkeypatch.setattr(symbol_scores, "_PIECE", request.param)


def make_rows(n=N, dtype="float64"):
    return numpy.random.default_rng(n).normal(size=(n, nI)).astype(dtype)


def make_targets(n=N):
    return numpy.random.default_rng(n + 1).integers(0, nV, size=n)


def make_weights(n=N):
    weights = numpy.random.default_rng(n + 2).normal(size=n)
    weights[:3] = 0.0
    return weights


def has_gradients(model):
    return any(node.has_grad(name) and node.get_grad(name).any() for node in model.walk() for name in node.param_names)


def test_probabilities_sum_to_one(layer):
    Y = layer.predict(make_rows())
    assert Y.shape == (N, nV)
    assert_allclose(numpy.exp(Y).sum(axis=1), numpy.ones(N), rtol=1e-12)


def test_targets_are_scored_as_all_symbols_are(layer, piece):
    H, targets = make_rows(), make_targets()
    expected = layer.predict(H)[numpy.arange(N), targets]
    scores = find(layer, ScoresSymbols)
    assert_allclose(scores.score(layer, H, targets), expected, rtol=1e-12)
    assert_allclose(scores.begin_update(layer, H, targets, None)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("weights", [None, make_weights()], ids=["all rows", "weights"])
def test_gradients_of_a_loss_are_exact(layer, piece, weights, check_parameter_gradients, difference_error):
    H, targets = make_rows(), make_targets()
    scores = find(layer, ScoresSymbols)

    def loss():
        return float(-(scores.score(layer, H, targets) * (1 if weights is None else weights)).sum())

    _, backprop = scores.begin_update(layer, H, targets, weights)
    dH = backprop()
    check_parameter_gradients(layer, loss)
    assert difference_error(loss, H, dH) < 1e-6


def test_gradients_of_all_log_probabilities_are_exact(layer, check_parameter_gradients, difference_error):
    H = make_rows()
    dY = numpy.random.default_rng(5).normal(size=(N, nV))

    def loss():
        return float((layer.predict(H) * dY).sum())

    _, backprop = layer.begin_update(H)
    dH = backprop(dY)
    check_parameter_gradients(layer, loss)
    assert difference_error(loss, H, dH) < 1e-6


def test_a_loss_adds_no_gradient_before_backpropagation(layer):
    _, backprop = find(layer, ScoresSymbols).begin_update(layer, make_rows(), make_targets(), None)
    assert not has_gradients(layer)
    backprop()
    assert has_gradients(layer)


def test_gradients_are_added_to_those_there_are(layer):
    scores = find(layer, ScoresSymbols)
    for _ in range(2):
        scores.begin_update(layer, make_rows(), make_targets(), None)[1]()
    twice = [node.get_grad(name).copy() for node in layer.walk() for name in node.grad_names]
    for node in layer.walk():
        for name in node.grad_names:
            node.set_grad(name, numpy.zeros_like(node.get_grad(name)))
    scores.begin_update(layer, make_rows(), make_targets(), None)[1]()
    once = [node.get_grad(name) for node in layer.walk() for name in node.grad_names]
    for two, one in zip(twice, once, strict=True):
        assert_allclose(two, 2 * one, rtol=1e-10)


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_a_row_does_not_depend_on_the_others_bit_by_bit(float32_layer, n, monkeypatch):
    H, targets = make_rows(100, "float32"), make_targets(100)
    scores, picked = find(float32_layer, ScoresSymbols), numpy.random.default_rng(n).permutation(100)[:n]
    assert_array_equal(float32_layer.predict(H)[picked], float32_layer.predict(H[picked]))
    together, together_dH = scores.score(float32_layer, H, targets), scores.begin_update(float32_layer, H, targets, None)[1]()
    monkeypatch.setattr(symbol_scores, "_PIECE", 3 * nV)
    assert_array_equal(together[picked], scores.score(float32_layer, H[picked], targets[picked]))
    log_probabilities, backprop = scores.begin_update(float32_layer, H[picked], targets[picked], None)
    assert_array_equal(together[picked], log_probabilities)
    assert_array_equal(together_dH[picked], backprop())


@pytest.mark.parametrize("n", [1, 2, 3, 15, 16, 17, 33])
def test_a_row_does_not_depend_on_the_others_where_symbols_are_many(n, randomize):
    n_symbols = 4 * symbol_scores._BLOCK + 377
    layer = randomize(build_full_softmax(nI, n_symbols).initialize(), "float32")
    H, targets = make_rows(40, "float32"), numpy.random.default_rng(0).integers(0, n_symbols, size=40)
    scores, picked = find(layer, ScoresSymbols), numpy.random.default_rng(n).permutation(40)[:n]
    together, together_dH = scores.score(layer, H, targets), scores.begin_update(layer, H, targets, None)[1]()
    log_probabilities, backprop = scores.begin_update(layer, H[picked], targets[picked], None)
    assert_array_equal(together[picked], log_probabilities)
    assert_array_equal(together_dH[picked], backprop())
    assert_array_equal(log_probabilities, layer.predict(H)[picked, targets[picked]])


def test_float32_is_exact_enough_where_scores_are_large(float32_layer):
    for node in float32_layer.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name) * 30)
    H, targets = make_rows(dtype="float32") * 10, make_targets()
    scores = find(float32_layer, ScoresSymbols)
    log_probabilities, backprop = scores.begin_update(float32_layer, H, targets, None)
    dH = backprop()
    for node in float32_layer.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name).astype("float64"))
    assert log_probabilities.dtype == dH.dtype == "float32"
    assert_allclose(log_probabilities, scores.score(float32_layer, H.astype("float64"), targets), rtol=1e-4, atol=1e-2)
    assert numpy.isfinite(dH).all()


def test_no_rows(float32_layer):
    H, targets = make_rows(0, "float32"), make_targets(0)
    scores = find(float32_layer, ScoresSymbols)
    assert float32_layer.predict(H).shape == (0, nV)
    assert scores.score(float32_layer, H, targets).shape == (0,)
    log_probabilities, backprop = scores.begin_update(float32_layer, H, targets, None)
    assert log_probabilities.shape == (0,)
    assert backprop().shape == (0, nI)
    assert not has_gradients(float32_layer)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"H": make_rows()[:, :-1]}, r"rows of floats \[N, 6\]"),
        ({"H": make_rows()[0]}, r"rows of floats \[N, 6\]"),
        ({"H": make_targets(N * nI).reshape(N, nI)}, r"rows of floats \[N, 6\]"),
        ({"targets": make_targets()[1:]}, "a target for each of 17 rows"),
        ({"targets": make_targets()[:, None]}, "a target for each of 17 rows"),
        ({"targets": make_targets() + 0.5}, "a target for each of 17 rows"),
        ({"targets": make_targets() > 3}, "a target for each of 17 rows"),
        ({"targets": numpy.full(N, nV)}, "numbers of 23 symbols, 0 to 22, got 23 to 23"),
        ({"targets": numpy.arange(N) - 1}, "numbers of 23 symbols, 0 to 22, got -1 to 15"),
        ({"weights": make_weights()[1:]}, "a finite weight for each of 17 rows"),
        ({"weights": make_weights() + numpy.nan}, "a finite weight for each of 17 rows"),
        ({"weights": numpy.full(N, "1")}, "a finite weight for each of 17 rows"),
    ],
)
def test_bad_input_is_refused(float32_layer, change, message):
    arguments = {"H": make_rows(), "targets": make_targets(), "weights": None, **change}
    with pytest.raises(ValueError, match=message):
        find(float32_layer, ScoresSymbols).begin_update(float32_layer, *arguments.values())
    if "weights" not in change:
        with pytest.raises(ValueError, match=message):
            find(float32_layer, ScoresSymbols).score(float32_layer, arguments["H"], arguments["targets"])


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_layer_without_weights_says_so(make):
    layer = make()
    with pytest.raises(ValueError, match="initialize it first"):
        layer.predict(make_rows(dtype="float32"))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_saved_and_loaded(make, randomize):
    layer, H = randomize(make().initialize(), "float32"), make_rows(dtype="float32")
    loaded = make()
    load_weights(loaded, layer.to_bytes())
    assert_array_equal(loaded.predict(H), layer.predict(H))
    assert_array_equal(layer.copy().predict(H), layer.predict(H))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_damaged_weights_are_refused(make):
    for node, layer in enumerate(make().walk()):
        for name in layer.param_names:
            for damage in (lambda param: param[:-1], lambda param: param.astype("float64"), lambda param: param * numpy.nan):
                data = srsly.msgpack_loads(make().initialize().to_bytes())
                data["params"][node][name] = damage(data["params"][node][name])
                with pytest.raises(ValueError, match=f"parameter {name} h"):
                    load_weights(make(), srsly.msgpack_dumps(data))


def test_sizes_come_from_samples():
    layer = build_full_softmax()
    layer.initialize(X=make_rows(dtype="float32"), Y=numpy.zeros((N, nV), dtype="float32"))
    assert layer.get_param("W").shape == (nV, nI)


@pytest.mark.parametrize("sizes", [(0, nV), (nI, 0), (-1, nV)])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(ValueError, match="must be at least 1"):
        build_full_softmax(*sizes)


def test_unknown_sizes_are_an_error_when_initialized():
    for sizes, name in (((None, nV), "nI"), ((nI, None), "nV")):
        with pytest.raises(ValueError, match=f"does not know {name}"):
            build_full_softmax(*sizes).initialize()


def test_tied_weights_are_those_of_the_embedding():
    embedding = make_embedding()
    layer = build_full_softmax(nI, nV, tied=embedding).initialize()
    model = chain(embedding, layer)
    assert count_parameters(model) == (nV * nI + nV, True)
    symbols = make_targets().astype("int32")
    Y, backprop = model.begin_update(symbols)
    E, b = embedding.get_param("E"), layer.get_param("b")
    scores = E[symbols] @ E.T + b
    assert_allclose(Y, scores - numpy.log(numpy.exp(scores).sum(axis=1, keepdims=True)), rtol=1e-5)
    copied = model.copy()
    assert copied.layers[1].layers[0] is copied.layers[0]
    loaded = chain(other := make_embedding(), build_full_softmax(nI, nV, tied=other).initialize()).from_bytes(model.to_bytes())
    assert_array_equal(loaded.predict(symbols), Y)


@pytest.mark.parametrize(
    "tied, message",
    [
        (lambda: Linear(nI, nI), "but 'linear' has none"),
        (lambda: Embed(nI, nV), "initialize that one first"),
        (lambda: Embed(nI, nV + 1).initialize(), r"scores 23 symbols by vectors of width 6, .* vectors \(24, 6\)"),
    ],
)
def test_what_weights_cannot_be_tied_to_is_refused(tied, message):
    with pytest.raises(ValueError, match=message):
        build_full_softmax(nI, nV, tied=tied()).initialize()


@pytest.mark.skipif(COMPILER is None, reason="needs g++")
@pytest.mark.parametrize("name", [*LAYERS, "sampled"])
def test_on_a_gpu_it_is_the_same_and_nothing_waits(name, monkeypatch, randomize):
    make = {**LAYERS, "sampled": lambda: build_sampled_softmax(nI, nV, 5)}[name]
    H, targets, weights, dY = make_rows(dtype="float32"), make_targets(), make_weights(), numpy.ones((N, nV), dtype="float32")

    def run(layer, asarray):
        """Everything that a layer gives."""
        scores = find(layer, ScoresSymbols)
        fix_random_seed(1)
        log_probabilities, backprop = scores.begin_update(layer, asarray(H), targets, None)
        dH, (Y, all_backprop) = backprop(), layer.begin_update(asarray(H))
        gradients = [node.get_grad(param).copy() for node in layer.walk() for param in node.grad_names]
        return [log_probabilities, scores.score(layer, asarray(H), targets), dH, Y, all_backprop(asarray(dY)), *gradients]

    expected = run(randomize(make().initialize(), "float32"), numpy.asarray)
    emulated_gpu.install(monkeypatch)
    with use_ops("cupy"):
        layer = make().initialize()
        for node, other in zip(layer.walk(), randomize(make_on_cpu(make), "float32").walk(), strict=True):
            for param in node.param_names:
                node.set_param(param, on_device(other.get_param(param)))
        record.clear()
        found = run(layer, on_device)
        assert not record.waits
        find(layer, ScoresSymbols).begin_update(layer, on_device(H), on_device(targets), on_device(weights))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_allclose(one.get(), other, rtol=1e-4, atol=1e-5)


def make_on_cpu(make):
    with use_ops("numpy"):
        return make().initialize()
