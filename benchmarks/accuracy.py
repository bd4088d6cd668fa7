"""Train and evaluate the configs of this project and their rivals on the same data, and keep the figures.

    python benchmarks/accuracy.py TABLE --seeds 3

`--help` lists the tables. The corpora must have been converted, e.g. by `python -m spacy project run ewt-convert`. Every row is
trained on train and chosen on dev, by spaCy's early stopping; the test part is looked at once. The tables of taggers have the
accuracy of known and unknown words as well, on gold tokens: known words occur in train, written in the same way. Results go to
benchmarks/results/accuracy-TABLE.json, and are printed as a table.
"""

import tempfile
import time
from itertools import groupby
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import spacy
import srsly
import typer
from _bag_of_words import fit, read_parts, score_texts
from _measure import ROOT, machine
from spacy.cli.evaluate import evaluate
from spacy.cli.train import train
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Corpus
from wasabi import table as format_table

from spacy_rnn.evaluation import evaluate_component, find_known, find_task, score_by_known


class Run(NamedTuple):
    """A row of a table.

    name (str): What it is called.
    config (Optional[str]): The config's path; None for the bag of words.
    overrides (Dict[str, Any]): Settings that differ from the config's.
    """

    name: str
    config: Optional[str]
    overrides: Dict[str, Any]


class Table(NamedTuple):
    """Runs on one corpus.

    corpus (str): The folder in corpus/.
    scores (Dict[str, str]): spaCy's score by the name it has in the table.
    tokens (str): Whether the test part is evaluated on the corpus' own tokens, "gold", on the tokenizer's, "raw", or on "both".
    runs (List[Run]): The rows.
    """

    corpus: str
    scores: Dict[str, str]
    tokens: str
    runs: List[Run]


CELLS = {
    "LSTM": "lstm",
    "LSTM with peepholes": "lstm_peephole",
    "GRU": "gru",
    "GRU, reset before": "gru_reset_before",
    "Elman, tanh": "elman_tanh",
    "Elman, rectifier": "elman_relu",
}


def by_cell(config: str, *names: str) -> List[Run]:
    """Put cells side by side.

    config (str): The config's path.
    *names (str): Their names in the table; all if there are none.
    RETURNS (List[Run]): A row for each cell.
    """
    return [Run(name, config, {"vars.cell": CELLS[name]}) for name in names or CELLS]


ACCURACY = {"accuracy": "cats_micro_f", "macro recall": "cats_macro_r"}
BAG_OF_WORDS = Run("TF-IDF bigrams + logistic regression", None, {"ngrams": 2, "tfidf": True})
POOLINGS = (["last"], ["mean"], ["max"], ["attention"], ["last", "max"], ["mean", "max"], ["last", "mean", "max", "attention"])

TABLES = {
    "ewt-pos": Table(
        "ewt",
        {"accuracy": "pos_acc"},
        "both",
        by_cell("configs/tagger_pos.cfg"),
    ),
    "ewt-pos-cnn": Table(
        "ewt",
        {"accuracy": "pos_acc"},
        "both",
        [Run("spaCy's CNN, default settings", "benchmarks/configs/tagger_pos_cnn.cfg", {})],
    ),
    "ewt-tag": Table(
        "ewt",
        {"accuracy": "tag_acc"},
        "both",
        by_cell("configs/tagger_tag.cfg", "LSTM", "GRU"),
    ),
    "ewt-pos-accurate": Table("ewt", {"accuracy": "pos_acc"}, "both", [Run("accurate", "configs/tagger_pos_accurate.cfg", {})]),
    "ewt-tag-accurate": Table("ewt", {"accuracy": "tag_acc"}, "both", [Run("accurate", "configs/tagger_tag_accurate.cfg", {})]),
    **{
        f"ewt-{kind}-fast": Table(
            "ewt", {"accuracy": f"{kind}_acc"}, "both", [Run("fast", f"configs/tagger_{kind}_fast.cfg", {})]
        )
        for kind in ("pos", "tag")
    },
    "ewt-tag-cnn": Table(
        "ewt",
        {"accuracy": "tag_acc"},
        "both",
        [Run("spaCy's CNN, default settings", "benchmarks/configs/tagger_tag_cnn.cfg", {})],
    ),
    **{
        f"{corpus}-pos": Table(
            corpus,
            {"accuracy": "pos_acc"},
            "both",
            [
                Run("accurate", "configs/tagger_pos_accurate.cfg", {"nlp.lang": language}),
                Run("fast", "configs/tagger_pos_fast.cfg", {"nlp.lang": language}),
                Run("spaCy's CNN, default settings", "benchmarks/configs/tagger_pos_cnn.cfg", {"nlp.lang": language}),
            ],
        )
        for corpus, language in {"french": "fr", "uyghur": "xx", "vietnamese": "xx"}.items()
    },
    "wnut": Table(
        "wnut",
        {"entity F": "ents_f", "precision": "ents_p", "recall": "ents_r"},
        "gold",
        [
            Run("BiLSTM-CRF", "configs/ner.cfg", {}),
            Run("BiLSTM-CRF, GloVe", "configs/ner.cfg", {"paths.vectors": "training/vectors"}),
            Run("spaCy's ner, default settings", "benchmarks/configs/ner_spacy.cfg", {}),
        ],
    ),
    "imdb": Table("imdb", ACCURACY, "raw", [Run("LSTM and n-grams", "configs/textcat_long.cfg", {}), BAG_OF_WORDS]),
    "sst2": Table(
        "sst2",
        ACCURACY,
        "raw",
        [*by_cell("configs/textcat.cfg", "LSTM", "GRU"), BAG_OF_WORDS],
    ),
    "sst2-accurate": Table("sst2", ACCURACY, "raw", [Run("accurate", "configs/textcat_accurate.cfg", {})]),
    "poolings": Table(
        "sst2",
        ACCURACY,
        "raw",
        [
            Run(
                f"{name}: {' + '.join(pooling)}",
                "configs/textcat.cfg",
                {"vars.cell": cell, "components.textcat.model.pooling": pooling},
            )
            for name, cell in CELLS.items()
            for pooling in POOLINGS
        ],
    ),
    "tweets": Table("tweets", ACCURACY, "raw", [Run("LSTM", "configs/textcat.cfg", {}), BAG_OF_WORDS]),
    "tweets-accurate": Table(
        "tweets",
        ACCURACY,
        "raw",
        # The training part has lost its emoji.
        [Run("accurate", "configs/textcat_tweets.cfg", {"nlp.tokenizer.emoji_as_emoticons": True})],
    ),
    "reviews": Table(
        "reviews",
        ACCURACY,
        "raw",
        [
            Run("LSTM and n-grams", "configs/textcat.cfg", {}),
            Run("bag of words + logistic regression", None, {"ngrams": 1, "tfidf": False}),
            BAG_OF_WORDS,
        ],
    ),
}


def train_and_evaluate(run: Run, spec: Table, seed: int, gpu: int) -> Dict[str, Any]:
    """Train a pipeline and score its best state on dev and test.

    run (Run): The row.
    spec (Table): The table it belongs to.
    seed (int): The seed.
    gpu (int): The GPU, or -1.
    RETURNS (Dict[str, Any]): Scores in percent, seconds of training and number of parameters.
    """
    corpus = ROOT / "corpus" / spec.corpus
    overrides = {
        "paths.train": str(corpus / "train.spacy"),
        "paths.dev": str(corpus / "dev.spacy"),
        "system.seed": seed,
        **run.overrides,
    }
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        train(ROOT / str(run.config), folder, use_gpu=gpu, overrides=overrides)
        seconds = time.perf_counter() - start
        best = Path(folder) / "model-best"
        splits = {"dev": srsly.read_json(best / "meta.json")["performance"]}
        splits["test"] = evaluate(str(best), corpus / "test.spacy", use_gpu=gpu, gold_preproc=spec.tokens != "raw")
        if spec.tokens == "both":
            splits["test, raw text"] = evaluate(str(best), corpus / "test.spacy", use_gpu=gpu)
        nlp = spacy.load(best)
        parameters = sum(
            node.get_param(name).size for _, pipe in nlp.pipeline for node in pipe.model.walk() for name in node.param_names
        )
    scores = {
        f"{split} {name}": round(100 * performance[key], 2)
        for split, performance in splits.items()
        for name, key in spec.scores.items()
    }
    if {"pos_acc", "tag_acc"} & set(spec.scores.values()):
        scores.update(score_known_words(nlp, corpus, spec.tokens != "raw"))
    return {"scores": scores, "training seconds": round(seconds), "parameters": int(parameters)}


def score_known_words(
    nlp: Language, corpus: Path, gold_preproc: bool, splits: Sequence[str] = ("dev", "test")
) -> Dict[str, Optional[float]]:
    """Score the words, or entities, that train has, and those it has not, apart.

    nlp (Language): A trained tagger, or entity recognizer.
    corpus (Path): The folder of train, dev and test.
    gold_preproc (bool): Whether it is evaluated on gold sentences and gold tokens.
    splits (Sequence[str]): The parts to score.
    RETURNS (Dict[str, Optional[float]]): Accuracy, or F, in percent on each part; None where there are no such words.
    """
    component, task = find_task(nlp)
    known = find_known(task, DocBin().from_disk(corpus / "train.spacy").get_docs(nlp.vocab))
    scores: Dict[str, Optional[float]] = {}
    for split in splits:
        examples = Corpus(corpus / f"{split}.spacy", gold_preproc=gold_preproc)(nlp)
        for group in score_by_known(evaluate_component(nlp, examples, component), known):
            scores[f"{split} {group.label}"] = None if group.f is None else round(100 * group.f, 2)
    return scores


def bag_of_words(run: Run, spec: Table) -> Dict[str, Any]:
    """Train a logistic regression over n-grams, its strength of regularisation chosen on dev.

    run (Run): The row.
    spec (Table): The table it belongs to.
    RETURNS (Dict[str, Any]): Scores in percent and the strength chosen.
    """
    data = read_parts(ROOT / "corpus" / spec.corpus)
    model = fit(data["train"], data["dev"], run.overrides["ngrams"], run.overrides["tfidf"], exclusive=True, score="accuracy")
    scores = {
        f"{split} {name}": round(100 * score, 2)
        for split in ("dev", "test")
        for name, score in score_texts(model, data[split]).items()
    }
    return {"scores": scores, "C": model.strength}


def summarize(rows: List[Dict[str, Any]]) -> Tuple[List[str], List[Tuple[str, ...]]]:
    """Make a table: the scores of one seed, or the mean of several and their sample standard deviation.

    rows (List[Dict[str, Any]]): The results, those of a run side by side.
    RETURNS (Tuple[List[str], List[Tuple[str, ...]]]): The names of the scores, and a line for each run; a dash where it has none.
    """
    # Rows that were measured earlier may have fewer scores.
    names = list(dict.fromkeys(key for row in rows for key in row["scores"]))
    lines = []
    for name, group in groupby(rows, key=lambda row: row["name"]):
        scores = [row["scores"] for row in group]
        cells = []
        for key in names:
            values = [each[key] for each in scores if each.get(key) is not None]
            deviation = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
            cells.append(f"{mean(values):.2f}{deviation}" if values else "–")
        lines.append((name, *cells))
    return names, lines


def save(rows: List[Dict[str, Any]], name: str, path: Path) -> None:
    """Write down what has been measured so far.

    rows (List[Dict[str, Any]]): The results.
    name (str): The table's name.
    path (Path): Where they go.
    """
    srsly.write_json(path, {"table": name, "machine": machine(), "rows": rows})


def main(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(TABLES)}")],
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0", min=1)] = 1,
    gpu: Annotated[int, typer.Option(help="GPU, or -1 for the CPU")] = -1,
    row: Annotated[Optional[str], typer.Option(help="The one row to run; the others stay as they were measured")] = None,
) -> None:
    """Train and evaluate the rows of a table, and keep the figures."""
    if name not in TABLES:
        raise typer.BadParameter(f"expected one of {', '.join(TABLES)}, got {name!r}")
    spec = TABLES[name]
    if row is not None and row not in [run.name for run in spec.runs]:
        raise typer.BadParameter(f"expected one of {', '.join(run.name for run in spec.runs)}, got {row!r}")
    path = ROOT / "benchmarks" / "results" / f"accuracy-{name}.json"
    measured = srsly.read_json(path)["rows"] if row is not None and path.exists() else []
    rows: List[Dict[str, Any]] = []
    for run in spec.runs:
        if row is None or run.name == row:
            # The bag of words has no seed.
            for seed in range(seeds if run.config else 1):
                result = train_and_evaluate(run, spec, seed, gpu) if run.config else bag_of_words(run, spec)
                rows.append({"name": run.name, "config": run.config, "overrides": run.overrides, "seed": seed, **result})
                save(rows, name, path)
        else:
            rows += [result for result in measured if result["name"] == run.name]
    save(rows, name, path)
    names, lines = summarize(rows)
    typer.echo(format_table(lines, header=("", *names), divider=True))


if __name__ == "__main__":
    typer.run(main)
