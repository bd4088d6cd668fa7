"""Taggers in spaCy pipelines, this package's against spaCy's own and torch's: raw text to tags, and training, on one thread.

    python benchmarks/pipeline.py

The sentences of EWT dev go as raw texts through `nlp.pipe(batch_size=256)`:

- cold: in a new process, to which texts and words are new (one other text has gone through, so that every library is loaded);
- warm: the same, after the sentences of EWT train have gone through;
- repeated: the same texts again, the pipelines in turns in one process.

Python's garbage collector is off in the first two, as it is in `timeit`: a full collection takes as long as the fast tagger needs
for half of the texts, and by chance it falls into the one pass that is timed, or before it.

`nlp.update` runs over batches of about 1,000 words of EWT train with gold tokens, batcher, optimizer and dropout as in
configs/tagger_pos.cfg, the pipelines in turns in one process, each batch with new examples. A word is a token, of spaCy's
tokenizer or of the treebank. Weights are those of the few updates that are measured: speed does not depend on them.
"""

import gc
import random
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Callable, Dict, List

import spacy
import srsly
import typer
from _ewt import check_converted, sentence_texts
from _measure import (
    RESULTS,
    ROOT,
    Times,
    check_goal,
    engine,
    format_goals,
    in_new_process,
    machine,
    run_on_one_thread,
    take_turns,
)
from _taggers import (
    ACCURATE,
    CNN,
    FAST,
    OURS_96,
    OURS_256,
    STANDARD,
    TOKENIZER,
    TORCH_96,
    TORCH_256,
    WITH_CRF,
    build_tagger,
    read_examples,
)
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config, registry
from wasabi import table as format_table

TAGGERS = [TOKENIZER, CNN, TORCH_96, OURS_96, TORCH_256, OURS_256, FAST, STANDARD, WITH_CRF, ACCURATE]
PEERS = {
    OURS_96: (CNN, TORCH_96),
    OURS_256: (CNN, TORCH_256),
    FAST: (CNN,),
    STANDARD: (CNN,),
    WITH_CRF: (CNN, STANDARD),
    ACCURATE: (CNN,),
}
CONFIG = ROOT / "configs" / "tagger_pos.cfg"
BATCH_SIZE = 256
WARM_UP = 3
MEASURES = ("cold", "warm", "repeated", "update")
GOALS = [
    ("raw text, width 96, depth 1, repeated", OURS_96, CNN, "repeated", 10),
    ("raw text, width 96, depth 1, warm", OURS_96, CNN, "warm", 8),
    ("raw text, width 96, depth 1, repeated", OURS_96, TORCH_96, "repeated", 3.5),
    ("nlp.update, width 96, depth 1", OURS_96, CNN, "update", 6),
    ("nlp.update, width 96, depth 1", OURS_96, TORCH_96, "update", 2.5),
    *(
        (f"raw text, {tagger.name}, {measure}", tagger, peer, measure, goal)
        for tagger, peer, goal in ((FAST, CNN, 8), (ACCURATE, CNN, 3), (WITH_CRF, STANDARD, 0.5))
        for measure in ("warm", "repeated")
    ),
]


def tag(nlp: Language, texts: List[str]) -> int:
    """Send texts through a pipeline.

    nlp (Language): The pipeline.
    texts (List[str]): The texts.
    RETURNS (int): The number of their tokens.
    """
    return sum(len(doc) for doc in nlp.pipe(texts, batch_size=BATCH_SIZE))


def time_first_pass(path: Path, texts: List[str], seen: List[str]) -> float:
    """Time the first pass over texts; to be called in a new process.

    path (Path): The saved pipeline.
    texts (List[str]): The texts.
    seen (List[str]): Texts that go through before, not timed.
    RETURNS (float): Seconds a word.
    """
    nlp = spacy.load(path)
    tag(nlp, ["One text."])
    tag(nlp, seen)
    gc.collect()
    gc.disable()
    start = time.perf_counter()
    n_words = tag(nlp, texts)
    return (time.perf_counter() - start) / n_words


def time_first_passes(paths: Dict[str, Path], texts: List[str], seen: List[str], n: int) -> Dict[str, Times]:
    """Time first passes over texts, every one in a process of its own.

    paths (Dict[str, Path]): The saved pipelines by name.
    texts (List[str]): The texts.
    seen (List[str]): Texts that go through before, not timed.
    n (int): How many processes for each pipeline.
    RETURNS (Dict[str, Times]): Seconds a word.
    """
    taken: Dict[str, List[float]] = {name: [] for name in paths}
    for _ in range(n):
        for name, path in paths.items():
            taken[name].append(in_new_process(time_first_pass, path, texts, seen))
    return {name: Times.of(times) for name, times in taken.items()}


def time_repeated_passes(paths: Dict[str, Path], texts: List[str], seconds: float, at_least: int) -> Dict[str, Times]:
    """Time passes over texts that every pipeline has seen before.

    paths (Dict[str, Path]): The saved pipelines by name.
    texts (List[str]): The texts.
    seconds (float): How long.
    at_least (int): How many passes of each, however long they take.
    RETURNS (Dict[str, Times]): Seconds a word.
    """
    pipelines = {name: spacy.load(path) for name, path in paths.items()}
    n_words = tag(next(iter(pipelines.values())), texts)
    calls = {name: partial(tag, nlp, texts) for name, nlp in pipelines.items()}
    times = take_turns(calls, seconds, turn=0, at_least=at_least)
    return {name: Times(taken.minimum / n_words, taken.median / n_words, taken.n) for name, taken in times.items()}


class Training:
    """A pipeline in training.

    nlp (Language): The pipeline.
    train (Path): EWT's training part.
    """

    def __init__(self, nlp: Language, train: Path) -> None:
        # The config finds both in the corpus.
        numbers = {"training.batcher.size": 1000, "training.optimizer.learn_rate.total_steps": 5000}
        settings = load_config(CONFIG, numbers, interpolate=True)["training"]
        resolved = registry.resolve({name: settings[name] for name in ("batcher", "optimizer")})
        self.nlp = nlp
        self.optimizer = resolved["optimizer"]
        self.dropout = settings["dropout"]
        examples = read_examples(nlp, train)
        # The same order for every pipeline.
        random.Random(0).shuffle(examples)
        self.batches: List[List[Example]] = list(resolved["batcher"](examples))

    def time_update(self, step: int, wait: Callable[[], Any] = lambda: None) -> float:
        """Update the pipeline with one batch.

        step (int): Which one.
        wait (Callable): Waits until everything is done.
        RETURNS (float): Seconds a word.
        """
        batch = self.batches[step % len(self.batches)]
        examples = [Example(example.predicted.copy(), example.reference) for example in batch]
        start = time.perf_counter()
        self.nlp.update(examples, drop=self.dropout, sgd=self.optimizer)
        wait()
        return (time.perf_counter() - start) / sum(len(example.predicted) for example in examples)


def time_updates(pipelines: Dict[str, Language], train: Path, seconds: float, at_least: int) -> Dict[str, Times]:
    """Time training.

    pipelines (Dict[str, Language]): The pipelines by name.
    train (Path): EWT's training part.
    seconds (float): How long.
    at_least (int): How many batches, however long they take.
    RETURNS (Dict[str, Times]): Seconds a word.
    """
    trainings = {name: Training(nlp, train) for name, nlp in pipelines.items()}
    taken: Dict[str, List[float]] = {name: [] for name in trainings}
    step, end = 0, None
    while end is None or time.perf_counter() < end or step < WARM_UP + at_least:
        for name, training in trainings.items():
            seconds_a_word = training.time_update(step)
            if step >= WARM_UP:
                taken[name].append(seconds_a_word)
        step += 1
        if step == WARM_UP:
            end = time.perf_counter() + seconds
    return {name: Times.of(times) for name, times in taken.items()}


def make_rows(times: Dict[str, Dict[str, Times]]) -> List[Dict[str, Any]]:
    """Put down what was measured.

    times (Dict[str, Dict[str, Times]]): Seconds a word, by measure and pipeline.
    RETURNS (List[Dict[str, Any]]): For each pipeline words a second, and by peer how many times as long as it the peer took.
    """
    rows = []
    for tagger in TAGGERS:
        measured = {measure: times[measure][tagger.name] for measure in MEASURES if tagger.name in times[measure]}
        ratios = {
            peer.name: {measure: times[measure][peer.name].ratio_to(taken) for measure, taken in measured.items()}
            for peer in PEERS.get(tagger, ())
        }
        speeds = {measure: taken.speed(1) for measure, taken in measured.items()}
        rows.append({"name": tagger.name, "words a second": speeds, "ratios": ratios})
    return rows


def check_goals(rows: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Compare what was measured with the goals.

    rows (List[Dict[str, Any]]): As made by `make_rows`.
    RETURNS (List[Dict[str, Any]]): The goals.
    """
    ratios = {row["name"]: row["ratios"] for row in rows}
    return [
        check_goal(what, peer.name, goal, [(measure, ratios[tagger.name][peer.name][measure])])
        for what, tagger, peer, measure, goal in GOALS
    ]


def save_pipelines(pipelines: Dict[str, Language], folder: Path) -> Dict[str, Path]:
    """Save pipelines.

    pipelines (Dict[str, Language]): The pipelines by name.
    folder (Path): Where they go.
    RETURNS (Dict[str, Path]): Where each one is.
    """
    paths = {name: folder / str(number) for number, name in enumerate(pipelines)}
    for name, nlp in pipelines.items():
        nlp.to_disk(paths[name])
    return paths


def format_speeds(rows: List[Dict[str, Any]]) -> str:
    """Show words a second, in the median.

    rows (List[Dict[str, Any]]): As made by `make_rows`.
    RETURNS (str): A table.
    """
    lines = []
    for row in rows:
        speeds = row["words a second"]
        lines.append((row["name"], *(f"{speeds[measure]['median']:,}" if measure in speeds else "" for measure in MEASURES)))
    header = ("words a second (median)", *MEASURES)
    return str(format_table(lines, header=header, divider=True, aligns=("l", "r", "r", "r", "r"), max_col=60))


def measure(ewt: Path, seconds: float, at_least: int, n_texts: int) -> Dict[str, Dict[str, Times]]:
    """Measure every pipeline.

    ewt (Path): The folder of the converted corpus.
    seconds (float): How long training is measured, and how long repeated passes.
    at_least (int): How many passes, processes and batches, however long they take.
    n_texts (int): How many texts to tag, at most.
    RETURNS (Dict[str, Dict[str, Times]]): Seconds a word, by measure and pipeline.
    """
    train = ewt / "train.spacy"
    texts, seen = sentence_texts(ewt / "dev.spacy")[:n_texts], sentence_texts(train)[:n_texts]
    pipelines = {tagger.name: build_tagger(tagger, train) for tagger in TAGGERS}
    trained = {name: nlp for name, nlp in pipelines.items() if nlp.pipe_names}
    typer.echo("nlp.update", err=True)
    times = {"update": time_updates(trained, train, seconds, at_least)}
    with TemporaryDirectory() as folder:
        paths = save_pipelines(pipelines, Path(folder))
        for name, before in (("cold", []), ("warm", seen)):
            typer.echo(f"raw text, {name}", err=True)
            times[name] = time_first_passes(paths, texts, before, at_least)
        typer.echo("raw text, repeated", err=True)
        times["repeated"] = time_repeated_passes(paths, texts, seconds, at_least)
    return times


def main(
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "pipeline.json",
    ewt: Annotated[Path, typer.Option(help="The folder of the converted corpus")] = ROOT / "corpus" / "ewt",
    seconds: Annotated[float, typer.Option(help="How long training is measured, and how long repeated passes")] = 60.0,
    at_least: Annotated[int, typer.Option(help="How many processes, passes and batches, however long they take", min=1)] = 7,
    quick: Annotated[bool, typer.Option(help="See whether it works: few texts, a moment each")] = False,
) -> None:
    """Measure taggers from raw text to tags and in training, and keep the figures."""
    run_on_one_thread()
    check_converted(ewt / "train.spacy", ewt / "dev.spacy")
    seconds, at_least, n_texts = (0.1, 1, 200) if quick else (seconds, at_least, 1_000_000)
    times = measure(ewt, seconds, at_least, n_texts)
    rows = make_rows(times)
    goals = check_goals(rows)
    options = {"seconds": seconds, "at least": at_least}
    measured_on = {"machine": machine("torch"), "engine": engine()}
    result = {"benchmark": "pipeline", "options": options, **measured_on, "rows": rows, "goals": goals}
    srsly.write_json(output, result)
    typer.echo(f"{format_speeds(rows)}{format_goals(goals)}")


if __name__ == "__main__":
    typer.run(main)
