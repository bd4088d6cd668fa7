"""The CUDA engine: recurrent sweeps in kernels of our own, for CuPy and float32.

All directions of a layer run in one launch, which waits for nothing on the host. The products over all rows, before a sweep and
after it, are those of the device's BLAS.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy

from ..cuda import SWEEP, Device, Kernel, Launch, explain_memory, find_device, kernel_name, plan_launch, pointer
from .cells import Array, Grads, Params, State
from .interface import EngineBackprop, Result, Sweep, Tape
from .packing import Batch

# Numbers of the input projections that inference keeps at a time: 256 MB.
MAX_PROJECTIONS = 2**26
# What training keeps at most: 2 GB of a batch, 512 MB of a piece.
MAX_TAPE = 2**29
PIECE_TAPE = 2**27


def supports(X: Array, params: Params) -> bool:
    """Tell whether the engine can execute a sweep.

    X (Array): The rows of the batch.
    params (Mapping[str, Array]): The parameters.
    RETURNS (bool): Whether all arrays are CuPy's and float32.
    """
    if isinstance(X, numpy.ndarray) or X.dtype != numpy.float32:
        return False
    return find_device() is not None and all(param.dtype == numpy.float32 for param in params.values())


def run(
    sweeps: Sequence[Sweep], is_train: bool, precision: str = "float32", device: Optional[Device] = None
) -> Tuple[List[Result], Optional[EngineBackprop]]:
    """Execute the sweeps of the directions of a layer.

    sweeps (Sequence[Sweep]): The sweeps, over the same rows.
    is_train (bool): Whether to keep what backpropagation needs.
    precision (str): "tf32" or "bfloat16" to round the factors of products, in training as well; the sums stay float32.
    device (Optional[Device]): What executes them; the device that CuPy uses if None.
    RETURNS (Tuple[List[Result], Optional[Backprop]]): The results, and the way back, as `spacy_rnn.recurrence.run_sweeps` says.
    RAISES (ValueError): If the device cannot do the precision.
    RAISES (MemoryError): If its memory is not enough.
    """
    device = device or find_device()
    assert device is not None
    precision = _possible(device, precision)
    batch, nH = sweeps[0].batch, _state_shape(sweeps[0])[1]
    places = [_place(device.xp, sweep.batch) for sweep in sweeps]
    with explain_memory(batch.lengths, len(sweeps), nH):
        gathered = _gathered(sweeps, places)
        if not is_train:
            return _put_back(sweeps, places, _infer(device, gathered, precision)), None
        tapes = [_prepare(device, sweep, precision, is_train=True) for sweep in gathered]
        _launch(device, tapes, precision, backward=False)

    def backprop(
        dYs: Sequence[Array], d_finals: Sequence[Optional[State]], into: Optional[Array] = None
    ) -> Tuple[Array, List[Grads], List[Dict[str, Array]]]:
        with explain_memory(batch.lengths, len(sweeps), nH):
            d_gathered = [_take(dY, place) for dY, place in zip(dYs, places, strict=True)]
            returning = [_turn(device.xp, *each) for each in zip(tapes, d_gathered, d_finals, strict=True)]
            _launch(device, returning, precision, backward=True)
            dX = _input_gradient(device, returning, places, into, precision)
            grads = [_weight_gradients(device, tape, precision) for tape in returning]
        return dX, grads, [_states(tape, "d{}_first") for tape in returning]

    return _put_back(sweeps, places, [_result(tape) for tape in tapes]), backprop


def tape(sweeps: Sequence[Sweep]) -> Tape:
    """Say how much training keeps.

    sweeps (Sequence[Sweep]): The sweeps of the directions of a layer.
    RETURNS (Tape): Gates, states and, on the way back, the gradients of the gates.
    """
    n_gates, nH = len(sweeps[0].cell.gates), _state_shape(sweeps[0])[1]
    return Tape(len(sweeps) * (2 * n_gates + 3) * nH, MAX_TAPE, PIECE_TAPE)


def _place(xp: Any, batch: Batch) -> Optional[Array]:
    """Say which rows of an array a batch of parts of sequences has; None if it has all of them."""
    return None if batch.starts is None else xp.asarray(batch.rows())


def _take(rows: Array, place: Optional[Array]) -> Array:
    return rows if place is None else rows[place]


def _gathered(sweeps: Sequence[Sweep], places: Sequence[Optional[Array]]) -> List[Sweep]:
    """Put the rows of parts of sequences next to each other: a product and a kernel read them so."""
    if places[0] is None:
        return list(sweeps)
    # All directions have parts of the same lengths.
    batch = Batch(sweeps[0].batch.lengths, sweeps[0].batch.n_rows)
    return [each._replace(X=each.X[place], batch=batch, out=None) for each, place in zip(sweeps, places, strict=True)]


def _put_back(sweeps: Sequence[Sweep], places: Sequence[Optional[Array]], results: List[Result]) -> List[Result]:
    """Put the outputs of parts of sequences where they belong."""
    if places[0] is None:
        return results
    for sweep, place, result in zip(sweeps, places, results, strict=True):
        assert sweep.out is not None
        sweep.out[place] = result.Y
    return [result._replace(Y=sweep.out) for sweep, result in zip(sweeps, results, strict=True)]


def _input_gradient(
    device: Device, tapes: Sequence["_Tape"], places: Sequence[Optional[Array]], into: Optional[Array], precision: str
) -> Array:
    """Give the gradient of the rows, from what the sweep back has left."""
    dX = device.xp.empty(tapes[0].sweep.X.shape, "float32")
    for i, (tape, place) in enumerate(zip(tapes, places, strict=True)):
        W = _rows(device.xp, tape.sweep.params["W"])
        device.product(tape.arrays["dZ"], W, dX, add=i > 0 and into is None, precision=precision)
        if into is not None:
            into[place] += dX
    return dX if into is None else into


def _possible(device: Device, precision: str) -> str:
    """Give the precision that the device has: "tf32" only allows to round."""
    if device.rounds or precision == "float32":
        return precision
    if precision == "tf32":
        return "float32"
    raise ValueError("precision 'bfloat16' needs a GPU of compute capability 8.0 or more; use 'float32', the default")


class _Tape(NamedTuple):
    """A direction on its way: what its kernels read and write, by the names in src/sweep.cuh."""

    sweep: Sweep
    arrays: Dict[str, Optional[Array]]


def _prepare(device: Device, sweep: Sweep, precision: str, is_train: bool) -> _Tape:
    cell, params, X, xp = sweep.cell, sweep.params, sweep.X, device.xp
    shape, states = (X.shape[0], _state_shape(sweep)[1]), _state_shape(sweep)
    arrays: Dict[str, Optional[Array]] = {name: _contiguous(xp, param) for name, param in params.items() if name != "W"}
    arrays["mask"] = None if sweep.mask is None else _contiguous(xp, sweep.mask)
    arrays["Z"] = xp.empty((X.shape[0], params["b"].shape[0]), "float32")
    device.product(_rows(xp, X), _rows(xp, params["W"]), arrays["Z"], transpose_b=True, precision=precision)
    arrays["Y"] = xp.empty(shape, "float32") if sweep.out is None else sweep.out
    for name in cell.states:
        arrays[f"{name}_first"] = None if sweep.initial is None else _contiguous(xp, sweep.initial[name])
        arrays[f"{name}_last"] = xp.empty(states, "float32")
    if is_train:
        arrays["H_in"] = xp.empty(shape, "float32")
    if is_train and "c" in cell.states:
        arrays["C"] = xp.empty(shape, "float32")
    if cell.name == "gru_reset_before" or (is_train and (cell.recurrent_bias or cell.peepholes)):
        arrays["extra"] = xp.empty(shape, "float32")
    return _Tape(sweep, arrays)


def _turn(xp: Any, tape: _Tape, dY: Array, d_final: Optional[State]) -> _Tape:
    """Give what the way back reads and writes."""
    sweep, arrays = tape.sweep, dict(tape.arrays)
    arrays["dY"] = _rows(xp, dY)
    arrays["dZ"] = xp.empty_like(arrays["Z"])
    if sweep.cell.recurrent_bias:
        arrays["d_extra"] = xp.empty_like(arrays["extra"])
    for name in sweep.cell.states:
        arrays[f"d{name}_last"] = None if d_final is None else _contiguous(xp, d_final[name])
        arrays[f"d{name}_first"] = xp.empty(_state_shape(sweep), "float32")
    return _Tape(sweep, arrays)


def _launch(device: Device, tapes: Sequence[_Tape], precision: str, backward: bool) -> None:
    """Run all directions at once."""
    sweep = tapes[0].sweep
    cell, batch, nH = sweep.cell, sweep.batch, _state_shape(sweep)[1]
    if not len(batch):
        return
    plan = _plan(device, batch)
    kernel = Kernel(len(cell.gates), 2 if cell.name == "gru_reset_before" else 1, backward)
    launch = plan_launch(kernel, nH, len(batch), len(tapes), device.processors, device.memory)
    teams = launch.groups * len(tapes)
    # One in a line of the cache each: they are looked at without end.
    counts = device.xp.zeros((teams, 32), "uint32")
    partial = None
    if backward and launch.slices > 1:
        partial = device.xp.empty((2, teams, launch.slices, launch.chunk, nH), "float32")
    given = _describe(tapes, plan, launch, counts, partial)
    name = kernel_name(cell.name, backward, precision, launch.lanes, launch.resident)
    device.launch(cell.name, name, teams * launch.slices, launch.memory, given)


def _describe(tapes: Sequence[_Tape], plan: "_Plan", launch: Launch, counts: Array, partial: Optional[Array]) -> numpy.ndarray:
    """Give what the kernel is given."""
    given = numpy.zeros((1,), SWEEP)
    for described, tape in zip(given["directions"][0], tapes, strict=False):
        for name, array in tape.arrays.items():
            described[name] = pointer(array)
        for name in ("Y", "dY"):
            rows = tape.arrays.get(name)
            described[f"{name}_stride"] = 0 if rows is None else rows.strides[0] // 4
        described["reverse"] = tape.sweep.reverse
    for name, array in (*plan._asdict().items(), ("counts", counts), ("partial", partial)):
        given[name] = pointer(array)
    given["n_sequences"], given["nH"] = _state_shape(tapes[0].sweep)
    given["n_directions"] = len(tapes)
    given["slices"], given["units"], given["chunk"] = launch.slices, launch.units, launch.chunk
    return given


class _Plan(NamedTuple):
    """The sequences of a batch by decreasing length, on the device.

    starts (Array): int64 [B], the first row of each.
    lengths (Array): int32 [B], its rows.
    order (Array): int32 [B], its place in the batch.
    """

    starts: Array
    lengths: Array
    order: Array


def _plan(device: Device, batch: Batch) -> _Plan:
    plan = batch.plans.get(device)
    if plan is None:
        n = len(batch)
        order = numpy.argsort(-batch.lengths, kind="stable")
        # All in one piece, so that it goes to the device at once.
        host = numpy.empty((4 * n,), "int32")
        host[: 2 * n].view("int64")[:] = (batch.lengths.cumsum(dtype="int64") - batch.lengths)[order]
        host[2 * n : 3 * n], host[3 * n :] = batch.lengths[order], order
        whole = device.xp.asarray(host)
        plan = batch.plans[device] = _Plan(whole[: 2 * n].view("int64"), whole[2 * n : 3 * n], whole[3 * n :])
    return plan


def _infer(device: Device, sweeps: Sequence[Sweep], precision: str) -> List[Result]:
    """Run a large batch some sequences at a time, and a long sequence some rows at a time, in bounded memory."""
    first = sweeps[0]
    most = max(1, MAX_PROJECTIONS // (len(sweeps) * first.params["b"].shape[0]))
    if first.X.shape[0] <= most:
        tapes = [_prepare(device, sweep, precision, is_train=False) for sweep in sweeps]
        _launch(device, tapes, precision, backward=False)
        return [_result(tape) for tape in tapes]
    results = []
    for sweep in sweeps:
        shape = _state_shape(sweep)
        out = device.xp.empty((sweep.X.shape[0], shape[1]), "float32") if sweep.out is None else sweep.out
        final = {name: device.xp.empty(shape, "float32") for name in sweep.cell.states}
        for piece in _pieces(sweep.batch.lengths, most, sweep.reverse):
            _infer_piece(device, sweep._replace(out=out), piece, final, precision)
        results.append(Result(out, final))
    return results


class _Piece(NamedTuple):
    """Some rows of some sequences.

    sequences (slice): The sequences.
    rows (slice): Their rows.
    lengths (Union[Sequence[int], numpy.ndarray]): How many of each.
    goes_on (bool): Whether another piece of the sequence comes before this one.
    """

    sequences: slice
    rows: slice
    lengths: Union[Sequence[int], numpy.ndarray]
    goes_on: bool


def _pieces(lengths: numpy.ndarray, most: int, reverse: bool) -> List[_Piece]:
    """Cut a batch into pieces of so many rows at most: of whole sequences, or of one sequence in the order in which it is read.

    lengths (numpy.ndarray): int32 [B].
    most (int): Rows of a piece.
    reverse (bool): Whether sequences are read from their last row to their first.
    RETURNS (List[_Piece]): The pieces.
    """
    ends = lengths.cumsum(dtype="int64")
    pieces: List[_Piece] = []
    first = 0
    while first < len(lengths):
        start = int(ends[first] - lengths[first])
        last = int(numpy.searchsorted(ends, start + most, side="right"))
        if last > first:
            pieces.append(_Piece(slice(first, last), slice(start, int(ends[last - 1])), lengths[first:last], False))
            first = last
            continue
        stop = int(ends[first])
        cuts = [(row, min(row + most, stop)) for row in range(start, stop, most)]
        for low, high in reversed(cuts) if reverse else cuts:
            goes_on = high < stop if reverse else low > start
            pieces.append(_Piece(slice(first, first + 1), slice(low, high), [high - low], goes_on))
        first += 1
    return pieces


def _infer_piece(device: Device, sweep: Sweep, piece: _Piece, final: Dict[str, Array], precision: str) -> None:
    """Run a piece, and leave the state it ends in."""
    before = final if piece.goes_on else sweep.initial
    assert sweep.out is not None
    part = sweep._replace(
        X=sweep.X[piece.rows],
        batch=Batch(piece.lengths, piece.rows.stop - piece.rows.start),
        initial=None if before is None else {name: array[piece.sequences] for name, array in before.items()},
        mask=None if sweep.mask is None else sweep.mask[piece.sequences],
        out=sweep.out[piece.rows],
    )
    tape = _prepare(device, part, precision, is_train=False)
    _launch(device, [tape], precision, backward=False)
    for name, array in _result(tape).final.items():
        final[name][piece.sequences] = array


def _weight_gradients(device: Device, tape: _Tape, precision: str) -> Grads:
    """Give the gradients of the parameters, from what the sweep back has left."""
    xp, cell, params = device.xp, tape.sweep.cell, tape.sweep.params
    arrays, nH = tape.arrays, _state_shape(tape.sweep)[1]
    dZ, H_in, C, extra, d_extra = (arrays.get(name) for name in ("dZ", "H_in", "C", "extra", "d_extra"))
    assert dZ is not None and H_in is not None
    # The candidate of a GRU: its recurrent sum has another gradient than its projection, or its product another input.
    factors = [(dZ, H_in)]
    if len(cell.gates) == 3:
        factors = [(dZ[:, : 2 * nH], H_in), (dZ[:, 2 * nH :], extra) if d_extra is None else (d_extra, H_in)]
    grads = {name: xp.empty(params[name].shape, "float32") for name in ("W", "R")}
    device.product(dZ, _rows(xp, tape.sweep.X), grads["W"], transpose_a=True, precision=precision)
    start = 0
    for d_sums, entered in factors:
        rows = grads["R"][start : start + d_sums.shape[1]]
        device.product(d_sums, entered, rows, transpose_a=True, precision=precision)
        start += d_sums.shape[1]
    grads["b"] = dZ.sum(axis=0)
    if d_extra is not None:
        grads["bR"] = d_extra.sum(axis=0)
    if cell.peepholes:
        columns = {gate: slice(k * nH, (k + 1) * nH) for k, gate in enumerate(cell.gates)}
        seen = {"i": extra, "f": extra, "o": C}
        grads["p"] = xp.concatenate([(dZ[:, columns[gate]] * seen[gate]).sum(axis=0) for gate in cell.peepholes])
    return grads


def _result(tape: _Tape) -> Result:
    return Result(tape.arrays["Y"], _states(tape, "{}_last"))


def _states(tape: _Tape, name: str) -> Dict[str, Array]:
    return {state: tape.arrays[name.format(state)] for state in tape.sweep.cell.states}


def _state_shape(sweep: Sweep) -> Tuple[int, int]:
    return len(sweep.batch), sweep.params["R"].shape[1]


def _contiguous(xp: Any, array: Array) -> Array:
    return xp.ascontiguousarray(array, dtype="float32")


def _rows(xp: Any, array: Array) -> Array:
    """Give rows whose numbers stand side by side; how far the rows are apart does not matter, but they do not overlap."""
    between, within = array.strides
    if array.dtype == numpy.float32 and within == 4 and between >= 4 * array.shape[1] and between % 4 == 0:
        return array
    # Not by ascontiguousarray, which leaves the strides of an array of one row or one column as they are.
    return xp.array(array, dtype="float32", order="C", copy=True)
