"""Where the time of `nlp.update` goes: the share of each part, by Python's profiler, on one thread.

    python benchmarks/update.py

Batches, settings and pipelines are those of pipeline.py. The profiler makes many small calls look longer than they are, so shares
are rough; what a pipeline does in a second without it stands in pipeline.json.
"""

import cProfile
import pstats
from pathlib import Path
from typing import Annotated, Any, Dict, List

import srsly
import typer
from _ewt import check_converted
from _measure import RESULTS, ROOT, engine, machine, run_on_one_thread
from _taggers import CNN, OURS_96, TORCH_96, build_tagger
from pipeline import WARM_UP, Training
from wasabi import table as format_table

# The function of each part; of those with its name the one that takes the most, with all that it calls.
PARTS = {"update": "update", "forward": "begin_update", "loss": "get_loss", "optimizer": "finish_update"}


def profile(training: Training, steps: int) -> Dict[str, float]:
    """Profile updates.

    training (Training): The pipeline.
    steps (int): How many updates.
    RETURNS (Dict[str, float]): Milliseconds of an update, altogether and by part.
    """
    for step in range(WARM_UP):
        training.time_update(step)
    profiler = cProfile.Profile()
    profiler.enable()
    for step in range(WARM_UP, WARM_UP + steps):
        training.time_update(step)
    profiler.disable()
    stats: Any = pstats.Stats(profiler)
    spent = {part: _longest(stats, function) for part, function in PARTS.items()}
    spent["backward and the rest"] = 2 * spent["update"] - sum(spent.values())
    return {part: round(1000 * seconds / steps, 2) for part, seconds in spent.items()}


def _longest(stats: Any, name: str) -> float:
    """Give the time of the function of a name, of several the longest, in seconds."""
    return max(found[3] for (_, _, function), found in stats.stats.items() if function == name)


def main(
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "update.json",
    ewt: Annotated[Path, typer.Option(help="The folder of the converted corpus")] = ROOT / "corpus" / "ewt",
    steps: Annotated[int, typer.Option(help="How many updates are profiled")] = 100,
) -> None:
    """Profile the training of taggers, and keep the figures."""
    run_on_one_thread()
    train = ewt / "train.spacy"
    check_converted(train)
    rows: List[Dict[str, Any]] = []
    for tagger in (CNN, TORCH_96, OURS_96):
        rows.append({"name": tagger.name, "milliseconds": profile(Training(build_tagger(tagger, train), train), steps)})
    srsly.write_json(output, {"benchmark": "update", "machine": machine("torch"), "engine": engine(), "rows": rows})
    lines = [(row["name"], *row["milliseconds"].values()) for row in rows]
    header = ("milliseconds of an update", *rows[0]["milliseconds"])
    typer.echo(format_table(lines, header=header, divider=True, max_col=60))


if __name__ == "__main__":
    typer.run(main)
