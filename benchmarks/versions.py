"""This checkout against another one, in turns, on one thread: recurrent layers, raw text to tags, and `nlp.update`.

    git worktree add ../before COMMIT && (cd ../before && python setup.py build_ext --inplace egg_info)
    python benchmarks/versions.py ../before

Each checkout has a process of its own, and one of them computes at a time. Ratios are times before divided by times after: below
1, this checkout is slower.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Dict, List

import srsly
import typer
from _ewt import check_converted
from _measure import RESULTS, ROOT, Times, machine, run_on_one_thread
from _version_worker import LAYERS
from wasabi import table as format_table

TAGGERS = ("FAST", "STANDARD", "WITH_CRF", "OURS_96")
TURN = 0.2


class Worker:
    """A process that times calls of a checkout's package."""

    def __init__(self, checkout: Path, ewt: Path) -> None:
        """Start it.

        checkout (Path): The checkout, built in place.
        ewt (Path): The folder of the converted corpus.
        """
        script = str(Path(__file__).parent / "_version_worker.py")
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        command = [sys.executable, script, str(checkout), str(ewt)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=checkout
        )

    def ask(self, *request: Any) -> Any:
        """Send a request.

        *request (Any): What `_version_worker.main` understands.
        RETURNS (Any): The answer.
        RAISES (RuntimeError): If the process has ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process of a checkout has ended at {request}: see what it printed")
        return json.loads(answer)

    def end(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def measure(name: str, before: Worker, after: Worker, seconds: float) -> List[Dict[str, Any]]:
    """Time what a layer or a tagger does.

    name (str): One of `LAYERS` or `TAGGERS`.
    before, after (Worker): The two checkouts.
    seconds (float): How long each call is measured.
    RETURNS (List[Dict[str, Any]]): A row for each of its calls.
    """
    calls = before.ask("prepare", name)
    assert after.ask("prepare", name) == calls
    rows = []
    for call in calls:
        taken: Dict[Worker, List[float]] = {before: [], after: []}
        # The first to go changes: neither always has the other's state of the caches before it.
        order = [before, after]
        while sum(map(sum, taken.values())) < seconds:
            for worker in order:
                taken[worker] += worker.ask("time", call, TURN)
            order.reverse()
        times = {worker: Times.of(each) for worker, each in taken.items()}
        milliseconds = {key: round(times[worker].minimum * 1000, 4) for key, worker in (("before", before), ("after", after))}
        rows.append({"what": name, "call": call, "milliseconds": milliseconds, "ratio": times[before].ratio_to(times[after])})
    return rows


def main(
    other: Annotated[Path, typer.Argument(help="The checkout to compare with, built in place")],
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "versions.json",
    ewt: Annotated[Path, typer.Option(help="The folder of the converted corpus")] = ROOT / "corpus" / "ewt",
    seconds: Annotated[float, typer.Option(help="How long each call is measured, both checkouts together")] = 6.0,
    only: Annotated[str, typer.Option(help="Only what has this in its name")] = "",
) -> None:
    """Compare this checkout with another one, and keep the figures."""
    run_on_one_thread()
    check_converted(ewt / "train.spacy")
    before, after = (Worker(checkout.resolve(), ewt.resolve()) for checkout in (other, ROOT))
    rows = [row for name in (*LAYERS, *TAGGERS) if only in name for row in measure(name, before, after, seconds)]
    for worker in (before, after):
        worker.end()
    srsly.write_json(output, {"benchmark": "versions", "machine": machine(), "rows": rows})
    lines = [(row["what"], row["call"], *row["milliseconds"].values(), *row["ratio"].values()) for row in rows]
    typer.echo(format_table(lines, header=("", "", "before, ms", "after, ms", "minima", "medians"), divider=True, max_col=60))


if __name__ == "__main__":
    typer.run(main)
