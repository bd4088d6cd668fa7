"""A layer on a CUDA device: all its directions forward, and back, in one launch each, between products over all rows."""

import warnings
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy

from ...cuda import CELLS, GRID, SWEEP, Arena, CellSource, ClusterError, Device, Launch, Rows, plan_kernel, pointer
from ..cells import Array, Grads, State
from ..interface import Result, Sweep
from ..packing import Batch

# Two factors, and where their product is written, of each direction.
Products = List[Tuple[Rows, Rows, Rows]]


class Kept(NamedTuple):
    """A layer that has been run forward.

    sweeps (Sequence[Sweep]): Its directions, as the device reads them.
    source (CellSource): The cell's kernels.
    arena (Arena): Z and, in training, H_in, C and extra, by the names in src/sweep.cuh; a direction's are at its slot.
    slots (Sequence[int]): The slot of each direction, in the order of the addresses of W: then one call makes all projections.
    fields (List[Dict[str, int]]): What the kernel has been given of each direction.
    results (List[Result]): What each direction gives.
    """

    sweeps: Sequence[Sweep]
    source: CellSource
    arena: Arena
    slots: Sequence[int]
    fields: List[Dict[str, int]]
    results: List[Result]


class Gradients(NamedTuple):
    """What a sweep back leaves.

    arena (Arena): dZ and, for a cell with a gate apart, d_extra; a direction's are at its slot.
    d_initials (List[Dict[str, Array]]): The gradients of the initial states of each direction.
    """

    arena: Arena
    d_initials: List[Dict[str, Array]]


def forward(device: Device, sweeps: Sequence[Sweep], precision: str, is_train: bool) -> Kept:
    """Project the rows, and run all directions at once.

    device (Device): What executes them.
    sweeps (Sequence[Sweep]): The directions, over the same rows or parts of them that have been gathered.
    precision (str): One that the device has.
    is_train (bool): Whether to keep what backpropagation needs.
    RETURNS (Kept): The results, and what they were made of.
    """
    xp, cell, n_rows = device.xp, sweeps[0].cell, sweeps[0].X.shape[0]
    source, nH = CELLS[cell.name], sweeps[0].state_shape[1]
    sweeps = [_settled(xp, sweep) for sweep in sweeps]
    wanted = {
        "H_in": is_train,
        "C": is_train and source.has_c,
        "extra": source.parts == 2 or (is_train and (source.apart or bool(cell.peepholes))),
    }
    shapes = {name: (n_rows, nH) for name, is_wanted in wanted.items() if is_wanted}
    arena = Arena(xp, len(sweeps), {"Z": (n_rows, source.gates * nH), **shapes})
    slots = numpy.argsort(numpy.argsort([pointer(sweep.params["W"]) for sweep in sweeps])).tolist()
    if n_rows:
        pairs = zip(slots, sweeps, strict=True)
        products = [(Rows.of(sweep.X), Rows.of(sweep.params["W"]), arena.rows("Z", slot)) for slot, sweep in pairs]
        for some in _calls(sweeps, slots, products):
            device.multiply(some, transpose_b=True, precision=precision)
    results, ends = _results(xp, sweeps)
    fields = [
        {**_given(sweep), **arena.addresses(slot), **ends.addresses(i), "Y": pointer(Y), "Y_stride": Y.strides[0] // 4}
        for i, (slot, sweep, (Y, _)) in enumerate(zip(slots, sweeps, results, strict=True))
    ]
    _launch(device, sweeps, fields, precision, backward=False)
    return Kept(sweeps, source, arena, slots, fields, results)


def backward(device: Device, kept: Kept, dYs: Sequence[Array], d_finals: Sequence[Optional[State]], precision: str) -> Gradients:
    """Go back through all directions at once, to the gradients of the projections.

    device (Device): What executes them.
    kept (Kept): The layer, run forward in training.
    dYs (Sequence[Array]): The gradient of each direction's output [N, nH].
    d_finals (Sequence[Optional[Mapping[str, Array]]]): That of each one's final state, or None.
    precision (str): One that the device has.
    RETURNS (Gradients): The gradients.
    """
    xp, sweeps, source = device.xp, kept.sweeps, kept.source
    n, states = len(sweeps), sweeps[0].cell.states
    (B, nH), n_rows = sweeps[0].state_shape, sweeps[0].X.shape[0]
    shapes = {"dZ": (n_rows, source.gates * nH)}
    if source.apart:
        shapes["d_extra"] = (n_rows, nH)
    arena = Arena(xp, n, shapes)
    begins = Arena(xp, n, {f"d{name}_first": (B, nH) for name in states})
    dYs = [as_rows(xp, dY) for dY in dYs]
    d_lasts = [None if d is None else {name: _contiguous(xp, d[name]) for name in states} for d in d_finals]
    fields = [
        {
            **of_forward,
            **arena.addresses(slot),
            **begins.addresses(i),
            **_ends(d_last),
            "dY": pointer(dY),
            "dY_stride": dY.strides[0] // 4,
        }
        for i, (of_forward, slot, dY, d_last) in enumerate(zip(kept.fields, kept.slots, dYs, d_lasts, strict=True))
    ]
    _launch(device, sweeps, fields, precision, backward=True)
    arrays = {name: begins.array(f"d{name}_first") for name in states}
    return Gradients(arena, [{name: array[i] for name, array in arrays.items()} for i in range(n)])


def input_gradient(
    device: Device, kept: Kept, gradients: Gradients, places: Sequence[Optional[Array]], into: Optional[Array], precision: str
) -> Array:
    """Give the gradient of the rows.

    device (Device): What multiplies.
    kept (Kept): The layer.
    gradients (Gradients): What the sweep back has left.
    places (Sequence[Optional[Array]]): Which rows of `into` each direction reads; None for all.
    into (Optional[Array]): What the gradient is added to, if rows have been gathered.
    precision (str): One that the device has.
    RETURNS (Array): [N, nI], or `into`.
    """
    dX = device.xp.empty(kept.sweeps[0].X.shape, "float32")
    for i, (sweep, slot, place) in enumerate(zip(kept.sweeps, kept.slots, places, strict=True)):
        if dX.size:
            product = gradients.arena.rows("dZ", slot), Rows.of(sweep.params["W"]), Rows.of(dX)
            device.multiply([product], add=i > 0 and into is None, precision=precision)
        if into is not None:
            into[place] += dX
    return dX if into is None else into


def weight_gradients(device: Device, kept: Kept, gradients: Gradients, precision: str) -> List[Grads]:
    """Give the gradients of the parameters.

    device (Device): What multiplies.
    kept (Kept): The layer.
    gradients (Gradients): What the sweep back has left.
    precision (str): One that the device has.
    RETURNS (List[Dict[str, Array]]): Those of each direction, by name.
    """
    sweeps, slots, cell, source = kept.sweeps, kept.slots, kept.sweeps[0].cell, kept.source
    n_rows, params = sweeps[0].X.shape[0], sweeps[0].params
    arena = Arena(device.xp, len(sweeps), {name: params[name].shape for name in ("W", "R")}, zeros=not n_rows)
    if n_rows:
        pairs = zip(slots, sweeps, strict=True)
        of_W = [(gradients.arena.rows("dZ", slot), Rows.of(sweep.X), arena.rows("W", slot)) for slot, sweep in pairs]
        for some in (*_calls(sweeps, slots, of_W), *_recurrent_products(kept, gradients, arena)):
            device.multiply(some, transpose_a=True, precision=precision)
    arrays = {name: arena.array(name) for name in ("W", "R")}
    dZ = gradients.arena.array("dZ")
    arrays["b"] = dZ.sum(axis=1)
    if source.apart:
        arrays["bR"] = gradients.arena.array("d_extra").sum(axis=1)
    if cell.peepholes:
        arrays["p"] = _peephole_gradients(device.xp, kept, dZ)
    return [{name: array[slot] for name, array in arrays.items()} for slot in slots]


def _recurrent_products(kept: Kept, gradients: Gradients, arena: Arena) -> List[Products]:
    """Give the products that the gradient of R is made of, each of all directions."""
    source, nH = kept.source, kept.sweeps[0].state_shape[1]
    last = slice((source.gates - 1) * nH, None)
    before = slice(last.start)
    products: List[Products] = [[], []]
    for slot in range(len(kept.sweeps)):
        dZ, H_in, dR = gradients.arena.rows("dZ", slot), kept.arena.rows("H_in", slot), arena.rows("R", slot)
        if not source.apart and source.parts == 1:
            products[0].append((dZ, H_in, dR))
            continue
        products[0].append((dZ.part(columns=before), H_in, dR.part(rows=before)))
        # The recurrent sum of the candidate has another gradient than its projection, or its product another input.
        d_sum = gradients.arena.rows("d_extra", slot) if source.apart else dZ.part(columns=last)
        entered = H_in if source.apart else kept.arena.rows("extra", slot)
        products[1].append((d_sum, entered, dR.part(rows=last)))
    return [each for each in products if each]


def _peephole_gradients(xp: Any, kept: Kept, dZ: Array) -> Array:
    """Give the gradients of the peepholes [directions, 3 · nH]: i and f see the cell state before, o the one after."""
    cell, nH = kept.sweeps[0].cell, kept.sweeps[0].state_shape[1]
    before, after = kept.arena.array("extra"), kept.arena.array("C")
    columns = {gate: slice(k * nH, (k + 1) * nH) for k, gate in enumerate(cell.gates)}
    seen = {"i": before, "f": before, "o": after}
    return xp.concatenate([(dZ[:, :, columns[gate]] * seen[gate]).sum(axis=1) for gate in cell.peepholes], axis=1)


def _settled(xp: Any, sweep: Sweep) -> Sweep:
    """Give a sweep as the device reads it."""
    params = {name: _contiguous(xp, param) for name, param in sweep.params.items()}
    initial = None if sweep.initial is None else {name: _contiguous(xp, sweep.initial[name]) for name in sweep.cell.states}
    mask = None if sweep.mask is None else _contiguous(xp, sweep.mask)
    return sweep._replace(X=as_rows(xp, sweep.X), params=params, initial=initial, mask=mask)


def _given(sweep: Sweep) -> Dict[str, int]:
    """Say where a kernel finds what a settled sweep is given."""
    fields = {name: pointer(param) for name, param in sweep.params.items() if name != "W"}
    fields.update(mask=pointer(sweep.mask), reverse=int(sweep.reverse))
    fields.update({f"{name}_first": pointer(array) for name, array in (sweep.initial or {}).items()})
    return fields


def _ends(d_last: Optional[State]) -> Dict[str, int]:
    return {} if d_last is None else {f"d{name}_last": pointer(array) for name, array in d_last.items()}


def _results(xp: Any, sweeps: Sequence[Sweep]) -> Tuple[List[Result], Arena]:
    """Allocate outputs and final states. These do not keep alive what else a sweep needs."""
    shape, states = sweeps[0].state_shape, sweeps[0].cell.states
    ends = Arena(xp, len(sweeps), {f"{name}_last": shape for name in states})
    arrays = {name: ends.array(f"{name}_last") for name in states}
    results = []
    for i, sweep in enumerate(sweeps):
        Y = xp.empty((sweep.X.shape[0], shape[1]), "float32") if sweep.out is None else sweep.out
        results.append(Result(Y, {name: array[i] for name, array in arrays.items()}))
    return results, ends


def _calls(sweeps: Sequence[Sweep], slots: Sequence[int], products: Products) -> List[Products]:
    """Put products with the rows into one call if the directions share them.

    Rows that have been gathered lie anywhere: whether the second ones are behind the first would decide over the last bits."""
    if all(sweep.X is sweeps[0].X for sweep in sweeps):
        return [[products[slots.index(slot)] for slot in range(len(slots))]]
    return [[product] for product in products]


def _launch(device: Device, sweeps: Sequence[Sweep], fields: List[Dict[str, int]], precision: str, backward: bool) -> None:
    """Run all directions at once."""
    (B, nH), cell, n = sweeps[0].state_shape, sweeps[0].cell.name, len(sweeps)
    if not B:
        return
    form, launch = plan_kernel(cell, backward, precision, nH, B, n, device.chip)
    teams = launch.groups * n
    counts = partial = None
    if launch.team == GRID:
        # One in a line of the cache each: they are looked at without end.
        counts = device.xp.zeros((teams, 32), "uint32")
        if backward:
            partial = device.xp.empty((2, teams, launch.slices, launch.chunk, nH), "float32")
    given = _describe(fields, _plan(device, sweeps[0].batch), launch, counts, partial)
    given["n_sequences"], given["nH"] = B, nH
    try:
        device.launch(form, teams * launch.slices, launch.memory, given)
    except ClusterError as error:
        warnings.warn(f"blocks of recurrent layers meet in the GPU's memory, more slowly: {error}", RuntimeWarning, stacklevel=2)
        device.max_cluster = 1
        _launch(device, sweeps, fields, precision, backward)


def _describe(
    fields: List[Dict[str, int]], plan: "_Plan", launch: Launch, counts: Optional[Array], partial: Optional[Array]
) -> numpy.ndarray:
    """Give what the kernel is given."""
    given = numpy.zeros((1,), SWEEP)
    for described, of_direction in zip(given["directions"][0], fields, strict=False):
        for name, value in of_direction.items():
            described[name] = value
    for name, array in (*plan._asdict().items(), ("counts", counts), ("partial", partial)):
        given[name] = pointer(array)
    given["n_directions"] = len(fields)
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


def _contiguous(xp: Any, array: Array) -> Array:
    return array if array.dtype == numpy.float32 and array.flags.c_contiguous else xp.ascontiguousarray(array, dtype="float32")


def as_rows(xp: Any, array: Array) -> Array:
    """Give rows whose numbers stand side by side; how far the rows are apart does not matter, but they do not overlap.

    xp (Any): The array module.
    array (Array): [N, columns].
    RETURNS (Array): float32 [N, columns]; the array itself if it is like that.
    """
    between, within = array.strides
    if array.dtype == numpy.float32 and within == 4 and between >= 4 * array.shape[1] and between % 4 == 0:
        return array
    # Not by ascontiguousarray, which leaves the strides of an array of one row or one column as they are.
    return xp.array(array, dtype="float32", order="C", copy=True)
