"""One time step at a time, as a model of the next symbol makes them: microseconds a step at batch 1, on one thread.

    python benchmarks/steps.py

A session is asked for one step after the other, each from the state that the one before gave: with an input that is a row of the
session's table (a symbol), and with one that is any vector as wide as the state, whose product with W reads as many weights again
as the recurrent one. Beside it stand a step within a sweep of 100, and torch's cell. Before anything is timed, the results of all
are compared.
"""

from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List

import numpy
import srsly
import typer
from _measure import RESULTS, Times, engine, machine, run_on_one_thread, take_turns
from wasabi import table as format_table

from spacy_rnn.recurrence import Batch, get_cell, session

CELLS = ("lstm", "gru", "elman_tanh")
UNITS = (256, 512, 1024)
SYMBOLS = 100
STEPS = 100
TURN = 0.05
# What an LSTM is to reach: a step of a session to one in a sweep, at most; torch's cell of 512 units to a step, at least.
MOST, LEAST = 1.25, 2.0
RATIOS = ("row : sweep", "vector : sweep", "torch : row", "torch : vector")

Row = Dict[str, Any]


def build_torch(cell: str, params: Dict[str, numpy.ndarray]) -> Any:
    """Build torch's cell with the same parameters.

    cell (str): The cell.
    params (Dict[str, numpy.ndarray]): W, R, b and for a GRU bR.
    RETURNS (torch.nn.RNNCellBase): The cell.
    """
    import torch

    kinds = {"lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell, "elman_tanh": torch.nn.RNNCell}
    (_, nI), nH = params["W"].shape, params["R"].shape[1]
    module = kinds[cell](nI, nH)
    bias = numpy.zeros_like(params["b"])
    if "bR" in params:
        bias[-nH:] = params["bR"]
    weights = {"weight_ih": params["W"], "weight_hh": params["R"], "bias_ih": params["b"], "bias_hh": bias}
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return module


def make_contenders(name: str, nH: int) -> Dict[str, Callable[[], numpy.ndarray]]:
    """Prepare what is timed.

    name (str): The cell.
    nH (int): Hidden units, and the width of inputs.
    RETURNS (Dict[str, Callable]): Each makes STEPS steps over the same inputs, and gives the last hidden state [nH].
    """
    import torch

    cell, rng = get_cell(name), numpy.random.default_rng(0)
    shapes = cell.parameter_shapes(nH, nH)
    params = {key: (rng.uniform(-1, 1, shape) / nH**0.5).astype("float32") for key, shape in shapes.items()}
    table = rng.standard_normal((SYMBOLS, nH), "float32")
    symbols = rng.integers(0, SYMBOLS, STEPS)
    X, batch = table[symbols], Batch([STEPS], STEPS)
    by_row, by_vector, module = session(cell, params, table=table), session(cell, params), build_torch(name, params)

    def step_through(one: Any, inputs: List[numpy.ndarray]) -> numpy.ndarray:
        state = one.start(1)
        for each in inputs:
            state = one.step(each, state)
        return state["h"][0]

    def step_torch() -> numpy.ndarray:
        with torch.inference_mode():
            state = None
            for x in tensors:
                state = module(x, state)
        return (state[0] if name == "lstm" else state)[0].numpy()

    rows, vectors = list(symbols[:, None]), list(X[:, None])
    tensors = [torch.from_numpy(vector) for vector in vectors]
    return {
        "sweep": lambda: by_vector.sweep(X, batch, None).Y[-1],
        "row": lambda: step_through(by_row, rows),
        "vector": lambda: step_through(by_vector, vectors),
        "torch": step_torch,
    }


def measure(name: str, nH: int, seconds: float, at_least: int) -> Row:
    """Time the steps of a cell.

    name (str): The cell.
    nH (int): Hidden units.
    seconds (float): How long.
    at_least (int): How many calls of each are measured.
    RETURNS (Dict[str, Any]): Microseconds a step, and ratios.
    RAISES (ValueError): If two do not give the same.
    """
    contenders = make_contenders(name, nH)
    results = {key: call() for key, call in contenders.items()}
    for key, found in results.items():
        if not numpy.allclose(found, results["sweep"], atol=1e-5):
            raise ValueError(f"{name}, {nH} units: {key} does not give what a sweep gives")
    times: Dict[str, Times] = take_turns(contenders, seconds, TURN, at_least)
    return {
        "cell": name,
        "units": nH,
        "microseconds a step": {
            key: {"best": round(each.minimum / STEPS * 1e6, 2), "median": round(each.median / STEPS * 1e6, 2), "n": each.n}
            for key, each in times.items()
        },
        **{ratio: times[ratio.split(" : ")[0]].ratio_to(times[ratio.split(" : ")[1]]) for ratio in RATIOS},
    }


def main(
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "steps.json",
    seconds: Annotated[float, typer.Option(help="How long each case is measured")] = 6.0,
    quick: Annotated[bool, typer.Option(help="See whether it works: a moment each")] = False,
) -> None:
    """Measure time steps of sessions, and keep the figures."""
    run_on_one_thread()
    import torch

    torch.set_num_threads(1)
    seconds, at_least = (0.1, 1) if quick else (seconds, 5)
    rows = [measure(name, nH, seconds, at_least) for name in CELLS for nH in UNITS]
    goals = {"row : sweep, at most": MOST, "vector : sweep, at most": MOST, "torch : vector, at least, 512 units": LEAST}
    result = {"benchmark": "steps", "machine": machine("torch"), "engine": engine(), "goals": goals, "rows": rows}
    srsly.write_json(output, result)
    lines = []
    for row in rows:
        best = (each["best"] for each in row["microseconds a step"].values())
        ratios = (row[key]["minima"] for key in RATIOS)
        lines.append((row["cell"], row["units"], *best, *ratios))
    header = ("cell", "units", "sweep", "row", "vector", "torch", *RATIOS)
    typer.echo(format_table(lines, header=header, divider=True, max_col=60))


if __name__ == "__main__":
    typer.run(main)
