"""The compiled engine keeps packed copies of parameters: they are never stale, and go when the parameters go."""

import tracemalloc

import numpy
import pytest
from numpy.testing import assert_array_equal

from spacy_rnn.native import library
from spacy_rnn.recurrence import CELLS, infer_outputs, sweep

if library is None:
    pytest.skip("the compiled engine is not built", allow_module_level=True)

LENGTHS = numpy.asarray([4, 0, 2], dtype="int32")

every_cell = pytest.mark.parametrize("name", CELLS)


def draw(name, nI=5, nH=18, seed=0):
    """Draw the parameters of a cell, and some rows."""
    rng = numpy.random.default_rng(seed)
    params = {key: rng.normal(scale=0.4, size=shape) for key, shape in CELLS[name].parameter_shapes(nI, nH).items()}
    return {key: array.astype("float32") for key, array in params.items()}, rng.normal(size=(6, nI)).astype("float32")


def sweep_outputs(name, params, X):
    return sweep(CELLS[name], params, X, LENGTHS)[0]


def trained_outputs(name, params, X):
    return sweep(CELLS[name], params, X, LENGTHS, is_train=True)[0]


def short_outputs(name, params, X):
    return infer_outputs(CELLS[name], [params], X, LENGTHS)


every_way = pytest.mark.parametrize("outputs", [sweep_outputs, trained_outputs, short_outputs])


@every_way
@every_cell
def test_parameters_written_to_are_seen(name, outputs):
    """Even if only the last number of one of them has changed."""
    params, X = draw(name)
    Y = outputs(name, params, X)
    for array in params.values():
        array.reshape(-1)[-1] += 1.0
        changed = outputs(name, params, X)
        assert not numpy.array_equal(changed, Y)
        assert_array_equal(changed, outputs(name, {key: each.copy() for key, each in params.items()}, X))
        Y = changed


@every_way
@every_cell
def test_other_arrays_in_the_place_of_parameters_are_seen(name, outputs):
    params, X = draw(name)
    Y = outputs(name, params, X)
    for key, array in params.items():
        params[key] = array + 1.0
        changed = outputs(name, params, X)
        assert not numpy.array_equal(changed, Y)
        assert_array_equal(changed, outputs(name, {key: each.copy() for key, each in params.items()}, X))
        Y = changed


@every_way
def test_parameters_in_another_order_are_the_same(outputs):
    params, X = draw("lstm_peephole")
    turned = {key: params[key] for key in reversed(params)}
    assert_array_equal(outputs("lstm_peephole", turned, X), outputs("lstm_peephole", params, X))


def test_backpropagation_goes_through_the_parameters_of_its_sweep():
    """Whatever has been written into them since."""
    params, X = draw("lstm")
    copies = {key: array.copy() for key, array in params.items()}
    results = []
    for each in (params, copies):
        Y, _, backprop = sweep(CELLS["lstm"], each, X, LENGTHS, is_train=True)
        if each is params:
            for array in params.values():
                array[...] = 100.0
        results.append(backprop(numpy.ones_like(Y), None)[0])
    assert_array_equal(*results)


@every_way
def test_another_instruction_set_packs_anew(outputs):
    params, X = draw("gru")
    before = library.selected()
    expected = {}
    try:
        for _ in range(2):
            for isa in library.instruction_sets():
                library.select(isa)
                Y = outputs("gru", params, X)
                assert_array_equal(Y, expected.setdefault(isa, Y))
                numpy.testing.assert_allclose(Y, expected[library.instruction_sets()[0]], rtol=0, atol=1e-6)
    finally:
        library.select(before)


@every_way
def test_copies_go_when_their_parameters_go(outputs):
    size = sum(array.nbytes for array in draw("lstm", nI=64, nH=64)[0].values())
    tracemalloc.start()
    try:
        for seed in range(30):
            params, X = draw("lstm", nI=64, nH=64, seed=seed)
            outputs("lstm", params, X)
        del params
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < size


@every_way
def test_copies_of_replaced_parameters_go(outputs):
    """Where the recurrent matrix stays and the others are replaced."""
    params, X = draw("lstm", nI=64, nH=64)
    tracemalloc.start()
    try:
        for seed in range(30):
            params["W"] = draw("lstm", nI=64, nH=64, seed=seed)[0]["W"]
            outputs("lstm", params, X)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 4 * sum(array.nbytes for array in params.values())


@every_way
def test_layers_that_share_a_recurrent_matrix_do_not_mix(outputs):
    (params, X), (other, _) = draw("gru"), draw("gru", seed=1)
    other["R"] = params["R"]
    expected = [outputs("gru", {key: each.copy() for key, each in some.items()}, X) for some in (params, other)]
    for _ in range(3):
        assert_array_equal(outputs("gru", params, X), expected[0])
        assert_array_equal(outputs("gru", other, X), expected[1])
