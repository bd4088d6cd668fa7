"""How much of a gradient is left after a number of time steps: the vanishing gradient, measured.

The norm of the gradient at distance k is the largest singular value of the Jacobian d y_T / d x_(T-k) of a recurrent layer's last
output by the input k time steps before (Bengio, Simard & Frasconi 1994, "Learning long-term dependencies with gradient descent is
difficult"; Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks").
"""

from typing import NamedTuple, Sequence, Tuple, cast

import numpy
from thinc.api import Model, NumpyOps, fix_random_seed, to_numpy
from thinc.types import Floats2d, Ints1d, Ragged

from ..layers import begin_scan, build_rnn, drop_nothing

# Outputs whose gradients are found in one backward sweep.
CHUNK = 64


class Reach(NamedTuple):
    """How far back the gradient of a recurrent layer reaches, in one sample or in the mean of several.

    norms (numpy.ndarray): float64 [T], the norm of the gradient by distance.
    before (float): The norm of the gradient of all parameters, if a gradient of norm 1 comes to the last output.
    after (float): The same after clipping.
    """

    norms: numpy.ndarray
    before: float
    after: float


def measure_cell(cell: str, width: int, n_steps: int, threshold: float = 1.0, seed: int = 0) -> Reach:
    """Measure a freshly initialized layer on random input, drawn from a standard normal distribution.

    cell (str): The cell.
    width (int): The width of input and output.
    n_steps (int): T, the length of the sequence, time steps.
    threshold (float): The norm that a gradient is clipped to.
    seed (int): What parameters and input are drawn with; the seed of all random numbers is set to it.
    RETURNS (Reach): How far its gradient reaches.
    """
    fix_random_seed(seed)
    rnn = build_rnn(width, width, cell=cell).initialize()
    rows = numpy.random.default_rng(seed).normal(size=(n_steps, width)).astype("float32")
    return measure_layer(rnn, rows, threshold, seed)


def measure_layer(
    rnn: Model[Ragged, Ragged], rows: numpy.ndarray, threshold: float = 1.0, seed: int = 0, backward: bool = False
) -> Reach:
    """Measure a layer.

    rnn (Model[Ragged, Ragged]): A layer made by `build_rnn`, which is left as it is; its dropout is not applied.
    rows (numpy.ndarray): float32 [T, nI], the sequence it reads.
    threshold (float): The norm that a gradient is clipped to.
    seed (int): What the direction of the gradient that comes to the last output is drawn with.
    backward (bool): Whether the last output is that of the backward direction, which stands in the first row.
    RETURNS (Reach): How far its gradient reaches.
    RAISES (ValueError): If the sequence is not an array of at least one row.
    """
    gradient = parameter_gradient(rnn, rows, seed, backward)
    before = float(numpy.linalg.norm(gradient))
    return Reach(jacobian_norms(rnn, rows, backward), before, clipped_norm(gradient, threshold))


def jacobian_norms(rnn: Model[Ragged, Ragged], rows: numpy.ndarray, backward: bool = False) -> numpy.ndarray:
    """Find the norms of the gradients of a layer's last output by its inputs.

    rnn (Model[Ragged, Ragged]): A layer made by `build_rnn`, which is left as it is; its dropout is not applied.
    rows (numpy.ndarray): float32 [T, nI], the sequence it reads.
    backward (bool): Whether the last output is that of the backward direction, which stands in the first row.
    RETURNS (numpy.ndarray): float64 [T], the largest singular values of the Jacobians by distance, that of the row in which the
        output stands first.
    RAISES (ValueError): If the sequence is not an array of at least one row.
    """
    rnn = _without_dropout(rnn, rows)
    columns, last = _last_output(rnn, rows, backward)
    jacobians = []
    for start in range(0, len(columns), CHUNK):
        chunk = columns[start : start + CHUNK]
        # As many copies of the sequence as outputs: each takes the gradient of one output.
        d_outputs = numpy.zeros((len(chunk), len(rows), rnn.get_dim("nO")), dtype="float32")
        d_outputs[numpy.arange(len(chunk)), last, chunk] = 1
        jacobians.append(_input_gradient(rnn, rows, d_outputs))
    by_row = numpy.concatenate(jacobians).swapaxes(0, 1)
    norms = numpy.linalg.norm(by_row, ord=2, axis=(1, 2))
    return norms if backward else norms[::-1]


def parameter_gradient(rnn: Model[Ragged, Ragged], rows: numpy.ndarray, seed: int = 0, backward: bool = False) -> numpy.ndarray:
    """Find the gradient of a layer's parameters, if a gradient of norm 1 and random direction comes to its last output.

    rnn (Model[Ragged, Ragged]): A layer made by `build_rnn`, which is left as it is; its dropout is not applied.
    rows (numpy.ndarray): float32 [T, nI], the sequence it reads.
    seed (int): What the direction is drawn with.
    backward (bool): Whether the last output is that of the backward direction, which stands in the first row.
    RETURNS (numpy.ndarray): float32 [parameters], the gradients of all parameters side by side.
    RAISES (ValueError): If the sequence is not an array of at least one row.
    """
    rnn = _without_dropout(rnn, rows)
    columns, last = _last_output(rnn, rows, backward)
    direction = numpy.random.default_rng(seed).normal(size=len(columns))
    d_outputs = numpy.zeros((1, len(rows), rnn.get_dim("nO")), dtype="float32")
    d_outputs[0, last, columns] = direction / numpy.linalg.norm(direction)
    learned = [(node, name) for node in rnn.walk() for name in node.param_names]
    for node, name in learned:
        node.set_grad(name, node.ops.xp.zeros_like(node.get_param(name)))
    _input_gradient(rnn, rows, d_outputs)
    return numpy.concatenate([to_numpy(node.get_grad(name)).ravel() for node, name in learned])


def clipped_norm(gradient: numpy.ndarray, threshold: float) -> float:
    """Find the norm of a gradient after clipping (Pascanu et al. 2013, algorithm 1).

    gradient (numpy.ndarray): float32, any shape.
    threshold (float): The norm that it is clipped to.
    RETURNS (float): The norm.
    """
    return float(numpy.linalg.norm(NumpyOps().clip_gradient(gradient.copy(), threshold)))


def mean_reach(samples: Sequence[Reach]) -> Reach:
    """Average samples.

    samples (Sequence[Reach]): The samples, at least one.
    RETURNS (Reach): Their geometric means, since norms differ by orders of magnitude; as many distances as the shortest has.
    RAISES (ValueError): If there are none.
    """
    if not samples:
        raise ValueError("expected at least one sample to average, got none")
    n_steps = min(len(sample.norms) for sample in samples)
    norms = _geometric_mean(numpy.stack([sample.norms[:n_steps] for sample in samples]))
    before, after = _geometric_mean(numpy.asarray([[sample.before, sample.after] for sample in samples]))
    return Reach(norms, float(before), float(after))


def _geometric_mean(values: numpy.ndarray) -> numpy.ndarray:
    with numpy.errstate(divide="ignore"):
        return numpy.exp(numpy.log(values).mean(axis=0))


def _without_dropout(rnn: Model, rows: numpy.ndarray) -> Model:
    """Copy a layer: gradients and rates of the copy are nobody else's."""
    if numpy.ndim(rows) != 2 or not len(rows):
        raise ValueError(f"expected the rows of a sequence, [T, nI] with T of at least 1, got an array {numpy.shape(rows)}")
    copy = rnn.copy()
    drop_nothing(copy)
    return copy


def _last_output(rnn: Model, rows: numpy.ndarray, backward: bool) -> Tuple[numpy.ndarray, int]:
    """Give the columns of a direction's output, and the row in which its last one stands."""
    width = rnn.get_dim("nO")
    if not rnn.attrs["bidirectional"]:
        return numpy.arange(width), len(rows) - 1
    half = width // 2
    return (numpy.arange(half, width), 0) if backward else (numpy.arange(half), len(rows) - 1)


def _input_gradient(rnn: Model, rows: numpy.ndarray, d_outputs: numpy.ndarray) -> numpy.ndarray:
    """Go back through copies of a sequence [T, nI], with gradients [copies, T, nO] of their outputs; float64 [copies, T, nI]."""
    copies, n_steps, width = d_outputs.shape
    lengths = cast(Ints1d, numpy.full(copies, n_steps, dtype="int32"))
    X = rnn.ops.asarray2f(cast(Floats2d, numpy.tile(rows, (copies, 1))))
    dY = rnn.ops.asarray2f(cast(Floats2d, d_outputs.reshape(-1, width)))
    _, backprop = begin_scan(rnn, Ragged(X, lengths))
    dX, _ = backprop(Ragged(dY, lengths), None)
    return to_numpy(dX.dataXd).reshape(copies, n_steps, -1).astype("float64")
