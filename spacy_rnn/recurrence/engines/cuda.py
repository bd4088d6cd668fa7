"""The CUDA engine: recurrent sweeps in kernels of our own, for CuPy and float32.

All directions of a layer run in one launch, which waits for nothing on the host. The products over all rows, before a sweep and
after it, are those of the device's BLAS, of both directions at once.
"""

from typing import Any, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy

from ...cuda import CELLS as KERNELS
from ...cuda import PRECISIONS, Device, explain_memory, find_device
from ..cells import BUILT_IN, Array, Cell, Grads, Params, State
from ..interface import EngineBackprop, Result, Settings, Sweep, Tape
from ..packing import Batch
from ..tables import part
from .base import BaseEngine
from .cuda_layer import backward, forward, input_gradient, weight_gradients

# Numbers of the input projections that inference keeps at a time: 256 MB.
MAX_PROJECTIONS = 2**26
# The part of the device's memory that training keeps of a batch at most. Not of what is free: the pieces, and with them the last
# bits, would follow what else is there. And what it keeps of a piece, 512 MB.
TAPE_SHARE = 8
PIECE_TAPE = 2**27
ALL_PRECISIONS = frozenset(PRECISIONS)
EXACT_PRECISIONS = frozenset(("float32", "tf32"))


class CudaEngine(BaseEngine):
    """The engine of CuPy's float32 arrays, where there is a device."""

    name = "cuda"

    def __init__(self, device: Optional[Device] = None) -> None:
        """Make the engine.

        device (Optional[Device]): What executes sweeps; the device that CuPy uses at the time if None.
        """
        self._given = device

    @property
    def device(self) -> Device:
        """What executes sweeps now."""
        device = self._given or find_device()
        assert device is not None
        return device

    def supports(self, cell: Cell, X: Array, params: Params) -> bool:
        if isinstance(X, numpy.ndarray) or X.dtype != numpy.float32 or find_device() is None:
            return False
        is_ours = cell.name in KERNELS and BUILT_IN.get(cell.name) is cell
        return is_ours and all(param.dtype == numpy.float32 for param in params.values())

    def precisions(self, is_train: bool) -> FrozenSet[str]:
        device = self._given or find_device()
        # "tf32" allows to round; a device that cannot is more exact.
        return EXACT_PRECISIONS if device is not None and not device.rounds else ALL_PRECISIONS

    def run(self, sweeps: Sequence[Sweep], keeps: bool, settings: Settings) -> Tuple[List[Result], Optional[EngineBackprop]]:
        """Execute the sweeps of the directions of a layer.

        sweeps, keeps, settings: As `Engine.run` takes them. Precision holds in training as well; the sums stay float32.
        RETURNS (Tuple[List[Result], Optional[EngineBackprop]]): The results, and backpropagation if it is kept.
        RAISES (MemoryError): If the device's memory is not enough.
        """
        device = self.device
        return _run(device, sweeps, keeps, settings.precision if device.rounds else "float32")

    def tape(self, sweeps: Sequence[Sweep]) -> Tape:
        # Gates, states and, in backpropagation, the gradients of the gates.
        n_gates, nH = len(sweeps[0].cell.gates), sweeps[0].state_shape[1]
        return Tape(len(sweeps) * (2 * n_gates + 3) * nH, self.device.total_memory // (4 * TAPE_SHARE), PIECE_TAPE)


def _run(
    device: Device, sweeps: Sequence[Sweep], is_train: bool, precision: str
) -> Tuple[List[Result], Optional[EngineBackprop]]:
    """Execute the sweeps of the directions of a layer."""
    batch, nH = sweeps[0].batch, sweeps[0].state_shape[1]
    places = [_place(device.xp, sweep.batch) for sweep in sweeps]
    with explain_memory(batch.lengths, len(sweeps), nH):
        gathered = _gathered(sweeps, places)
        if not is_train:
            return _put_back(sweeps, places, _infer(device, gathered, precision)), None
        kept = forward(device, gathered, precision, is_train=True)

    def backprop(
        dYs: Sequence[Array], d_finals: Sequence[Optional[State]], into: Optional[Array] = None
    ) -> Tuple[Array, List[Grads], List[Dict[str, Array]]]:
        with explain_memory(batch.lengths, len(sweeps), nH):
            d_gathered = [_take(dY, place) for dY, place in zip(dYs, places, strict=True)]
            gradients = backward(device, kept, d_gathered, d_finals, precision)
            dX = input_gradient(device, kept, gradients, places, into, precision)
            return dX, weight_gradients(device, kept, gradients, precision), gradients.d_initials

    return _put_back(sweeps, places, kept.results), backprop


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
    return [each._replace(X=part(each.X, place), batch=batch, out=None) for each, place in zip(sweeps, places, strict=True)]


def _put_back(sweeps: Sequence[Sweep], places: Sequence[Optional[Array]], results: List[Result]) -> List[Result]:
    """Put the outputs of parts of sequences where they belong."""
    if places[0] is None:
        return results
    for sweep, place, result in zip(sweeps, places, results, strict=True):
        assert sweep.out is not None
        sweep.out[place] = result.Y
    return [result._replace(Y=sweep.out) for sweep, result in zip(sweeps, results, strict=True)]


def _infer(device: Device, sweeps: Sequence[Sweep], precision: str) -> List[Result]:
    """Run a large batch some sequences at a time, and a long sequence some rows at a time, in bounded memory."""
    first = sweeps[0]
    most = max(1, MAX_PROJECTIONS // (len(sweeps) * first.params["b"].shape[0]))
    if first.X.shape[0] <= most:
        return forward(device, sweeps, precision, is_train=False).results
    results = []
    for sweep in sweeps:
        shape = sweep.state_shape
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
    (result,) = forward(device, [part], precision, is_train=False).results
    for name, array in result.final.items():
        final[name][piece.sequences] = array
