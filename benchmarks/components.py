"""Learning curves of spaCy's components over a shared encoder, this package's beside spaCy's CNN.

    python benchmarks/components.py corpus/french --lang fr --steps 3000

The pipeline is the one that `spacy init config --optimize efficiency` makes: components that listen to one `tok2vec`, trained
with its settings. Contenders differ in `[components.tok2vec.model]` alone: in its encoder, or with `configs/ud.cfg` in all of it.
Which components are trained is what the corpus has annotation for, or what `--components` says: tagger, morphologizer, parser,
ner, senter, spancat. Spans for `spancat` are the entities of the corpus. Dev and test are scored from raw text, test with the
weights that were best on dev.

Seconds are those of the processor, on one thread, without evaluation. Results go to benchmarks/results/components.json, where
they replace those of the same corpus, components, encoder and seed; the plot of the corpus goes to docs/images.
"""

import time
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, Iterator, List, NamedTuple, Optional

import srsly
import typer
from _curves import draw_curves
from _measure import RESULTS, ROOT, machine, run_on_one_thread
from spacy.cli.init_config import init_config
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import create_train_batches, train_while_improving
from spacy.util import fix_random_seed, load_config, registry, resolve_dot_names
from spacy.vocab import Vocab
from thinc.api import Config
from wasabi import table as format_table

Run = Dict[str, Any]


class Kind(NamedTuple):
    """A kind of component.

    scores (List[str]): spaCy's names of its scores.
    annotated (Callable[[Doc], bool]): Tells whether a text has what the component learns.
    """

    scores: List[str]
    annotated: Callable[[Doc], bool]


KINDS = {
    "tagger": Kind(["tag_acc"], lambda doc: doc.has_annotation("TAG")),
    "morphologizer": Kind(["pos_acc", "morph_acc"], lambda doc: doc.has_annotation("MORPH")),
    "parser": Kind(["dep_uas", "dep_las"], lambda doc: doc.has_annotation("DEP")),
    "senter": Kind(["sents_f"], lambda doc: doc.has_annotation("SENT_START")),
    "ner": Kind(["ents_f"], lambda doc: doc.has_annotation("ENT_IOB")),
    "spancat": Kind(["spans_sc_f"], lambda doc: doc.has_annotation("ENT_IOB")),
}
# What takes the place of spaCy's blocks in [components.tok2vec.model].
ENCODERS: Dict[str, Dict[str, Any]] = {
    "spaCy's CNN": {},
    "RNNEncoder": {"encode": {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 96, "depth": 2}},
    "RNNEncoder, GRU": {"encode": {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 96, "depth": 2, "cell": "gru"}},
    "configs/ud.cfg": load_config(ROOT / "configs" / "ud.cfg", interpolate=True)["components"]["tok2vec"]["model"],
}


@registry.readers("benchmarks.EntitiesAsSpans.v1")
def build_reader(path: Path) -> Callable[[Language], Iterator[Example]]:
    """Read a corpus whose entities are spans as well.

    path (Path): A converted part of the corpus.
    RETURNS (Callable[[Language], Iterator[Example]]): The reader.
    """

    def read(nlp: Language) -> Iterator[Example]:
        for example in Corpus(path)(nlp):
            example.reference.spans["sc"] = list(example.reference.ents)
            yield example

    return read


def annotated_components(corpus: Path) -> List[str]:
    """List the components that a corpus can train together.

    corpus (Path): The folder of the converted corpus.
    RETURNS (List[str]): Their names. No senter where there is a parser, which finds sentences itself.
    """
    docs = list(DocBin().from_disk(corpus / "train.spacy").get_docs(Vocab()))
    found = [name for name, kind in KINDS.items() if any(kind.annotated(doc) for doc in docs)]
    return [name for name in found if name != "senter" or "parser" not in found]


def make_config(corpus: Path, lang: str, components: List[str], tok2vec: Dict[str, Any], seed: int) -> Config:
    """Make the config of a contender.

    corpus (Path): The folder of the converted corpus.
    lang (str): The language.
    components (List[str]): Names of components.
    tok2vec (Dict[str, Any]): What takes the place of spaCy's settings in `[components.tok2vec.model]`.
    seed (int): The seed.
    RETURNS (Config): The config, ready to train.
    """
    config = init_config(lang=lang, pipeline=components, optimize="efficiency", gpu=False, silent=True)
    for part in ("train", "dev"):
        path = str(corpus / f"{part}.spacy")
        config["corpora"][part] = {"@readers": "benchmarks.EntitiesAsSpans.v1", "path": path}
    shared = config["components"]["tok2vec"]["model"]
    shared.update(tok2vec)
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": shared["encode"]["width"], "upstream": "tok2vec"}
    for name in components:
        config["components"][name]["model"]["tok2vec"] = listener
    config["training"]["seed"] = seed
    return config.interpolate()


def train(config: Config, steps: int, every: int, test: Optional[Path]) -> Run:
    """Train a pipeline and follow its scores.

    config (Config): Its config.
    steps (int): The number of updates.
    every (int): After how many updates it is scored on dev.
    test (Optional[Path]): The part on which the best weights are scored at the end; None for no such score.
    RETURNS (Dict[str, Any]): The "curve": step, seconds and scores in percent of each evaluation; and the scores on "test".
    """
    nlp = init_nlp(config)
    names = [score for name in nlp.component_names for score in (KINDS[name].scores if name in KINDS else ())]
    training = registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    read_train, read_dev = resolve_dot_names(nlp.config.interpolate(), [training["train_corpus"], training["dev_corpus"]])
    spent, best = 0.0, (-1.0, b"")
    curve: List[Run] = []

    def evaluate() -> Any:
        nonlocal spent, best
        before = time.process_time()
        scores = score(nlp, read_dev(nlp), names)
        mean = sum(scores.values()) / len(scores)
        if mean > best[0]:
            best = (mean, nlp.to_bytes() if test else b"")
        spent += time.process_time() - before
        return mean, scores

    fix_random_seed(training["seed"])
    start = time.process_time()
    batches = create_train_batches(nlp, read_train, training["batcher"], 0)
    settings = {"dropout": training["dropout"], "accumulate_gradient": 1, "patience": 0, "max_steps": steps}
    unused = {"exclude": [], "annotating_components": [], "before_update": None}
    for _, info, _ in train_while_improving(
        nlp, training["optimizer"], batches, evaluate, eval_frequency=every, **settings, **unused
    ):
        if info["score"] is not None and info["step"]:
            seconds = round(time.process_time() - start - spent, 1)
            curve.append({"step": info["step"], "seconds": seconds, "scores": info["other_scores"]})
            typer.echo(f"{info['step']:6} {seconds:8} {info['other_scores']}")
    if test is None:
        return {"curve": curve}
    return {"curve": curve, "test": score(nlp.from_bytes(best[1]), build_reader(test)(nlp), names)}


def score(nlp: Language, examples: Iterator[Example], names: List[str]) -> Dict[str, float]:
    """Score a pipeline from raw text.

    nlp (Language): The pipeline.
    examples (Iterator[Example]): The annotated texts.
    names (List[str]): spaCy's names of the scores.
    RETURNS (Dict[str, float]): The scores in percent.
    """
    scores = nlp.evaluate(list(examples))
    return {name: round(100 * (scores[name] or 0.0), 2) for name in names}


def table(runs: List[Run], steps: int) -> str:
    """Show what contenders have after some steps, at their best, and on test.

    runs (List[Dict[str, Any]]): The results, of the same corpus and components.
    steps (int): The steps.
    RETURNS (str): A table.
    """
    lines = []
    for run in runs:
        after = [point for point in run["curve"] if point["step"] <= steps][-1]
        best = max(run["curve"], key=lambda point: sum(point["scores"].values()))
        for what, scores in (
            (f"dev, {after['step']} steps", after["scores"]),
            ("dev, best", best["scores"]),
            ("test", run.get("test")),
        ):
            if scores:
                lines.append((run["encoder"], run["seed"], what, *scores.values()))
    return str(format_table(lines, header=("encoder", "seed", "part", *runs[0]["curve"][0]["scores"]), divider=True))


def main(
    corpus: Annotated[Path, typer.Argument(help="Folder with train.spacy, dev.spacy and test.spacy", exists=True)],
    lang: Annotated[str, typer.Option(help="The language")] = "xx",
    components: Annotated[Optional[str], typer.Option(help=f"Some of {', '.join(KINDS)}, with commas between them")] = None,
    encoders: Annotated[Optional[str], typer.Option(help=f"Some of {'; '.join(ENCODERS)}, with semicolons between them")] = None,
    steps: Annotated[int, typer.Option(help="How many updates", min=1)] = 1000,
    every: Annotated[int, typer.Option(help="After how many updates dev is scored", min=1)] = 100,
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0", min=1)] = 1,
    test: Annotated[bool, typer.Option(help="Whether test is scored at the end")] = False,
    output: Annotated[Path, typer.Option(help="Where the results go")] = RESULTS / "components.json",
    images: Annotated[Path, typer.Option(help="The folder for the plot")] = ROOT / "docs" / "images",
) -> None:
    """Train components over shared encoders, and keep their learning curves."""
    missing = [part for part in ("train", "dev", *(["test"] if test else [])) if not (corpus / f"{part}.spacy").is_file()]
    if missing:
        raise typer.BadParameter(f"expected {', '.join(f'{part}.spacy' for part in missing)} in {corpus}")
    names = components.split(",") if components else annotated_components(corpus)
    contenders = encoders.split(";") if encoders else list(ENCODERS)
    for kind, chosen, known in (("component", names, KINDS), ("encoder", contenders, ENCODERS)):
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise typer.BadParameter(f"no such {kind}: {', '.join(unknown)}; expected some of {'; '.join(known)}")
    if not names:
        raise typer.BadParameter(f"{corpus} has no annotation for any of {', '.join(KINDS)}")
    every = min(every, steps)
    what = {"corpus": corpus.name, "components": names}
    runs: List[Run] = srsly.read_json(output)["runs"] if output.exists() else []
    for encoder in contenders:
        for seed in range(seeds):
            typer.echo(f"{encoder}, seed {seed}")
            config = make_config(corpus, lang, names, ENCODERS[encoder], seed)
            key = {**what, "encoder": encoder, "seed": seed}
            runs = [run for run in runs if {name: run[name] for name in key} != key]
            runs.append({**key, **train(config, steps, every, corpus / "test.spacy" if test else None)})
            srsly.write_json(output, {"machine": machine(), "runs": runs})
    measured = [run for run in runs if {name: run[name] for name in what} == what]
    typer.echo(table(measured, steps))
    draw_curves(measured, images / f"components_{corpus.name}.svg")


if __name__ == "__main__":
    run_on_one_thread()
    typer.run(main)
