"""Memory and time of training on long documents, with and without pieces that are computed again, on one thread.

    python benchmarks/long_documents.py

`nlp.update` with a batch of 64 documents of 2,500 words each, drawn at random from 10,000 words, by the pipeline of
configs/textcat.cfg as it is and with wider layers: keeping all that the way back needs (`checkpoint_rows = 0`), in pieces
(`checkpoint_rows = 10000`), and by default (`checkpoint_rows = null`).

Memory is the peak of the resident set during the first update of the batch, in a process of its own: of the whole process, which
has imported spaCy and holds the documents, and beside what it held before. Times are those of updates in turns in one process.
"""

import gc
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, NamedTuple, Optional

import numpy
import srsly
import typer
from _measure import (
    MEGABYTE,
    RESULTS,
    ROOT,
    engine,
    in_new_process,
    machine,
    peak_memory,
    reset_peak_memory,
    run_on_one_thread,
    take_turns,
)
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config, load_model_from_config
from thinc.api import fix_random_seed
from wasabi import table as format_table

CONFIG = ROOT / "configs" / "textcat.cfg"
TOK2VEC = "components.textcat.model.tok2vec"
N_DOCUMENTS, LENGTH, N_WORDS = 64, 2_500, 10_000
CHECKPOINT_ROWS = {"all is kept": 0, "pieces": 10_000, "default": None}
MEMORY_GOAL, TIME_GOAL = 2_048, 1.4


class Widths(NamedTuple):
    """A pipeline: that of the config with other widths.

    embed (int): The width of the embedding.
    encode (int): The width of the recurrent layer.
    depth (int): The number of recurrent layers.
    """

    embed: int
    encode: int
    depth: int


PIPELINES = [Widths(200, 64, 1), Widths(256, 256, 1), Widths(256, 256, 2)]


class Training:
    """A pipeline and a batch of long documents."""

    def __init__(self, widths: Widths, checkpoint_rows: Optional[int], length: int) -> None:
        """Make and initialize the pipeline.

        widths (Widths): The pipeline.
        checkpoint_rows (Optional[int]): The setting of its recurrent layers.
        length (int): The words of a document.
        """
        fix_random_seed(0)
        settings = {
            f"{TOK2VEC}.embed.width": widths.embed,
            f"{TOK2VEC}.encode.width": widths.encode,
            f"{TOK2VEC}.encode.depth": widths.depth,
            f"{TOK2VEC}.encode.checkpoint_rows": checkpoint_rows,
        }
        self.nlp: Language = load_model_from_config(load_config(CONFIG, overrides=settings))
        self.batch = make_batch(self.nlp, N_DOCUMENTS, length)
        few = make_batch(self.nlp, 8, 50)
        self.optimizer = self.nlp.initialize(lambda: [*few, *self.batch])
        self.nlp.update(few, sgd=self.optimizer)

    def update(self) -> None:
        """Train on the batch."""
        self.nlp.update(self.batch, sgd=self.optimizer)


def make_batch(nlp: Language, n_documents: int, length: int) -> List[Example]:
    """Draw documents of two classes; a few words are frequent, as in a text.

    nlp (Language): The pipeline.
    n_documents (int): How many.
    length (int): The words of each.
    RETURNS (List[Example]): The documents.
    """
    rng = numpy.random.default_rng(0)
    ids = (50 * rng.pareto(1.0, (n_documents, length))).astype("int64").clip(0, N_WORDS - 1)
    examples = []
    for i, row in enumerate(ids.tolist()):
        words = [f"word{number}" for number in row]
        annotated = Doc(nlp.vocab, words=words)
        annotated.cats = {"even": float(i % 2 == 0), "odd": float(i % 2)}
        examples.append(Example(Doc(nlp.vocab, words=words), annotated))
    return examples


def measure_memory(widths: Widths, checkpoint_rows: Optional[int], length: int) -> Dict[str, float]:
    """Measure the memory of an update; to be called in a new process.

    widths (Widths): The pipeline.
    checkpoint_rows (Optional[int]): The setting of its recurrent layers.
    length (int): The words of a document.
    RETURNS (Dict[str, float]): The peak of the process, and that beside what it held before, in MB.
    """
    training = Training(widths, checkpoint_rows, length)
    gc.collect()
    before = reset_peak_memory()
    training.update()
    peak = peak_memory()
    return {"process MB": round(peak / MEGABYTE), "update MB": round((peak - before) / MEGABYTE)}


def measure_time(widths: Widths, length: int, seconds: float, at_least: int) -> Dict[str, Dict[str, float]]:
    """Measure the time of updates, all settings in turns; to be called in a new process.

    widths (Widths): The pipeline.
    length (int): The words of a document.
    seconds (float): How long to go on.
    at_least (int): How many updates with each setting, however long they take.
    RETURNS (Dict[str, Dict[str, float]]): For each setting minimum and median in seconds, and their ratios to keeping all.
    """
    contenders: Dict[str, Callable[[], Any]] = {
        name: Training(widths, rows, length).update for name, rows in CHECKPOINT_ROWS.items()
    }
    times = take_turns(contenders, seconds, turn=0, at_least=at_least)
    all_kept = times["all is kept"]
    return {
        name: {
            "minimum s": round(taken.minimum, 3),
            "median s": round(taken.median, 3),
            "ratio of minima": taken.ratio_to(all_kept)["minima"],
            "ratio of medians": taken.ratio_to(all_kept)["medians"],
        }
        for name, taken in times.items()
    }


def check_goals(rows: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Compare what was measured with the goals, of all pipelines in pieces or as they come.

    rows (List[Dict[str, Any]]): What was measured.
    RETURNS (List[Dict[str, Any]]): Limits, the most that was measured, and whether the goal is reached.
    """
    in_pieces = [row for row in rows if row["setting"] != "all is kept"]
    limits = {"process MB": MEMORY_GOAL, "ratio of minima": TIME_GOAL, "ratio of medians": TIME_GOAL}
    most = {what: max(row[what] for row in in_pieces) for what in limits}
    return [{"what": what, "limit": limit, "most": most[what], "reached": most[what] <= limit} for what, limit in limits.items()]


def main(
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "long_documents.json",
    seconds: Annotated[float, typer.Option(help="How long each pipeline is timed")] = 60.0,
    quick: Annotated[bool, typer.Option(help="See whether it works: short documents, a moment each")] = False,
) -> None:
    """Measure training on long documents, and keep the figures."""
    run_on_one_thread()
    length, seconds, at_least = (50, 0.1, 1) if quick else (LENGTH, seconds, 5)
    rows: List[Dict[str, Any]] = []
    for widths in PIPELINES:
        times = in_new_process(measure_time, widths, length, seconds, at_least)
        for name, checkpoint_rows in CHECKPOINT_ROWS.items():
            memory = in_new_process(measure_memory, widths, checkpoint_rows, length)
            rows.append({**widths._asdict(), "setting": name, **memory, **times[name]})
    goals = check_goals(rows)
    results = {"benchmark": "long documents", "machine": machine(), "engine": engine(), "rows": rows, "goals": goals}
    srsly.write_json(output, results)
    typer.echo(format_table([list(row.values()) for row in rows], header=list(rows[0]), divider=True, max_col=60))
    for goal in goals:
        typer.echo(f"{goal['what']}: limit {goal['limit']}, most {goal['most']}, reached: {goal['reached']}")


if __name__ == "__main__":
    typer.run(main)
