"""Text written symbol by symbol: symbols a second, against torch, and against reading the weights, on one thread.

    python benchmarks/generation.py

A recurrent language model of characters (an embedding, an LSTM, a softmax over all symbols) writes with temperature 0.8. "one
call" is what `generate` does with a model that is a plain stack: all in compiled code. "steps" are single steps of the same
session, and sampling with NumPy. "torch" is `torch.nn.LSTMCell` in a Python loop over the same weights, with `Linear`, `softmax`
and `multinomial`. Before anything is timed, what one call draws is compared with what single steps do, and the log-probabilities
of the texts with those of torch.

Two bounds are measured in the same run. A step at batch 1 cannot be quicker than reading the weights that it needs: those of the
recurrent product and of the softmax, and the projection of a symbol. How fast one thread reads is measured over an array of just
as many bytes, which then lies in the same level of the cache: it is summed again and again in registers
(`spacy_rnn.native.library.reading_rate`). A step at batch 64 cannot be quicker than its multiply-adds in registers alone
(`spacy_rnn.native.library.fma_peak`), in float32.
"""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, NamedTuple

import numpy
import srsly
import typer
from _measure import RESULTS, Times, engine, machine, run_on_one_thread, take_turns
from wasabi import table as format_table

from spacy_rnn.generation import Sampling, Stopping, generate
from spacy_rnn.native import library
from spacy_rnn.recurrence import StackSession, get_cell, stack_session

UNITS = (256, 512, 1024)
BATCHES = (1, 64)
SYMBOLS, WIDTH = 65, 64
TEMPERATURE = 0.8
NAMES = ("one call", "one call, bfloat16", "steps", "torch")
# Steps of a call: short ones, so that some of them are not interrupted by anything else. One call of `generate` makes 64.
STEPS = {1: {"one call": 64, "one call, bfloat16": 64, "steps": 16, "torch": 8}, 64: dict.fromkeys(NAMES, 4) | {"torch": 2}}
TURN = 0.05
# Of 512 units.
GOALS = {"torch : one call, batch 1": 4.0, "torch : one call, batch 64": 3.0, "share of the bound, batch 1": 0.6}

Row = Dict[str, Any]


class Weights(NamedTuple):
    """A language model. params: those of the LSTM; E [V, width]; W [V, nH]; b [V]."""

    params: Dict[str, numpy.ndarray]
    E: numpy.ndarray
    W: numpy.ndarray
    b: numpy.ndarray


class Stepper:
    """A session as a model of the next symbol, without its quicker way."""

    def __init__(self, session: StackSession, nH: int) -> None:
        self.session, self.nH, self.n_symbols = session, nH, session.n_symbols

    def start(self, n: int, context: Any = None) -> Dict[str, numpy.ndarray]:
        return {name: numpy.zeros((1, n, self.nH), "float32") for name in ("h", "c")}

    def step(self, symbols: numpy.ndarray, state: Any) -> Any:
        return self.session.step(symbols, state)

    def reorder(self, state: Dict[str, numpy.ndarray], index: Any) -> Dict[str, numpy.ndarray]:
        return {name: array[:, index] for name, array in state.items()}


class Writer(Stepper):
    """The same with it."""

    def many_steps(self) -> StackSession:
        return self.session


def draw_weights(nH: int) -> Weights:
    """Draw a model whose distributions are neither flat nor certain.

    nH (int): Hidden units.
    RETURNS (Weights): The model.
    """
    rng = numpy.random.default_rng(0)
    shapes = get_cell("lstm").parameter_shapes(WIDTH, nH)
    params = {name: (rng.uniform(-1, 1, shape) / nH**0.5).astype("float32") for name, shape in shapes.items()}
    E, W = (rng.standard_normal((SYMBOLS, width), "float32") for width in (WIDTH, nH))
    return Weights(params, E, W, rng.standard_normal(SYMBOLS, "float32"))


def build_torch(weights: Weights) -> Callable[[int, int], numpy.ndarray]:
    """Build the model of torch.

    weights (Weights): The model's weights.
    RETURNS (Callable[[int, int], numpy.ndarray]): From a number of sequences and of steps to what was drawn, [B, T].
    """
    import torch

    nH = weights.W.shape[1]
    cell, linear = torch.nn.LSTMCell(WIDTH, nH), torch.nn.Linear(nH, SYMBOLS)
    arrays = {"weight_ih": weights.params["W"], "weight_hh": weights.params["R"], "bias_ih": weights.params["b"]}
    arrays["bias_hh"] = numpy.zeros(4 * nH, "f")
    cell.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    linear.load_state_dict({"weight": torch.from_numpy(weights.W), "bias": torch.from_numpy(weights.b)})
    embedding = torch.from_numpy(weights.E)

    def write(n: int, steps: int) -> numpy.ndarray:
        with torch.inference_mode():
            symbols, state, written = torch.ones(n, dtype=torch.int64), None, []
            for _ in range(steps):
                state = cell(embedding[symbols], state)
                probabilities = torch.softmax(linear(state[0]) / TEMPERATURE, dim=-1)
                symbols = torch.multinomial(probabilities, 1)[:, 0]
                written.append(symbols)
            return torch.stack(written, dim=1).numpy()

    return write


def torch_scores(weights: Weights, texts: numpy.ndarray) -> numpy.ndarray:
    """Score texts with torch.

    weights (Weights): The model's weights.
    texts (numpy.ndarray): int64 [B, T].
    RETURNS (numpy.ndarray): The log-probability of each symbol, [B, T].
    """
    import torch

    nH = weights.W.shape[1]
    lstm = torch.nn.LSTM(WIDTH, nH, batch_first=True)
    arrays = {"weight_ih_l0": weights.params["W"], "weight_hh_l0": weights.params["R"], "bias_ih_l0": weights.params["b"]}
    arrays["bias_hh_l0"] = numpy.zeros(4 * nH, "f")
    lstm.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    read = numpy.concatenate([numpy.ones((len(texts), 1), "int64"), texts[:, :-1]], axis=1)
    with torch.inference_mode():
        scores = lstm(torch.from_numpy(weights.E[read]))[0] @ torch.from_numpy(weights.W).T + torch.from_numpy(weights.b)
        return numpy.take_along_axis(torch.log_softmax(scores, -1).numpy(), texts[:, :, None], 2)[:, :, 0]


def check(weights: Weights, one_call: Writer, steps: Stepper) -> None:
    """Compare what is to be timed.

    weights (Weights): The model.
    one_call (Writer): It writes in one call,
    steps (Stepper): and step by step.
    RAISES (ValueError): If the texts differ, or torch gives them another probability.
    """
    settings = {"sampling": Sampling(temperature=TEMPERATURE), "stopping": Stopping(200, symbols=()), "forbidden": ()}
    found, expected = (generate(model, [[]] * 3, **settings) for model in (one_call, steps))
    for one, other in zip(found, expected, strict=True):
        if not numpy.array_equal(one.symbols, other.symbols):
            raise ValueError("one call does not write what single steps do")
    texts = numpy.stack([one.symbols for one in found]).astype("int64")
    if not numpy.allclose([one.log_probabilities for one in found], torch_scores(weights, texts), atol=1e-3):
        raise ValueError("torch gives the texts another probability")


def measure(nH: int, batch: int, seconds: float, at_least: int) -> Row:
    """Time a model.

    nH (int): Hidden units.
    batch (int): Sequences side by side.
    seconds (float): How long.
    at_least (int): How many calls of each are measured.
    RETURNS (Dict[str, Any]): Microseconds a step, symbols a second, ratios, and what reading the weights allows.
    """
    weights = draw_weights(nH)
    contenders = make_contenders(weights, batch)
    taken = take_turns(contenders, seconds, TURN, at_least)
    times = {
        name: Times(each.minimum / STEPS[batch][name], each.median / STEPS[batch][name], each.n) for name, each in taken.items()
    }
    return {
        "units": nH,
        "batch": batch,
        "microseconds a step": {
            name: {"best": round(each.minimum * 1e6, 2), "median": round(each.median * 1e6, 2), "n": each.n}
            for name, each in times.items()
        },
        "symbols a second": {name: each.speed(batch) for name, each in times.items()},
        "torch : one call": times["torch"].ratio_to(times["one call"]),
        "torch : one call, bfloat16": times["torch"].ratio_to(times["one call, bfloat16"]),
        "bound": find_bound(weights, batch, min(1.0, seconds), times["one call"].minimum),
    }


def make_contenders(weights: Weights, batch: int) -> Dict[str, Callable[[], Any]]:
    """Prepare what is timed.

    weights (Weights): The model.
    batch (int): Sequences side by side.
    RETURNS (Dict[str, Callable]): Each writes as many symbols as STEPS says.
    """
    steps, nH = STEPS[batch], weights.W.shape[1]
    contenders: Dict[str, Callable[[], Any]] = {}
    for name, precision in (("one call", "float32"), ("one call, bfloat16", "bfloat16")):
        session = stack_session(get_cell("lstm"), [weights.params], weights.E, weights.W, weights.b, precision=precision)
        if session is None:
            raise ValueError("this measures the compiled CPU engine, which is not in use")
        writer, stepper = Writer(session, nH), Stepper(session, nH)
        if precision == "float32":
            check(weights, writer, stepper)
            settings = {"sampling": Sampling(temperature=TEMPERATURE), "stopping": Stopping(steps["steps"], symbols=())}
            contenders["steps"] = partial(generate, stepper, [[]] * batch, forbidden=(), **settings)
        given = numpy.ones(batch, "int64"), writer.start(batch), numpy.random.default_rng(0).random((batch, steps[name]))
        contenders[name] = partial(session.generate, *given, temperature=TEMPERATURE)
    contenders["torch"] = partial(build_torch(weights), batch, steps["torch"])
    return contenders


def find_bound(weights: Weights, batch: int, seconds: float, taken: float) -> Dict[str, Any]:
    """Say what a step takes at least.

    weights (Weights): The model.
    batch (int): Sequences side by side.
    seconds (float): How long to measure.
    taken (float): What one has taken, seconds.
    RETURNS (Dict[str, Any]): What is counted, how fast it goes, what it takes, and the share of the time that it is.
    """
    n_weights = weights.params["R"].size + weights.W.size
    if batch == 1:
        work = 4 * (n_weights + len(weights.params["b"]))
        what, rate = "reading, GB/s", library.reading_rate(numpy.ones(work // 4, "float32"), seconds)
    else:
        what, work, rate = "arithmetic, GFLOP/s", 2 * batch * n_weights, library.fma_peak(seconds)
    bound = work / rate / 1e9
    share = round(bound / taken, 3)
    return {"of": what, "work": work, "rate": round(rate, 1), "microseconds": round(bound * 1e6, 2), "share": share}


def main(
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "generation.json",
    seconds: Annotated[float, typer.Option(help="How long each case is measured")] = 10.0,
    quick: Annotated[bool, typer.Option(help="See whether it works: a moment each")] = False,
) -> None:
    """Measure generation, and keep the figures."""
    run_on_one_thread()
    import torch

    torch.set_num_threads(1)
    seconds, at_least = (0.1, 1) if quick else (seconds, 5)
    rows = [measure(nH, batch, seconds, at_least) for nH in UNITS for batch in BATCHES]
    result = {"benchmark": "generation", "machine": machine("torch"), "engine": engine(), "goals": GOALS, "rows": rows}
    srsly.write_json(output, result)
    lines = []
    for row in rows:
        speeds = (row["symbols a second"][name]["best"] for name in NAMES)
        ratios = (row["torch : one call"], row["torch : one call, bfloat16"])
        bound = row["bound"]
        share = f"{bound['share']:.0%} of {bound['rate']} {bound['of'].split()[-1]}"
        lines.append((row["units"], row["batch"], *speeds, *(f"{r['minima']:.2f} ({r['medians']:.2f})" for r in ratios), share))
    header = ("units", "batch", *NAMES, "torch : one call (medians)", "bfloat16", "share of the bound")
    typer.echo("Symbols a second, best call\n" + format_table(lines, header=header, divider=True, max_col=60))


if __name__ == "__main__":
    typer.run(main)
