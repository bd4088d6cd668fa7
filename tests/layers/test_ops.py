"""Matrix products of the compiled engine inside Thinc's operations."""

import itertools
import pickle

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thinc.api import Linear, NumpyOps, Softmax, chain

from spacy_rnn.layers import EngineOps, use_engine_products
from spacy_rnn.native import library

pytestmark = pytest.mark.skipif(library is None, reason="needs the compiled engine")

SIZES = st.one_of(st.integers(0, 9), st.sampled_from([16, 17, 31, 64, 65, 193, 200]))


@pytest.fixture(scope="module", params=library.instruction_sets() if library is not None else [])
def ops(request):
    before = library.selected()
    library.select(request.param)
    yield EngineOps()
    library.select(before)


@settings(deadline=None, database=None, max_examples=60)
@given(
    sizes=st.tuples(SIZES, SIZES, SIZES),
    transposed=st.sampled_from([(False, False), (False, True), (True, False), (True, True)]),
    layout=st.sampled_from(["plain", "transposed", "strided"]),
    into=st.sampled_from(["new", "given", "strided"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_products_are_those_of_numpy(ops, sizes, transposed, layout, into, seed):
    n, k, m = sizes
    rng = numpy.random.default_rng(seed)

    def draw(rows, columns):
        if layout == "transposed":
            return rng.normal(size=(columns, rows)).astype("float32").T
        if layout == "strided":
            return rng.normal(size=(rows, 2 * columns)).astype("float32")[:, ::2]
        return rng.normal(size=(rows, columns)).astype("float32")

    x = draw(k, n) if transposed[0] else draw(n, k)
    y = draw(m, k) if transposed[1] else draw(k, m)
    expected = (x.T if transposed[0] else x).astype("float64") @ (y.T if transposed[1] else y).astype("float64")
    out = {"new": None, "given": numpy.full((n, m), 7, "float32"), "strided": numpy.full((n, 2 * m), 7, "float32")[:, ::2]}[into]
    product = ops.gemm(x, y, out=out, trans1=transposed[0], trans2=transposed[1])
    assert product.dtype == "float32"
    assert out is None or product is out
    numpy.testing.assert_allclose(product, expected, atol=1e-4)


def test_a_row_alone_is_the_row_in_a_product(ops):
    rng = numpy.random.default_rng(0)
    x, y = rng.normal(size=(50, 33)).astype("float32"), rng.normal(size=(19, 33)).astype("float32")
    product = ops.gemm(x, y, trans2=True)
    for i in range(len(x)):
        numpy.testing.assert_array_equal(ops.gemm(x[i : i + 1], y, trans2=True), product[i : i + 1])


@pytest.mark.parametrize("transposed", [(False, False), (False, True), (True, False)])
def test_shapes_that_do_not_fit_are_refused(ops, transposed):
    x, y = numpy.zeros((3, 4), "float32"), numpy.zeros((5, 6), "float32")
    with pytest.raises(ValueError, match="multiply"):
        ops.gemm(x, y, trans1=transposed[0], trans2=transposed[1])
    with pytest.raises(ValueError, match="multiply"):
        ops.gemm(x, y[:4, :], out=numpy.zeros((9, 9), "float32"))


def test_float64_is_multiplied_in_float64(ops):
    x = numpy.random.default_rng(0).normal(size=(4, 4))
    numpy.testing.assert_allclose(ops.gemm(x, x, trans1=True), x.T @ x, rtol=1e-14)


def test_a_model_uses_them_and_its_copy_can():
    model = chain(Linear(4, 3), Softmax(2, 4)).initialize(X=numpy.ones((2, 3), "float32"))
    for each in (model, model.copy(), pickle.loads(pickle.dumps(model))):
        use_engine_products(each)
        assert all(type(node.ops) is EngineOps for node in each.walk())
    expected = chain(Linear(4, 3), Softmax(2, 4)).initialize(X=numpy.ones((2, 3), "float32"))
    expected.from_bytes(model.to_bytes())
    assert type(expected.ops) is NumpyOps
    X = numpy.random.default_rng(0).normal(size=(9, 3)).astype("float32")
    numpy.testing.assert_allclose(model.predict(X), expected.predict(X), atol=1e-6)


def test_operations_of_another_kind_are_left_alone():
    class OtherOps(NumpyOps):
        pass

    model = Linear(4, 3)
    model.ops = OtherOps()
    use_engine_products(model)
    assert type(model.ops) is OtherOps


def test_a_sum_over_a_million_rows_is_as_exact_as_one_over_few():
    rng = numpy.random.default_rng(0)
    x, y = rng.uniform(0, 1, (1_000_000, 2)).astype("float32"), rng.uniform(0, 1, (1_000_000, 3)).astype("float32")
    expected = x.T.astype("float64") @ y
    numpy.testing.assert_allclose(EngineOps().gemm(x, y, trans1=True), expected, rtol=2e-5)


# Over 4,096 rows a sum is done in parts.
@pytest.mark.parametrize("rows", [7, 4096, 4097, 8192, 9000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_operands_of_different_lengths_are_refused_however_long(rows, dtype):
    for trans1, trans2, other in itertools.product([False, True], [False, True], [rows - 1, rows + 1, rows + 808, 0]):
        x = numpy.ones((rows, 2) if trans1 else (2, rows), dtype)
        y = numpy.ones((3, other) if trans2 else (other, 3), dtype)
        with pytest.raises(ValueError, match="multiply"):
            EngineOps().gemm(x, y, trans1=trans1, trans2=trans2)


@pytest.mark.parametrize("rows", [5, 8192])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(2, 4), (1, 3), (3,), (2, 1), (3, 2), (1, 2, 3), (6,)])
def test_an_output_of_another_shape_is_refused_and_left_alone(rows, dtype, shape):
    wide = numpy.full((*shape[:-1], 2 * shape[-1]), 7, dtype)
    for out, trans1 in itertools.product([numpy.full(shape, 7, dtype), wide[..., ::2]], [False, True]):
        x = numpy.ones((rows, 2) if trans1 else (2, rows), dtype)
        with pytest.raises(ValueError, match="out"):
            EngineOps().gemm(x, numpy.ones((rows, 3), dtype), out=out, trans1=trans1)
        assert (out == 7).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (4,), (2, 2, 4), (1, 4, 4)])
def test_only_matrices_are_multiplied(dtype, shape):
    matrix, other = numpy.ones((4, 4), dtype), numpy.ones(shape, dtype)
    for (x, y), trans1, trans2 in itertools.product(
        [(matrix, other), (other, matrix), (other, other)], [False, True], [False, True]
    ):
        with pytest.raises(ValueError, match="multiply"):
            EngineOps().gemm(x, y, trans1=trans1, trans2=trans2)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool", "complex64", "object"])
def test_only_floats_are_multiplied(dtype):
    floats, others = numpy.ones((4, 4), "float32"), numpy.ones((4, 4), dtype)
    for x, y, out in ((floats, others, None), (others, floats, None), (others, others, None), (floats, floats, others)):
        with pytest.raises(ValueError, match=dtype):
            EngineOps().gemm(x, y, out=out)


def test_an_output_may_be_a_factor():
    expected = None
    for factor in (0, 1):
        factors = numpy.random.default_rng(0).normal(size=(2, 300, 300)).astype("float32")
        expected = factors[0] @ factors[1] if expected is None else expected
        numpy.testing.assert_allclose(EngineOps().gemm(factors[0], factors[1], out=factors[factor]), expected, atol=1e-4)


def test_an_affine_map_adds_one_number_to_each_output():
    X, W, b = numpy.ones((5, 3), "float32"), numpy.ones((4, 3), "float32"), numpy.arange(4, dtype="float32")
    numpy.testing.assert_allclose(EngineOps().affine(X, W, b), 3 + numpy.arange(4) + numpy.zeros((5, 1)))
    for shape in ((1,), (3,), (5, 4), (5, 1), (1, 4), ()):
        with pytest.raises(ValueError, match="bias b"):
            EngineOps().affine(X, W, numpy.ones(shape, "float32"))
    with pytest.raises(ValueError, match="multiply"):
        EngineOps().affine(X, W.T.copy(), b)
