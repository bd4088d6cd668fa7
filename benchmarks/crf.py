"""A linear-chain conditional random field: microseconds a word, the compiled engine against the reference, on one thread.

    python benchmarks/crf.py

A batch has the lengths of EWT's sentences, about 1,000 words; scores are random. Timed are the best path, the probabilities of
all labels, and the log-likelihood with its gradients, where all labels are known and where a fifth of them is missing. Before
anything is timed, the results of the two engines are compared.
"""

from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, NamedTuple

import numpy
import srsly
import typer
from _ewt import check_converted, sentence_lengths
from _measure import RESULTS, ROOT, Times, engine, machine, run_on_one_thread, take_turns
from wasabi import table as format_table

from spacy_rnn.crf import Crf, log_likelihood, marginals, viterbi
from spacy_rnn.recurrence import use_engine

LABELS = (17, 50, 100)
WORDS = 1000
MISSING = 0.2
TURN = 0.1

Row = Dict[str, Any]


class Batch(NamedTuple):
    """A field, and a batch of sequences with annotation.

    crf (Crf): The parameters.
    scores (numpy.ndarray): float32 [N, L].
    lengths (numpy.ndarray): int32 [B].
    known (numpy.ndarray): bool [N, L], one label for each row.
    partly (numpy.ndarray): bool [N, L], the same with all labels for some rows.
    """

    crf: Crf
    scores: numpy.ndarray
    lengths: numpy.ndarray
    known: numpy.ndarray
    partly: numpy.ndarray


def make_batch(n_labels: int, lengths: numpy.ndarray) -> Batch:
    """Draw a batch.

    n_labels (int): The number of labels.
    lengths (numpy.ndarray): int32 [B], the number of rows of each sequence.
    RETURNS (Batch): The batch.
    """
    rng = numpy.random.default_rng(0)
    n_rows = int(lengths.sum())
    start, transitions, end = (rng.normal(size=shape).astype("float32") for shape in ((n_labels,), (n_labels,) * 2, (n_labels,)))
    known = numpy.eye(n_labels, dtype=bool)[rng.integers(0, n_labels, n_rows)]
    partly = known | (rng.random((n_rows, 1)) < MISSING)
    scores = rng.normal(scale=3, size=(n_rows, n_labels)).astype("float32")
    return Batch(Crf(start, transitions, end), scores, lengths, known, partly)


def learn(batch: Batch, allowed: numpy.ndarray) -> numpy.ndarray:
    """Find the log-likelihood and its gradients.

    batch (Batch): The batch.
    allowed (numpy.ndarray): bool [N, L], the annotation.
    RETURNS (numpy.ndarray): float32 [N, L], the gradient of the scores.
    """
    _, backprop = log_likelihood(batch.crf, batch.scores, batch.lengths, allowed)
    return backprop(-numpy.ones(len(batch.lengths), "float32"))[0]


# What is timed: what it is called, and how it is computed.
TASKS: Dict[str, Callable[[Batch], numpy.ndarray]] = {
    "viterbi": lambda batch: viterbi(batch.crf, batch.scores, batch.lengths)[0],
    "marginals": lambda batch: marginals(batch.crf, batch.scores, batch.lengths),
    "log-likelihood and gradients": lambda batch: learn(batch, batch.known),
    "the same, a fifth missing": lambda batch: learn(batch, batch.partly),
}


def measure(task: str, batch: Batch, seconds: float, at_least: int) -> Row:
    """Time one task on both engines.

    task (str): One of `TASKS`.
    batch (Batch): The batch.
    seconds (float): How long.
    at_least (int): How many calls of each are measured.
    RETURNS (Dict[str, Any]): Microseconds a word of each engine, and their ratio.
    RAISES (ValueError): If the engines do not agree.
    """

    def run(name: str) -> numpy.ndarray:
        with use_engine(name):
            return TASKS[task](batch)

    if not numpy.allclose(run("auto"), run("reference"), atol=1e-4):
        raise ValueError(f"{task}: the two engines do not give the same")
    times = take_turns({"compiled": lambda: run("auto"), "reference": lambda: run("reference")}, seconds, TURN, at_least)
    return {
        "task": task,
        "labels": batch.scores.shape[1],
        "microseconds a word": {name: _per_word(each, len(batch.scores)) for name, each in times.items()},
        "times as fast": times["reference"].ratio_to(times["compiled"]),
    }


def _per_word(times: Times, n_words: int) -> Dict[str, float]:
    return {
        "best": round(times.minimum / n_words * 1e6, 3),
        "median": round(times.median / n_words * 1e6, 3),
        "n": times.n,
    }


def main(
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "crf.json",
    ewt: Annotated[Path, typer.Option(help="The folder of the converted corpus")] = ROOT / "corpus" / "ewt",
    seconds: Annotated[float, typer.Option(help="How long each case is measured")] = 4.0,
    quick: Annotated[bool, typer.Option(help="See whether it works: a moment each")] = False,
) -> None:
    """Measure decoding and learning of a conditional random field, and keep the figures."""
    run_on_one_thread()
    check_converted(ewt / "train.spacy")
    seconds, at_least = (0.1, 1) if quick else (seconds, 5)
    all_lengths = numpy.asarray(sentence_lengths(ewt / "train.spacy"), "int32")
    lengths = all_lengths[: int(numpy.searchsorted(all_lengths.cumsum(), WORDS)) + 1]
    batches = [make_batch(n_labels, lengths) for n_labels in LABELS]
    rows: List[Row] = [measure(task, batch, seconds, at_least) for batch in batches for task in TASKS]
    result = {"benchmark": "crf", "machine": machine(), "engine": engine(), "words": int(lengths.sum()), "rows": rows}
    srsly.write_json(output, result)
    lines = []
    for row in rows:
        medians = (each["median"] for each in row["microseconds a word"].values())
        lines.append((row["task"], row["labels"], *medians, row["times as fast"]["medians"]))
    header = ("microseconds a word (median)", "labels", "compiled", "reference", "times as fast")
    typer.echo(format_table(lines, header=header, divider=True, max_col=60))


if __name__ == "__main__":
    typer.run(main)
