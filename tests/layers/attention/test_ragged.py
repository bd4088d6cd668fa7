"""Attention over ragged rows: in compiled code and on any arrays, beside a plain one."""

import numpy
import pytest
from attended import Attended, attend, gradients
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.layers.attention import ragged
from spacy_rnn.layers.attention.ragged import attend_rows
from spacy_rnn.native import library

BATCHES = {
    "side by side": ([5, 40, 16, 3], [0] * 5 + [1] * 13 + [2] * 4 + [3]),
    "any order": ([0, 9, 2, 33, 1], [3, 1, 3, 3, 4, 0, 2, 1, 1, 3, 2, 2, 2, 4, 0, 3]),
    "no rows": ([0, 0], [1, 0, 0]),
    "no queries": ([3, 2], []),
}
batches = pytest.mark.parametrize("batch", BATCHES)
kinds = pytest.mark.parametrize("is_additive", [False, True], ids=["dot", "additive"])


@pytest.fixture(params=["compiled", "float32", "float64"])
def dtype(request, monkeypatch):
    """Compiled code, or NumPy's with this type."""
    if request.param == "compiled":
        if library is None:
            pytest.skip("needs the compiled engine")
        # It has to do.
        monkeypatch.setattr(ragged, "_attend_pairs", None)
        return "float32"
    monkeypatch.setattr(ragged, "library", None)
    return request.param


def run(attended, dtype):
    Q, keys, values, _, owners, u = attended.exact()
    floats = [None if array is None else array.astype(dtype) for array in (Q, keys, values, u)]
    return attend_rows(*floats[:3], attended.lengths.astype("int32"), owners, floats[3])


@kinds
@batches
def test_outputs_and_gradients(dtype, batch, is_additive):
    attended = Attended(*BATCHES[batch], 19, 7, is_additive)
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-13}
    found, backprop = run(attended, dtype)
    weights, C = attend(*attended.exact())
    assert_allclose(found.weights, numpy.concatenate([numpy.empty(0), *weights]), **tolerance)
    assert_allclose(found.C, C, **tolerance)
    dC = attended.uniform(*C.shape).astype(dtype)
    for d_weights in (None, attended.uniform(attended.P).astype(dtype)):
        expected = gradients(*attended.exact(), dC, d_weights)
        grads = backprop(dC, d_weights)
        assert (grads.du is None) == (not is_additive)
        for name, gradient in expected.items():
            assert_allclose(getattr(grads, name), gradient, **tolerance)
            assert getattr(grads, name).dtype == dtype


@kinds
@batches
def test_a_query_does_not_depend_on_the_others(dtype, batch, is_additive):
    attended = Attended(*BATCHES[batch], 37, 21, is_additive)
    found, _ = run(attended, dtype)
    at = 0
    for m, owner in enumerate(attended.owners):
        alone, _ = run(attended.alone(m), dtype)
        assert_array_equal(alone.C[0], found.C[m])
        assert_array_equal(alone.weights, found.weights[at : at + attended.lengths[owner]])
        at += attended.lengths[owner]


@kinds
def test_compiled_code_takes_views(dtype, is_additive):
    attended = Attended([3, 4], [1, 0, 1], 6, 6, is_additive)
    if dtype == "float64":
        return
    expected, backprop = run(attended, dtype)
    dC = attended.uniform(3, 6)
    wide = numpy.concatenate([attended.keys, attended.values], axis=1)
    arrays = attended.Q[::-1].copy()[::-1], wide[:, :6], wide[:, 6:]
    found, backprop_of_views = attend_rows(*arrays, attended.lengths.astype("int32"), attended.owners.astype("int32"), attended.u)
    for one, other in zip((*found, *backprop_of_views(dC, None)), (*expected, *backprop(dC, None)), strict=True):
        assert one is None if other is None else (one == other).all()


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"Q": (3, 5)}, "keys have width 6, but queries have 5 and weights"),
        ({"u": (5,)}, r"keys have width 6, but queries have 6 and weights of shape \(5,\)"),
        ({"keys": (8, 6)}, "lengths add up to 7, but there are 8 keys and 7 values"),
        ({"values": (6, 4)}, "lengths add up to 7, but there are 7 keys and 6 values"),
        ({"Q": (2, 6)}, "expected the sequence of each of the 2 queries, got 3"),
        ({"owners": [0, 2, 1]}, "there are 2 sequences, from 0 on, but queries look at 0 to 2"),
        ({"owners": [0, -1, 1]}, "there are 2 sequences, from 0 on, but queries look at -1 to 1"),
    ],
)
def test_arrays_that_do_not_fit(dtype, changed, message):
    attended = Attended([3, 4], [1, 0, 1], 6, 4, True)
    for name, value in changed.items():
        setattr(attended, name, numpy.array(value) if name == "owners" else attended.uniform(*value))
    with pytest.raises(ValueError, match=message):
        run(attended, dtype)
