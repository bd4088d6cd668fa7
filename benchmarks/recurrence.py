"""One bidirectional recurrent layer, this package's against torch's and thinc's: inference and training, on one thread.

    python benchmarks/recurrence.py

The contenders take turns in one process and have the same weights; their outputs are compared before anything is timed (thinc's,
which takes other weights, is not). A peer is given its fastest form: torch reads zero-padded tensors in whichever of its two
layouts is the faster, or sequences that are already sorted and packed; making these is not timed, while this package's layer
sorts its sequences itself each time. Training is the pass forward and back, to the gradients of all parameters and of the input.
`sweep` is one direction alone. GFLOP/s count the two matrix products of the real rows, three times in training. Where the engine
is compiled, everything is measured again with AVX2 as the widest instruction set, for the peers as well.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, Optional, Tuple

import numpy
import srsly
import torch
import typer
from _ewt import check_converted, sentence_lengths
from _measure import (
    RESULTS,
    ROOT,
    Times,
    check_goal,
    engine,
    format_goals,
    in_new_process,
    machine,
    run_on_one_thread,
    take_turns,
)
from thinc.api import LSTM, Model, NumpyOps, Ragged
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence, pad_sequence

from spacy_rnn.layers import build_rnn
from spacy_rnn.native import library
from spacy_rnn.recurrence import get_cell, sweep

Array = Any  # a numpy.ndarray
Calls = Dict[str, Callable[[], Any]]
Row = Dict[str, Any]

CELLS = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "elman_tanh": torch.nn.RNN}
TITLES = {"lstm": "LSTM", "gru": "GRU", "elman_tanh": "Elman"}
EQUAL = [
    (1, 25, 96, 64),
    (32, 25, 96, 64),
    (32, 25, 128, 128),
    (256, 25, 96, 48),
    (32, 200, 128, 128),
    (1, 200, 256, 256),
    (64, 40, 256, 256),
]
RAGGED = [
    (8, 96, 64),
    (32, 96, 48),
    (32, 96, 64),
    (32, 128, 128),
    (64, 128, 128),
    (128, 96, 64),
    (256, 96, 48),
    (256, 128, 128),
    (64, 256, 256),
]
QUICK = 2
# thinc's LSTM is about ten times slower than torch's: a few shapes say enough.
THINC = [(1, 96, 64), (32, 96, 64), (32, 128, 128)]
SECONDS_OF_PEAK = 0.005
PEERS = {
    "torch": ("torch, time first", "torch, batch first", "torch, packed"),
    "torch padded": ("torch, time first", "torch, batch first"),
    "torch packed": ("torch, packed",),
    "thinc": ("thinc",),
}
AVX2 = {
    "SPACY_RNN_ISA": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}


@dataclass(frozen=True)
class Batch:
    """A batch and the layer that reads it.

    ragged (bool): Whether the lengths differ.
    lengths (Tuple[int, ...]): The rows of each sequence, [B].
    nI (int): The input width.
    nH (int): The hidden units of one direction.
    """

    ragged: bool
    lengths: Tuple[int, ...]
    nI: int
    nH: int

    @property
    def name(self) -> str:
        """The batch in words, e.g. for a table."""
        lengths = "EWT" if self.ragged else f"T {self.lengths[0]}"
        return f"B {len(self.lengths)}, {lengths}, I {self.nI}, H {self.nH}"

    @property
    def has_thinc(self) -> bool:
        """Whether thinc's LSTM takes part."""
        return (len(self.lengths), self.nI, self.nH) in THINC

    def split(self, rows: Array) -> List[Array]:
        """Take the rows of the batch apart.

        rows (numpy.ndarray): [N, any width].
        RETURNS (List[numpy.ndarray]): The rows of each sequence.
        """
        return numpy.split(rows, numpy.cumsum(self.lengths)[:-1])


@dataclass(frozen=True)
class Case:
    """What is timed.

    cell (str): The cell.
    batch (Batch): The batch.
    training (bool): Forward and back, or inference.
    """

    cell: str
    batch: Batch
    training: bool

    def gigaflop(self, directions: int) -> float:
        """Count the floating point operations of the products of input and state with their weights.

        directions (int): 2 for the layer, 1 for a sweep.
        RETURNS (float): In units of 10^9.
        """
        nI, nH = self.batch.nI, self.batch.nH
        forward = 2 * sum(self.batch.lengths) * len(get_cell(self.cell).gates) * nH * (nI + nH)
        return directions * forward * (3 if self.training else 1) / 1e9


def make_batches(corpus: Path, quick: bool) -> List[Batch]:
    """Make the batches: equal lengths, and lengths drawn from the sentences of EWT.

    corpus (Path): EWT's training part.
    quick (bool): Whether a few are enough.
    RETURNS (List[Batch]): The batches.
    """
    lengths = sentence_lengths(corpus)
    rng = numpy.random.default_rng(0)
    equal = [Batch(False, (T,) * B, nI, nH) for B, T, nI, nH in EQUAL]
    ragged = [Batch(True, tuple(rng.choice(lengths, size=B).tolist()), nI, nH) for B, nI, nH in RAGGED]
    return equal[:QUICK] + ragged[:QUICK] if quick else equal + ragged


def our_calls(case: Case, model: Model, X: Array, dY: Array) -> Calls:
    """Prepare this package's layer, and one sweep of it.

    case (Case): The case.
    model (Model): The layer.
    X (numpy.ndarray): Input rows [N, nI].
    dY (numpy.ndarray): The gradient of the output, [N, 2 · nH].
    RETURNS (Calls): What to time.
    """
    lengths: Array = numpy.asarray(case.batch.lengths, dtype="int32")
    cell, direction = get_cell(case.cell), model.layers[0]
    params = {name: direction.get_param(name) for name in cell.parameter_shapes(1, 1)}
    batch, d_batch = Ragged(X, lengths), Ragged(dY, lengths)
    d_direction = numpy.ascontiguousarray(dY[:, : case.batch.nH])

    def train_layer() -> Ragged:
        _, backprop = model(batch, is_train=True)
        return backprop(d_batch)

    def train_sweep() -> Tuple:
        _, _, backprop = sweep(cell, params, X, lengths, is_train=True)
        assert backprop is not None
        return backprop(d_direction, None)

    if case.training:
        return {"layer": train_layer, "sweep": train_sweep}
    return {"layer": lambda: model.predict(batch), "sweep": lambda: sweep(cell, params, X, lengths)}


def build_torch(case: Case, model: Model, batch_first: bool) -> torch.nn.RNNBase:
    """Build torch's layer with the weights of this package's.

    case (Case): The case.
    model (Model): This package's layer.
    batch_first (bool): Torch's layout of padded tensors, [B, T, nI] or [T, B, nI].
    RETURNS (torch.nn.RNNBase): The layer.
    """
    net = CELLS[case.cell](case.batch.nI, case.batch.nH, bidirectional=True, batch_first=batch_first)
    for direction, suffix in zip(model.layers, ("l0", "l0_reverse"), strict=True):
        weights = {name: torch.from_numpy(direction.get_param(name)) for name in direction.param_names}
        with torch.no_grad():
            getattr(net, f"weight_ih_{suffix}").copy_(weights["W"])
            getattr(net, f"weight_hh_{suffix}").copy_(weights["R"])
            getattr(net, f"bias_ih_{suffix}").copy_(weights["b"])
            recurrent_bias = getattr(net, f"bias_hh_{suffix}").zero_()
            if "bR" in weights:
                recurrent_bias[-case.batch.nH :] = weights["bR"]
    return net


def torch_calls(case: Case, model: Model, X: Array, dY: Array) -> Calls:
    """Prepare torch's layer: padded in both layouts, and packed where lengths differ.

    case (Case): The case.
    model (Model): This package's layer, whose weights are taken.
    X (numpy.ndarray): Input rows [N, nI].
    dY (numpy.ndarray): The gradient of the output, [N, 2 · nH].
    RETURNS (Calls): What to time.
    """
    inputs = [torch.from_numpy(rows) for rows in case.batch.split(X)]
    gradients = [torch.from_numpy(rows) for rows in case.batch.split(dY)]
    calls = {}
    for name, batch_first in (("torch, time first", False), ("torch, batch first", True)):
        net = build_torch(case, model, batch_first)
        padded = pad_sequence(inputs, batch_first=batch_first)
        calls[name] = torch_call(case, net, padded, padded, pad_sequence(gradients, batch_first=batch_first))
    if case.batch.ragged:
        order = numpy.argsort([-length for length in case.batch.lengths], kind="stable")
        packed = pack_sequence([inputs[i] for i in order])
        # Its own leaf, so that the gradient of the packed rows can be asked for.
        packed = PackedSequence(packed.data.detach(), packed.batch_sizes)
        d_packed = pack_sequence([gradients[i] for i in order]).data
        calls["torch, packed"] = torch_call(case, build_torch(case, model, False), packed, packed.data, d_packed)
    return calls


def torch_call(case: Case, net: torch.nn.RNNBase, X: Any, leaf: torch.Tensor, dY: torch.Tensor) -> Callable[[], Any]:
    """Prepare one of torch's calls.

    case (Case): The case.
    net (torch.nn.RNNBase): The layer.
    X (Union[torch.Tensor, PackedSequence]): Its input.
    leaf (torch.Tensor): The tensor of the input.
    dY (torch.Tensor): The gradient of the output's tensor.
    RETURNS (Callable): What to time.
    """

    def train() -> Tuple[torch.Tensor, ...]:
        Y = net(X)[0]
        return torch.autograd.grad(Y.data if isinstance(Y, PackedSequence) else Y, wanted, dY)

    if not case.training:
        return lambda: net(X)
    wanted = [leaf.requires_grad_(), *net.parameters()]
    return train


def thinc_calls(case: Case, X: Array, dY: Array) -> Calls:
    """Prepare thinc's LSTM.

    case (Case): The case.
    X (numpy.ndarray): Input rows [N, nI].
    dY (numpy.ndarray): The gradient of the output, [N, 2 · nH].
    RETURNS (Calls): What to time; nothing where thinc's LSTM takes no part.
    """
    if case.cell != "lstm" or not case.batch.has_thinc:
        return {}
    ops = NumpyOps()
    model = LSTM(2 * case.batch.nH, case.batch.nI, bi=True)
    model.initialize()
    batch, d_batch = ops.list2padded(case.batch.split(X)), ops.list2padded(case.batch.split(dY))

    def train() -> Any:
        _, backprop = model(batch, is_train=True)
        return backprop(d_batch)

    return {"thinc": train if case.training else lambda: model.predict(batch)}


def check_agreement(case: Case, calls: Calls) -> None:
    """Check that torch's layer computes what this package's does. Padding does not show as long as biases of candidates are zero.

    case (Case): A case of inference.
    calls (Calls): The contenders.
    RAISES (ValueError): If outputs differ.
    """
    expected = case.batch.split(calls["layer"]().data)
    by_length = numpy.argsort([-length for length in case.batch.lengths], kind="stable")
    for name in set(calls) & set(PEERS["torch"]):
        Y = calls[name]()[0]
        order = by_length if isinstance(Y, PackedSequence) else range(len(expected))
        if isinstance(Y, PackedSequence):
            Y = pad_packed_sequence(Y, batch_first=True)[0]
        elif name == "torch, time first":
            Y = Y.transpose(0, 1)
        worst = max(numpy.abs(Y[k, : len(expected[i])].numpy() - expected[i]).max() for k, i in enumerate(order))
        if worst > 1e-4:
            raise ValueError(f"{case.cell}, {case.batch.name}: the output of {name} differs by {worst:.1e}")


def time_case(case: Case, seconds: float, at_least: int) -> Tuple[Dict[str, Times], Optional[Times]]:
    """Time the contenders of a case, and what one thread reaches in multiplying and adding.

    case (Case): The case.
    seconds (float): How long.
    at_least (int): How many calls of each, however long they take.
    RETURNS (Tuple[Dict[str, Times], Optional[Times]]): By contender; and how long 10^9 floating point operations take at least,
        None where the engine is not compiled.
    """
    rng = numpy.random.default_rng(0)
    n_rows = sum(case.batch.lengths)
    X = rng.standard_normal((n_rows, case.batch.nI), dtype="float32")
    dY = rng.standard_normal((n_rows, 2 * case.batch.nH), dtype="float32")
    model = build_rnn(nO=2 * case.batch.nH, nI=case.batch.nI, cell=case.cell, bidirectional=True)
    model.initialize()
    calls = {**our_calls(case, model, X, dY), **torch_calls(case, model, X, dY), **thinc_calls(case, X, dY)}
    seconds_a_gigaflop: List[float] = []
    with torch.inference_mode(not case.training):
        if not case.training:
            check_agreement(case, calls)
        if library is not None:
            calls["peak"] = lambda: seconds_a_gigaflop.append(1 / library.fma_peak(SECONDS_OF_PEAK))
        times = take_turns(calls, seconds, turn=min(0.05, seconds / 20), at_least=at_least)
    times.pop("peak", None)
    return times, Times.of(seconds_a_gigaflop) if seconds_a_gigaflop else None


def make_row(case: Case, times: Dict[str, Times]) -> Row:
    """Put down what was measured.

    case (Case): The case.
    times (Dict[str, Times]): By contender.
    RETURNS (Row): The shape; milliseconds and GFLOP/s by contender; and how many times as long as the layer the peers took.
    """
    contenders = {}
    for name, taken in times.items():
        work = case.gigaflop(1 if name == "sweep" else 2)
        contenders[name] = {
            "minimum ms": round(1000 * taken.minimum, 5),
            "median ms": round(1000 * taken.median, 5),
            "calls": taken.n,
            "GFLOP/s": round(work / taken.minimum, 2),
            "median GFLOP/s": round(work / taken.median, 2),
        }
    ratios = {}
    for peer, forms in PEERS.items():
        found = [times[form] for form in forms if form in times]
        if found and (case.batch.ragged or peer in ("torch", "thinc")):
            best = Times(min(taken.minimum for taken in found), min(taken.median for taken in found), len(found))
            ratios[peer] = best.ratio_to(times["layer"])
    return {
        "cell": case.cell,
        "mode": "training" if case.training else "inference",
        "lengths": "ragged" if case.batch.ragged else "equal",
        "name": case.batch.name,
        "B": len(case.batch.lengths),
        "longest": max(case.batch.lengths),
        "rows": sum(case.batch.lengths),
        "nI": case.batch.nI,
        "nH": case.batch.nH,
        "contenders": contenders,
        "ratios": ratios,
    }


def add_shares(row: Row, peak: Times) -> None:
    """Add the share of the peak to every contender, and the sweep's to the ratios.

    row (Row): What was measured.
    peak (Times): How long 10^9 floating point operations take at least, measured in turns with the contenders: the clock changes.
    """
    row["peak GFLOP/s"] = round(1 / peak.minimum, 1)
    for found in row["contenders"].values():
        found["share of peak"] = round(found["GFLOP/s"] * peak.minimum, 3)
        found["median share of peak"] = round(found["median GFLOP/s"] * peak.median, 3)
    found = row["contenders"]["sweep"]
    row["ratios"]["FMA peak (sweep)"] = {"minima": found["share of peak"], "medians": found["median share of peak"]}


def measure(cases: List[Case], seconds: float, at_least: int) -> Dict[str, Any]:
    """Measure every case with one instruction set.

    cases (List[Case]): The cases.
    seconds (float): How long a case takes.
    at_least (int): How many calls of each contender, however long they take.
    RETURNS (Dict[str, Any]): Engine, peak, rows and goals.
    """
    torch.set_num_threads(1)
    rows: List[Row] = []
    peaks: List[float] = []
    for case in cases:
        times, peak = time_case(case, seconds, at_least)
        row = make_row(case, times)
        if peak is not None:
            add_shares(row, peak)
            peaks.append(row["peak GFLOP/s"])
        rows.append(row)
        ratios = ", ".join(f"{peer} {ratio['minima']:.2f}" for peer, ratio in row["ratios"].items())
        typer.echo(f"{row['cell']} {row['mode']}, {row['name']}: {row['contenders']['layer']['minimum ms']:.3f} ms; {ratios}")
    return {"engine": engine(), "peak GFLOP/s": max(peaks, default=None), "rows": rows, "goals": check_goals(rows)}


def equal(row: Row, nH: range) -> bool:
    return row["lengths"] == "equal" and row["B"] >= 32 and row["nH"] in nH


def ragged(row: Row, nH: range, least: int = 1) -> bool:
    return row["lengths"] == "ragged" and row["B"] >= least and row["nH"] in nH


def single(row: Row) -> bool:
    return row["lengths"] == "equal" and (row["B"], row["longest"], row["nH"]) == (1, 25, 64)


NARROW, WIDE, ANY = range(48, 129), range(256, 257), range(1, 1000)
GOALS: List[Tuple[str, str, str, float, Callable[[Row], bool]]] = [
    ("ragged, B 32-256, H 48-128", "inference", "torch packed", 4, lambda row: ragged(row, NARROW, 32)),
    ("ragged, B 32-256, H 48-128", "inference", "torch padded", 3, lambda row: ragged(row, NARROW, 32)),
    ("equal, B >= 32, H <= 128", "inference", "torch", 1.2, lambda row: equal(row, NARROW)),
    ("equal, B >= 32, H 256", "inference", "torch", 1.05, lambda row: equal(row, WIDE)),
    ("equal, B >= 32", "inference", "FMA peak (sweep)", 0.85, lambda row: equal(row, ANY)),
    ("B 1, T 25, H 64", "inference", "torch", 4, single),
    ("ragged, H <= 128", "training", "torch packed", 4, lambda row: ragged(row, NARROW)),
    ("ragged, H 256", "training", "torch packed", 3, lambda row: ragged(row, WIDE)),
    ("equal, B >= 32, H <= 128", "training", "torch", 1.7, lambda row: equal(row, NARROW)),
    ("equal, B >= 32, H 256", "training", "torch", 1.3, lambda row: equal(row, WIDE)),
]


def check_goals(rows: List[Row]) -> List[Dict[str, Any]]:
    """Compare what was measured with the goals. Those of GRU and Elman are about the shapes that the LSTM has goals for.

    rows (List[Row]): The rows.
    RETURNS (List[Dict[str, Any]]): The goals.
    """
    goals = [("lstm", mode, what, peer, goal, [fits]) for what, mode, peer, goal, fits in GOALS]
    for cell in ("gru", "elman_tanh"):
        for mode in ("inference", "training"):
            goals.append((cell, mode, "the same shapes", "torch", 1.2, [fits for _, m, _, _, fits in GOALS if m == mode]))
    checked = []
    for cell, mode, what, peer, goal, shapes in goals:
        of_cell = [row for row in rows if (row["cell"], row["mode"]) == (cell, mode)]
        meant = [row for row in of_cell if peer in row["ratios"] and any(fits(row) for fits in shapes)]
        found = [(row["name"], row["ratios"][peer]) for row in meant]
        checked.append(check_goal(f"{TITLES[cell]} {mode}, {what}", peer, goal, found))
    return checked


def main(
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "recurrence.json",
    ewt: Annotated[Path, typer.Option(help="The folder of the converted corpus")] = ROOT / "corpus" / "ewt",
    seconds: Annotated[float, typer.Option(help="How long each case is measured")] = 2.0,
    avx2: Annotated[bool, typer.Option(help="Whether to measure again with AVX2 alone")] = True,
    quick: Annotated[bool, typer.Option(help="See whether it works: a few shapes, a moment each")] = False,
) -> None:
    """Measure one recurrent layer against torch's and thinc's, and keep the figures."""
    run_on_one_thread()
    check_converted(ewt / "train.spacy")
    seconds, at_least = (0.2, 2) if quick else (seconds, 5)
    batches = make_batches(ewt / "train.spacy", quick)
    cases = [Case(cell, batch, training) for cell in CELLS for training in (False, True) for batch in batches]
    parts = [measure(cases, seconds, at_least)]
    if avx2 and parts[0]["peak GFLOP/s"] is not None:
        parts.append(in_new_process(measure, cases, seconds, at_least, environment=AVX2))
    result = {"benchmark": "recurrence", "machine": machine("torch"), "seconds a case": seconds, "parts": parts}
    srsly.write_json(output, result)
    for part in parts:
        peak = part["peak GFLOP/s"]
        reached = "" if peak is None else f", {part['engine']['instruction set']}, FMA peak {peak:.0f} GFLOP/s"
        typer.echo(f"\n{part['engine']['engine']}{reached}")
        typer.echo(format_goals(part["goals"]))


if __name__ == "__main__":
    typer.run(main)
