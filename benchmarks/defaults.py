"""What a user gets at the first try: spaCy's defaults, a bag of words, and this package's defaults and configs on every corpus.

    python benchmarks/defaults.py --data FOLDER --seeds 3 --test --resume
    python benchmarks/defaults.py --table
    python benchmarks/defaults.py --summary

Every contender is trained on train, without any settings for the corpus but its language, and chosen on dev; with `--test` it is
scored on test as well. Taggers and entity recognizers are scored on gold tokens, known and unknown words apart (known ones occur
in train, written in the same way); categorizers on raw texts. Training is timed with its evaluations, in processor seconds. Words
a second are those of raw texts of dev that the same process has annotated before, on one thread. Sizes are those of the saved
`model` files, of the bag of words that of a pickle.

Results go to benchmarks/results/defaults.json after each run, so that a command that was stopped goes on with `--resume`.
"""

import hashlib
from functools import cache
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence

import srsly
import typer
from _contenders import Setting, measure_bag_of_words, measure_pipeline
from _converted import find_corpus, is_available, take_parts
from _kept_results import add_result, is_measured, read_results
from _measure import RESULTS, ROOT, run_on_one_thread
from spacy.cli.init_config import init_config


class Task(NamedTuple):
    """What contenders predict.

    factory (str): This package's component.
    scores (Mapping[str, str]): spaCy's score by the name it has in the results.
    unit (Optional[str]): What may be known or unknown, "words" or "entities", where gold sentences and gold tokens are evaluated;
        None where raw texts are.
    configs (Mapping[str, str]): The config of each contender that has one.
    exclusive (Optional[bool]): Of categorizers, whether exactly one class is true of each text; None of others.
    variants (Mapping[str, Mapping[str, Any]]): Contenders that are the fast config with other settings: these settings.
    """

    factory: str
    scores: Mapping[str, str]
    unit: Optional[str]
    configs: Mapping[str, str]
    exclusive: Optional[bool] = None
    variants: Mapping[str, Mapping[str, Any]] = {}


class Entry(NamedTuple):
    """A corpus in the table.

    title (str): What it is called there.
    task (str): What is predicted.
    corpus (str): The name of the converted corpus.
    score (str): The score that counts.
    lang (str): The language of the pipelines.
    n_train (Optional[int]): How many of the training texts are taken; all if None.
    configs (Mapping[str, str]): The configs that differ from the task's.
    overrides (Mapping[str, Mapping[str, Any]]): By contender, settings that a config leaves to be made for this corpus.
    """

    title: str
    task: str
    corpus: str
    score: str
    lang: str = "en"
    n_train: Optional[int] = None
    configs: Mapping[str, str] = {}
    overrides: Mapping[str, Mapping[str, Any]] = {}


CONTENDERS = {
    "spacy-cnn": "spaCy's CNN",
    "spacy-bow": "spaCy's bag of words",
    "spacy-add-pipe": "spaCy's ensemble by `add_pipe`",
    "spacy-ensemble": "spaCy's ensemble for accuracy",
    "tfidf": "TF-IDF bigrams + logistic regression",
    "default": "default",
    "fast": "fast",
    "accurate": "accurate",
    "vectors": "fast, with GloVe's vectors",
    "network": "fast, without n-grams",
}
VECTORS = "training/vectors"
"""What the project's workflow `vectors` makes, seen from the folder that commands are run in. English alone has them."""
WITH_VECTORS = {"vectors": {"paths.vectors": VECTORS}}
TASKS = {
    "pos": Task(
        "rnn_pos_tagger",
        {"accuracy": "pos_acc"},
        "words",
        {
            "spacy-cnn": "benchmarks/configs/tagger_pos_cnn.cfg",
            "fast": "configs/tagger_pos_fast.cfg",
            "accurate": "configs/tagger_pos_accurate.cfg",
        },
        variants=WITH_VECTORS,
    ),
    "tag": Task(
        "rnn_tagger",
        {"accuracy": "tag_acc"},
        "words",
        {
            "spacy-cnn": "benchmarks/configs/tagger_tag_cnn.cfg",
            "fast": "configs/tagger_tag_fast.cfg",
            "accurate": "configs/tagger_tag_accurate.cfg",
        },
        variants=WITH_VECTORS,
    ),
    "ner": Task(
        "rnn_ner",
        {"entity F": "ents_f", "precision": "ents_p", "recall": "ents_r"},
        "entities",
        {"spacy-cnn": "benchmarks/configs/ner_spacy.cfg", "fast": "configs/ner_fast.cfg", "accurate": "configs/ner.cfg"},
        variants=WITH_VECTORS,
    ),
    "textcat": Task(
        "rnn_textcat",
        {"accuracy": "cats_micro_f", "macro recall": "cats_macro_r"},
        None,
        {
            "spacy-bow": "benchmarks/configs/textcat_bow.cfg",
            "spacy-add-pipe": "benchmarks/configs/textcat_add_pipe.cfg",
            "spacy-ensemble": "benchmarks/configs/textcat_ensemble.cfg",
            "fast": "configs/textcat.cfg",
            "accurate": "configs/textcat_accurate.cfg",
        },
        exclusive=True,
        variants={**WITH_VECTORS, "network": {"components.textcat.model.linear_model": None}},
    ),
    "textcat_multilabel": Task(
        "rnn_textcat_multilabel",
        {"macro F": "cats_macro_f", "micro F": "cats_micro_f", "macro AUC": "cats_macro_auc"},
        None,
        {
            "spacy-bow": "benchmarks/configs/textcat_multilabel_bow.cfg",
            "spacy-add-pipe": "benchmarks/configs/textcat_multilabel_add_pipe.cfg",
            "spacy-ensemble": "benchmarks/configs/textcat_multilabel_ensemble.cfg",
            "fast": "configs/textcat_multilabel.cfg",
        },
        exclusive=False,
        variants={**WITH_VECTORS, "network": {"components.textcat_multilabel.model.linear_model": None}},
    ),
}
# The columns of the summary, each of contenders of which a corpus has one at most.
COLUMNS = {
    "spaCy's CNN or bag of words": ("spacy-cnn", "spacy-bow"),
    "spaCy's ensemble": ("spacy-add-pipe",),
    "TF-IDF": ("tfidf",),
    "default": ("default",),
    "fast": ("fast",),
    "accurate": ("accurate",),
}
LONG = {"accurate": "configs/textcat_long.cfg"}
ENTRIES = {
    "ewt-pos": Entry("English (EWT), universal tags", "pos", "ewt", "accuracy"),
    "ewt-tag": Entry("English (EWT), Penn tags", "tag", "ewt", "accuracy"),
    "french-pos": Entry("French (Sequoia), universal tags", "pos", "french", "accuracy", "fr"),
    # spaCy has no tokenizer for Uyghur, and needs a package for Vietnamese.
    "uyghur-pos": Entry("Uyghur (UDT), universal tags", "pos", "uyghur", "accuracy", "xx"),
    "vietnamese-pos": Entry("Vietnamese (VTB), universal tags", "pos", "vietnamese", "accuracy", "xx"),
    # A fifth of each, in texts of ten sentences.
    "ewt-pos-fifth": Entry("a fifth of English (EWT), universal tags", "pos", "ewt", "accuracy", n_train=251),
    "french-pos-fifth": Entry("a fifth of French, universal tags", "pos", "french", "accuracy", "fr", n_train=45),
    "uyghur-pos-fifth": Entry("a fifth of Uyghur, universal tags", "pos", "uyghur", "accuracy", "xx", n_train=33),
    "vietnamese-pos-fifth": Entry("a fifth of Vietnamese, universal tags", "pos", "vietnamese", "accuracy", "xx", n_train=28),
    "assets-pos": Entry("the sentences in `assets/`, universal tags", "pos", "pos", "accuracy"),
    "wnut": Entry("WNUT-17, entities", "ner", "wnut", "entity F"),
    "sst2-200": Entry("SST-2, 200 texts", "textcat", "sst2", "accuracy", n_train=200),
    "sst2-1000": Entry("SST-2, 1,000 texts", "textcat", "sst2", "accuracy", n_train=1000),
    "sst2": Entry("SST-2", "textcat", "sst2", "accuracy"),
    "tweets": Entry(
        "tweets",
        "textcat",
        "tweets",
        "macro recall",
        configs={"accurate": "configs/textcat_tweets.cfg"},
        # The training part has lost its emoji.
        overrides={"accurate": {"nlp.tokenizer.emoji_as_emoticons": True}},
    ),
    "imdb-1000": Entry("IMDB, 1,000 texts", "textcat", "imdb", "accuracy", n_train=1000, configs=LONG),
    "imdb-5000": Entry("IMDB, 5,000 texts", "textcat", "imdb", "accuracy", n_train=5000, configs=LONG),
    "imdb": Entry("IMDB, all texts", "textcat", "imdb", "accuracy", configs=LONG),
    "reviews": Entry("the reviews in `assets/`", "textcat", "reviews", "accuracy"),
    "topics": Entry("the topics in `assets/`, several labels", "textcat_multilabel", "topics", "macro F"),
}
DEFAULT_OUTPUT = RESULTS / "defaults.json"


class Run(NamedTuple):
    """One contender on one corpus, to be trained with one seed or several.

    entry (str): The corpus' name in `ENTRIES`.
    contender (str): The contender's name in `CONTENDERS`.
    config (Optional[str]): The path of its config; None if it has none of its own.
    text (str): The text of the config; of the bag of words its name.
    overrides (Dict[str, Any]): Settings that differ from the config's.
    limit (Optional[int]): How many texts of each part are taken; all if None.
    """

    entry: str
    contender: str
    config: Optional[str]
    text: str
    overrides: Dict[str, Any]
    limit: Optional[int]

    @property
    def key(self) -> str:
        """What tells results of this config and these settings from results of others."""
        settings = srsly.json_dumps([self.text, self.overrides, self.limit], sort_keys=True)
        return hashlib.sha256(settings.encode("utf8")).hexdigest()[:16]

    def label(self, seed: int) -> Dict[str, Any]:
        """Give what a result is found by.

        seed (int): The seed.
        RETURNS (Dict[str, Any]): Corpus, contender, key and seed.
        """
        return {"corpus": self.entry, "contender": self.contender, "key": self.key, "seed": seed}


def list_runs(entries: Sequence[str], contenders: Sequence[str], limit: Optional[int], max_steps: Optional[int]) -> List[Run]:
    """List what is to be trained.

    entries (Sequence[str]): Names of corpora.
    contenders (Sequence[str]): Names of contenders; of these a corpus has those that can do its task.
    limit (Optional[int]): How many texts of each part are taken; all if None.
    max_steps (Optional[int]): How many steps training takes at most; as the config says if None.
    RETURNS (List[Run]): The runs, corpus after corpus.
    """
    runs = []
    for name in entries:
        entry = ENTRIES[name]
        task = TASKS[entry.task]
        variants = {key: settings for key, settings in task.variants.items() if entry.lang == "en" or key != "vectors"}
        configs = {**task.configs, **dict.fromkeys(variants, task.configs["fast"]), **entry.configs}
        own = [*configs, "default", *(["tfidf"] if task.exclusive is not None else [])]
        for contender in (contender for contender in CONTENDERS if contender in contenders and contender in own):
            overrides: Dict[str, Any] = {}
            if contender != "tfidf":
                overrides.update({**variants.get(contender, {}), **entry.overrides.get(contender, {})})
                overrides.update({} if entry.lang == "en" else {"nlp.lang": entry.lang})
                overrides.update(
                    {} if max_steps is None else {"training.max_steps": max_steps, "training.eval_frequency": max_steps}
                )
            runs.append(Run(name, contender, configs.get(contender), write_config(contender, configs, task), overrides, limit))
    return runs


def write_config(contender: str, configs: Mapping[str, str], task: Task) -> str:
    """Write the config of a contender.

    contender (str): Its name.
    configs (Mapping[str, str]): The configs of contenders that have one.
    task (Task): What it predicts.
    RETURNS (str): The text of the config; of the bag of words its name.
    """
    if contender in configs:
        return (ROOT / configs[contender]).read_text(encoding="utf8")
    if contender == "tfidf":
        return CONTENDERS["tfidf"]
    return write_default(task.factory, task.unit is not None)


@cache
def write_default(factory: str, gold_tokens: bool) -> str:
    """Write the config that spaCy's own `init config` writes for a component.

    factory (str): The component, as `nlp.add_pipe` makes it with no settings.
    gold_tokens (bool): Whether tokens are gold, as they are for the other contenders.
    RETURNS (str): The text of the config.
    """
    config = init_config(lang="en", pipeline=[factory], optimize="efficiency")
    for split in ("train", "dev"):
        config["corpora"][split]["gold_preproc"] = gold_tokens
    return str(config.to_str())


def measure(run: Run, seed: int, corpus: Path, splits: Sequence[str]) -> Dict[str, Any]:
    """Train and measure a contender.

    run (Run): The contender and its corpus.
    seed (int): The seed.
    corpus (Path): The folder of train, dev and test.
    splits (Sequence[str]): The parts to score.
    RETURNS (Dict[str, Any]): The result, and what it is of.
    """
    entry = ENTRIES[run.entry]
    task = TASKS[entry.task]
    setting = Setting(corpus, splits, task.scores, gold_tokens=task.unit is not None)
    if run.contender == "tfidf":
        result = measure_bag_of_words(bool(task.exclusive), entry.score, setting)
    else:
        result = measure_pipeline(run.text, run.overrides, seed, setting)
    return {**run.label(seed), "config": run.config, "overrides": run.overrides, "limit": run.limit, **result}


def format_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write results as a table in Markdown.

    rows (Sequence[Mapping[str, Any]]): The results.
    RETURNS (str): A line for each contender on each corpus: means over seeds, of scores with the sample standard deviation.
    """
    splits = ["dev", *(["test"] if any(key.startswith("test ") for row in rows for key in row["scores"]) else [])]
    header = ["corpus", "contender"]
    for split in splits:
        header += [split, f"{split}: known / unknown"]
    header += ["words/s", "MB", "parameters", "training, s", "seeds"]
    lines = [header, ["---"] * 2 + ["---:"] * (len(header) - 2)]
    for name, entry in ENTRIES.items():
        title = f"{entry.title}: {entry.score}"
        for contender in CONTENDERS:
            own = [row for row in rows if (row["corpus"], row["contender"]) == (name, contender)]
            if own:
                lines.append([title, CONTENDERS[contender], *_cells(own, splits, entry)])
                title = ""
    return _join_cells(lines)


def format_summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write the scores on test as a table in Markdown.

    rows (Sequence[Mapping[str, Any]]): The results.
    RETURNS (str): A line for each corpus: means over seeds with the sample standard deviation, the highest one of several bold.
    """
    lines = [["corpus", *COLUMNS], ["---"] + ["---:"] * len(COLUMNS)]
    for name, entry in ENTRIES.items():
        score = f"test {entry.score}"
        cells = []
        for contenders in COLUMNS.values():
            own = [row for row in rows if row["corpus"] == name and row["contender"] in contenders and score in row["scores"]]
            cells.append((mean(row["scores"][score] for row in own), _format_scores(own, score)) if own else (0.0, ""))
        found = sorted((value for value, cell in cells if cell), reverse=True)
        best = found[0] if len(found) > 1 else None
        if found:
            lines.append([f"{entry.title}: {entry.score}", *(f"**{cell}**" if value == best else cell for value, cell in cells)])
    return _join_cells(lines)


def _join_cells(lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(rows: Sequence[Mapping[str, Any]], splits: Sequence[str], entry: Entry) -> Iterator[str]:
    for split in splits:
        yield _format_scores(rows, f"{split} {entry.score}")
        unit = TASKS[entry.task].unit
        yield " / ".join(_format_scores(rows, f"{split} {group} {unit}") for group in ("known", "unknown")) if unit else ""
    yield f"{mean(row['words a second']['median'] for row in rows):,.0f}"
    yield f"{mean(row['bytes'] for row in rows) / 1e6:.1f}"
    yield f"{mean(row['parameters'] for row in rows):,.0f}"
    yield f"{mean(row['training seconds'] for row in rows):,.0f}"
    yield str(len(rows))


def _format_scores(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    values = [row["scores"][name] for row in rows if row["scores"].get(name) is not None]
    deviation = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
    return f"{mean(values):.2f}{deviation}" if values else "–"


def list_outdated(rows: Iterable[Mapping[str, Any]]) -> List[str]:
    """Find results of configs that have changed since.

    rows (Iterable[Mapping[str, Any]]): The results.
    RETURNS (List[str]): The names of corpora and contenders.
    """
    runs = {(run.entry, run.contender): run for run in list_runs(list(ENTRIES), list(CONTENDERS), None, None)}
    outdated = []
    for row in rows:
        run = runs.get((row["corpus"], row["contender"]))
        if run is None or run._replace(overrides=row["overrides"], limit=row["limit"]).key != row["key"]:
            outdated.append(f"{row['corpus']} {row['contender']}")
    return list(dict.fromkeys(outdated))


def choose(kind: str, given: Sequence[str], known: Iterable[str]) -> List[str]:
    """Check names that a user gives.

    kind (str): The option.
    given (Sequence[str]): The names.
    known (Iterable[str]): The names there are.
    RETURNS (List[str]): Those that were given, in the order of those there are; all of these if none were given.
    RAISES (typer.BadParameter): If there is no such name.
    """
    known = list(known)
    for name in given:
        if name not in known:
            raise typer.BadParameter(f"expected {kind} to be one of {', '.join(known)}, got {name!r}")
    return [name for name in known if name in given] if given else known


def choose_contenders(given: Sequence[str]) -> List[str]:
    """Find the contenders to train.

    given (Sequence[str]): Their names; every one that can be trained if none are given.
    RETURNS (List[str]): Their names.
    RAISES (typer.BadParameter): If there is no such name, or one that was given lacks its vectors.
    """
    names = choose("--contender", given, CONTENDERS)
    if "vectors" not in names or Path(VECTORS).is_dir():
        return names
    if given:
        raise typer.BadParameter(f"expected word vectors in {VECTORS}; `python -m spacy project run vectors` makes them")
    typer.echo(f"Left out, because there is no {VECTORS}: vectors", err=True)
    return [name for name in names if name != "vectors"]


def choose_entries(given: Sequence[str], corpora: Path, data: Path) -> List[str]:
    """Find the corpora to train on.

    given (Sequence[str]): Their names; every one that is there if none are given.
    corpora (Path): The folder of converted corpora.
    data (Path): The folder of raw corpora.
    RETURNS (List[str]): Their names.
    RAISES (typer.BadParameter): If there is no such name, or one that was given is not there.
    """
    names = choose("--corpus", given, ENTRIES)
    missing = [name for name in names if not is_available(ENTRIES[name].corpus, corpora, data)]
    if missing and given:
        raise typer.BadParameter(
            f"expected {', '.join(missing)} in {corpora} (converted) or {data} (raw); "
            "`python -m spacy project assets` fetches most corpora, --data says where they are"
        )
    if missing:
        typer.echo(f"Left out, because they are neither in {corpora} nor in {data}: {', '.join(missing)}", err=True)
    return [name for name in names if name not in missing]


def main(
    corpus: Annotated[List[str], typer.Option(help=f"May be repeated; all there are if left out: {', '.join(ENTRIES)}")] = [],  # noqa: B006
    contender: Annotated[List[str], typer.Option(help=f"May be repeated; all if left out: {', '.join(CONTENDERS)}")] = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0", min=1)] = 1,
    test: Annotated[bool, typer.Option("--test", help="Score the test parts as well")] = False,
    data: Annotated[Path, typer.Option(help="Folder of raw corpora, to be converted where they are not")] = ROOT / "assets",
    corpora: Annotated[Path, typer.Option(help="Folder of converted corpora")] = ROOT / "corpus",
    output: Annotated[Path, typer.Option(help="Where the figures go")] = DEFAULT_OUTPUT,
    resume: Annotated[bool, typer.Option("--resume", help="Leave out what has been measured with the same settings")] = False,
    table: Annotated[bool, typer.Option("--table", help="Print the figures as a table in Markdown; measure nothing")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="Print the scores on test; measure nothing")] = False,
    limit: Annotated[Optional[int], typer.Option(help="See whether it works: texts of each part", min=1)] = None,
    max_steps: Annotated[Optional[int], typer.Option(help="See whether it works: steps of training", min=1)] = None,
) -> None:
    """Train spaCy's defaults, a bag of words, and this package's default and configs on every corpus, and keep the figures."""
    if table or summary:
        names, contenders = choose("--corpus", corpus, ENTRIES), choose("--contender", contender, CONTENDERS)
        rows = [row for row in read_results(output)["rows"] if row["corpus"] in names and row["contender"] in contenders]
        typer.echo(format_summary(rows) if summary else format_table(rows))
        if outdated := list_outdated(rows):
            typer.echo(f"\nMeasured with other configs than there are now: {', '.join(outdated)}", err=True)
        return
    if output == DEFAULT_OUTPUT and (limit is not None or max_steps is not None):
        raise typer.BadParameter("--limit and --max-steps only show whether it works: keep their figures elsewhere, by --output")
    run_on_one_thread()
    runs = list_runs(choose_entries(corpus, corpora, data), choose_contenders(contender), limit, max_steps)
    splits = ["dev", "test"] if test else ["dev"]
    with TemporaryDirectory() as folder:
        parts: Dict[str, Path] = {}
        # One seed of all comes first, so that there is a whole table soon. The bag of words has no seed.
        for seed, run in ((seed, run) for seed in range(seeds) for run in runs if not (seed and run.contender == "tfidf")):
            score = f"{splits[-1]} {ENTRIES[run.entry].score}"
            if resume and is_measured(run.label(seed), score, read_results(output)["rows"]):
                continue
            typer.echo(f"{run.entry}, {run.contender}, seed {seed}", err=True)
            if run.entry not in parts:
                parts[run.entry] = prepare(run.entry, corpora, data, limit, Path(folder))
            add_result(output, measure(run, seed, parts[run.entry], splits))


def prepare(name: str, corpora: Path, data: Path, limit: Optional[int], folder: Path) -> Path:
    """Get a corpus ready.

    name (str): Its name in `ENTRIES`.
    corpora (Path): The folder of converted corpora.
    data (Path): The folder of raw corpora.
    limit (Optional[int]): How many texts of each part are taken; all if None.
    folder (Path): Where parts go that are not taken as a whole.
    RETURNS (Path): The folder of train, dev and test.
    """
    entry = ENTRIES[name]
    corpus = find_corpus(entry.corpus, corpora, data)
    limits = dict.fromkeys(("train", "dev", "test"), limit)
    if entry.n_train is not None:
        limits["train"] = entry.n_train if limit is None else min(limit, entry.n_train)
    return take_parts(corpus, limits, folder / name) if any(limits.values()) else corpus


if __name__ == "__main__":
    typer.run(main)
