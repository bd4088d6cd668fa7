"""Time and memory of the recurrent layer and of taggers, against everything that can grow, on one thread a process.

    python benchmarks/scaling.py

- the layer `RNN.v1` (bidirectional LSTM, 96 wide in and out) against tokens, as one sequence and as sequences of 25;
- taggers on the sentences of EWT dev as raw texts, timed after the first pass, against the batch size of `nlp.pipe`;
- the same sentences joined to longer and longer documents;
- taggers on EWT train with one process and with two, from the call of `nlp.pipe` to its end, so with the start of the processes;
- the size of a saved tagger, and how long `spacy.load` takes in a new process, which has imported spaCy (and by it torch).

Every point is measured in a process of its own. Its memory is the peak of the resident set during the first call, less what the
process held before (with two processes that of the first, without the other); of the layer's the output is taken off as well, so
that the working set remains.
"""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Callable, Dict, List

import numpy
import spacy
import srsly
import typer
from _ewt import check_converted, sentence_lengths, sentence_texts
from _measure import (
    MEGABYTE,
    RESULTS,
    ROOT,
    Times,
    engine,
    in_new_process,
    machine,
    peak_memory,
    reset_peak_memory,
    run_on_one_thread,
    take_turns,
)
from _taggers import CNN, OURS_96, TORCH_96, Tagger, build_tagger
from thinc.api import Ragged
from wasabi import table as format_table

Row = Dict[str, Any]

TAGGERS = [CNN, TORCH_96, OURS_96]
WIDTH = 96
SEQUENCE_LENGTH = 25
MOST_TRAINED = 1_000_000
BATCH_SIZES = [1, 8, 32, 128, 256, 512, 1024]
DOCUMENT_LENGTHS = [1, 100, 1_000, 10_000, 100_000]
# The goal: a million rows in one call take no more than their input, their output and this.
WORKING_SET = 64


def measure_call(call: Callable[[], Any], seconds: float, at_least: int) -> Row:
    """Measure the memory of one call, then the time of more.

    call (Callable): What to measure.
    seconds (float): How long.
    at_least (int): How many calls, however long they take.
    RETURNS (Row): Minimum and median in seconds, and the peak in MB.
    """
    before = reset_peak_memory()
    result = call()
    peak = peak_memory() - before
    del result
    taken = take_turns({"call": call}, seconds, turn=0, at_least=at_least)["call"]
    return {"minimum s": round(taken.minimum, 6), "median s": round(taken.median, 6), "peak MB": round(peak / MEGABYTE, 1)}


def measure_layer(n_tokens: int, length: int, training: bool, seconds: float, at_least: int) -> Row:
    """Measure the layer; to be called in a new process.

    n_tokens (int): The rows of the batch.
    length (int): The rows of a sequence.
    training (bool): Forward and back, or inference.
    seconds (float): How long.
    at_least (int): How many calls, however long they take.
    RETURNS (Row): Times and memory.
    """
    from spacy_rnn.layers import build_rnn

    model = build_rnn(nO=WIDTH, nI=WIDTH, bidirectional=True)
    model.initialize()
    rng = numpy.random.default_rng(0)

    def prepare(n_rows: int) -> Callable[[], Any]:
        X: Any = rng.standard_normal((n_rows, WIDTH), dtype="float32")
        lengths: Any = numpy.full(n_rows // min(length, n_rows), min(length, n_rows), dtype="int32")
        batch = Ragged(X, lengths)

        def train() -> Ragged:
            _, backprop = model(batch, is_train=True)
            return backprop(batch)

        return train if training else lambda: model.predict(batch)

    prepare(SEQUENCE_LENGTH)()
    row = measure_call(prepare(n_tokens), seconds, at_least)
    output = n_tokens * WIDTH * 4 / MEGABYTE
    return {
        "mode": "training" if training else "inference",
        "tokens": n_tokens,
        "sequences": n_tokens // length,
        **row,
        "output MB": round(output, 1),
        "working set MB": round(max(0.0, row["peak MB"] - output), 1),
        "tokens a second": round(n_tokens / row["minimum s"]),
    }


def measure_pipe(path: Path, texts: List[str], settings: Dict[str, Any], seconds: float, at_least: int) -> Row:
    """Measure a pipeline: memory in the first pass over texts, time in later ones; to be called in a new process.

    path (Path): The saved pipeline.
    texts (List[str]): The texts.
    settings (Dict[str, Any]): What `nlp.pipe` is given.
    seconds (float): How long.
    at_least (int): How many passes, however long they take.
    RETURNS (Row): Times, memory and words a second.
    """
    nlp = spacy.load(path)

    def tag() -> int:
        return sum(len(doc) for doc in nlp.pipe(texts, **settings))

    nlp("One text.")
    row = measure_call(tag, seconds, at_least)
    n_words = tag()
    return {**settings, "documents": len(texts), "words": n_words, **row, "words a second": round(n_words / row["minimum s"])}


def measure_load(path: Path) -> float:
    """Time `spacy.load`; to be called in a new process.

    path (Path): The saved pipeline.
    RETURNS (float): Seconds.
    """
    start = time.perf_counter()
    spacy.load(path)
    return time.perf_counter() - start


def join_sentences(texts: List[str], lengths: List[int], least: int) -> List[str]:
    """Join sentences to documents.

    texts (List[str]): The sentences.
    lengths (List[int]): How many tokens each has.
    least (int): How many tokens a document has at least, but for the last one.
    RETURNS (List[str]): The documents.
    """
    documents: List[str] = []
    waiting: List[str] = []
    n_tokens = 0
    for text, length in zip(texts, lengths, strict=True):
        waiting.append(text)
        n_tokens += length
        if n_tokens >= least:
            documents.append(" ".join(waiting))
            waiting, n_tokens = [], 0
    return [*documents, " ".join(waiting)] if waiting else documents


def scale_layer(most: int, seconds: float, at_least: int) -> List[Row]:
    """Measure the layer against tokens.

    most (int): Tokens, at most.
    seconds (float): How long a point takes.
    at_least (int): How many calls a point, however long they take.
    RETURNS (List[Row]): The points.
    """
    rows = []
    for training, limit in ((False, most), (True, min(most, MOST_TRAINED))):
        for exponent in range(3, len(str(limit))):
            for length in (10**exponent, SEQUENCE_LENGTH):
                rows.append(in_new_process(measure_layer, 10**exponent, length, training, seconds, at_least))
    return rows


def scale_pipes(
    paths: Dict[str, Path], texts: List[List[str]], settings: List[Dict[str, Any]], seconds: float, at_least: int
) -> List[Row]:
    """Measure taggers against something that grows.

    paths (Dict[str, Path]): The saved pipelines by name.
    texts (List[List[str]]): The texts of each point.
    settings (List[Dict[str, Any]]): What `nlp.pipe` is given at each point.
    seconds (float): How long a point takes.
    at_least (int): How many passes a point, however long they take.
    RETURNS (List[Row]): The points.
    """
    return [
        {"name": name, **in_new_process(measure_pipe, path, point_texts, point_settings, seconds, at_least)}
        for point_texts, point_settings in zip(texts, settings, strict=True)
        for name, path in paths.items()
    ]


def measure_saved(paths: Dict[str, Path], n: int) -> List[Row]:
    """Measure saved pipelines: their size, and how long they take to load.

    paths (Dict[str, Path]): The saved pipelines by name.
    n (int): How many processes load each.
    RETURNS (List[Row]): Sizes in MB, and times.
    """
    taken: Dict[str, List[float]] = {name: [] for name in paths}
    for _ in range(n):
        for name, path in paths.items():
            taken[name].append(in_new_process(measure_load, path))
    rows = []
    for name, path in paths.items():
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        times = Times.of(taken[name])
        rows.append(
            {
                "name": name,
                "MB": round(size / MEGABYTE, 2),
                "load minimum s": round(times.minimum, 3),
                "load median s": round(times.median, 3),
            }
        )
    return rows


def check_working_set(rows: List[Row]) -> Row:
    """Compare the memory of a million rows with the goal.

    rows (List[Row]): The layer's points.
    RETURNS (Row): The limit, the most that was measured, and whether the goal is reached; None if nothing was measured.
    """
    found = [row["working set MB"] for row in rows if row["mode"] == "inference" and row["tokens"] == 1_000_000]
    return {
        "what": "RNN.v1, 1,000,000 rows in one call, beside input and output",
        "limit MB": WORKING_SET,
        "most MB": max(found, default=None),
        "reached": max(found) <= WORKING_SET if found else None,
    }


def save_taggers(taggers: List[Tagger], train: Path, folder: Path) -> Dict[str, Path]:
    """Build taggers and save them.

    taggers (List[Tagger]): Which ones.
    train (Path): EWT's training part.
    folder (Path): Where they go.
    RETURNS (Dict[str, Path]): Where each one is.
    """
    paths = {tagger.name: folder / str(number) for number, tagger in enumerate(taggers)}
    for tagger in taggers:
        build_tagger(tagger, train).to_disk(paths[tagger.name])
    return paths


def show(title: str, rows: List[Row]) -> None:
    """Print points.

    title (str): What was measured.
    rows (List[Row]): The points.
    """
    lines = [[f"{value:,}" if isinstance(value, int) else value for value in row.values()] for row in rows]
    typer.echo(f"\n{title}{format_table(lines, header=list(rows[0]), divider=True, max_col=60)}")


def measure(ewt: Path, seconds: float, quick: bool) -> Dict[str, List[Row]]:
    """Measure everything.

    ewt (Path): The folder of the converted corpus.
    seconds (float): How long a point takes.
    quick (bool): Whether few points, few texts and a moment are enough.
    RETURNS (Dict[str, List[Row]]): The points, by what grows.
    """
    seconds, at_least, most = (0.1, 1, 10_000) if quick else (seconds, 5, 1_000_000)
    n_texts, n_points = (200, 2) if quick else (None, None)
    train, dev = ewt / "train.spacy", ewt / "dev.spacy"
    texts, lengths = sentence_texts(dev)[:n_texts], sentence_lengths(dev)[:n_texts]
    many = sentence_texts(train)[:n_texts]
    documents = [join_sentences(texts, lengths, least) for least in DOCUMENT_LENGTHS[:n_points]]
    batch_sizes = [{"batch_size": size} for size in BATCH_SIZES[:n_points]]
    processes = [{"batch_size": 256, "n_process": n} for n in (1, 2)]
    results = {"layer": scale_layer(most, seconds, at_least)}
    with TemporaryDirectory() as folder:
        paths = save_taggers(TAGGERS, train, Path(folder))
        results["batch size"] = scale_pipes(paths, [texts] * len(batch_sizes), batch_sizes, seconds, at_least)
        results["document length"] = scale_pipes(paths, documents, [{"batch_size": 256}] * len(documents), seconds, at_least)
        results["processes"] = scale_pipes(paths, [many] * 2, processes, seconds, at_least)
        results["saved"] = measure_saved(paths, at_least)
    return results


def main(
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "scaling.json",
    ewt: Annotated[Path, typer.Option(help="The folder of the converted corpus")] = ROOT / "corpus" / "ewt",
    seconds: Annotated[float, typer.Option(help="How long each point is measured")] = 3.0,
    quick: Annotated[bool, typer.Option(help="See whether it works: small, a moment each")] = False,
) -> None:
    """Measure how time and memory grow, and keep the figures."""
    run_on_one_thread()
    check_converted(ewt / "train.spacy", ewt / "dev.spacy")
    results = measure(ewt, seconds, quick)
    goal = check_working_set(results["layer"])
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    where = {**machine("torch"), "usable cores": usable}
    srsly.write_json(output, {"benchmark": "scaling", "machine": where, "engine": engine(), **results, "goals": [goal]})
    for title, rows in results.items():
        show(title, rows)
    typer.echo(f"\n{goal['what']}: limit {goal['limit MB']} MB, most {goal['most MB']} MB, reached: {goal['reached']}")


if __name__ == "__main__":
    typer.run(main)
