"""bfloat16 inference: close to float32, decided by the config and not by the file, and never used in training."""

import numpy
import pytest
from thinc.api import Ragged, fix_random_seed

from spacy_rnn.layers import build_rnn, scan, set_precision
from spacy_rnn.native import library
from spacy_rnn.recurrence import CELLS, use_engine

needs_engine = pytest.mark.skipif(library is None, reason="needs the compiled engine")


def rounded(array):
    """To bfloat16, ties to even."""
    bits = numpy.ascontiguousarray(array, dtype="float32").view("uint32").astype("uint64")
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16
    return bits.astype("uint32").view("float32")


def make(cell, nO=10, nI=7, **settings):
    fix_random_seed(0)
    model = build_rnn(nO, nI, cell=cell, bidirectional=True, **settings)
    model.initialize()
    return model


def batch(nI=7):
    rng = numpy.random.default_rng(0)
    return Ragged(rng.normal(size=(14, nI)).astype("float32"), numpy.asarray([5, 0, 1, 8], dtype="int32"))


@needs_engine
@pytest.mark.parametrize("width", [(10, 7), (128, 96)])
@pytest.mark.parametrize("cell", CELLS)
def test_outputs_are_close_to_those_of_float32(isa, cell, width):
    X = batch(width[1])
    exact = make(cell, *width).predict(X).data
    close = make(cell, *width, precision="bfloat16").predict(X).data
    assert 0 < numpy.abs(close - exact).max() < 0.03


@needs_engine
def test_one_step_rounds_factors_and_sums_in_float32(isa):
    """Rows of one step from a state of zeros: tanh(round(W) round(x) + b), whatever the width."""
    model = make("elman_tanh", 10, 7, precision="bfloat16")
    rows = batch().data
    Y = model.predict(Ragged(rows, numpy.ones(len(rows), dtype="int32"))).data
    expected = [
        numpy.tanh(rounded(rows).astype("float64") @ rounded(d.get_param("W")).T.astype("float64") + d.get_param("b"))
        for d in model.layers
    ]
    numpy.testing.assert_allclose(Y, numpy.hstack(expected), atol=1e-6)


@needs_engine
def test_training_is_that_of_float32():
    exact, close = make("lstm"), make("lstm", precision="bfloat16")
    X = batch()
    Y, backprop = exact.begin_update(X)
    Y_close, backprop_close = close.begin_update(X)
    numpy.testing.assert_array_equal(Y.data, Y_close.data)
    numpy.testing.assert_array_equal(backprop(Y).data, backprop_close(Y_close).data)


@needs_engine
def test_a_sequence_alone_is_the_sequence_in_a_batch(isa):
    model = make("lstm", precision="bfloat16")
    X = batch()
    Y = model.predict(X).data
    alone = model.predict(Ragged(X.data[6:], numpy.asarray([8], dtype="int32"))).data
    numpy.testing.assert_array_equal(Y[6:], alone)


@needs_engine
def test_a_state_can_be_carried():
    model = make("lstm", precision="bfloat16")
    X = batch()
    Y, _ = scan(model, X)
    numpy.testing.assert_array_equal(Y.data, model.predict(X).data)


@needs_engine
def test_the_config_decides_and_not_the_file():
    saved = make("lstm", precision="bfloat16").to_bytes()
    loaded = make("lstm").from_bytes(saved)
    X = batch()
    numpy.testing.assert_array_equal(loaded.predict(X).data, make("lstm").predict(X).data)
    other = make("lstm", precision="bfloat16").from_bytes(make("lstm").to_bytes())
    numpy.testing.assert_array_equal(other.predict(X).data, make("lstm", precision="bfloat16").predict(X).data)


@needs_engine
def test_it_can_be_set_afterwards():
    model, X = make("gru"), batch()
    exact = model.predict(X).data
    set_precision(model, "bfloat16")
    assert numpy.abs(model.predict(X).data - exact).max() > 0
    set_precision(model, "float32")
    numpy.testing.assert_array_equal(model.predict(X).data, exact)


def test_the_reference_refuses_it_and_says_what_it_needs():
    model = make("lstm", precision="bfloat16")
    with use_engine("reference"), pytest.raises(ValueError, match="compiled CPU engine"):
        model.predict(batch())


@pytest.mark.parametrize("name", ["float16", "", "BFLOAT16"])
def test_an_unknown_precision_is_refused(name):
    with pytest.raises(ValueError, match="bfloat16"):
        build_rnn(4, 3, precision=name)
    with pytest.raises(ValueError, match="bfloat16"):
        set_precision(make("lstm"), name)
