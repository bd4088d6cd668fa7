"""Accuracy on rows of handwritten digits: how many are written in words without an error, of images by others.

    python benchmarks/digits.py
    python benchmarks/digits.py --test

A network is trained by scripts/train_digits.py with each seed, as the workflow `digits` does, and measured by
scripts/evaluate_digits.py on 5,000 rows of dev; of test with `--test` only, once everything has been chosen. Seconds are those of
the one thread, so that other work on the machine does not count.

Results stand in benchmarks/results/digits.json; one of the same seed and part is replaced.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Dict, List

import srsly
import typer
from _measure import RESULTS, ROOT, machine, run_on_one_thread
from wasabi import table as format_table

OUTPUT = RESULTS / "digits.json"


def run_script(name: str, *arguments: object) -> None:
    """Run a script.

    name (str): Its name, without the ending.
    arguments (object): What it is called with.
    RAISES (subprocess.CalledProcessError): If it fails, after what it has said.
    """
    subprocess.run([sys.executable, "-B", str(ROOT / "scripts" / f"{name}.py"), *map(str, arguments)], check=True)


def measure(seed: int, part: str, steps: int, folder: Path) -> Dict[str, Any]:
    """Train and measure a network.

    seed (int): What random numbers begin with in training.
    part (str): "dev" or "test".
    steps (int): How many batches are learned from.
    folder (Path): Where the network goes.
    RETURNS (Dict[str, Any]): Its settings and scores.
    """
    model, scores = folder / f"{steps}-{seed}", folder / "scores.json"
    if not (model / "training.json").exists():
        run_script("train_digits", model, "--seed", seed, "--steps", steps)
    run_script("evaluate_digits", model, scores, folder / "page.html", "--part", part)
    found, training = srsly.read_json(scores), srsly.read_json(model / "training.json")
    row = {"part": part, **{name: training[name] for name in ("seed", "steps", "width", "cpu_seconds")}}
    return {**row, **{name: found[name] for name in ("n", "exact", "exact_by_length", "images")}}


def main(
    test: Annotated[bool, typer.Option("--test", help="Measure on test, once everything has been chosen on dev")] = False,
    seeds: Annotated[int, typer.Option(help="How many networks are trained", min=1)] = 3,
    steps: Annotated[int, typer.Option(help="How many batches are learned from", min=1)] = 10_000,
    folder: Annotated[str, typer.Option(help="Folder in which networks are kept; none if empty")] = "",
    output: Annotated[Path, typer.Option(help="File for the results")] = OUTPUT,
) -> None:
    """Measure how many rows of digits are written in words without an error."""
    run_on_one_thread()
    part = "test" if test else "dev"
    with TemporaryDirectory() as temporary:
        for seed in range(seeds):
            row = measure(seed, part, steps, Path(folder or temporary))
            kept = srsly.read_json(output) if output.exists() else {"rows": []}
            rows: List[Dict[str, Any]] = [old for old in kept["rows"] if (old["seed"], old["part"]) != (seed, part)]
            srsly.write_json(output, {"machine": machine("scikit-learn"), "rows": [*rows, row]})
    rows = [row for row in srsly.read_json(output)["rows"] if row["part"] == part]
    cells = [(row["seed"], f"{100 * row['exact']:.2f} %", f"{100 * row['images']:.2f} %", row["cpu_seconds"]) for row in rows]
    print(format_table(cells, header=("seed", f"rows of {part}", "images", "seconds"), divider=True))


if __name__ == "__main__":
    typer.run(main)
