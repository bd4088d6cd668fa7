"""What language models cost a tagger: words a second with and without them, beside spaCy's CNN, on one thread.

    python benchmarks/lm_embed.py

The tagger is configs/tagger_tag_accurate.cfg; the language models are those of configs/lm_embed.cfg, one LSTM layer of 256 units
in each direction, or of 128. Their weights are random: speed does not depend on them. The sentences of EWT dev go as raw texts
through `nlp.pipe(batch_size=256)`, the pipelines in turns in one process: as new texts, of whose words all have been seen before
(what the language models keep of a text is forgotten before each pass), and as repeated ones. `nlp.update` reads batches of about
1,000 words of EWT train, each new to the language models, and again with all of them kept, as from the second epoch on.
"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Callable, Dict, List

import spacy
import srsly
import typer
from _ewt import check_converted, sentence_texts
from _measure import RESULTS, ROOT, Times, check_goal, engine, format_goals, machine, run_on_one_thread, take_turns
from _pretrained import Pretrained, forget_texts, with_pretrained
from _taggers import ACCURATE, CNN, build_tagger, read_examples
from pipeline import Training, tag
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config, load_model_from_config
from thinc.api import fix_random_seed
from wasabi import table as format_table

UNITS = (256, 128)
PRECISIONS = ("float32", "bfloat16")
TAGGER = ROOT / "configs" / "tagger_tag_accurate.cfg"
LANGUAGE_MODEL = ROOT / "configs" / "lm_embed.cfg"


def name_of(units: int, precision: str) -> str:
    """Say what a tagger is called.

    units (int): The units of each of its language models.
    precision (str): Their precision.
    RETURNS (str): The name.
    """
    return f"accurate + language models of {units} units, {precision}"


def make_language_models(units: int, texts: List[str], path: Path) -> Path:
    """Make language models with random weights.

    units (int): The units of each.
    texts (List[str]): Texts with the characters they know.
    path (Path): Where the pipeline goes.
    RETURNS (Path): The same.
    """
    model = load_config(LANGUAGE_MODEL, interpolate=True)["components"]["lm"]["model"]
    nlp = spacy.blank("en")
    for direction in ("forward", "backward"):
        symbols = {**model["symbols"], "min_count": 1, "backward": direction == "backward"}
        config = {"model": {**model, "hidden_width": units, "symbols": symbols}}
        nlp.add_pipe("rnn_lm", name=f"lm_{direction}", config=config)
    nlp.initialize(lambda: [Example(doc, doc.copy()) for doc in map(nlp.make_doc, texts)])
    nlp.to_disk(path)
    return path


def build(lm: Path, precision: str, train: Path) -> Language:
    """Build an accurate tagger with language models.

    lm (Path): Their pipeline.
    precision (str): Their precision.
    train (Path): EWT's training part, which words and tags are learned from.
    RETURNS (Language): The pipeline.
    """
    config = with_pretrained(load_config(TAGGER), Pretrained(lm=lm))
    config["components"]["tagger"]["model"]["tok2vec"]["embed"]["precision"] = precision
    config["initialize"]["before_init"] = None
    fix_random_seed(0)
    nlp = load_model_from_config(config, auto_fill=True)
    examples = read_examples(nlp, train)
    nlp.initialize(lambda: examples)
    return nlp


def measure_tagging(pipelines: Dict[str, Language], texts: List[str], seconds: float, new: bool) -> Dict[str, Times]:
    """Time passes over texts.

    pipelines (Dict[str, Language]): The pipelines by name.
    texts (List[str]): The texts.
    seconds (float): How long.
    new (bool): Whether texts are new, of words that have been seen.
    RETURNS (Dict[str, Times]): Seconds a word.
    """

    def run(nlp: Language) -> None:
        if new:
            forget_texts(nlp)
        tag(nlp, texts)

    n_words = [tag(nlp, texts) for nlp in pipelines.values()][0]
    calls: Dict[str, Callable[[], Any]] = {name: partial(run, nlp) for name, nlp in pipelines.items()}
    times = take_turns(calls, seconds, turn=0, at_least=3)
    return {name: Times(taken.minimum / n_words, taken.median / n_words, taken.n) for name, taken in times.items()}


def measure_updates(pipelines: Dict[str, Language], train: Path, n_batches: int) -> Dict[str, Dict[str, Times]]:
    """Time updates with batches that are new, and with the same ones again.

    pipelines (Dict[str, Language]): The pipelines by name.
    train (Path): EWT's training part.
    n_batches (int): How many batches.
    RETURNS (Dict[str, Dict[str, Times]]): Seconds a word, by "update" and "update again" and pipeline.
    """
    trainings = {name: Training(nlp, train) for name, nlp in pipelines.items()}
    for nlp in pipelines.values():
        forget_texts(nlp)
    found: Dict[str, Dict[str, Times]] = {}
    for measure in ("update", "update again"):
        taken: Dict[str, List[float]] = {name: [] for name in trainings}
        for step in range(n_batches):
            for name, training in trainings.items():
                taken[name].append(training.time_update(step))
        found[measure] = {name: Times.of(times[1:]) for name, times in taken.items()}
    return found


def main(
    ewt: Annotated[Path, typer.Option(help="Folder of UD English EWT, converted")] = ROOT / "corpus" / "ewt",
    seconds: Annotated[float, typer.Option(help="How long each measure takes a pipeline")] = 4.0,
    n_batches: Annotated[int, typer.Option(help="How many batches training is timed with")] = 12,
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "lm_embed.json",
) -> None:
    """Measure taggers with and without language models beside spaCy's CNN."""
    run_on_one_thread()
    train, dev = ewt / "train.spacy", ewt / "dev.spacy"
    check_converted(train, dev)
    texts = sentence_texts(dev)
    pipelines = {CNN.name: build_tagger(CNN, train), ACCURATE.name: build_tagger(ACCURATE, train)}
    with TemporaryDirectory() as folder:
        for units in UNITS:
            lm = make_language_models(units, sentence_texts(train)[:2000], Path(folder) / str(units))
            pipelines.update({name_of(units, precision): build(lm, precision, train) for precision in PRECISIONS})
    times = {
        "new texts": measure_tagging(pipelines, texts, seconds, new=True),
        "repeated texts": measure_tagging(pipelines, texts, seconds, new=False),
        **measure_updates(pipelines, train, n_batches),
    }
    rows = [
        {
            "name": name,
            "words a second": {measure: own[name].speed(1) for measure, own in times.items()},
            "CNN's time": {measure: own[CNN.name].ratio_to(own[name]) for measure, own in times.items()},
        }
        for name in pipelines
    ]
    goals = [
        check_goal(f"{measure}, {name}", CNN.name, goal, [(measure, times[measure][CNN.name].ratio_to(times[measure][name]))])
        for name in (name_of(UNITS[0], precision) for precision in PRECISIONS)
        for measure, goal in (("new texts", 1.0), ("update", 0.5))
    ]
    result = {"benchmark": "lm_embed", "machine": machine(), "engine": engine(), "rows": rows, "goals": goals}
    srsly.write_json(output, result)
    lines = [(row["name"], *(f"{row['words a second'][measure]['median']:,}" for measure in times)) for row in rows]
    print(format_table(lines, header=("words a second", *times), divider=True))
    print(format_goals(goals))


if __name__ == "__main__":
    typer.run(main)
