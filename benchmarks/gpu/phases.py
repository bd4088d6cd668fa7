"""Where the time goes on a GPU: the parts of a layer's call, and of `nlp.update`.

    python benchmarks/gpu/phases.py

`layers`: a bidirectional layer forward and back, milliseconds of the device by CUDA events around each launch and each product:
the projection of the input, the sweeps, the products of the gradients. `other` is what the device has to do besides (sums,
copies) or waits for; `host` is how long the call takes to return, without waiting for the device, as a share of the whole. Each
is measured again with other settings of how work is shared out, as far as there are such, and profiled as updates are.

`fields`: the likelihood of a conditional random field with its gradients, and the best paths, of sentences of EWT and 17 labels:
through the compiled engine of the CPU, as it is done, and by the reference on the device; milliseconds until the device has all.

`updates`: for taggers and a categorizer the launches, copies and synchronisations of one `nlp.update`, by torch's profiler, how
long the device is busy, and what it does longest. They are given half of the time.
"""

import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, Iterator, List, Tuple

import numpy
import paths  # noqa: F401 - the folder above
import srsly
import typer
from _measure import RESULTS, ROOT, machine
from _taggers import ACCURATE, build_tagger
from backend import device_name, synchronize, use_gpu
from pipeline import Training
from shapes import SENTENCES, TIMED_CELLS, TIMED_PRECISIONS, timed_shapes
from speed import trainings
from thinc.api import Ops, Ragged
from workers import failure

from spacy_rnn.crf import Crf, log_likelihood, viterbi
from spacy_rnn.cuda import device as cuda_device
from spacy_rnn.cuda import find_device, launch
from spacy_rnn.layers import build_rnn
from spacy_rnn.recurrence import use_engine

Row = Dict[str, Any]

CALLS = 10
LONGEST = 12
# Runtime calls that CUPTI sees, by what they are.
CALLED = {
    "launches": ("cudaLaunch", "cuLaunch"),
    "copies": ("cudaMemcpy", "cuMemcpy"),
    "synchronisations": (
        "cudaStreamSynchronize",
        "cudaDeviceSynchronize",
        "cudaEventSynchronize",
        "cuStreamSynchronize",
        "cuCtxSynchronize",
    ),
}


@contextmanager
def timed(device: Any) -> Iterator[List[Tuple[str, Any, Any]]]:
    """Put CUDA events around what a device is asked to do.

    device (Any): The device.
    YIELDS (List[Tuple[str, Event, Event]]): The part of the call, and the events before and after it.
    """
    found: List[Tuple[str, Any, Any]] = []
    launch, multiply, Event = device.launch, device.multiply, device.xp.cuda.Event

    def record(part: str, function: Callable, *args: Any, **settings: Any) -> None:
        before, after = Event(), Event()
        before.record()
        function(*args, **settings)
        after.record()
        found.append((part, before, after))

    def timed_launch(form: Any, *args: Any) -> None:
        record("backward sweep" if form.backward else "forward sweep", launch, form, *args)

    def timed_multiply(*args: Any, **settings: Any) -> None:
        back = any(part == "backward sweep" for part, _, _ in found)
        record("products of gradients" if back else "projection", multiply, *args, **settings)

    device.launch, device.multiply = timed_launch, timed_multiply
    try:
        yield found
    finally:
        device.launch, device.multiply = launch, multiply


def time_call(call: Callable[[], Any], device: Any, ops: Ops) -> Row:
    """Time the parts of a call.

    call (Callable): Runs a layer forward and back, and does not wait for the device.
    device (Any): The device.
    ops (Ops): The backend.
    RETURNS (Row): Medians: milliseconds by part, the whole, and the share of the host.
    """
    rows = []
    for _ in range(CALLS + 2):
        synchronize(ops)
        before, after = device.xp.cuda.Event(), device.xp.cuda.Event()
        with timed(device) as parts:
            start = time.perf_counter()
            before.record()
            call()
            after.record()
            host = 1000 * (time.perf_counter() - start)
        synchronize(ops)
        elapsed = device.xp.cuda.get_elapsed_time
        row = {"whole": elapsed(before, after), "host": host, "other": elapsed(before, after)}
        for part, *events in parts:
            row[part] = row.get(part, 0) + elapsed(*events)
            row["other"] -= elapsed(*events)
        rows.append(row)
    medians = {key: float(numpy.median([row[key] for row in rows[2:]])) for key in rows[-1]}
    shares_of = {"host, share": round(medians.pop("host") / medians["whole"], 3)}
    return {**{key: round(value, 4) for key, value in medians.items()}, **shares_of}


def make_call(cell: str, precision: str, shape: Any, ops: Ops) -> Callable[[], Any]:
    """Prepare a bidirectional layer.

    cell (str): The cell.
    precision (str): The precision.
    shape (Shape): Batch and widths.
    ops (Ops): The backend.
    RETURNS (Callable): Runs it forward and back.
    """
    lengths = numpy.asarray(shape.lengths, "int32")
    rng = numpy.random.default_rng(0)
    model = build_rnn(nO=2 * shape.nH, nI=shape.nI, cell=cell, bidirectional=True, precision=precision)
    model.initialize()
    X, dY = (ops.asarray(rng.standard_normal((lengths.sum(), n), dtype="float32")) for n in (shape.nI, 2 * shape.nH))

    def call() -> None:
        _, backprop = model(Ragged(X, lengths), is_train=True)
        backprop(Ragged(dY, lengths))

    return call


@contextmanager
def changed(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Change a setting of how work is shared out.

    owner (Any): What has it.
    name (str): Its name.
    value (Any): Its value meanwhile.
    """
    before = getattr(owner, name)
    setattr(owner, name, value)
    launch.plan_launch.cache_clear()
    try:
        yield
    finally:
        setattr(owner, name, before)
        launch.plan_launch.cache_clear()


def settings(device: Any) -> List[Tuple[str, Any, str, Any]]:
    """Give the settings that can be changed.

    device (Any): The device.
    RETURNS (List[Tuple[str, Any, str, Any]]): In words, what has it, its name, its value.
    """
    found: List[Tuple[str, Any, str, Any]] = [("a call for each product", cuda_device, "_distances", lambda products: None)]
    if device.max_cluster > 1:
        found.append(("no clusters", device, "max_cluster", 1))
    return found


def time_layers(ops: Ops, ends: float) -> Iterator[Row]:
    """Time the parts of layers.

    ops (Ops): The backend.
    ends (float): When to stop, by `time.monotonic`.
    YIELDS (Row): By cell, precision, shape and setting.
    """
    device = find_device()
    shapes = [shape for kind, shape in timed_shapes() if kind == "T 25"]
    for precision in TIMED_PRECISIONS:
        for cell in TIMED_CELLS:
            for shape in shapes:
                row = {"cell": cell, "precision": precision, "B": len(shape.lengths), "H": shape.nH}
                try:
                    call = make_call(cell, precision, shape, ops)
                    yield {**row, "setting": "default", **time_call(call, device, ops)}
                    for words, *setting in settings(device):
                        with changed(*setting):
                            yield {**row, "setting": words, **time_call(call, device, ops)}
                    yield {**row, "setting": "profiled", **profile_call(call, ops)}
                except Exception as error:  # noqa: BLE001 - the next may still do
                    yield {**row, **failure(error)}
                if time.monotonic() > ends:
                    return


def time_fields(ops: Ops) -> Iterator[Row]:
    """Time conditional random fields on the host and on the device.

    ops (Ops): The backend.
    YIELDS (Row): Medians in milliseconds, by engine.
    """
    rng, n_labels, lengths = numpy.random.default_rng(0), 17, list(SENTENCES * 2)
    shapes = [(n_labels,), (n_labels, n_labels), (n_labels,), (sum(lengths), n_labels)]
    *params, scores = (ops.asarray(rng.standard_normal(shape, dtype="float32")) for shape in shapes)
    allowed = ops.xp.asarray(numpy.eye(n_labels, dtype=bool)[rng.integers(n_labels, size=sum(lengths))])
    weights = ops.asarray(numpy.ones(len(lengths), "float32"))

    def learn() -> None:
        log_likelihood(Crf(*params), scores, lengths, allowed)[1](weights)

    for engine in ("auto", "reference"):
        row: Row = {"engine": engine}
        with use_engine(engine):
            for name, call in (("likelihood", learn), ("best paths", lambda: viterbi(Crf(*params), scores, lengths))):
                taken = []
                for _ in range(CALLS + 2):
                    start = time.perf_counter()
                    call()
                    synchronize(ops)
                    taken.append(1000 * (time.perf_counter() - start))
                row[name] = round(float(numpy.median(taken[2:])), 4)
        yield row


def profile_call(call: Callable[[], Any], ops: Ops) -> Row:
    """Profile a call.

    call (Callable): What is called, without waiting for the device.
    ops (Ops): The backend.
    RETURNS (Row): Launches, copies, synchronisations, milliseconds, and what the device does longest: how often, how long.
    """
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        start = time.perf_counter()
        call()
        synchronize(ops)
        milliseconds = 1000 * (time.perf_counter() - start)
    events = profiled.key_averages()
    row: Row = {what: sum(event.count for event in events if event.key.startswith(names)) for what, names in CALLED.items()}
    on_device = [
        (round(event.self_device_time_total / 1000, 4), event.count, event.key[:80])
        for event in events
        if event.device_type == DeviceType.CUDA
    ]
    row["milliseconds"] = round(milliseconds, 3)
    row["device busy, milliseconds"] = round(sum(busy for busy, *_ in on_device), 3)
    row["longest"] = [[name, count, busy] for busy, count, name in sorted(on_device, reverse=True)[:LONGEST]]
    return row


def profile_update(training: Training, ops: Ops) -> Row:
    """Profile an update of a pipeline.

    training (Training): The pipeline.
    ops (Ops): The backend.
    RETURNS (Row): As of `profile_call`.
    """
    for step in range(3):
        training.time_update(step, lambda: synchronize(ops))
    return profile_call(lambda: training.time_update(3, lambda: None), ops)


def profile_updates(corpus: Path, ops: Ops, ends: float) -> Iterator[Row]:
    """Profile updates of the pipelines whose training is measured.

    corpus (Path): The folder of the converted corpora.
    ops (Ops): The backend.
    ends (float): When to stop, by `time.monotonic`.
    YIELDS (Row): By pipeline.
    """
    pipelines = {name: each for group in trainings(corpus, ops.name).values() for name, each in group.items()}
    if (corpus / "ewt" / "dev.spacy").is_file():
        pipelines["tagger over characters"] = (partial(build_tagger, ACCURATE), corpus / "ewt" / "dev.spacy", ops.name)
    for name, (build, train, backend) in pipelines.items():
        if backend == ops.name and time.monotonic() < ends:
            try:
                yield {"name": name, **profile_update(Training(build(train), train), ops)}
            except Exception as error:  # noqa: BLE001 - the next may still do
                yield {"name": name, **failure(error)}


def main(
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "gpu-phases.json",
    corpus: Annotated[Path, typer.Option(help="The folder of the converted corpora")] = ROOT / "corpus",
    seconds: Annotated[float, typer.Option(help="How long all may take")] = 30,
) -> None:
    """Measure the parts, and keep the figures."""
    start, ops = time.monotonic(), use_gpu(0)
    result: Dict[str, Any] = {"benchmark": "gpu phases", "device": device_name(0), "machine": machine("torch")}
    result |= {"fields": [], "updates": [], "layers": []}
    # The layers take what is left.
    for kind, rows in (
        ("fields", time_fields(ops)),
        ("updates", profile_updates(corpus, ops, start + 0.5 * seconds)),
        ("layers", time_layers(ops, start + seconds)),
    ):
        for row in rows:
            result[kind].append(row)
            srsly.write_json(output, result)
            typer.echo(", ".join(f"{key} {value}" for key, value in row.items() if key != "longest"))
    if any("error" in row for kind in ("fields", "updates", "layers") for row in result[kind]):
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
