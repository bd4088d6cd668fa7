"""Recurrent layers and training on a GPU: this package's CUDA engine against cuDNN (torch's layers) and Thinc's LSTM.

    python benchmarks/gpu.py layers
    python benchmarks/gpu.py training

`layers`: one bidirectional layer forward and back, to the gradients of all parameters and of the input, by shape and precision.
The contenders take turns in one process and have the same weights; their outputs are compared first. A call is timed on the host,
from before it until the device has done all of it. Torch reads zero-padded tensors, or sequences that are already sorted and
packed, on the device; its precision is set to the same as this package's.

`training`: `nlp.update` on batches of about 1,000 words of EWT train, settings as in configs/tagger_pos.cfg: this package's
encoder on the GPU and, where its compiled engine is there, on the CPU, and `spacy.TorchBiLSTMEncoder.v1` of the same size on the
GPU.

With `--gpu -1` everything runs on the CPU, which shows whether it works.
"""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List

import numpy
import spacy
import srsly
import typer
from _ewt import check_converted, sentence_lengths
from _measure import RESULTS, ROOT, Times, engine, machine, take_turns
from _taggers import Tagger, build_tagger
from pipeline import Training
from recurrence import CELLS, Batch, Case, build_torch
from thinc.api import LSTM, CupyOps, Model, NumpyOps, Ops, Ragged, use_ops, xp2torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_sequence
from wasabi import table as format_table

from spacy_rnn.layers import build_rnn
from spacy_rnn.recurrence import select_engine

Row = Dict[str, Any]

SHAPES = [(B, T, H) for H in (128, 256, 512) for B in (32, 256) for T in (25, 200)]
RAGGED = [(B, H) for H in (128, 256, 512) for B in (32, 256)]
OTHER_CELLS = [(32, 25, 128), (256, 25, 256)]
THINC = (32, 25, 128)
PRECISIONS = ("float32", "tf32")
GOALS = {128: 1.5, 256: 1.5, 512: 1.0}
UPDATES = 30


def make_cases(corpus: Path, quick: bool) -> List[Case]:
    """Make the cases: LSTM and GRU in all shapes, the Elman layer in some.

    corpus (Path): EWT's training part.
    quick (bool): Whether a few small ones are enough.
    RETURNS (List[Case]): The cases, training alone.
    """
    rng, lengths = numpy.random.default_rng(0), sentence_lengths(corpus)
    if quick:
        batches = [Batch(False, (5,) * 4, 16, 16), Batch(True, (5, 3, 2), 16, 16)]
        return [Case(cell, batch, True) for cell in CELLS for batch in batches]
    batches = [Batch(False, (T,) * B, H, H) for B, T, H in SHAPES]
    batches += [Batch(True, tuple(rng.choice(lengths, size=B).tolist()), H, H) for B, H in RAGGED]
    others = [Batch(False, (T,) * B, H, H) for B, T, H in OTHER_CELLS]
    return [Case(cell, batch, True) for cell in ("lstm", "gru") for batch in batches] + [
        Case("elman_tanh", batch, True) for batch in others
    ]


def synchronize(ops: Ops) -> None:
    """Wait until the device has done everything.

    ops (Ops): The backend.
    """
    if isinstance(ops, CupyOps):
        ops.xp.cuda.Device().synchronize()


def our_call(case: Case, model: Model, X: Any, dY: Any) -> Callable[[], Any]:
    """Prepare this package's layer.

    case (Case): The case.
    model (Model): The layer.
    X (Array): Input rows [N, nI].
    dY (Array): The gradient of the output [N, 2 · nH].
    RETURNS (Callable): What to time; it gives the output.
    """
    lengths: Any = numpy.asarray(case.batch.lengths, dtype="int32")
    batch, d_batch = Ragged(X, lengths), Ragged(dY, lengths)

    def train() -> Any:
        Y, backprop = model(batch, is_train=True)
        backprop(d_batch)
        synchronize(model.ops)
        return Y.data

    return train


def torch_calls(case: Case, model: Model, X: Any, dY: Any, ops: Ops) -> Dict[str, Callable[[], Any]]:
    """Prepare torch's layer: padded, and packed where lengths differ.

    case (Case): The case.
    model (Model): This package's layer on the CPU, whose weights are taken.
    X (numpy.ndarray): Input rows [N, nI].
    dY (numpy.ndarray): The gradient of the output [N, 2 · nH].
    ops (Ops): The backend that says where torch runs.
    RETURNS (Dict[str, Callable]): What to time.
    """
    inputs = [xp2torch(ops.asarray(rows)) for rows in case.batch.split(X)]
    gradients = [xp2torch(ops.asarray(rows)) for rows in case.batch.split(dY)]
    net = build_torch(case, model, False).to(inputs[0].device)
    padded = pad_sequence(inputs)
    calls = {"torch padded": torch_call(net, padded, padded, pad_sequence(gradients), ops)}
    if case.batch.ragged:
        order = numpy.argsort([-length for length in case.batch.lengths], kind="stable")
        packed = pack_sequence([inputs[i] for i in order])
        # Its own leaf, so that the gradient of the packed rows can be asked for.
        packed = PackedSequence(packed.data.detach(), packed.batch_sizes)
        calls["torch packed"] = torch_call(net, packed, packed.data, pack_sequence([gradients[i] for i in order]).data, ops)
    return calls


def torch_call(net: Any, X: Any, leaf: Any, dY: Any, ops: Ops) -> Callable[[], Any]:
    """Prepare one of torch's calls.

    net (torch.nn.RNNBase): The layer.
    X (Union[torch.Tensor, PackedSequence]): Its input.
    leaf (torch.Tensor): The tensor of the input.
    dY (torch.Tensor): The gradient of the output's tensor.
    ops (Ops): The backend that says where it runs.
    RETURNS (Callable): What to time; it gives the output's tensor.
    """
    import torch

    net.flatten_parameters()
    wanted = [leaf.requires_grad_(), *net.parameters()]

    def train() -> Any:
        Y = net(X)[0]
        Y = Y.data if isinstance(Y, PackedSequence) else Y
        torch.autograd.grad(Y, wanted, dY)
        synchronize(ops)
        if isinstance(ops, CupyOps):
            torch.cuda.synchronize()
        return Y

    return train


def thinc_call(case: Case, X: Any, dY: Any, ops: Ops) -> Callable[[], Any]:
    """Prepare Thinc's LSTM.

    case (Case): The case.
    X (numpy.ndarray): Input rows [N, nI].
    dY (numpy.ndarray): The gradient of the output [N, 2 · nH].
    ops (Ops): The backend.
    RETURNS (Callable): What to time.
    """
    with use_ops(ops.name):
        model = LSTM(2 * case.batch.nH, case.batch.nI, bi=True)
        model.initialize()
    batch, d_batch = (ops.list2padded([ops.asarray2f(rows) for rows in case.batch.split(array)]) for array in (X, dY))

    def train() -> Any:
        _, backprop = model(batch, is_train=True)
        backprop(d_batch)
        synchronize(ops)

    return train


def time_case(case: Case, precision: str, ops: Ops, seconds: float) -> Row:
    """Time the contenders of a case.

    case (Case): The case.
    precision (str): The precision of all of them.
    ops (Ops): The backend.
    seconds (float): How long.
    RETURNS (Row): Shape, milliseconds by contender, and how many times as long as this package's layer the peers took.
    RAISES (ValueError): If outputs differ.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    rng = numpy.random.default_rng(0)
    n_rows = sum(case.batch.lengths)
    X = rng.standard_normal((n_rows, case.batch.nI), dtype="float32")
    dY = rng.standard_normal((n_rows, 2 * case.batch.nH), dtype="float32")
    with use_ops("numpy"):
        model = build_rnn(nO=2 * case.batch.nH, nI=case.batch.nI, cell=case.cell, bidirectional=True, precision=precision)
        model.initialize()
    calls = torch_calls(case, model, X, dY, ops)
    if isinstance(ops, CupyOps):
        model.to_gpu(0)
    calls["layer"] = our_call(case, model, ops.asarray(X), ops.asarray(dY))
    if (
        case.cell == "lstm"
        and (len(case.batch.lengths), case.batch.lengths[0], case.batch.nH) == THINC
        and precision == "float32"
    ):
        calls["thinc"] = thinc_call(case, X, dY, ops)
    difference = compare(case, calls, 1e-3 if precision == "float32" else 3e-2)
    times = take_turns(calls, seconds, turn=min(0.05, seconds / 20), at_least=3)
    return {
        "cell": case.cell,
        "precision": precision,
        "name": case.batch.name,
        "lengths": "ragged" if case.batch.ragged else "equal",
        "nH": case.batch.nH,
        "engine": select_engine(ops.asarray(X)).__name__,
        "difference": difference,
        "milliseconds": {name: round(1000 * taken.median, 4) for name, taken in times.items()},
        "ratios": {name: taken.ratio_to(times["layer"]) for name, taken in times.items() if name != "layer"},
    }


def compare(case: Case, calls: Dict[str, Callable[[], Any]], most: float) -> float:
    """Compare outputs with torch's padded ones.

    case (Case): The case.
    calls (Dict[str, Callable]): The contenders.
    most (float): How much they may differ.
    RETURNS (float): How much they differ.
    RAISES (ValueError): If that is more.
    """
    found, padded = NumpyOps().asarray(calls["layer"]()), calls["torch padded"]().detach().cpu().numpy()
    rows = case.batch.split(found)
    difference = max(numpy.abs(padded[: len(each), i] - each).max() for i, each in enumerate(rows))
    if not difference < most:
        raise ValueError(f"{case.cell}, {case.batch.name}: outputs differ by {difference:.1e}")
    return float(difference)


def check_goals(rows: List[Row]) -> List[Row]:
    """Compare what was measured with the goals: LSTM and GRU, the worst shape of each width.

    rows (List[Row]): As made by `time_case`.
    RETURNS (List[Row]): Goals and the lowest ratios of medians to torch's faster form.
    """
    goals = []
    for nH, goal in GOALS.items():
        found = {
            f"{row['cell']}, {row['precision']}, {row['name']}": min(
                ratio["medians"] for name, ratio in row["ratios"].items() if name.startswith("torch")
            )
            for row in rows
            if row["nH"] == nH and row["cell"] != "elman_tanh"
        }
        if found:
            worst = min(found, key=lambda name: found[name])
            goals.append({"H": nH, "goal": goal, "lowest": found[worst], "at": worst, "reached": found[worst] >= goal})
    return goals


def device_name(gpu: int) -> str:
    """Say what computes.

    gpu (int): The number of the GPU, or -1.
    RETURNS (str): Its name, and the version of its driver.
    """
    if gpu < 0:
        return "CPU"
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(gpu)
    return f"{properties['name'].decode()}, driver {cupy.cuda.runtime.driverGetVersion()}, CuPy {cupy.__version__}"


def use_gpu(gpu: int) -> Ops:
    """Compute on a GPU from now on.

    gpu (int): The number of the GPU, or -1 for the CPU.
    RETURNS (Ops): The backend.
    """
    if gpu < 0:
        return NumpyOps()
    spacy.require_gpu(gpu)
    return CupyOps()


app = typer.Typer(add_completion=False)
GPU = Annotated[int, typer.Option(help="The number of the GPU, or -1 to try it on the CPU")]
EWT = Annotated[Path, typer.Option(help="The folder of the converted corpus")]
QUICK = Annotated[bool, typer.Option(help="See whether it works: small, a moment each")]


@app.command()
def layers(
    gpu: GPU = 0,
    ewt: EWT = ROOT / "corpus" / "ewt",
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "gpu-layers.json",
    seconds: Annotated[float, typer.Option(help="How long each case is measured")] = 1.0,
    quick: QUICK = False,
) -> None:
    """Measure layers, and keep the figures."""
    check_converted(ewt / "train.spacy")
    ops, rows = use_gpu(gpu), []
    for case in make_cases(ewt / "train.spacy", quick):
        for precision in PRECISIONS:
            rows.append(time_case(case, precision, ops, 0.05 if quick else seconds))
            row = rows[-1]
            ratios = ", ".join(f"{name} {ratio['medians']:.2f}" for name, ratio in row["ratios"].items())
            typer.echo(f"{row['cell']} {precision}, {row['name']}: {row['milliseconds']['layer']:.3f} ms; {ratios}")
    result = {"benchmark": "gpu layers", "device": device_name(gpu), "machine": machine("torch"), "rows": rows}
    goals = check_goals(rows)
    srsly.write_json(output, {**result, "goals": goals})
    if goals:
        typer.echo(format_table([tuple(goal.values()) for goal in goals], header=tuple(goals[0]), divider=True, max_col=60))


@app.command()
def training(
    gpu: GPU = 0,
    ewt: EWT = ROOT / "corpus" / "ewt",
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "gpu-training.json",
    quick: QUICK = False,
) -> None:
    """Measure `nlp.update`, and keep the figures."""
    train = ewt / "train.spacy"
    check_converted(train)
    ops = use_gpu(gpu)
    contenders = {
        "rnn_tagger": (Tagger("", "rnn_tagger", "ours", 128, 2), ops.name),
        "TorchBiLSTMEncoder": (Tagger("", "tagger", "torch", 128, 2), ops.name),
    }
    if engine()["instruction set"] is not None:
        contenders["rnn_tagger on the CPU"] = (Tagger("", "rnn_tagger", "ours", 128, 2), "numpy")
    trainings = {}
    for name, (tagger, backend) in contenders.items():
        with use_ops(backend):
            trainings[name] = Training(build_tagger(tagger, train), train)
    taken: Dict[str, List[float]] = {name: [] for name in trainings}
    for step in range(2 if quick else UPDATES):
        for name, each in trainings.items():
            with use_ops(contenders[name][1]):
                taken[name].append(each.time_update(step, partial(synchronize, ops)))
    times = {name: Times.of(seconds[1:]) for name, seconds in taken.items()}
    ours = times["rnn_tagger"]
    rows = [{"name": name, "words a second": each.speed(1), "ratio": each.ratio_to(ours)} for name, each in times.items()]
    result = {"benchmark": "gpu training", "device": device_name(gpu), "machine": machine("torch"), "cpu": engine(), "rows": rows}
    srsly.write_json(output, result)
    for row in rows:
        speed, ratio = row["words a second"]["median"], row["ratio"]["medians"]
        typer.echo(f"{row['name']}: {speed:,} words a second; took {ratio:.2f} times as long")


if __name__ == "__main__":
    app()
