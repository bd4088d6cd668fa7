"""Accuracy of translation: BLEU and chrF of an encoder-decoder on Multi30k, German to English, in lower case.

    python benchmarks/translation.py half-hour MULTI30K
    python benchmarks/translation.py hour MULTI30K

MULTI30K is the folder with train, val and test_2016_flickr, each `.de` and `.en`, also as `.gz`. The model is trained by
`spacy train` with configs/seq2seq.cfg, with no more updates than one thread makes in the time that the row is named for; seconds
of that thread are kept with the figures, so that other work on the machine does not count. The best pipeline on val is what is
measured. The test part is read with `--test` only, once everything has been chosen.

Results stand in benchmarks/results/translation.json, by the name of the row; a row that is measured again is replaced.
"""

import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Dict, Optional

import spacy
import typer
from _measure import RESULTS, ROOT, machine, run_on_one_thread
from _spacy_train import keep_row, train_by_command
from spacy.language import Language
from wasabi import table as format_table

from spacy_rnn.evaluation.language import score_translations
from spacy_rnn.pipeline.annotation.output import get_output
from spacy_rnn.pipeline.corpus.parallel import build_parallel_corpus

OUTPUT = RESULTS / "translation.json"
CONFIG = ROOT / "configs" / "seq2seq.cfg"
SIDES = {"source": "de", "target": "en"}
SETTINGS: Dict[str, Any] = {
    "nlp.lang": "de",
    "vars.source": SIDES["source"],
    "vars.target": SIDES["target"],
    "corpora.train.lower": True,
    "corpora.dev.lower": True,
    "components.seq2seq.lower": True,
}
# What is set differently for a row. With an hour there is time for a larger network, which needs more dropout.
ROWS: Dict[str, Dict[str, Any]] = {
    "half-hour": {},
    "hour": {
        "components.seq2seq.model.hidden_width": 384,
        "components.seq2seq.model.dropout": 0.4,
        "initialize.before_init.epochs": 30,
    },
}


def train(settings: Dict[str, Any], output: Path, log: Path) -> Dict[str, float]:
    """Train a pipeline by `spacy train`.

    settings (Dict[str, Any]): What is set differently in the config.
    output (Path): Where the pipelines go.
    log (Path): Where what spaCy prints goes.
    RETURNS (Dict[str, float]): Seconds by the clock, and those of the thread.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    train_by_command(CONFIG, settings, output, log)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"by the clock": round(time.perf_counter() - start), "of the thread": round(used)}


def evaluate(nlp: Language, prefix: Path) -> Dict[str, Any]:
    """Translate a part of the corpus, and score it.

    nlp (Language): A trained pipeline.
    prefix (Path): The part, without the endings.
    RETURNS (Dict[str, Any]): BLEU and chrF, from 0 to 100, with the signature of BLEU; and sentences a second.
    """
    examples = list(build_parallel_corpus(prefix, **SIDES, lower=True)(nlp))
    start = time.process_time()
    docs = list(nlp.pipe([example.predicted for example in examples]))
    seconds = time.process_time() - start
    outputs = [output.text if (output := get_output(doc)) else "" for doc in docs]
    references = [gold.text for example in examples if (gold := get_output(example.reference))]
    scores = score_translations(outputs, references)
    return {
        "BLEU": round(scores.bleu.score, 2),
        "chrF": round(scores.chrf.score, 2),
        "equal": round(scores.exact, 4),
        "signature": scores.bleu.signature,
        "sentences a second": round(len(docs) / seconds, 1),
    }


def measure(name: str, source: Path, seed: int, with_test: bool, folder: Path, log: Path) -> Dict[str, Any]:
    """Measure a row.

    name (str): Its name.
    source (Path): The corpus.
    seed (int): The seed.
    with_test (bool): Whether the test part is read.
    folder (Path): Where pipelines go.
    log (Path): Where the log of the training goes.
    RETURNS (Dict[str, Any]): The figures.
    """
    paths = {"paths.train": source / "train", "paths.dev": source / "val"}
    seconds = train({**paths, **SETTINGS, **ROWS[name], "system.seed": seed}, folder, log)
    nlp = spacy.load(folder / "model-best")
    parts = {"dev": "val", **({"test": "test_2016_flickr"} if with_test else {})}
    return {
        "config": CONFIG.stem,
        "set differently": {**SETTINGS, **ROWS[name]},
        "seed": seed,
        **{part: evaluate(nlp, source / stem) for part, stem in parts.items()},
        "seconds of training, with evaluation": seconds,
        "machine": machine(),
    }


def main(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(ROWS)}")],
    source: Annotated[Path, typer.Argument(help="The folder of the corpus")],
    seed: Annotated[int, typer.Option(help="The seed")] = 0,
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
        row = measure(name, source, seed, test, folder, log or output.with_name(f"translation-{name}.log"))
    keep_row(output, name, seed, row)
    lines = [(part, *(str(row[part][score]) for score in ("BLEU", "chrF"))) for part in ("dev", "test") if part in row]
    typer.echo(format_table(lines, header=("part", "BLEU", "chrF"), divider=True))


if __name__ == "__main__":
    typer.run(main)
