"""The compiled engine refuses what would let it read or write outside of its arrays."""

import numpy
import pytest
from sweeps import Layer, field, uniform, weights

from spacy_rnn.native import library

pytestmark = pytest.mark.skipif(library is None, reason="needs the compiled engine")


def executed(**options):
    layer = Layer(**options)
    sweep = layer.sweep()
    library.forward([sweep], False)
    return layer, sweep


BATCHES = {
    "a sequence twice": ([0, 3, 3], [3, 0, 5], [2, 2, 0]),
    "shorter ones first": ([0, 3, 3], [3, 0, 5], [1, 0, 2]),
    "no such sequence": ([0, 3, 3], [3, 0, 5], [2, 0, 3]),
    "a negative sequence": ([0, 3, 3], [3, 0, 5], [2, 0, -1]),
    "a negative length": ([0, 3, 3], [3, -1, 5], [2, 0, 1]),
    "begins after the end": ([0, 3, 4], [3, 0, 5], [2, 0, 1]),
    "begins before the first row": ([-1, 3, 3], [3, 0, 5], [2, 0, 1]),
    "begins nowhere": ([0, 3, 2**63 - 1], [3, 0, 5], [2, 0, 1]),
    "longer than its rows": ([0, 3, 3], [3, 0, 6], [2, 0, 1]),
    "too few starts": ([0, 3], [3, 0, 5], [2, 0, 1]),
    "too short an order": ([0, 3, 3], [3, 0, 5], [2, 0]),
}


@pytest.mark.parametrize("name", BATCHES)
def test_batches(name):
    layer = Layer()
    layer.start, layer.lengths, layer.order = (
        numpy.array(each, dtype) for each, dtype in zip(BATCHES[name], ("int64", "int32", "int32"), strict=True)
    )
    with pytest.raises(ValueError):
        layer.sweep()


@pytest.mark.parametrize(
    "position, shape", [(1, (8, 5)), (1, (7, 4)), (6, (3, 5)), (6, (2, 6)), (7, (4, 6)), (8, (3, 7)), (9, (8, 5)), (9, (7, 6))]
)
def test_shapes_of_a_sweep(position, shape):
    arguments = Layer().arguments()
    arguments[position] = numpy.zeros(shape, "float32")
    with pytest.raises(ValueError, match="expected"):
        library.ForwardSweep(*arguments)


@pytest.mark.parametrize("position", [1, 2, 3, 4, 9, 11])
def test_a_sweep_without_an_array(position):
    arguments = Layer().arguments()
    arguments[position] = None
    with pytest.raises(ValueError):
        library.ForwardSweep(*arguments)


@pytest.mark.parametrize("index", [[0, 1, 2, 3, 4, 0, 1], [0, 1, 2, 3, 4, 0, 1, 5], [0, 1, 2, 3, 4, 0, 1, -1]], ids=str)
def test_rows_of_a_table(index):
    layer = Layer()
    layer.X = layer.X[:5]
    with pytest.raises(ValueError, match="expected 8 numbers or more, got 7|the table has the rows 0 to 4"):
        library.ForwardSweep(*layer.arguments(), numpy.array(index))


def test_the_gradient_of_a_table_has_its_rows():
    layer = Layer()
    layer.X = uniform(40, 4)
    sweep = library.ForwardSweep(*layer.arguments(), numpy.arange(8) % 3)
    library.forward([sweep], False)
    arguments, _ = layer.gradients(dY=uniform(8, 6))
    library.backward([library.BackwardSweep(sweep, *arguments)], False)
    arguments[3] = numpy.zeros((39, 4), "float32")
    with pytest.raises(ValueError, match=r"dX: expected shape \[40 or more, 4\]"):
        library.BackwardSweep(sweep, *arguments)


@pytest.mark.parametrize("cell", ["lstm_peephole", "gru", "gru_reset_before"])
def test_shapes_of_a_way_back(cell):
    layer, sweep = executed(cell=cell)
    arguments, _ = layer.gradients()
    library.backward([library.BackwardSweep(sweep, *arguments)], False)
    for position, array in enumerate(arguments):
        if isinstance(array, numpy.ndarray):
            for other in (None, array[:-1], array[..., :-1].copy()):
                with pytest.raises(ValueError):
                    library.BackwardSweep(sweep, *arguments[:position], other, *arguments[position + 1 :])


def test_a_way_back_needs_a_sweep_that_was_executed_for_training():
    layer = Layer()
    with pytest.raises(ValueError, match="executed"):
        library.BackwardSweep(layer.sweep(), *layer.gradients()[0])
    layer, sweep = executed(is_train=False)
    with pytest.raises(ValueError, match="executed"):
        library.BackwardSweep(sweep, *layer.gradients()[0])


def test_a_sweep_is_executed_once():
    _, sweep = executed()
    other = Layer().sweep()
    for sweeps in ([sweep], [other, other], [other, sweep]):
        with pytest.raises(ValueError, match="once"):
            library.forward(sweeps, True)
    library.forward([other], False)


def test_directions_packed_for_different_instruction_sets():
    before, sets = library.selected(), library.instruction_sets()
    try:
        layers = []
        for name in (sets[0], sets[-1]):
            library.select(name)
            layers.append(Layer())
        if sets[0] != sets[-1]:
            with pytest.raises(ValueError, match="instruction set"):
                library.forward([layer.sweep() for layer in layers], False)
    finally:
        library.select(before)


@pytest.mark.parametrize("cell", ["elman_relu", "gru", "lstm_peephole"])
def test_shapes_of_parameters(cell):
    params = weights(cell, 3, 4)[1]
    for position, array in enumerate(params):
        for other in (array[:-1], numpy.zeros((*array.shape[:-1], array.shape[-1] + 1), "float32")):
            if position == 0 and len(other) == len(array):
                continue
            with pytest.raises(ValueError):
                library.Weights(cell, [*params[:position], other, *params[position + 1 :]], False, False)
    with pytest.raises(ValueError, match="cell"):
        library.Weights("lstm_of_another_kind", params, False, False)


def best_arguments():
    return [*field(4), uniform(8, 4), numpy.array([3, 0, 5], "int32"), numpy.empty(8, "int64"), numpy.empty(3)]


def sums_arguments():
    allowed, lengths = numpy.ones((8, 4), "uint8"), numpy.array([3, 0, 5], "int32")
    return [*field(4), uniform(8, 4), allowed, lengths, True, numpy.empty(3), numpy.empty((8, 4), "float32")]


@pytest.mark.parametrize("function, arguments", [("find_best", best_arguments), ("PathSums", sums_arguments)])
def test_arrays_of_a_conditional_random_field(function, arguments):
    call = getattr(library, function)
    call(*arguments())
    for position, array in enumerate(arguments()):
        if isinstance(array, numpy.ndarray):
            others = [array[:-1], numpy.concatenate([array, array[:1]]), numpy.zeros((0,) * array.ndim, array.dtype)]
            others += [array[:, :-1].copy()] if array.ndim > 1 else []
            for other in others:
                with pytest.raises(ValueError):
                    call(*arguments()[:position], other, *arguments()[position + 1 :])
    for lengths in ([3, -1, 6], [3, 0, 4], [3, 0, 6], [2**31 - 1] * 3):
        changed = [numpy.array(lengths, "int32") if getattr(each, "dtype", None) == "int32" else each for each in arguments()]
        with pytest.raises(ValueError):
            call(*changed)


def test_transitions_are_counted_where_sums_were_kept():
    arguments = sums_arguments()
    arguments[6] = False
    with pytest.raises(ValueError, match="keep"):
        library.PathSums(*arguments).count_transitions(numpy.ones(3, "float32"), numpy.empty((4, 4)))
