"""The recurrent layer against torch: outputs, states and every gradient, of a deep bidirectional layer over a ragged batch."""

import importlib.util
from pathlib import Path

import numpy
import pytest
from numpy.testing import assert_allclose
from thinc.api import Ragged

from spacy_rnn.layers import begin_scan, build_rnn

ROOT = Path(__file__).parents[3]
CELLS = ["elman_tanh", "elman_relu", "gru", "lstm"]


def stored(cell):
    with numpy.load(ROOT / "tests" / "fixtures" / "torch_rnn.npz") as arrays:
        problem = {name.partition("/")[2]: arrays[name] for name in arrays if name.startswith(f"{cell}/")}
        return problem, arrays["lengths"]


def computed_now(cell, seed):
    pytest.importorskip("torch")
    spec = importlib.util.spec_from_file_location("make_torch_fixtures", ROOT / "scripts" / "make_torch_fixtures.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script.compute(cell, seed), numpy.asarray(script.LENGTHS, dtype="int32")


def split_torch(cell, weights, nH):
    """Our parameters from the columns weight_ih, weight_hh, bias_ih, bias_hh."""
    W, R, bias_ih, bias_hh = numpy.split(weights, [-nH - 2, -2, -1], axis=1)
    params = {"W": W, "R": R, "b": (bias_ih + bias_hh).ravel()}
    if cell == "gru":
        params["b"][2 * nH :] = bias_ih.ravel()[2 * nH :]
        params["bR"] = bias_hh.ravel()[2 * nH :]
    return params


def check(cell, problem, lengths):
    states = ["h", "c"] if cell == "lstm" else ["h"]
    nI, nO, nH = problem["X"].shape[1], problem["Y"].shape[1], problem["h0"].shape[2]
    model = build_rnn(nO, nI, cell=cell, bidirectional=True, depth=2)
    model.initialize()
    for i, direction in enumerate(model.layers):
        for name, array in split_torch(cell, problem[str(i)], nH).items():
            direction.set_param(name, numpy.ascontiguousarray(array))
    (Y, final), backprop = begin_scan(model, Ragged(problem["X"], lengths), {s: problem[f"{s}0"] for s in states})
    dX, d_initial = backprop(Ragged(problem["d_Y"], lengths), {s: problem[f"d_{s}n"] for s in states})

    def same(ours, torchs, what):
        assert_allclose(ours, torchs, rtol=1e-10, atol=1e-10, err_msg=what)

    same(Y.data, problem["Y"], "output")
    same(dX.data, problem["d_X"], "gradient of the input")
    for s in states:
        same(final[s], problem[f"{s}n"], f"final {s}")
        same(d_initial[s], problem[f"d_{s}0"], f"gradient of the initial {s}")
    for i, direction in enumerate(model.layers):
        d_W, d_R, d_bias_ih, d_bias_hh = numpy.split(problem[f"d_{i}"], [-nH - 2, -2, -1], axis=1)
        expected = {"W": d_W, "R": d_R, "b": d_bias_ih.ravel()}
        if cell == "gru":
            expected["bR"] = d_bias_hh.ravel()[2 * nH :]
        assert set(expected) == set(direction.param_names)
        for name, gradient in expected.items():
            same(direction.get_grad(name), gradient, f"gradient of {name}, layer {i // 2}, {direction.name}")


@pytest.mark.parametrize("cell", CELLS)
def test_layer_computes_what_torch_computed(cell):
    check(cell, *stored(cell))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_layer_computes_what_torch_computes(cell, seed):
    check(cell, *computed_now(cell, seed))


@pytest.mark.parametrize("cell", CELLS)
def test_stored_results_are_those_of_the_script(cell):
    now, _ = computed_now(cell, 0)
    then, _ = stored(cell)
    assert set(now) == set(then)
    for name, array in then.items():
        assert_allclose(array, now[name], rtol=1e-10, atol=1e-12, err_msg=name)
