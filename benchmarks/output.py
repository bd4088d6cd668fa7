"""Output layers over many symbols: milliseconds of forward and backward against torch's, on one thread.

    python benchmarks/output.py

A batch has 700 rows of width 256; targets follow Zipf's law. Timed are the log-probabilities of the targets with all gradients:
the full softmax against torch's Linear and CrossEntropyLoss, the adaptive one against torch's AdaptiveLogSoftmaxWithLoss with
the same cutoffs, and the sampled one with 1,000 samples. Over the 68 symbols of a character model, with 2,500 rows, the full
softmax is compared with its three matrix products, too. No optimizer is timed. Before anything is timed, the gradients of the
full and of the adaptive layer are compared with torch's.
"""

from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, Tuple

import numpy
import srsly
import typer
from _measure import RESULTS, engine, machine, run_on_one_thread, take_turns
from thinc.api import Model
from wasabi import table as format_table

from spacy_rnn.layers import EngineOps, build_adaptive_softmax, build_full_softmax, build_sampled_softmax
from spacy_rnn.layers.capabilities import ScoresSymbols, find

# Symbols, rows, widths.
SHAPES: Tuple[Tuple[int, int, int], ...] = ((68, 2500, 256), (68, 2500, 512), (10_000, 700, 256), (30_000, 700, 256))
N_SAMPLES = 1000
# From so many symbols on, more than one kind of layer makes sense.
MANY = 1000
TURN = 0.1

Call = Callable[[], Any]


def draw_targets(n_symbols: int, n_rows: int, rng: numpy.random.Generator) -> numpy.ndarray:
    """Draw symbols of which the k-th is as frequent as 1 / k.

    n_symbols (int): V, the number of symbols.
    n_rows (int): N, how many are drawn.
    rng (numpy.random.Generator): What draws them.
    RETURNS (numpy.ndarray): int64 [N].
    """
    frequencies = 1 / numpy.arange(1, n_symbols + 1)
    return rng.choice(n_symbols, size=n_rows, p=frequencies / frequencies.sum())


def update(layer: Model, H: numpy.ndarray, targets: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Run a layer forward and backward.

    layer (Model): A layer that scores symbols.
    H (numpy.ndarray): float32 [N, nI], the rows.
    targets (numpy.ndarray): Integers [N], the symbols.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): The log-probabilities [N] and the gradient of the rows [N, nI].
    """
    scores = find(layer, ScoresSymbols)
    assert scores is not None
    log_probabilities, backprop = scores.begin_update(layer, H, targets, None)
    for name in layer.grad_names:
        layer.get_grad(name).fill(0)
    return log_probabilities, backprop()


def torch_full(layer: Model, H: numpy.ndarray, targets: numpy.ndarray) -> Call:
    """Make torch's layer with the weights of a full softmax.

    layer (Model): The full softmax.
    H (numpy.ndarray): float32 [N, nI], the rows.
    targets (numpy.ndarray): Integers [N], the symbols.
    RETURNS (Callable): Runs it forward and backward, and gives the gradient of the rows.
    """
    import torch

    linear = torch.nn.Linear(layer.get_dim("nI"), layer.get_dim("nV"))
    linear.load_state_dict({"weight": torch.tensor(layer.get_param("W")), "bias": torch.tensor(layer.get_param("b"))})
    rows, symbols = torch.tensor(H, requires_grad=True), torch.tensor(targets)
    loss = torch.nn.CrossEntropyLoss(reduction="sum")

    def run() -> numpy.ndarray:
        linear.zero_grad()
        rows.grad = None
        loss(linear(rows), symbols).backward()
        return rows.grad.numpy()

    return run


def torch_adaptive(layer: Model, H: numpy.ndarray, targets: numpy.ndarray) -> Call:
    """Make torch's adaptive softmax with the weights of this package's.

    layer (Model): The adaptive softmax, with its default cutoffs.
    H (numpy.ndarray): float32 [N, nI], the rows.
    targets (numpy.ndarray): Integers [N], the symbols.
    RETURNS (Callable): Runs it forward and backward, and gives the gradient of the rows.
    """
    import torch

    nI, nV = layer.get_dim("nI"), layer.get_dim("nV")
    cutoffs = [nV // 15, nV // 5]
    other = torch.nn.AdaptiveLogSoftmaxWithLoss(nI, nV, cutoffs, div_value=4, head_bias=True)
    W, b, P, T = (layer.get_param(name) for name in ("W", "b", "P", "T"))
    weights = {"head.weight": W, "head.bias": b[: len(W)]}
    for i, (first, last) in enumerate(((cutoffs[0], cutoffs[1]), (cutoffs[1], nV))):
        width = nI // 4 ** (i + 1)
        n = (last - first) * width
        weights[f"tail.{i}.0.weight"], weights[f"tail.{i}.1.weight"] = P[:width], T[:n].reshape(last - first, width)
        P, T = P[width:], T[n:]
    other.load_state_dict({name: torch.tensor(weight) for name, weight in weights.items()})
    rows, symbols = torch.tensor(H, requires_grad=True), torch.tensor(targets)

    def run() -> numpy.ndarray:
        other.zero_grad()
        rows.grad = None
        (other(rows, symbols).loss * len(targets)).backward()
        return rows.grad.numpy()

    return run


def products(layer: Model, H: numpy.ndarray) -> Call:
    """Make the three matrix products of a full softmax, without anything else.

    layer (Model): The full softmax.
    H (numpy.ndarray): float32 [N, nI], the rows.
    RETURNS (Callable): Computes them.
    """
    ops, W = EngineOps(), layer.get_param("W")
    scores = numpy.zeros((len(W), len(H)), dtype="float32")

    def run() -> None:
        ops.gemm(W, H, trans2=True, out=scores)
        ops.gemm(scores, W, trans1=True)
        ops.gemm(scores, H)

    return run


def contenders(n_symbols: int, n_rows: int, width: int) -> Dict[str, Call]:
    """Make what is timed over a number of symbols.

    n_symbols (int): V, the number of symbols.
    n_rows (int): N, the number of rows.
    width (int): nI, their width.
    RETURNS (Dict[str, Callable]): By name, what runs a layer forward and backward.
    RAISES (ValueError): If torch gives something else.
    """
    rng = numpy.random.default_rng(0)
    H = rng.normal(size=(n_rows, width)).astype("float32")
    targets = draw_targets(n_symbols, n_rows, rng)
    full = build_full_softmax(width, n_symbols).initialize()
    calls: Dict[str, Call] = {"full": lambda: update(full, H, targets)[1], "torch full": torch_full(full, H, targets)}
    pairs = [("full", "torch full")]
    if n_symbols >= MANY:
        adaptive = build_adaptive_softmax(width, n_symbols).initialize()
        sampled = build_sampled_softmax(width, n_symbols, N_SAMPLES).initialize()
        calls["adaptive"] = lambda: update(adaptive, H, targets)[1]
        calls["torch adaptive"] = torch_adaptive(adaptive, H, targets)
        calls["sampled"] = lambda: update(sampled, H, targets)[1]
        pairs.append(("adaptive", "torch adaptive"))
    for ours, theirs in pairs:
        if not numpy.allclose(calls[ours](), calls[theirs](), rtol=1e-3, atol=1e-5):
            raise ValueError(f"{n_symbols} symbols: {ours} and {theirs} do not give the same")
    return {**calls, "products": products(full, H)} if n_symbols < MANY else calls


def main(
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "output.json",
    seconds: Annotated[float, typer.Option(help="How long each shape is measured")] = 20.0,
    quick: Annotated[bool, typer.Option(help="See whether it works: a moment each")] = False,
) -> None:
    """Measure output layers over many symbols, and keep the figures."""
    run_on_one_thread()
    import torch

    torch.set_num_threads(1)
    rows: List[Dict[str, Any]] = []
    for n_symbols, n_rows, width in SHAPES:
        times = take_turns(contenders(n_symbols, n_rows, width), *((0.1, TURN, 1) if quick else (seconds, TURN, 5)))
        milliseconds = {
            name: {"best": round(each.minimum * 1e3, 3), "median": round(each.median * 1e3, 3)} for name, each in times.items()
        }
        ratios = {name: each.ratio_to(times["full"]) for name, each in times.items()}
        shape = {"symbols": n_symbols, "rows": n_rows, "width": width}
        rows.append({**shape, "milliseconds": milliseconds, "times as long as full": ratios})
    srsly.write_json(output, {"benchmark": "output", "machine": machine("torch"), "engine": engine(), "rows": rows})
    lines = [
        (row["symbols"], row["width"], name, each["best"], row["times as long as full"][name]["minima"])
        for row in rows
        for name, each in row["milliseconds"].items()
    ]
    typer.echo(format_table(lines, header=("symbols", "width", "layer", "ms (best)", "of full"), divider=True))


if __name__ == "__main__":
    typer.run(main)
