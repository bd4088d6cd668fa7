"""Accuracy of language models: bits a character, or perplexity of a word, of recurrent models, n-grams and their mixture.

    python benchmarks/perplexity.py shakespeare TINYSHAKESPEARE
    python benchmarks/perplexity.py shakespeare-512 TINYSHAKESPEARE
    python benchmarks/perplexity.py books BOOKS
    python benchmarks/perplexity.py wikitext WIKITEXT
    python benchmarks/perplexity.py words-full BOOKS
    python benchmarks/perplexity.py words-adaptive BOOKS

What is named is a folder with the corpus as docs/corpora.md has it. A recurrent model is trained by `spacy train` with a config
of configs/, an n-gram model on the same text; their mixture gets its weights on the development part. The test part is read with
`--test` only, once everything has been chosen. WikiText-2 here is its validation part as training text, of which the last six
articles are the development part; the models that are tested are trained anew on all of it, in as many epochs and with the same
weights in the mixture. Lines are texts there, empty ones are left out, the end of a line counts, and words that the training text
does not have are `<unk>`. The rows of words compare output layers over 30,000 of them, after the same updates.

Results stand in benchmarks/results/perplexity.json, by the name of the row; a row that is measured again is replaced.
"""

import gzip
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Dict, List, NamedTuple, Optional, Tuple

import spacy
import typer
from _measure import RESULTS, ROOT, machine, run_on_one_thread
from _spacy_train import keep_row, train_by_command
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config
from thinc.api import Config
from wasabi import table as format_table

from spacy_rnn.pipeline.corpus.reader import build_text_corpus
from spacy_rnn.pipeline.language_model.mixing import mix_language_models

OUTPUT = RESULTS / "perplexity.json"
N_DEV_ARTICLES = 6


class Row(NamedTuple):
    """What is measured.

    corpus (str): Which corpus: "shakespeare", "books" or "wikitext".
    config (str): The name of the recurrent model's config.
    settings (Dict[str, Any]): What is set differently in it.
    unit (str): What a text is, "line" or "file".
    orders (Tuple[int, ...]): The orders of the n-gram models; the last one is mixed with the recurrent model. May be empty.
    score (str): The score that counts.
    """

    corpus: str
    config: str
    settings: Dict[str, Any]
    unit: str
    orders: Tuple[int, ...]
    score: str


BITS, PERPLEXITY = "lm_bits_per_char", "lm_perplexity"
# A fifth of the books' words, once: as many of the 30,000 symbols are rare as in a larger text, and dropout has nothing to do.
WORDS = {
    "corpora.train.limit": 40_000,
    "components.lm.model.symbols.min_count": 1,
    "components.lm.model.tied": False,
    **{f"components.lm.model.{kind}_dropout": 0.0 for kind in ("input", "weight", "symbol")},
    "components.lm.model.dropout": 0.0,
    "components.lm.carry_over": True,
    "components.lm.eval_streams": 10,
    "training.eval_frequency": 1000,
    "initialize.before_init.epochs": 1,
}
ROWS = {
    "shakespeare": Row("shakespeare", "lm_char", {}, "file", (7,), BITS),
    "shakespeare-512": Row("shakespeare", "lm_char_512", {}, "file", (7,), BITS),
    "books": Row(
        "books",
        "lm_char_512",
        # Fifty times the text of Shakespeare, read once: there is nothing to learn by heart.
        {
            "components.lm.model.dropout": 0.0,
            "components.lm.model.weight_dropout": 0.0,
            "training.optimizer.learn_rate.initial_rate": 0.003,
            "training.eval_frequency": 2000,
            "initialize.before_init.epochs": 1,
        },
        "line",
        (8,),
        BITS,
    ),
    "wikitext": Row(
        "wikitext",
        "lm_word",
        {
            "vars.tokens": "whitespace",
            "components.lm.model.symbols.min_count": 1,
            "components.lm.carry_over": True,
            "components.lm.eval_streams": 10,
        },
        "line",
        (3, 5),
        PERPLEXITY,
    ),
    "words-full": Row("books", "lm_word", WORDS, "line", (), PERPLEXITY),
    "words-adaptive": Row("books", "lm_word", {**WORDS, "components.lm.model.output": "adaptive"}, "line", (), PERPLEXITY),
}


class Texts(NamedTuple):
    """The files of a corpus.

    train, dev, test (Path): What is learned from, chosen on, and tested on.
    everything (Path): What models are trained on that are tested: train, and for WikiText-2 dev.
    """

    train: Path
    dev: Path
    test: Path
    everything: Path


def read(path: Path) -> str:
    """Read a file of text.

    path (Path): The file, `.txt` or `.txt.gz`.
    RETURNS (str): The text.
    """
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")


def prepare(corpus: str, source: Path, folder: Path) -> Texts:
    """Prepare a corpus.

    corpus (str): Which one.
    source (Path): Its folder.
    folder (Path): Where its parts go.
    RETURNS (Texts): The parts.
    """
    if corpus == "wikitext":
        lines, test = (
            [line.strip() for line in read(source / f"{part}.txt").split("\n") if line.strip()] for part in ("valid", "test")
        )
        begins = [i for i, line in enumerate(lines) if line.startswith("= ") and not line.startswith("= =")]
        cut = begins[-N_DEV_ARTICLES]
        parts = {"train": lines[:cut], "dev": lines[cut:], "test": test, "everything": lines}
        for name, content in parts.items():
            (folder / f"{name}.txt").write_text("\n".join(content) + "\n", encoding="utf-8")
        return Texts(*(folder / f"{name}.txt" for name in ("train", "dev", "test", "everything")))
    subprocess.run([sys.executable, "-B", ROOT / "scripts" / "convert_text.py", source, folder], check=True)
    suffix = ".txt" if (folder / "train.txt").exists() else ".jsonl"
    train, dev, test = (folder / f"{name}{suffix}" for name in ("train", "dev", "test"))
    return Texts(train, dev, test, train)


def train_recurrent(row: Row, train: Path, dev: Path, seed: int, output: Path, log: Path) -> float:
    """Train the recurrent model by `spacy train`.

    row (Row): What is measured.
    train, dev (Path): The corpus.
    seed (int): The seed.
    output (Path): Where the pipeline goes.
    log (Path): Where what spaCy prints goes.
    RETURNS (float): Seconds.
    """
    settings = {"paths.train": train, "paths.dev": dev, "vars.unit": row.unit, "system.seed": seed, **row.settings}
    start = time.perf_counter()
    train_by_command(ROOT / "configs" / f"{row.config}.cfg", settings, output, log)
    return time.perf_counter() - start


def read_config(row: Row) -> Config:
    """Read the config of a row's recurrent model.

    row (Row): What is measured.
    RETURNS (Config): The config, with what is set differently.
    """
    return load_config(ROOT / "configs" / f"{row.config}.cfg", overrides=row.settings, interpolate=True)


def read_docs(row: Row, nlp: Language, path: Path) -> List[Any]:
    """Read texts with a pipeline's vocabulary.

    row (Row): What is measured.
    nlp (Language): The pipeline.
    path (Path): The file.
    RETURNS (List[Doc]): The texts.
    """
    corpus = build_text_corpus(path, unit=row.unit, tokens=read_config(row)["corpora"]["dev"]["tokens"])
    return [example.predicted for example in corpus(nlp)]


def count_ngrams(row: Row, order: int, path: Path) -> Language:
    """Make an n-gram model.

    row (Row): What is measured.
    order (int): Its order.
    path (Path): What is counted.
    RETURNS (Language): A pipeline with it.
    """
    nlp = spacy.blank("en")
    symbols = read_config(row)["components"]["lm"]["model"]["symbols"]
    model = {"@architectures": "spacy_rnn.NGramLM.v1", "order": order, "symbols": symbols}
    nlp.add_pipe("rnn_lm", name="lm", config={"model": model})
    examples = [Example(doc, doc) for doc in read_docs(row, nlp, path)]
    nlp.initialize(lambda: examples)
    return nlp


def evaluate(row: Row, nlp: Language, path: Path) -> float:
    """Score a text.

    row (Row): What is measured.
    nlp (Language): A pipeline with a language model.
    path (Path): The text.
    RETURNS (float): Bits a character, or perplexity of a word.
    """
    return float(nlp.evaluate([Example(doc, doc) for doc in read_docs(row, nlp, path)])[row.score])


def train_all(
    row: Row, train: Path, dev: Path, seed: int, folder: Path, log: Path, best: bool
) -> Tuple[Dict[str, Language], float]:
    """Train the recurrent and the n-gram models.

    row (Row): What is measured.
    train, dev (Path): The corpus.
    seed (int): The seed.
    folder (Path): Where the recurrent one goes.
    log (Path): Where the log of its training goes.
    best (bool): Whether that is the best one on dev, or the last one.
    RETURNS (Tuple[Dict[str, Language], float]): The pipelines by name; and the seconds that the recurrent one took.
    """
    seconds = train_recurrent(row, train, dev, seed, folder, log)
    models = {"rnn": spacy.load(folder / ("model-best" if best else "model-last"))}
    for order in row.orders:
        models[f"n-grams, {order}"] = count_ngrams(row, order, train)
    return models, seconds


def mix(row: Row, models: Dict[str, Language], dev: Path) -> Tuple[Language, Dict[str, float]]:
    """Mix the recurrent and the last n-gram model.

    row (Row): What is measured.
    models (Dict[str, Language]): The pipelines by name.
    dev (Path): What the weights are fitted to.
    RETURNS (Tuple[Language, Dict[str, float]]): The pipeline and the weights.
    """
    members = {"rnn": (models["rnn"], "lm"), "ngrams": (models[f"n-grams, {row.orders[-1]}"], "lm")}
    return mix_language_models(members, read_docs(row, models["rnn"], dev))


def measure(name: str, source: Path, seed: int, with_test: bool, folder: Path, log: Path) -> Dict[str, Any]:
    """Measure a row.

    name (str): Its name.
    source (Path): The corpus.
    seed (int): The seed.
    with_test (bool): Whether the test part is read.
    folder (Path): Where everything goes that is needed on the way.
    log (Path): Where the log of the training goes.
    RETURNS (Dict[str, Any]): The figures.
    """
    row = ROWS[name]
    texts = prepare(row.corpus, source, folder)
    models, seconds = train_all(row, texts.train, texts.dev, seed, folder / "rnn", log, best=True)
    weights: Dict[str, float] = {}
    if row.orders:
        models["mixture"], weights = mix(row, models, texts.dev)
    figures = {"dev": {key: evaluate(row, nlp, texts.dev) for key, nlp in models.items()}}
    if with_test and texts.everything != texts.train:
        again = log.with_name(f"{log.stem}-everything.log")
        models, _ = train_all(row, texts.everything, texts.dev, seed, folder / "rnn-everything", again, best=False)
        models["mixture"], _ = mix(row, models, texts.dev)
        # Dev is no dev to these: the weights stay.
        models["mixture"].get_pipe("lm").model.attrs["weights"] = weights  # type: ignore[attr-defined]
    if with_test:
        figures["test"] = {key: evaluate(row, nlp, texts.test) for key, nlp in models.items()}
    return {
        "config": row.config,
        "set differently": row.settings,
        "seed": seed,
        "score": row.score,
        **figures,
        "weights": {key: round(weight, 3) for key, weight in weights.items()},
        "seconds of training": round(seconds),
        "machine": machine(),
    }


def main(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(ROWS)}")],
    source: Annotated[Path, typer.Argument(help="The folder of the corpus")],
    seed: Annotated[int, typer.Option(help="The seed of the recurrent model")] = 0,
    test: Annotated[bool, typer.Option("--test", help="Read the test part")] = False,
    output: Annotated[Path, typer.Option(help="Where the figures go")] = OUTPUT,
    log: Annotated[
        Optional[Path], typer.Option(help="Where the log of the training goes; beside the figures if not given")
    ] = None,
    keep: Annotated[Optional[Path], typer.Option(help="Where the pipelines are kept; nowhere if not given")] = None,
) -> None:
    """Measure a row, and keep the figures."""
    run_on_one_thread()
    if name not in ROWS:
        raise typer.BadParameter(f"expected one of {', '.join(ROWS)}, got {name}")
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) if keep is None else keep
        folder.mkdir(parents=True, exist_ok=True)
        row = measure(name, source, seed, test, folder, log or output.with_name(f"perplexity-{name}.log"))
    keep_row(output, name, seed, row)
    lines = [(part, model, f"{value:.3f}") for part in ("dev", "test") for model, value in row.get(part, {}).items()]
    typer.echo(format_table(lines, header=("part", "model", row["score"]), divider=True))


if __name__ == "__main__":
    typer.run(main)
