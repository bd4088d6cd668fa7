"""The CUDA engine on an emulated device: what is decided on the host, and the kernels, executed thread by thread."""

import ctypes

import numpy
import pytest
from emulated_cuda import COMPILER, ORDERS, EmulatedDevice
from numpy.testing import assert_array_equal
from problems import assert_close, assert_equal, draw, draw_directions, run, run_directions, run_reference
from thinc.api import Ragged, fix_random_seed

from spacy_rnn.cuda import CELLS as CUDA_CELLS
from spacy_rnn.cuda import CLUSTER, GRID, ClusterError
from spacy_rnn.layers import begin_scan, build_rnn
from spacy_rnn.recurrence import CELLS, Backpropagation, Batch, Settings, Sweep, run_sweeps
from spacy_rnn.recurrence.engines import cuda
from spacy_rnn.recurrence.engines.cuda import CudaEngine
from spacy_rnn.recurrence.engines.cuda_layer import as_rows

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++")

# Lengths, input width, hidden units, multiprocessors: the fewer there are, the fewer blocks share the units.
SHAPES = {
    "no sequences": ([], 3, 4, 8),
    "no rows": ([0, 0], 3, 4, 8),
    "one unit": ([3, 0, 5, 1], 1, 1, 8),
    "a block has all units": ([3, 0, 5, 1, 0, 2], 7, 5, 8),
    "several sequences side by side": ([4, 2, 6, 1, 3, 3, 5], 6, 20, 2),
    "chunk after chunk": ([2, 1, 3] * 25, 3, 6, 2),
    "blocks share the units": ([5, 3, 1, 0, 5], 7, 130, 8),
    "weights do not stay on chip": ([3, 2], 5, 130, 2),
}
every_cell = pytest.mark.parametrize("name", CELLS)
slow = pytest.mark.slow
one_cell_daily = pytest.mark.parametrize("name", [name if name == "lstm" else pytest.param(name, marks=slow) for name in CELLS])


@pytest.mark.parametrize("shape", SHAPES)
@one_cell_daily
def test_both_directions_are_those_of_the_reference(shape, name):
    *sizes, processors = SHAPES[shape]
    problems = draw_directions(name, *sizes)
    found, dX = run_directions(problems, EmulatedDevice(processors))
    expected = [run_reference(p) for p in problems]
    assert_close({"dX": dX}, {"dX": sum(each["dX"] for each in expected), "Y": expected[0]["Y"]})
    for one, other in zip(found, expected, strict=True):
        assert_close(one, other)
    inferred, _ = run_directions(problems, EmulatedDevice(processors), is_train=False)
    for one, other in zip(inferred, found, strict=True):
        assert_equal(one, {key: other[key] for key in one})


# Of a cluster: lengths, input width, hidden units, multiprocessors. Several chunks follow each other where those are few.
CLUSTERS = {
    "sequences without rows": ([5, 3, 1, 0, 5], 7, 130, 12),
    "chunk after chunk": ([2, 1, 3, 0, 1] * 16, 3, 131, 12),
    "nothing but sequences without rows": ([0, 0], 3, 130, 12),
}


# Cells exchange the same way, so one is enough for all shapes and orders; the weights of gru_reset_before do not stay on chip.
OTHERS = [name for name in CELLS if name not in ("lstm", "gru_reset_before")]


@pytest.mark.parametrize(
    "shape, name, order",
    [
        *((shape, "lstm", "forward") for shape in CLUSTERS),
        *(pytest.param(shape, "lstm", order, marks=slow) for shape in CLUSTERS for order in ORDERS[1:]),
        *(pytest.param("sequences without rows", name, "blocks", marks=slow) for name in OTHERS),
    ],
)
def test_a_cluster_gives_the_same_as_blocks_of_a_grid(name, shape, order):
    *sizes, processors = CLUSTERS[shape]
    problems = draw_directions(name, *sizes)
    cluster, grid = EmulatedDevice(processors, order=order, max_cluster=8), EmulatedDevice(processors)
    found, dX = run_directions(problems, cluster)
    expected, d_expected = run_directions(problems, grid)
    assert_array_equal(dX, d_expected)
    for one, other in zip(found, expected, strict=True):
        assert_equal(one, other)
    assert [form.team for form, _ in cluster.launched] == [CLUSTER] * 2
    assert [form.team for form, _ in grid.launched] == [GRID] * 2
    inferred, _ = run_directions(problems, cluster, is_train=False)
    for one, other in zip(inferred, found, strict=True):
        assert_equal(one, {key: other[key] for key in one})


def test_a_device_without_room_for_clusters_goes_on_without_them(monkeypatch):
    problems = draw_directions("lstm", [5, 3, 1, 0, 5], 7, 130)
    device = EmulatedDevice(12, max_cluster=8)
    launch = device.launch

    def refuse(form, *args):
        if form.team == CLUSTER:
            raise ClusterError("no room")
        launch(form, *args)

    monkeypatch.setattr(device, "launch", refuse)
    with pytest.warns(RuntimeWarning, match="more slowly: no room"):
        found, _ = run_directions(problems, device)
    assert [form.team for form, _ in device.launched] == [GRID] * 2
    for one, p in zip(found, problems, strict=True):
        assert_close(one, run_reference(p))


class Misled(EmulatedDevice):
    """A device on which one block of a team is missed."""

    def launch(self, form, blocks, memory, sweep):
        if form.team == GRID:
            # What others have come to is never reached.
            ctypes.c_uint.from_address(int(sweep["counts"][0])).value = 1 << 31
        super().launch(form, blocks, memory, sweep)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "gru_reset_before"])
def test_blocks_that_would_wait_for_ever_end_the_launch(name):
    p = draw(name, [5, 3], 7, 130)
    with pytest.raises(RuntimeError, match="trap"):
        run_directions([p], Misled(12), is_train=False)


class Far(EmulatedDevice):
    """A device that sees rows far behind the beginning of their arrays: an address computed in fewer than 64 bits is another."""

    rows = 2**31 + 5

    def launch(self, form, blocks, memory, sweep):
        source, nH = CUDA_CELLS[form.cell], int(sweep["nH"][0])
        widths = dict.fromkeys(("H_in", "C", "extra", "d_extra"), nH) | dict.fromkeys(("Z", "dZ"), source.gates * nH)
        for direction in sweep["directions"][0]:
            for name, width in (*widths.items(), ("Y", direction["Y_stride"]), ("dY", direction["dY_stride"])):
                if direction[name]:
                    direction[name] = (int(direction[name]) - 4 * self.rows * int(width)) % 2**64
        starts = (ctypes.c_longlong * int(sweep["n_sequences"][0])).from_address(int(sweep["starts"][0]))
        before = list(starts)
        starts[:] = [start + self.rows for start in before]
        super().launch(form, blocks, memory, sweep)
        starts[:] = before


@pytest.mark.parametrize(
    "nH, processors, max_cluster",
    [(5, 8, 1), *(pytest.param(130, *more, marks=slow) for more in ((12, 1), (12, 8), (2, 1)))],
)
@one_cell_daily
def test_offsets_have_64_bits(name, nH, processors, max_cluster):
    problems = draw_directions(name, [3, 0, 5, 1], 4, nH)
    found, dX = run_directions(problems, Far(processors, max_cluster=max_cluster))
    expected, d_expected = run_directions(problems, EmulatedDevice(processors, max_cluster=max_cluster))
    assert_array_equal(dX, d_expected)
    for one, other in zip(found, expected, strict=True):
        assert_equal(one, other)


@slow
@pytest.mark.parametrize("precision, tolerance", [("float32", 1e-5), ("tf32", 3e-3), ("bfloat16", 3e-2)])
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_cluster_of_eight_has_a_layer_of_256_units(name, precision, tolerance):
    problems = draw_directions(name, [3, 1, 2, 0], 5, 256)
    device = EmulatedDevice(132, 227 * 1024, max_cluster=8)
    found, _ = run_directions(problems, device, precision=precision)
    for one, p in zip(found, problems, strict=True):
        assert_close(one, run_reference(p), tolerance)
    assert all(form.team == CLUSTER for form, _ in device.launched)
    assert max(form.cluster for form, _ in device.launched) >= 6


@slow
@pytest.mark.parametrize("name, nH, precision, tolerance", [("lstm", 512, "float32", 1e-5), ("gru", 256, "tf32", 3e-3)])
def test_a_large_chip_keeps_wide_layers_on_it(name, nH, precision, tolerance):
    """As many blocks as an H200 runs, in teams of as many."""
    problems = draw_directions(name, [3, 2], 5, nH)
    device = EmulatedDevice(132, 227 * 1024)
    found, _ = run_directions(problems, device, precision=precision)
    for one, p in zip(found, problems, strict=True):
        assert_close(one, run_reference(p), tolerance)
    assert all(form.resident and blocks > 20 for form, blocks in device.launched)


@every_cell
def test_without_states_and_mask(name):
    p = draw(name, [3, 0, 5, 1], 7, 5)._replace(initial=None, mask=None, d_final=None)
    (found,), dX = run_directions([p], EmulatedDevice())
    assert_close({**found, "dX": dX}, run_reference(p))


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "backward"])
@one_cell_daily
def test_pieces_of_a_large_batch_are_the_whole(name, reverse, monkeypatch):
    p = draw(name, [3, 0, 17, 1, 0, 2, 2, 9], 4, 5, reverse)
    (whole,), _ = run_directions([p], EmulatedDevice(), is_train=False)
    monkeypatch.setattr(cuda, "MAX_PROJECTIONS", 4 * len(p.params["b"]))
    (pieces,), _ = run_directions([p], EmulatedDevice(), is_train=False)
    assert_close(pieces, whole)


@every_cell
def test_a_sequence_does_not_depend_on_those_beside_it(name):
    p = draw(name, [4, 2, 6, 1, 3, 3, 5], 6, 20)
    (whole,), _ = run_directions([p], EmulatedDevice(1), is_train=False)
    X = p.X.copy()
    X[4 + 2 : 4 + 2 + 6] = numpy.nan
    (found,), _ = run_directions([p._replace(X=X)], EmulatedDevice(1), is_train=False)
    others = numpy.ones(len(X), dtype=bool)
    others[6:12] = False
    assert_array_equal(found["Y"][others], whole["Y"][others])
    assert numpy.isnan(found["Y"][6:12]).all()


@one_cell_daily
def test_backpropagation_can_be_repeated(name):
    p = draw(name, [5, 0, 3, 1], 6, 9)
    batch = Batch(p.lengths, len(p.X))
    _, backprop = CudaEngine(EmulatedDevice()).run([Sweep(p.cell, p.params, p.X, batch, p.initial, p.mask)], True, Settings(True))
    (dX_one, (grads_one,), (d_one,)), (dX_two, (grads_two,), (d_two,)) = (backprop([p.dY], [p.d_final]) for _ in range(2))
    assert_array_equal(dX_one, dX_two)
    assert_equal(grads_one, grads_two)
    assert_equal(d_one, d_two)


def test_the_output_goes_where_it_is_asked_for():
    p = draw("lstm", [3, 2], 4, 5)
    wide = numpy.zeros((5, 12), "float32")
    batch = Batch(p.lengths, len(p.X))
    one = Sweep(p.cell, p.params, p.X, batch, p.initial, p.mask, out=wide[:, 3:8])
    CudaEngine(EmulatedDevice()).run([one], False, Settings())
    assert_close({"Y": wide[:, 3:8]}, run_reference(p))
    assert not wide[:, :3].any() and not wide[:, 8:].any()


ROUNDED = {"tf32": 1e-3, "bfloat16": 1e-2}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ROUNDED)
@pytest.mark.parametrize("shape", ["several sequences side by side", "blocks share the units", "weights do not stay on chip"])
def test_rounded_factors_give_nearly_the_same(shape, precision):
    *sizes, processors = SHAPES[shape]
    p = draw("gru", *sizes)
    (found,), dX = run_directions([p], EmulatedDevice(processors), precision=precision)
    expected = run_reference(p)
    assert_close({**found, "dX": dX}, expected, tolerance=ROUNDED[precision])
    assert numpy.abs(found["Y"] - expected["Y"]).max() > 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("precision", ROUNDED)
@pytest.mark.parametrize("name", ["elman_tanh", "gru_reset_before", "lstm"])
@pytest.mark.parametrize("nH, processors", [(20, 8), (50, 8), (130, 8), (140, 1), (270, 8)])
def test_factors_that_are_round_already_give_the_same(nH, processors, name, precision):
    """One step from states that have few bits, as the weights have: nothing is lost by rounding."""
    p = draw(name, [1, 1, 0, 1], 9, nH)
    states = {s: numpy.sign(array) for s, array in p.initial.items()}
    p = p.mapped(lambda array: numpy.round(array * 8) / numpy.float32(8))._replace(initial=states, mask=None)
    if name == "gru_reset_before":
        # The reset gate enters a product, so it has to be round, too.
        for key in ("W", "R", "b"):
            p.params[key][:nH] = 0
    one, _ = run_directions([p], EmulatedDevice(processors), is_train=False, precision=precision)
    other, _ = run_directions([p], EmulatedDevice(processors), is_train=False)
    assert_close(one[0], other[0], tolerance=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS[1:])
@pytest.mark.parametrize("precision", ["float32", *ROUNDED])
@pytest.mark.parametrize("name, nH, processors", [("lstm", 50, 2), ("gru_reset_before", 140, 3), ("elman_tanh", 520, 1)])
def test_the_order_in_which_threads_run_does_not_matter(name, nH, processors, precision, order):
    """To the last bit. Of more than 512 columns several tiles add to the same sums."""
    p = draw(name, [2, 1, 2], 9, nH)
    one, dX = run_directions([p], EmulatedDevice(processors), precision=precision)
    other, dX_other = run_directions([p], EmulatedDevice(processors, order=order), precision=precision)
    assert_equal({**one[0], "dX": dX}, {**other[0], "dX": dX_other})


@pytest.fixture
def cuda_for_numpy(monkeypatch):
    """Let the emulated device execute what is float32, instead of the CPU engine."""
    device = EmulatedDevice()
    monkeypatch.setattr(cuda, "find_device", lambda: device)
    monkeypatch.setattr(CudaEngine, "supports", lambda self, cell, X, params: X.dtype == "float32")
    return device


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_layers_run_on_it(name, cuda_for_numpy, monkeypatch):
    """Deep ones, with states, residuals, and outputs side by side."""
    lengths = numpy.asarray([3, 0, 5, 1], dtype="int32")
    X = numpy.random.default_rng(0).standard_normal((9, 6), "float32")

    def run():
        fix_random_seed(0)
        model = build_rnn(nO=6, nI=6, cell=name, bidirectional=True, depth=2, residual=True, train_initial_state=True)
        model.initialize()
        (Y, states), backprop = begin_scan(model, Ragged(X, lengths))
        dX, d_initial = backprop(Ragged(X, lengths), states)
        grads = {f"{i} {key}": node.get_grad(key) for i, node in enumerate(model.walk()) for key in node.param_names}
        predicted = build_rnn(nO=6, nI=6, cell=name, bidirectional=True)
        predicted.initialize()
        alone = predicted.predict(Ragged(X, lengths)).data
        return {"Y": Y.data, "dX": dX.data, "alone": alone, **grads, **states, **{f"d {s}": d for s, d in d_initial.items()}}

    found = run()
    assert len(cuda_for_numpy.launched) == 5
    monkeypatch.undo()
    assert_close(found, run())


@pytest.mark.parametrize("reverse, truncate", [(False, 0), (True, 4)], ids=["forward", "backward and truncated"])
@one_cell_daily
def test_pieces_that_are_computed_again_give_the_same(name, truncate, reverse, cuda_for_numpy):
    p = draw(name, [3, 0, 17, 1, 9], 6, 9, reverse)
    found = run(p, backpropagation=Backpropagation(checkpoint_rows=12, truncate_gradient=truncate))
    assert len(cuda_for_numpy.launched) > 6
    assert_close(found, run_reference(p, backpropagation=Backpropagation(truncate_gradient=truncate)))


def test_pieces_of_both_directions_are_launched_together(cuda_for_numpy):
    one, other = (draw("gru", [3, 0, 17, 1, 9], 6, 9, reverse, seed=int(reverse)) for reverse in (False, True))
    batch = Batch(one.lengths, len(one.X))
    sweeps = [Sweep(p.cell, p.params, one.X, batch, p.initial, p.mask, p.reverse) for p in (one, other)]

    def run_both(rows):
        results, backprop = run_sweeps(sweeps, True, backpropagation=Backpropagation(checkpoint_rows=rows))
        dX, grads, d_initials = backprop([one.dY, other.dY], [one.d_final, other.d_final])
        found = {"dX": dX}
        for d, arrays in enumerate(zip(results, grads, d_initials, strict=True)):
            (Y, final), grad, d_initial = arrays
            found.update({f"Y {d}": Y, **{f"final {d} {s}": array for s, array in final.items()}})
            found.update({f"gradient {d} {key}": array for key, array in {**grad, **d_initial}.items()})
        return found

    whole = run_both(0)
    cuda_for_numpy.launched.clear()
    pieces = run_both(25)
    assert_close(pieces, {**whole, "Y": whole["Y 0"]})
    # Four pieces: forward, again, and back.
    assert len(cuda_for_numpy.launched) == 12


@pytest.mark.parametrize(
    "rows",
    [
        lambda X: numpy.broadcast_to(X[:1], X.shape),
        lambda X: numpy.broadcast_to(X[0, :1], (1, 4)),
        lambda X: X[::-1],
        lambda X: numpy.asfortranarray(X),
        lambda X: X[:, :1].copy().T,
        lambda X: X[::2, 1:],
    ],
)
def test_rows_are_as_blas_wants_them(rows):
    array = rows(numpy.random.default_rng(0).standard_normal((5, 4), "float32"))
    found = as_rows(numpy, array)
    assert_array_equal(found, array)
    assert found.strides[1] == 4 and found.strides[0] >= 4 * found.shape[1]


def test_a_batch_runs_on_one_device_after_the_other():
    p = draw("lstm", [3, 2], 4, 5)
    batch = Batch(p.lengths, len(p.X))
    for device in (EmulatedDevice(), EmulatedDevice()):
        CudaEngine(device).run([Sweep(p.cell, p.params, p.X, batch, p.initial, p.mask)], False, Settings())
    one, other = batch.plans.values()
    assert one.starts is not other.starts
    assert_array_equal(one.starts, other.starts)


def test_a_device_without_tensor_cores_computes_in_float32_or_says_so():
    p = draw("lstm", [3, 2], 4, 5)
    device = EmulatedDevice()
    device.rounds = False
    exact, _ = run_directions([p], device)
    allowed, _ = run_directions([p], device, precision="tf32")
    assert_equal(allowed[0], exact[0])
    with pytest.raises(ValueError, match=r"compute capability 8\.0"):
        run_directions([p], device, precision="bfloat16")


def test_memory_that_runs_out_names_the_batch(monkeypatch):
    p = draw("lstm", [3, 2], 4, 5)

    def run_out(*args, **kwargs):
        raise MemoryError("full")

    device = EmulatedDevice()
    monkeypatch.setattr(device, "multiply", run_out)
    with pytest.raises(MemoryError, match="5 rows in 2 sequences"):
        run_directions([p], device)
    monkeypatch.undo()
    assert_close(run_directions([p], device)[0][0], run_reference(p))
