"""Sessions of layers that score symbols."""

import emulated_gpu
import numpy
import pytest
from device_arrays import on_device, record
from emulated_cuda import COMPILER
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Embed, Linear, use_ops

from spacy_rnn.generation import find_best
from spacy_rnn.layers.output import symbol_scorer
from spacy_rnn.layers.output.adaptive_softmax import build_adaptive_softmax
from spacy_rnn.layers.output.full_softmax import build_full_softmax
from spacy_rnn.layers.output.sampled_softmax import build_sampled_softmax
from spacy_rnn.layers.output.symbol_scorer import begin_scoring
from spacy_rnn.native import library

nI, nV = 6, 300
LAYERS = {
    "full": lambda: build_full_softmax(nI, nV),
    "tied": lambda: build_full_softmax(nI, nV, tied=Embed(nI, nV).initialize()),
    "projected": lambda: build_full_softmax(nI, nV, tied=Embed(4, nV).initialize()),
    "sampled": lambda: build_sampled_softmax(nI, nV, 5),
    "adaptive": lambda: build_adaptive_softmax(nI, nV, [40, 90], shrink=2),
}


@pytest.fixture(params=[True, False], ids=["compiled", "plain"])
def compiled(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(symbol_scorer, "library", None)
    elif library is None:
        pytest.skip("needs the compiled engine")
    return request.param


@pytest.fixture(params=LAYERS)
def layer(request, randomize):
    return randomize(LAYERS[request.param]().initialize(), "float32")


def make_rows(n=50, dtype="float32"):
    return numpy.random.default_rng(n).normal(size=(n, nI)).astype(dtype)


def test_log_probabilities_are_those_of_the_layer(compiled, layer):
    scorer = begin_scoring(layer)
    assert scorer.n_symbols == nV
    Y = scorer.log_probabilities(make_rows())
    assert Y.dtype == "float32"
    assert_allclose(Y, layer.predict(make_rows()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("k", [1, 5, 70, 257, nV, nV + 2])
@pytest.mark.parametrize("forbidden", [(), (0, 7, nV - 1), numpy.asarray([2, 3])], ids=str)
def test_the_best_are_those_of_the_log_probabilities(compiled, layer, k, forbidden):
    scorer = begin_scoring(layer)
    best = scorer.best(make_rows(), k, forbidden)
    for one, other in zip(best, find_best(scorer.log_probabilities(make_rows()), k, forbidden), strict=True):
        assert_array_equal(one, other)
    assert not set(best.symbols.ravel()) & set(forbidden)


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_a_row_does_not_depend_on_the_others_bit_by_bit(compiled, layer, n):
    H, scorer = make_rows(250), begin_scoring(layer)
    picked = numpy.random.default_rng(n).permutation(250)[:n]
    assert_array_equal(scorer.log_probabilities(H)[picked], scorer.log_probabilities(H[picked]))
    for one, other in zip(scorer.best(H[picked], 4, [1]), scorer.best(H, 4, [1]), strict=True):
        assert_array_equal(one, other[picked])


def test_of_no_rows_there_are_none(compiled, layer):
    scorer = begin_scoring(layer)
    assert scorer.log_probabilities(make_rows(0)).shape == (0, nV)
    assert [array.shape for array in scorer.best(make_rows(0), 3)] == [(0, 3), (0, 3)]


def test_a_session_that_began_before_the_layer_ran_is_the_same(layer):
    before = begin_scoring(layer).log_probabilities(make_rows())
    layer.predict(make_rows())
    assert_array_equal(begin_scoring(layer).log_probabilities(make_rows()), before)


def test_layers_of_other_floats_work(randomize):
    layer = randomize(build_full_softmax(nI, nV).initialize())
    scorer = begin_scoring(layer)
    H = make_rows(dtype="float64")
    assert_array_equal(scorer.log_probabilities(H), layer.predict(H))
    assert scorer.best(H, 3).log_probabilities.dtype == "float64"


@pytest.mark.skipif(COMPILER is None, reason="needs g++")
@pytest.mark.parametrize("name", LAYERS)
def test_on_a_gpu_only_the_best_come_to_the_host(name, monkeypatch, randomize):
    other = randomize(LAYERS[name]().initialize(), "float32")
    expected = begin_scoring(other).best(make_rows(), 4, [1])
    emulated_gpu.install(monkeypatch)
    with use_ops("cupy"):
        layer = LAYERS[name]().initialize()
        for node, from_node in zip(layer.walk(), other.walk(), strict=True):
            for param in node.param_names:
                node.set_param(param, on_device(from_node.get_param(param)))
        scorer = begin_scoring(layer)
        record.clear()
        best = scorer.best(on_device(make_rows()), 4, [1])
        assert set(record.waits) == {"generation/best.py:<genexpr>"}
    assert_array_equal(best.symbols, expected.symbols)
    assert_allclose(best.log_probabilities, expected.log_probabilities, rtol=1e-4)


def test_layers_that_score_no_symbols_are_refused():
    with pytest.raises(ValueError, match="the layer 'linear' does not score symbols"):
        begin_scoring(Linear(3, 3))


@pytest.mark.parametrize("make", [LAYERS["full"], LAYERS["adaptive"]])
def test_layers_without_weights_are_refused(make):
    with pytest.raises(ValueError, match="has no weights yet"):
        begin_scoring(make())


@pytest.mark.parametrize(
    "H", [make_rows()[:, :5], make_rows()[0], numpy.zeros((3, nI), "int64"), numpy.zeros((2, 3, nI), "float32")], ids=str
)
def test_other_rows_are_refused(compiled, layer, H):
    scorer = begin_scoring(layer)
    for call in (scorer.log_probabilities, lambda H: scorer.best(H, 3)):
        with pytest.raises(ValueError, match="takes rows"):
            call(H)


@pytest.mark.parametrize(
    "k, forbidden, message", [(0, (), "k: expected"), (2, [nV], "forbidden symbols"), (2, [-1], "forbidden")]
)
def test_other_arguments_are_refused(compiled, layer, k, forbidden, message):
    with pytest.raises(ValueError, match=message):
        begin_scoring(layer).best(make_rows(), k, forbidden)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
def test_what_is_no_number_is_refused(compiled, layer, value):
    H = make_rows()
    H[3, 2] = value
    with pytest.raises(ValueError, match="NaN or"):
        begin_scoring(layer).best(H, 3)
