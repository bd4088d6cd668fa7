"""Character language models: a whole step of training against torch's, and the share of a matrix product's rate, on one thread.

    python benchmarks/language_models.py

A step reads 50 streams of 50 characters out of 68, with an embedding of 64 and one LSTM layer of 256 or 512 units: embedding,
recurrence from a carried state, softmax, gradients, and the update by Adam with clipping. torch's step is nn.Embedding, nn.LSTM,
nn.Linear, CrossEntropyLoss, clip_grad_norm_ and Adam, in the same loop, from the same weights; before anything is timed, the
losses of the first steps are compared. The recurrent part is its forward and backward sweep by themselves; a plain product is
that of matrices of its shapes by the same engine, with as many multiply-adds. At last texts are scored in a pipeline, each word's
surprisal stored: random texts of words whose characters are drawn, each text once, of which no cache can know anything.
"""

import time
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, Tuple

import numpy
import spacy
import srsly
import typer
from _measure import RESULTS, check_goal, engine, format_goals, machine, run_on_one_thread, take_turns
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, Model, fix_random_seed
from wasabi import table as format_table

from spacy_rnn.layers import EngineOps
from spacy_rnn.models.rnn_lm import begin_update, build_rnn_lm, carry
from spacy_rnn.recurrence import Batch, Sweep, Table, TableRows, get_cell, run_sweeps
from spacy_rnn.text.symbols import N_SPECIAL, SymbolBatch
from spacy_rnn.text.symbols.characters import build_characters

N_STREAMS, N_STEPS, N_CHARACTERS, WIDTH = 50, 50, 65, 64
UNITS = (256, 512)
RATE = 0.002
# torch clips the norm of all gradients together, Thinc that of each parameter: so neither is to clip here.
CLIP = 1e6
TURN = 0.5
# Losses agree so far after a few steps: the two Adams add their epsilon at different places.
TOLERANCE = 1e-2
GOALS = {256: 1.4, 512: 1.2}

Call = Callable[[], Any]


def draw_batches(n: int) -> List[SymbolBatch]:
    """Draw text that has something to learn: each character depends on the one before.

    n (int): How many pieces of the streams.
    RETURNS (List[SymbolBatch]): The pieces, of streams that go on from one to the next.
    """
    rng = numpy.random.default_rng(0)
    likely = rng.dirichlet(numpy.full(N_CHARACTERS, 0.1), size=N_CHARACTERS).cumsum(axis=1)
    text = numpy.zeros((N_STREAMS, n * N_STEPS + 1), dtype="int64")
    for t in range(1, text.shape[1]):
        text[:, t] = (likely[text[:, t - 1]] < rng.random(N_STREAMS)[:, None]).sum(axis=1).clip(max=N_CHARACTERS - 1)
    text += N_SPECIAL
    lengths = numpy.full(N_STREAMS, N_STEPS, dtype="int32")
    starts = range(0, n * N_STEPS, N_STEPS)
    return [
        SymbolBatch(text[:, t : t + N_STEPS].reshape(-1), text[:, t + 1 : t + N_STEPS + 1].reshape(-1), lengths) for t in starts
    ]


def build_model(n_units: int) -> Model:
    """Build a model over as many symbols as there are characters.

    n_units (int): The number of hidden units.
    RETURNS (Model): The model, initialized.
    """
    fix_random_seed(0)
    symbols = build_characters()
    counter = symbols.begin()
    counter.add(Doc(spacy.blank("xx").vocab, words=["".join(chr(ord("A") + i) for i in range(N_CHARACTERS))], spaces=[False]))
    symbols.end(counter)
    model = build_rnn_lm(symbols, width=WIDTH, hidden_width=n_units)
    model.initialize()
    for node in model.walk():
        node.ops = EngineOps()
    return model


def our_step(model: Model, batches: List[SymbolBatch]) -> Call:
    """Make a step of training.

    model (Model): The model.
    batches (List[SymbolBatch]): The pieces, read in turn.
    RETURNS (Callable): Makes a step, and gives the mean loss.
    """
    optimizer = Adam(RATE, L2=0.0, grad_clip=CLIP)
    weights = numpy.full(N_STREAMS * N_STEPS, 1 / (N_STREAMS * N_STEPS), dtype="float32")
    kept: Dict[str, Any] = {"state": None, "step": 0}
    everyone = numpy.arange(N_STREAMS)

    def run() -> float:
        batch = batches[kept["step"] % len(batches)]
        before = carry(model, kept["state"], everyone)
        scores, backprop = begin_update(model, batch, before, weights)
        backprop()
        model.finish_update(optimizer)
        kept.update(state=scores.state, step=kept["step"] + 1)
        return -float(scores.log_probabilities.mean())

    return run


def torch_step(model: Model, batches: List[SymbolBatch]) -> Call:
    """Make the same step with torch, from the weights as they are.

    model (Model): The model.
    batches (List[SymbolBatch]): The pieces, read in turn.
    RETURNS (Callable): Makes a step, and gives the mean loss.
    """
    import torch

    embed, rnn, head = model.layers
    n_symbols, n_units = model.get_dim("nV"), rnn.get_dim("nO")
    embedding, lstm = torch.nn.Embedding(n_symbols, WIDTH), torch.nn.LSTM(WIDTH, n_units, batch_first=True)
    linear, loss = torch.nn.Linear(n_units, n_symbols), torch.nn.CrossEntropyLoss()
    own = rnn.layers[0]
    weights = {"weight_ih_l0": "W", "weight_hh_l0": "R", "bias_ih_l0": "b"}
    with torch.no_grad():
        embedding.weight.copy_(torch.tensor(embed.get_param("E")))
        for name, ours in weights.items():
            getattr(lstm, name).copy_(torch.tensor(own.get_param(ours)))
        # One bias of the two is enough.
        lstm.bias_hh_l0.zero_().requires_grad_(False)
        linear.weight.copy_(torch.tensor(head.get_param("W")))
        linear.bias.copy_(torch.tensor(head.get_param("b")))
    parameters = [each for each in (*embedding.parameters(), *lstm.parameters(), *linear.parameters()) if each.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=RATE)
    data = [(torch.tensor(b.inputs).view(N_STREAMS, -1), torch.tensor(b.targets)) for b in batches]
    kept: Dict[str, Any] = {"state": None, "step": 0}

    def run() -> float:
        inputs, targets = data[kept["step"] % len(data)]
        optimizer.zero_grad()
        Y, state = lstm(embedding(inputs), kept["state"])
        value = loss(linear(Y.reshape(-1, n_units)), targets)
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        kept.update(state=tuple(each.detach() for each in state), step=kept["step"] + 1)
        return float(value.detach())

    return run


def recurrent_part(model: Model, batch: SymbolBatch) -> Call:
    """Make the sweep of the recurrent layer, forward and backward.

    model (Model): The model.
    batch (SymbolBatch): What it reads.
    RETURNS (Callable): Runs it.
    """
    direction = model.layers[1].layers[0]
    cell, n_units = get_cell("lstm"), direction.get_dim("nO")
    params = {name: direction.get_param(name) for name in cell.parameters}
    dY = numpy.random.default_rng(0).normal(size=(len(batch.inputs), n_units)).astype("float32")

    def run() -> None:
        rows = TableRows(Table(model.layers[0].get_param("E")), batch.inputs)
        _, backprop = run_sweeps([Sweep(cell, params, rows, Batch(batch.lengths, len(batch.inputs)))], True)
        assert backprop is not None
        backprop([dY], [None])

    return run


def plain_products(n_units: int) -> Call:
    """Make products of the recurrence's multiply-adds: those of all steps at once, as no recurrence can.

    n_units (int): The number of hidden units.
    RETURNS (Callable): Computes H Rᵀ, dZ R and dZᵀ H.
    """
    ops, rng, n = EngineOps(), numpy.random.default_rng(0), N_STREAMS * N_STEPS
    H, dZ = (rng.normal(size=(n, width)).astype("float32") for width in (n_units, 4 * n_units))
    R = rng.normal(size=(4 * n_units, n_units)).astype("float32")

    def run() -> None:
        ops.gemm(H, R, trans2=True)
        ops.gemm(dZ, R)
        ops.gemm(dZ, H, trans1=True)

    return run


def measure_training(seconds: float) -> List[Dict[str, Any]]:
    """Measure steps of training.

    seconds (float): How long each size is measured.
    RETURNS (List[Dict[str, Any]]): For each size characters a second, and ratios.
    RAISES (ValueError): If torch's losses are others.
    """
    rows = []
    batches = draw_batches(8)
    for n_units in UNITS:
        model = build_model(n_units)
        theirs, ours = torch_step(model, batches), our_step(model, batches)
        losses = [(ours(), theirs()) for _ in range(5)]
        if not numpy.allclose(*zip(*losses, strict=True), rtol=TOLERANCE):
            raise ValueError(f"{n_units} units: the losses differ, ours and torch's: {losses}")
        calls = {
            "step": ours,
            "torch": theirs,
            "recurrent part": recurrent_part(model, batches[0]),
            "products": plain_products(n_units),
        }
        times = take_turns(calls, seconds, TURN, 3)
        rows.append(
            {
                "units": n_units,
                "characters a second": {name: times[name].speed(N_STREAMS * N_STEPS) for name in ("step", "torch")},
                "milliseconds": {name: round(each.minimum * 1e3, 2) for name, each in times.items()},
                "torch's time": times["torch"].ratio_to(times["step"]),
                "rate of a product": times["products"].ratio_to(times["recurrent part"]),
            }
        )
    return rows


def measure_surprisal(seconds: float) -> List[Dict[str, Any]]:
    """Measure a pipeline that stores surprisals, 256 units.

    seconds (float): How long each precision is measured.
    RETURNS (List[Dict[str, Any]]): Words and characters a second.
    """
    rng = numpy.random.default_rng(0)
    letters = numpy.asarray(list("etaoinshrdlucmfwypvbgkjqxz"))
    texts = [" ".join("".join(rng.choice(letters[:20], 4)) for _ in range(60)) for _ in range(1200)]
    rows = []
    for precision in ("float32", "bfloat16"):
        fix_random_seed(0)
        nlp = spacy.blank("en")
        model = {"@architectures": "spacy_rnn.RNNLM.v1", "symbols": {"@misc": "spacy_rnn.Characters.v1"}, "precision": precision}
        lm: Any = nlp.add_pipe("rnn_lm", config={"model": model, "store_surprisal": True})
        docs = [nlp.make_doc(text) for text in texts]
        nlp.initialize(lambda docs=docs: [Example(doc, doc) for doc in docs])
        best, end = 0.0, time.perf_counter() + seconds
        while time.perf_counter() < end or not best:
            start = time.perf_counter()
            for _ in lm.pipe(docs, batch_size=256):
                pass
            best = max(best, sum(map(len, docs)) / (time.perf_counter() - start))
        characters = sum(map(len, texts)) / sum(map(len, docs))
        rows.append({"precision": precision, "words a second": round(best), "characters a second": round(best * characters)})
    return rows


def find_goals(training: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Compare what was measured with the goals.

    training (List[Dict[str, Any]]): What `measure_training` has returned.
    RETURNS (List[Dict[str, Any]]): The goals.
    """
    goals = []
    for row in training:
        name = f"H {row['units']}"
        goals.append(check_goal(f"a step of training, {name}", "torch", GOALS[row["units"]], [(name, row["torch's time"])]))
        goals.append(check_goal(f"the recurrent part, {name}", "a plain product", 0.9, [(name, row["rate of a product"])]))
    return goals


def main(
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "language_models.json",
    seconds: Annotated[float, typer.Option(help="How long each part is measured")] = 60.0,
    quick: Annotated[bool, typer.Option(help="See whether it works: a moment each")] = False,
) -> None:
    """Measure language models, and keep the figures."""
    run_on_one_thread()
    import torch

    torch.set_num_threads(1)
    training = measure_training(0.1 if quick else seconds)
    surprisal = measure_surprisal(0.1 if quick else seconds / 4)
    goals = find_goals(training)
    figures: Dict[str, Any] = {"training": training, "surprisal": surprisal, "goals": goals}
    srsly.write_json(output, {"benchmark": "language_models", "machine": machine("torch"), "engine": engine(), **figures})
    rows: List[Tuple[Any, ...]] = [
        (row["units"], *(row["characters a second"][name]["best"] for name in ("step", "torch")), row["torch's time"]["minima"])
        for row in training
    ]
    typer.echo(format_table(rows, header=("units", "characters/s", "torch", "torch's time"), divider=True))
    lines = [(row["precision"], row["words a second"], row["characters a second"]) for row in surprisal]
    typer.echo(format_table(lines, header=("precision", "words/s", "characters/s"), divider=True))
    typer.echo(format_goals(goals))


if __name__ == "__main__":
    typer.run(main)
