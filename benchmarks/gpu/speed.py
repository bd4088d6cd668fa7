"""Layers and training on a GPU: this package's CUDA engine against cuDNN (torch's layers).

    python benchmarks/gpu/speed.py layers
    python benchmarks/gpu/speed.py training

`layers`: one bidirectional layer forward and back, to the gradients of all parameters and of the input, by shape and precision.
The contenders take turns in one process and have the same weights; their outputs and gradients are compared first. A call is
timed on the host, from before it until the device has done all of it. Torch reads zero-padded tensors, or sequences that are
already sorted and packed, on the device; its precision is set to the same as this package's. A line of JSON for each row is
written as soon as there is one; a row that is wrong, raises or hangs has its cause there instead, and the next one follows.

`training`: `nlp.update` on batches of about 1,000 words, contenders in turns: on EWT dev (which is read faster than train) with
settings as in configs/tagger_pos.cfg this package's encoder on the GPU and, where its compiled engine is there, on the CPU, and
`spacy.TorchBiLSTMEncoder.v1` of the same size on the GPU; the tagger of configs/tagger_tag.cfg with a CRF on both; and on SST-2
dev the categorizer of configs/textcat.cfg on both.

With `--gpu -1` everything runs on the CPU, which shows whether it works.
"""

import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, Tuple

import numpy
import paths  # noqa: F401 - the folder above
import srsly
import typer
from _measure import RESULTS, ROOT, Times, engine, machine, take_turns
from _taggers import Tagger, build_tagger
from backend import device_name, synchronize, use_gpu
from pipeline import Training
from recurrence import Batch, Case, build_torch
from shapes import SENTENCES, TIMED_CELLS, TIMED_PRECISIONS, timed_shapes
from spacy.language import Language
from spacy.training import Corpus
from spacy.util import load_config, load_model_from_config
from thinc.api import CupyOps, Model, NumpyOps, Ops, Ragged, fix_random_seed, use_ops, xp2torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_sequence
from wasabi import table as format_table
from workers import Workers, failure, serve

from spacy_rnn.layers import build_rnn
from spacy_rnn.recurrence import get_cell, select_engine

Row = Dict[str, Any]

# How long a row is measured, and how long it may take altogether.
ROW, DEADLINE = 0.4, 30
# What the first two compile and choose is not counted.
UPDATES, LEAST_UPDATES = 30, 8


def make_tasks(quick: bool) -> List[Row]:
    """Give the rows to measure, the most telling first: LSTM and GRU.

    quick (bool): Whether a few small ones are enough.
    RETURNS (List[Row]): Cell, precision, lengths and widths.
    """
    shapes = [("T 5", ((5,) * 4, 16, 16)), ("sentences", (SENTENCES[:4], 16, 16))] if quick else timed_shapes()
    kinds = dict.fromkeys(kind for kind, _ in shapes)
    return [
        {"cell": cell, "precision": precision, "lengths": kind, "batch": shape}
        for kind in kinds
        for precision in TIMED_PRECISIONS
        for cell in TIMED_CELLS
        for name, shape in shapes
        if name == kind
    ]


def our_call(case: Case, model: Model, X: Any, dY: Any) -> Callable[[], Any]:
    """Prepare this package's layer.

    case (Case): The case.
    model (Model): The layer.
    X (Array): Input rows [N, nI].
    dY (Array): The gradient of the output [N, 2 · nH].
    RETURNS (Callable): What to time; it gives the output and the gradient of the input.
    """
    lengths: Any = numpy.asarray(case.batch.lengths, dtype="int32")
    batch, d_batch = Ragged(X, lengths), Ragged(dY, lengths)

    def train() -> Any:
        Y, backprop = model(batch, is_train=True)
        dX = backprop(d_batch)
        synchronize(model.ops)
        return Y.data, dX.data

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
    RETURNS (Callable): What to time; it gives the tensor of the output, and the gradients of the input and by parameters' names.
    """
    import torch

    net.flatten_parameters()
    names, parameters = zip(*net.named_parameters(), strict=True)
    wanted = [leaf.requires_grad_(), *parameters]

    def train() -> Any:
        Y = net(X)[0]
        Y = Y.data if isinstance(Y, PackedSequence) else Y
        dX, *gradients = torch.autograd.grad(Y, wanted, dY)
        synchronize(ops)
        if isinstance(ops, CupyOps):
            torch.cuda.synchronize()
        return Y, dX, dict(zip(names, gradients, strict=True))

    return train


def time_row(task: Row, ops: Ops, seconds: float) -> Row:
    """Time the contenders of a row.

    task (Row): As made by `make_tasks`.
    ops (Ops): The backend.
    seconds (float): How long.
    RETURNS (Row): Milliseconds by contender, and how many times as long as this package's layer the peers took.
    RAISES (ValueError): If outputs or gradients differ.
    """
    import torch

    precision = task["precision"]
    lengths, nI, nH = task["batch"]
    case = Case(task["cell"], Batch(len(set(lengths)) > 1, tuple(lengths), nI, nH), True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    rng = numpy.random.default_rng(0)
    X = rng.standard_normal((sum(lengths), nI), dtype="float32")
    dY = rng.standard_normal((sum(lengths), 2 * nH), dtype="float32")
    with use_ops("numpy"):
        model = build_rnn(nO=2 * nH, nI=nI, cell=case.cell, bidirectional=True, precision=precision)
        model.initialize()
    calls = torch_calls(case, model, X, dY, ops)
    if isinstance(ops, CupyOps):
        model.to_gpu(0)
    calls["layer"] = our_call(case, model, ops.asarray(X), ops.asarray(dY))
    differences = compare(case, model, calls, 1e-3 if precision == "float32" else 3e-2)
    times = take_turns(calls, seconds, turn=min(0.05, seconds / 20), at_least=3)
    return {
        "status": "ok",
        "engine": select_engine(get_cell(case.cell), ops.asarray(X)).name,
        "differences": differences,
        "milliseconds": {name: round(1000 * taken.median, 4) for name, taken in times.items()},
        "ratios": {name: taken.ratio_to(times["layer"]) for name, taken in times.items() if name != "layer"},
    }


def layer_results(case: Case, model: Model, call: Callable[[], Any]) -> Dict[str, numpy.ndarray]:
    """Run this package's layer, whose gradients are still zero.

    case (Case): The case.
    model (Model): The layer.
    call (Callable): As of `our_call`.
    RETURNS (Dict[str, numpy.ndarray]): Y, dX, and the gradients of the parameters by names and directions.
    """
    Y, dX = call()
    results = {"Y": Y, "dX": dX}
    for direction, suffix in zip(model.layers, ("", " reverse"), strict=True):
        results.update({f"d{name}{suffix}": direction.get_grad(name) for name in direction.param_names})
    return {name: NumpyOps().asarray(array) for name, array in results.items()}


def torch_results(case: Case, call: Callable[[], Any], packed: bool) -> Dict[str, numpy.ndarray]:
    """Run torch's layer.

    case (Case): The case.
    call (Callable): As of `torch_call`.
    packed (bool): Whether its rows are packed.
    RETURNS (Dict[str, numpy.ndarray]): As of `layer_results`, without the biases' if these have met padding.
    """
    import torch

    Y, dX, gradients = call()
    lengths = case.batch.lengths
    if packed:
        order = numpy.argsort([-length for length in lengths], kind="stable")
        rows = case.batch.split(numpy.arange(sum(lengths)))
        places = pack_sequence([torch.from_numpy(rows[i]) for i in order]).data.argsort()
        results = {"Y": Y.detach().cpu()[places], "dX": dX.cpu()[places]}
    else:
        parts = {"Y": Y.detach().cpu(), "dX": dX.cpu()}
        results = {name: torch.cat([part[:length, i] for i, length in enumerate(lengths)]) for name, part in parts.items()}
    for of_torch, suffix in (("l0", ""), ("l0_reverse", " reverse")):
        results[f"dW{suffix}"] = gradients[f"weight_ih_{of_torch}"].cpu()
        results[f"dR{suffix}"] = gradients[f"weight_hh_{of_torch}"].cpu()
        if packed or not case.batch.ragged:
            results[f"db{suffix}"] = gradients[f"bias_ih_{of_torch}"].cpu()
            results[f"dbR{suffix}"] = gradients[f"bias_hh_{of_torch}"].cpu()[-case.batch.nH :]
    return {name: tensor.numpy() for name, tensor in results.items()}


def compare(case: Case, model: Model, calls: Dict[str, Callable[[], Any]], most: float) -> Dict[str, float]:
    """Compare outputs and gradients with torch's.

    case (Case): The case.
    model (Model): This package's layer, whose gradients are still zero.
    calls (Dict[str, Callable]): The contenders.
    most (float): How much they may differ; gradients as a share of the largest.
    RETURNS (Dict[str, float]): How much they differ, by arrays.
    RAISES (ValueError): If that is more.
    """
    found = layer_results(case, model, calls["layer"])
    differences: Dict[str, float] = {}
    for name, call in calls.items():
        if name == "layer":
            continue
        for key, expected in torch_results(case, call, name == "torch packed").items():
            if key in found:
                largest = 1.0 if key == "Y" else float(numpy.abs(expected).max()) or 1.0
                difference = float(numpy.abs(found[key] - expected).max() / largest)
                if not difference < most:
                    raise ValueError(f"{case.cell}, {case.batch.name}: {key} differs from {name} by {difference:.1e}")
                differences[key] = max(difference, differences.get(key, 0.0))
    return differences


def check_goals(rows: List[Row]) -> List[Row]:
    """Compare what was measured with the goals.

    rows (List[Row]): What was measured, by medians.
    RETURNS (List[Row]): Goals, the lowest ratios to torch's faster form and where they are.
    """
    found = [
        (row["B"], row["H"], min(ratio["medians"] for ratio in row["ratios"].values()), describe(row))
        for row in rows
        if row["status"] == "ok"
    ]
    kinds: List[Tuple[str, float, Callable[[int, int], bool]]] = [
        ("H <= 256", 1.0, lambda B, H: H <= 256),
        ("H 256, B <= 64", 1.5, lambda B, H: H == 256 and B <= 64),
        ("H 512", 0.0, lambda B, H: H == 512),
    ]
    goals = []
    for what, goal, is_meant in kinds:
        ratios = [(ratio, where) for B, H, ratio, where in found if is_meant(B, H)]
        if ratios:
            lowest, where = min(ratios)
            goals.append({"what": what, "goal": goal, "lowest": lowest, "at": where, "reached": lowest >= goal})
    return goals


def describe(row: Row) -> str:
    """Say what a row is about.

    row (Row): The row.
    RETURNS (str): Cell, precision, shape.
    """
    return f"{row['cell']} {row['precision']}, H {row['H']}, B {row['B']}, {row['lengths']}"


def format_row(row: Row) -> str:
    """Show a row.

    row (Row): The row.
    RETURNS (str): Its times and ratios, or why there are none.
    """
    if row["status"] != "ok":
        return f"{describe(row)}: {row['status']} {row.get('error', '')[:300]}"
    ratios = ", ".join(f"{name} {ratio['medians']:.2f}" for name, ratio in row["ratios"].items())
    return f"{describe(row)}: {row['milliseconds']['layer']:.3f} ms; {ratios}"


class Contender:
    """A pipeline in training on one of the processors.

    nlp (Language): The pipeline.
    train (Path): Its training corpus.
    backend (str): "cupy" or "numpy".
    """

    def __init__(self, nlp: Language, train: Path, backend: str) -> None:
        self.training = Training(nlp, train)
        self.backend = backend
        self.taken: List[float] = []

    def update(self, step: int, ops: Ops) -> None:
        """Update the pipeline once, and keep how long it took.

        step (int): The number of the batch.
        ops (Ops): The backend of the GPU.
        """
        with use_ops(self.backend):
            self.taken.append(self.training.time_update(step, partial(synchronize, ops)))


def build_categorizer(train: Path) -> Language:
    """Build the categorizer of configs/textcat.cfg, with weights that are not trained yet.

    train (Path): SST-2's training part, for the labels.
    RETURNS (Language): The pipeline.
    """
    fix_random_seed(0)
    nlp = load_model_from_config(load_config(ROOT / "configs" / "textcat.cfg", interpolate=True))
    examples = list(Corpus(train)(nlp))
    nlp.initialize(lambda: examples)
    return nlp


def trainings(corpus: Path, gpu: str) -> Dict[str, Dict[str, Tuple[Callable[[Path], Language], Path, str]]]:
    """Say what is trained: the first of a group is the one that the others are compared with.

    corpus (Path): The folder of the converted corpora.
    gpu (str): The backend of the GPU.
    RETURNS (Dict[str, Dict[str, Tuple[Callable, Path, str]]]): By group and name, how to build it, its corpus and its backend.
    """
    ewt, sst2 = corpus / "ewt" / "dev.spacy", corpus / "sst2" / "dev.spacy"
    softmax, torch = (partial(build_tagger, Tagger("", *kind, 128, 2)) for kind in (("rnn_tagger", "ours"), ("tagger", "torch")))
    crf = partial(build_tagger, Tagger("", "rnn_tagger", "ours", path="configs/tagger_tag.cfg", use_crf=True))
    ours = {"tagger": (softmax, ewt), "tagger with a CRF": (crf, ewt), "categorizer": (build_categorizer, sst2)}
    groups = {name: {name: (*each, gpu)} for name, each in ours.items() if each[1].is_file()}
    if "tagger" in groups:
        groups["tagger"]["TorchBiLSTMEncoder"] = (torch, ewt, gpu)
    if engine()["instruction set"] is not None:
        for name in groups:
            groups[name][f"{name} on the CPU"] = (*ours[name], "numpy")
    return groups


def time_group(group: Dict[str, Tuple[Callable[[Path], Language], Path, str]], ops: Ops, updates: int, ends: float) -> List[Row]:
    """Train some pipelines in turns.

    group (Dict[str, Tuple[Callable, Path, str]]): As of `trainings`.
    ops (Ops): The backend of the GPU.
    updates (int): How many updates of each, at most.
    ends (float): When to stop, by `time.monotonic`, but not before LEAST_UPDATES updates of each.
    RETURNS (List[Row]): Words a second, and how many times as long as the first each took; or why there is nothing to tell.
    """
    rows, contenders = [], {}
    for name, (build, train, backend) in group.items():
        try:
            with use_ops(backend):
                contenders[name] = Contender(build(train), train, backend)
                # The first updates allocate, compile and choose.
                contenders[name].update(0, ops)
        except Exception as error:  # noqa: BLE001 - the others can still be measured
            contenders.pop(name, None)
            rows.append({"name": name, **failure(error)})
    for step in range(1, updates + 1):
        for name in list(contenders):
            try:
                contenders[name].update(step, ops)
            except Exception as error:  # noqa: BLE001 - the others can still be measured
                del contenders[name]
                rows.append({"name": name, **failure(error)})
        if step >= LEAST_UPDATES and time.monotonic() > ends:
            break
    times = {name: Times.of(each.taken[min(2, len(each.taken) - 1) :]) for name, each in contenders.items()}
    for name, taken in times.items():
        first = times.get(next(iter(group)))
        ratio = taken.ratio_to(first) if first else None
        rows.append({"name": name, "status": "ok", "words a second": taken.speed(1), "ratio": ratio})
    return rows


app = typer.Typer(add_completion=False)
GPU = Annotated[int, typer.Option(help="The number of the GPU, or -1 to try it on the CPU")]
QUICK = Annotated[bool, typer.Option(help="See whether it works: small, a moment each")]


@app.command()
def layers(
    gpu: GPU = 0,
    output: Annotated[Path, typer.Option(help="Where the lines go")] = RESULTS / "gpu-layers.jsonl",
    seconds: Annotated[float, typer.Option(help="How long all may take")] = 90,
    quick: QUICK = False,
    worker: Annotated[bool, typer.Option(help="Be the process that measures")] = False,
) -> None:
    """Measure layers, and keep the figures."""
    if worker:
        ops = use_gpu(gpu)
        serve(lambda task, _: time_row(task, ops, 0.05 if quick else ROW), partial(synchronize, ops))
        return
    rows: List[Row] = []
    with output.open("w", encoding="utf8") as file:

        def write(task: Row, result: Row) -> None:
            lengths, _, nH = task.pop("batch")
            rows.append({**task, "B": len(lengths), "H": nH, **result})
            print(srsly.json_dumps(rows[-1]), file=file, flush=True)
            typer.echo(format_row(rows[-1]))

        command = [sys.executable, __file__, "layers", "--worker", "--gpu", str(gpu), *(["--quick"] if quick else [])]
        Workers(command, DEADLINE, time.monotonic() + seconds, write).run([make_tasks(quick)], 1)
        goals = check_goals(rows)
        print(srsly.json_dumps({"device": device_name(gpu), "machine": machine("torch"), "goals": goals}), file=file)
    if goals:
        typer.echo(format_table([tuple(goal.values()) for goal in goals], header=tuple(goals[0]), divider=True, max_col=60))
    if any(row["status"] not in ("ok", "skipped") for row in rows):
        raise SystemExit(1)


@app.command()
def training(
    gpu: GPU = 0,
    corpus: Annotated[Path, typer.Option(help="The folder of the converted corpora")] = ROOT / "corpus",
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "gpu-training.json",
    seconds: Annotated[float, typer.Option(help="How long all may take")] = 60,
    quick: QUICK = False,
) -> None:
    """Measure `nlp.update`, and keep the figures."""
    ends, ops, rows = time.monotonic() + seconds, use_gpu(gpu), []
    groups = trainings(corpus, ops.name)
    where = {"device": device_name(gpu), "machine": machine("torch"), "cpu": engine()}
    for i, (group, contenders) in enumerate(groups.items()):
        left = ends - time.monotonic()
        found = time_group(contenders, ops, 2 if quick else UPDATES, time.monotonic() + left / (len(groups) - i))
        rows += [{"group": group, **row} for row in found]
        srsly.write_json(output, {"benchmark": "gpu training", **where, "rows": rows})
        for row in found:
            if row["status"] == "ok":
                ratio = f"; took {row['ratio']['medians']:.2f} times as long" if row["ratio"] else ""
                typer.echo(f"{row['name']}: {row['words a second']['median']:,} words a second{ratio}")
            else:
                typer.echo(f"{row['name']}: {row['error'][:300]}\n{row['traceback']}")
    if any(row["status"] != "ok" for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    app()
