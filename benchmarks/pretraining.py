"""What reading other texts first brings: word vectors, language models of characters, and pretrained encoders, on every task.

    python benchmarks/pretraining.py --data FOLDER --vectors training/vectors --lm LM --seeds 3 --test --resume
    python benchmarks/pretraining.py --table
    python benchmarks/pretraining.py --plot docs/images/pretraining.svg

LM is a pipeline that `python -m spacy rnn train-lm` has made of texts without labels. An encoder has weights that `spacy
pretrain` has written (`--encoder`), and the config that it was given (`--encoder-config`). A task is trained with the config of
its name in configs/, from the training part alone ("nothing"), or with what `--with` names: "vectors", "lm", "tuned-lm"
(fine-tuned with the task), "encoder", or several joined by "+". A task with a number at its end has so many labelled texts.
Everything is chosen on dev; test is read with `--test` only.

Words a second are those of raw texts of dev on one thread, all of them new: what is kept of a text is forgotten before each pass.
Results go to benchmarks/results/pretraining.json after each run.
"""

import hashlib
import re
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import srsly
import typer
from _contenders import Setting, measure_pipeline
from _converted import find_corpus, take_parts
from _kept_results import add_result, is_measured, read_results
from _measure import RESULTS, ROOT, run_on_one_thread
from _pretrained import Pretrained, describe, forget_texts, with_pretrained
from spacy.util import load_config
from wasabi import table as wasabi_table

OUTPUT = RESULTS / "pretraining.json"
PARTS = ("vectors", "lm", "tuned-lm", "encoder")
TAGS, CLASSES = {"accuracy": "tag_acc"}, {"accuracy": "cats_micro_f", "macro recall": "cats_macro_r"}


class Task(NamedTuple):
    """What is learned.

    title (str): What it is called in the table.
    corpus (str): The name of the converted corpus.
    config (str): The name of the config.
    scores (Mapping[str, str]): spaCy's score by the name it has in the results; the first one counts.
    gold_tokens (bool): Whether it is scored on gold tokens.
    overrides (Mapping[str, Any]): Settings that the config leaves to be made for this corpus.
    """

    title: str
    corpus: str
    config: str
    scores: Mapping[str, str]
    gold_tokens: bool = True
    overrides: Mapping[str, Any] = {}

    @property
    def score(self) -> str:
        """RETURNS (str): The name of the score that counts."""
        return next(iter(self.scores))


TASKS = {
    "ewt-pos": Task("English (EWT), universal tags", "ewt", "tagger_pos_accurate", {"accuracy": "pos_acc"}),
    "ewt-tag": Task("English (EWT), Penn tags", "ewt", "tagger_tag_accurate", TAGS),
    "french-pos": Task(
        "French (Sequoia), universal tags", "french", "tagger_pos_accurate", {"accuracy": "pos_acc"}, overrides={"nlp.lang": "fr"}
    ),
    "wnut": Task("WNUT-17, entities", "wnut", "ner", {"F": "ents_f", "precision": "ents_p", "recall": "ents_r"}),
    "sst2": Task("SST-2", "sst2", "textcat_accurate", CLASSES, False),
    "tweets": Task(
        "tweets",
        "tweets",
        "textcat_tweets",
        {"macro recall": "cats_macro_r", "accuracy": "cats_micro_f"},
        False,
        # The training part has lost its emoji.
        {"nlp.tokenizer.emoji_as_emoticons": True},
    ),
    "imdb": Task("IMDB", "imdb", "textcat_long", CLASSES, False),
}


class Run(NamedTuple):
    """A task, and what is read first.

    name (str): The task's name, perhaps with a number of texts.
    task (Task): The task.
    n_train (Optional[int]): How many labelled texts are taken; all if None.
    parts (Tuple[str, ...]): What was learned from other texts.
    config (str): The text of the config.
    overrides (Dict[str, Any]): Settings that differ from it.
    """

    name: str
    task: Task
    n_train: Optional[int]
    parts: Tuple[str, ...]
    config: str
    overrides: Dict[str, Any]

    def label(self, seed: int) -> Dict[str, Any]:
        """Give what a result is found by.

        seed (int): The seed.
        RETURNS (Dict[str, Any]): Task, what was read first, key and seed.
        """
        settings = srsly.json_dumps([self.config, self.overrides], sort_keys=True)
        key = hashlib.sha256(settings.encode("utf8")).hexdigest()[:16]
        return {"corpus": self.name, "contender": "+".join(self.parts) or "nothing", "key": key, "seed": seed}


def make_run(name: str, parts: Sequence[str], pretrained: Pretrained, config: Optional[Path], overrides: Dict[str, Any]) -> Run:
    """Find out what is to be trained.

    name (str): A task, perhaps with "-" and a number of labelled texts.
    parts (Sequence[str]): What is to be read first.
    pretrained (Pretrained): All that was learned from other texts.
    config (Optional[Path]): The config; that of the task if None.
    overrides (Dict[str, Any]): Settings that differ from it.
    RETURNS (Run): The run.
    RAISES (typer.BadParameter): If there is no such task or part, or a part has no path.
    """
    found = re.fullmatch(r"(.*?)(?:-([0-9]+))?", name)
    assert found is not None
    task = TASKS.get(found[1])
    if task is None:
        raise typer.BadParameter(f"expected a task of {', '.join(TASKS)}, perhaps with a number of texts, got {name!r}")
    for part in parts:
        if part not in PARTS:
            raise typer.BadParameter(f"expected --with of {', '.join(PARTS)}, joined by +, got {part!r}")
    taken = Pretrained(
        pretrained.vectors if "vectors" in parts else None,
        pretrained.lm if {"lm", "tuned-lm"} & set(parts) else None,
        "tuned-lm" in parts,
        *((pretrained.encoder, pretrained.encoder_config) if "encoder" in parts else (None, None)),
    )
    if len([each for each in (taken.vectors, taken.lm, taken.encoder) if each is not None]) < len(parts):
        raise typer.BadParameter(f"name the paths of {', '.join(parts)} by --vectors, --lm, and --encoder with --encoder-config")
    text = with_pretrained(load_config(config or ROOT / "configs" / f"{task.config}.cfg"), taken).to_str()
    n_train = None if found[2] is None else int(found[2])
    return Run(name, task, n_train, tuple(parts), text, {**task.overrides, **overrides})


def measure(run: Run, seed: int, corpus: Path, splits: Sequence[str]) -> Dict[str, Any]:
    """Train and measure.

    run (Run): What is trained.
    seed (int): The seed.
    corpus (Path): The folder of train, dev and test.
    splits (Sequence[str]): The parts to score.
    RETURNS (Dict[str, Any]): The result, and what it is of.
    """
    setting = Setting(corpus, splits, run.task.scores, run.task.gold_tokens, forget_texts)
    return {**run.label(seed), "overrides": run.overrides, **measure_pipeline(run.config, run.overrides, seed, setting)}


def format_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write results as a table in Markdown.

    rows (Sequence[Mapping[str, Any]]): The results.
    RETURNS (str): A line for each task and what was read first: means over seeds, with the sample standard deviation.
    """
    lines = [["task", "read first", "dev", "test", "words/s", "MB", "training, s", "seeds"], ["---"] * 2 + ["---:"] * 6]
    for name, contender in dict.fromkeys((row["corpus"], row["contender"]) for row in rows):
        own = [row for row in rows if (row["corpus"], row["contender"]) == (name, contender)]
        task = TASKS[re.sub(r"-[0-9]+$", "", name)]
        scores = [_format([row["scores"].get(f"{split} {task.score}") for row in own]) for split in ("dev", "test")]
        speed, size, seconds = (
            [row["words a second"]["median"] for row in own],
            [row["bytes"] / 1e6 for row in own],
            [row["training seconds"] for row in own],
        )
        n_texts = "" if name in TASKS else f", {name.rpartition('-')[2]} texts"
        cells = [f"{task.title}{n_texts}: {task.score}", describe(contender.split("+")), *scores]
        lines.append([*cells, f"{mean(speed):,.0f}", f"{mean(size):.1f}", f"{mean(seconds):,.0f}", str(len(own))])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _format(values: Sequence[Optional[float]]) -> str:
    found = [value for value in values if value is not None]
    deviation = f" ± {stdev(found):.2f}" if len(found) > 1 else ""
    return f"{mean(found):.2f}{deviation}" if found else "–"


def plot_curves(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw scores on test, or dev where that was not read, against the number of labelled texts.

    rows (Sequence[Mapping[str, Any]]): The results.
    path (Path): Where the plot goes; its ending says in which format.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    numbered = [row for row in rows if re.search(r"-[0-9]+$", row["corpus"])]
    names = list(dict.fromkeys(row["corpus"].rpartition("-")[0] for row in numbered))
    with rc_context({"svg.hashsalt": "pretraining", "font.size": 9.0}):
        figure = Figure(figsize=(3.4 * len(names) + 0.4, 3.0), layout="constrained")
        for panel, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            own = [row for row in numbered if row["corpus"].rpartition("-")[0] == name]
            for contender in dict.fromkeys(row["contender"] for row in own):
                points: Dict[int, List[float]] = {}
                for row in (row for row in own if row["contender"] == contender):
                    score = row["scores"].get(f"test {TASKS[name].score}", row["scores"][f"dev {TASKS[name].score}"])
                    points.setdefault(int(row["corpus"].rpartition("-")[2]), []).append(score)
                numbers = sorted(points)
                panel.plot(numbers, [mean(points[n]) for n in numbers], marker="o", label=describe(contender.split("+")))
            panel.set_xscale("log")
            panel.set_xticks(numbers, [str(n) for n in numbers])
            panel.minorticks_off()
            panel.grid(color="0.9")
            panel.set_title(f"{TASKS[name].title}: {TASKS[name].score}")
            panel.set_xlabel("labelled texts")
            panel.legend(frameon=False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main(
    tasks: Annotated[Optional[List[str]], typer.Argument(help=f"{', '.join(TASKS)}; with -N for N labelled texts")] = None,
    read_first: Annotated[List[str], typer.Option("--with", help="Joined by +; may be repeated")] = ["nothing"],  # noqa: B006
    vectors: Annotated[Optional[Path], typer.Option(help="A pipeline with word vectors")] = None,
    lm: Annotated[Optional[Path], typer.Option(help="A pipeline with language models")] = None,
    encoder: Annotated[Optional[Path], typer.Option(help="Weights that `spacy pretrain` has written")] = None,
    encoder_config: Annotated[Optional[Path], typer.Option(help="The config that they were made with")] = None,
    config: Annotated[Optional[Path], typer.Option(help="A config in place of the task's")] = None,
    set_: Annotated[List[str], typer.Option("--set", help="NAME=VALUE: another setting; may be repeated")] = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(help="How many seeds", min=1)] = 1,
    first_seed: Annotated[int, typer.Option(help="The first of them", min=0)] = 0,
    test: Annotated[bool, typer.Option("--test", help="Score the test parts as well")] = False,
    data: Annotated[Path, typer.Option(help="Folder of raw corpora, to be converted where they are not")] = ROOT / "assets",
    corpora: Annotated[Path, typer.Option(help="Folder of converted corpora")] = ROOT / "corpus",
    output: Annotated[Path, typer.Option(help="Where the figures go")] = OUTPUT,
    resume: Annotated[bool, typer.Option("--resume", help="Leave out what has been measured with the same settings")] = False,
    table: Annotated[bool, typer.Option("--table", help="Print the figures as a table in Markdown; measure nothing")] = False,
    plot: Annotated[Optional[Path], typer.Option(help="Draw learning curves; measure nothing")] = None,
) -> None:
    """Train tasks with what was learned from other texts, and keep the figures."""
    if table:
        typer.echo(format_table(read_results(output)["rows"]))
    if plot is not None:
        plot_curves(read_results(output)["rows"], plot)
    if table or plot is not None:
        return
    run_on_one_thread()
    pretrained = Pretrained(vectors, lm, False, encoder, encoder_config)
    overrides = {name: srsly.json_loads(value) for name, _, value in (each.partition("=") for each in set_)}
    splits = ["dev", "test"] if test else ["dev"]
    parts = [tuple(part for part in each.split("+") if part != "nothing") for each in read_first]
    runs = [make_run(name, each, pretrained, config, overrides) for name in tasks or TASKS for each in parts]
    with TemporaryDirectory() as folder:
        for seed, run in ((seed, run) for seed in range(first_seed, first_seed + seeds) for run in runs):
            if resume and is_measured(run.label(seed), f"{splits[-1]} {run.task.score}", read_results(output)["rows"]):
                continue
            typer.echo(f"{run.name}, {describe(run.parts)}, seed {seed}", err=True)
            corpus = find_corpus(run.task.corpus, corpora, data)
            if run.n_train is not None:
                corpus = take_parts(corpus, {"train": run.n_train}, Path(folder) / run.name)
            row = measure(run, seed, corpus, splits)
            add_result(output, row)
            typer.echo(wasabi_table([(name, value) for name, value in row["scores"].items()]))


if __name__ == "__main__":
    typer.run(main)
