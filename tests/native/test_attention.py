"""Compiled attention, beside a plain one in float64 and central differences of it."""

import numpy
import pytest
from attended import Attended, attend, gradients
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.native import library

pytestmark = pytest.mark.skipif(library is None, reason="needs the compiled engine")

WIDTHS = [1, 3, 16, 100, 257]
# How many rows the owners have, and whom the queries look at.
BATCHES = {
    "one row": ([1], [0]),
    "one query": ([7], [0]),
    "queries side by side": ([5, 40, 16, 3], [0] * 5 + [1] * 13 + [2] * 4 + [3]),
    "any order": ([9, 2, 33, 1], [2, 0, 2, 2, 3, 1, 0, 0, 2, 1, 1, 1, 1, 1, 3, 2]),
    "owners without rows": ([0, 4, 0, 0, 19, 0], [0, 1, 1, 2, 4, 4, 4, 0, 5, 1]),
    "owners without queries": ([6, 17, 5], [1, 1, 1]),
    "no rows": ([0, 0], [1, 0, 0]),
    "no queries": ([3, 2], []),
}
kinds = pytest.mark.parametrize("is_additive", [False, True], ids=["dot", "additive"])
batches = pytest.mark.parametrize("batch", BATCHES)


def assert_close(found, expected, tolerance):
    """Compare by the size of the largest number."""
    assert found.shape == expected.shape
    size = numpy.abs(expected).max(initial=1e-3)
    assert_allclose(found, expected, rtol=0, atol=tolerance * size)


@kinds
@batches
@pytest.mark.parametrize("width", WIDTHS)
def test_outputs(isa, width, batch, is_additive):
    attended = Attended(*BATCHES[batch], width, width + 2, is_additive)
    weights, C = attended.run()
    expected = attend(*attended.exact())
    assert_close(weights, numpy.concatenate([numpy.empty(0), *expected[0]]), 1e-5)
    assert_close(C, expected[1], 1e-5)


@kinds
@batches
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("with_weights", [False, True])
def test_gradients(isa, width, batch, is_additive, with_weights):
    attended = Attended(*BATCHES[batch], width, width + 2, is_additive)
    weights, C = attended.run()
    dC = attended.uniform(*C.shape)
    d_weights = attended.uniform(len(weights)) if with_weights else None
    expected = gradients(*attended.exact(), dC, d_weights)
    for name, gradient in attended.run_backward(weights, dC, d_weights).items():
        assert_close(gradient, expected[name], 1e-4)


@kinds
@pytest.mark.parametrize("batch", ["any order", "owners without rows"])
def test_gradients_are_differences(difference_error, batch, is_additive):
    attended = Attended(*BATCHES[batch], 3, 4, is_additive)
    weights, C = attended.run()
    dC, d_weights = attended.uniform(*C.shape), attended.uniform(len(weights))
    found = attended.run_backward(weights, dC, d_weights)
    exact = attended.exact()
    arrays = dict(zip(("dQ", "d_keys", "d_values", "starts", "owners", "du"), exact, strict=True))

    def loss():
        outputs = attend(*exact)
        return float((outputs[1] * dC).sum() + numpy.concatenate(outputs[0]) @ d_weights)

    for name, gradient in found.items():
        assert difference_error(loss, arrays[name], gradient) < 1e-4


@kinds
def test_scores_that_are_far_apart(isa, is_additive):
    attended = Attended([40, 3], [0, 1, 1], 16, 5, is_additive)
    attended.Q *= 300
    if is_additive:
        attended.u *= 300
    weights, C = attended.run()
    expected = attend(*attended.exact())
    # Scores in the thousands have themselves an error of 1e-4.
    assert_allclose(weights, numpy.concatenate(expected[0]), atol=2e-3)
    assert_allclose(C, expected[1], atol=2e-3)
    assert_allclose([weights[:40].sum(), weights[40:43].sum(), weights[43:].sum()], 1, atol=1e-6)


@kinds
@batches
@pytest.mark.parametrize("width", WIDTHS)
def test_a_query_does_not_depend_on_the_others(isa, width, batch, is_additive):
    attended = Attended(*BATCHES[batch], width, width + 2, is_additive)
    weights, C = attended.run()
    at = 0
    for m, owner in enumerate(attended.owners):
        n = attended.lengths[owner]
        alone = attended.alone(m)
        weights_alone, C_alone = alone.run()
        assert_array_equal(weights[at : at + n], weights_alone)
        assert_array_equal(C[m : m + 1], C_alone)
        at += n


@kinds
@pytest.mark.parametrize("width", WIDTHS)
def test_gradients_do_not_depend_on_other_owners(isa, width, is_additive):
    """The queries and rows of an owner have the gradients that they have alone, wherever other owners' queries stand."""
    attended = Attended([5, 40, 16], [1, 0, 1, 1, 2, 2, 1, 1, 1, 1, 0, 1], width, width + 2, is_additive)
    weights, C = attended.run()
    dC = attended.uniform(*C.shape)
    together = attended.run_backward(weights, dC, None)
    for owner in range(3):
        chosen = attended.owners == owner
        one = attended.of_owner(owner)
        found = one.run_backward(one.run()[0], dC[chosen], None)
        rows = slice(attended.starts[owner], attended.starts[owner + 1])
        assert_array_equal(found["dQ"], together["dQ"][chosen])
        assert_array_equal(found["d_keys"], together["d_keys"][rows])
        assert_array_equal(found["d_values"], together["d_values"][rows])


@given(
    lengths=st.lists(st.integers(0, 50), min_size=1, max_size=6),
    seed=st.integers(0, 99),
    M=st.integers(0, 20),
    widths=st.tuples(st.integers(0, 70), st.integers(0, 70)),
    is_additive=st.booleans(),
)
def test_any_batch(lengths, seed, M, widths, is_additive):
    attended = Attended(lengths, numpy.random.default_rng(seed).integers(len(lengths), size=M), *widths, is_additive)
    weights, C = attended.run()
    expected = attend(*attended.exact())
    assert_close(weights, numpy.concatenate([numpy.empty(0), *expected[0]]), 1e-5)
    assert_close(C, expected[1], 1e-5)
    dC = attended.uniform(*C.shape)
    expected = gradients(*attended.exact(), dC, None)
    for name, gradient in attended.run_backward(weights, dC, None).items():
        assert_close(gradient, expected[name], 1e-4)


@kinds
def test_values_may_be_the_keys_and_rows_stand_apart(isa, is_additive):
    attended = Attended([5, 9], [0, 0, 1, 1, 1], 20, 20, is_additive)
    attended.values = attended.keys
    expected = attended.run()
    dC = attended.uniform(*expected[1].shape)
    expected_gradients = attended.run_backward(expected[0], dC, None)
    wide = numpy.full((14, 50), numpy.nan, "float32")
    wide[:, 10:30] = attended.keys
    attended.keys = attended.values = wide[:, 10:30]
    attended.Q = numpy.concatenate([attended.Q, attended.Q], axis=1)[:, :20]
    for found, array in zip(attended.run(), expected, strict=True):
        assert_array_equal(found, array)
    found = attended.run_backward(expected[0], numpy.repeat(dC, 2, axis=0)[::2], None)
    for name, gradient in expected_gradients.items():
        assert_array_equal(found[name], gradient)


@kinds
@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
@pytest.mark.parametrize("row", [0, 3, 19])
def test_what_is_no_number_stays_with_its_query(isa, value, row, is_additive):
    attended = Attended([20, 3], [0, 0, 1, 0], 17, 4, is_additive)
    weights, C = attended.run()
    attended.Q[1, 16] = numpy.nan
    found = attended.run()
    assert numpy.isnan(found[0][20:40]).all()
    assert numpy.isnan(found[1][1]).all()
    assert_array_equal(found[1][[0, 2, 3]], C[[0, 2, 3]])
    attended = Attended([20, 3], [0, 0, 1, 0], 17, 4, is_additive)
    attended.values[row, 2] = value
    found = attended.run()
    assert_array_equal(found[0], weights)
    assert not numpy.isfinite(found[1][[0, 1, 3], 2]).any()
    assert_array_equal(found[1][2], C[2])
    if not is_additive:
        # An infinite score, of either sign, or one that is not a number.
        attended.keys[row, 5] = value
        with numpy.errstate(invalid="ignore"):
            expected = attend(*attended.exact())[0]
        assert_array_equal(numpy.isnan(attended.run()[0]), numpy.isnan(numpy.concatenate(expected)))


BAD = {
    "Q": lambda attended: {"Q": attended.Q[:, :-1]},
    "queries": lambda attended: {"Q": attended.Q[:-1]},
    "columns apart": lambda attended: {"Q": numpy.concatenate([attended.Q, attended.Q], axis=1)[:, ::2]},
    "keys": lambda attended: {"keys": attended.keys[:-1]},
    "values": lambda attended: {"values": attended.values[:-1]},
    "u": lambda attended: {"u": attended.u[:-1]},
    "owners": lambda attended: {"owners": attended.owners[:-1]},
    "an owner too many": lambda attended: {"owners": numpy.array([0, 1, 2])},
    "a negative owner": lambda attended: {"owners": numpy.array([0, 1, -1])},
    "no starts": lambda attended: {"starts": attended.starts[:0]},
    "too few starts": lambda attended: {"starts": attended.starts[:-1]},
    "starts after the first": lambda attended: {"starts": attended.starts + 1},
    "starts before the first": lambda attended: {"starts": attended.starts - 1},
    "decreasing starts": lambda attended: {"starts": numpy.array([0, 9, 8])},
    "negative starts": lambda attended: {"starts": numpy.array([0, -1, 8])},
    "huge starts": lambda attended: {"starts": numpy.array([0, 2**63 - 1, 8])},
    "weights": lambda attended: {"weights": numpy.empty(attended.P - 1, "float32")},
    "more weights": lambda attended: {"weights": numpy.empty(attended.P + 1, "float32")},
    "float64": lambda attended: {"keys": attended.keys.astype("float64")},
    "int32": lambda attended: {"owners": attended.owners.astype("int32")},
}
OUTPUTS = ("C", "dC", "d_weights", "dQ", "d_keys", "d_values", "du")


@pytest.mark.parametrize("bad", BAD)
def test_arrays_that_do_not_fit(bad):
    attended = Attended([5, 3], [1, 0, 1], 6, 7, True)
    changed = BAD[bad](attended)
    with pytest.raises(ValueError):
        attended.run(**changed)
    with pytest.raises(ValueError):
        attended.run_backward(numpy.zeros(attended.P, "float32"), numpy.zeros((3, 7), "float32"), None, **changed)
    attended.run()


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("kind", ["fewer rows", "more rows", "fewer columns", "missing"])
def test_gradients_that_do_not_fit(name, kind):
    attended = Attended([5, 3], [1, 0, 1], 6, 7, True)
    shapes = {
        "C": (3, 7),
        "dC": (3, 7),
        "d_weights": (attended.P,),
        "dQ": (3, 6),
        "d_keys": (8, 6),
        "d_values": (8, 7),
        "du": (6,),
    }
    n, *columns = shapes[name]
    shape = {
        "fewer rows": (n - 1, *columns),
        "more rows": (n + 1, *columns),
        "fewer columns": (n, *(k - 1 for k in columns)),
    }.get(kind)
    array = None if shape is None else numpy.zeros(shape, "float32")
    if kind == "fewer columns" and not columns or kind == "missing" and name == "d_weights":
        return
    with pytest.raises(ValueError, match=f"{name}: expected|{name} is missing"):
        if name == "C":
            attended.run(C=array)
        else:
            attended.run_backward(numpy.zeros(attended.P, "float32"), numpy.zeros((3, 7), "float32"), None, **{name: array})


def test_errors_say_what_is_wrong():
    attended = Attended([5, 3], [1, 0, 1], 6, 7, True)
    for changed, message in (
        ({"owners": numpy.array([0, 2, 1])}, "owners: expected 0 to 1, got 2 for query 1"),
        ({"starts": numpy.array([0, 5, 4])}, "starts: expected numbers of rows that do not decrease from 0, got 4 at 2"),
        ({"starts": numpy.array([0, 5, 9])}, "starts: expected numbers of rows from 0 to 8, got 0 to 9"),
        ({"owners": numpy.array([0])}, "owners: expected that of each of the 3 queries, got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            attended.run(**changed)
    same = numpy.zeros((8, 6), "float32")
    with pytest.raises(ValueError, match="another array than d_keys"):
        attended.run_backward(
            attended.run()[0], numpy.zeros((3, 6), "float32"), None, values=attended.keys, d_keys=same, d_values=same
        )
