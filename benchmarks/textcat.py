"""Text categorizers: this package's convolutional and recurrent ones against spaCy's own CNN, on one thread.

    python benchmarks/textcat.py

The sentences of SST-2's dev part go as raw texts through `nlp.pipe(batch_size=256)` again and again; `nlp.update` runs over
batches of about 1,000 words of its training part, each with new examples. The pipelines take turns in one process. A word is a
token of spaCy's tokenizer. Weights are those of the few updates that are measured: speed does not depend on them. All embeddings
are as wide as that of spaCy's default model and have its attributes; what comes after them is

- `spacy.TextCatCNN.v2` over spaCy's default encoder: four layers of 96, each over three tokens, and the mean;
- `spacy_rnn.TextCatCNN.v1` with Kim's settings: 100 filters each over three, four and five tokens, and the maximum;
- `spacy_rnn.TextCat.v1` over one bidirectional LSTM layer of 96, or 96 filters of the same widths, and the maximum.
"""

import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Dict, List

import spacy
import srsly
import typer
from _measure import RESULTS, ROOT, Times, engine, machine, run_on_one_thread, take_turns
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example
from spacy.util import minibatch
from thinc.api import Adam, fix_random_seed
from wasabi import table as format_table

BATCH_SIZE = 256
BATCH_WORDS = 1000
EMBED = {
    "@architectures": "spacy_rnn.HashEmbed.v1",
    "width": 96,
    "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
    "rows": [2000, 1000, 1000, 1000],
    "include_static_vectors": False,
}
SPACY = "spacy.TextCatCNN.v2"
KIM = "spacy_rnn.TextCatCNN.v1, 300 filters"
OF_WIDTH_96 = {
    "spacy_rnn.CNN.v1, 96 filters": "spacy_rnn.CNN.v1",
    "spacy_rnn.RNNEncoder.v1, LSTM, width 96": "spacy_rnn.RNNEncoder.v1",
}


def models() -> Dict[str, Dict[str, Any]]:
    """Describe the models.

    RETURNS (Dict[str, Dict[str, Any]]): Their configs by name.
    """
    spacys_tok2vec = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        "width": 96,
        "depth": 4,
        "embed_size": 2000,
        "window_size": 1,
        "maxout_pieces": 3,
        "subword_features": True,
    }
    found: Dict[str, Dict[str, Any]] = {
        SPACY: {"@architectures": SPACY, "exclusive_classes": True, "tok2vec": spacys_tok2vec},
        KIM: {"@architectures": "spacy_rnn.TextCatCNN.v1", "exclusive_classes": True, "tok2vec": EMBED},
    }
    for name, encode in OF_WIDTH_96.items():
        tok2vec = {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": EMBED, "encode": {"@architectures": encode, "width": 96}}
        found[name] = {"@architectures": "spacy_rnn.TextCat.v1", "exclusive_classes": True, "pooling": "max", "tok2vec": tok2vec}
    return found


def build_pipeline(name: str, examples: List[Example]) -> Language:
    """Build a pipeline, with weights that are not trained yet.

    name (str): Which one.
    examples (List[Example]): Some annotated texts, for the labels.
    RETURNS (Language): The pipeline.
    """
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat" if name == SPACY else "rnn_textcat", config={"model": models()[name]})
    nlp.initialize(lambda: examples)
    return nlp


def classify(nlp: Language, texts: List[str]) -> None:
    """Send texts through a pipeline.

    nlp (Language): The pipeline.
    texts (List[str]): The texts.
    """
    for _ in nlp.pipe(texts, batch_size=BATCH_SIZE):
        pass


def time_updates(pipelines: Dict[str, Language], docs: List[Doc], n_batches: int) -> Dict[str, Times]:
    """Time training.

    pipelines (Dict[str, Language]): The pipelines by name.
    docs (List[Doc]): Annotated texts.
    n_batches (int): How many batches, after three that are not measured.
    RETURNS (Dict[str, Times]): Seconds a word.
    """
    n_texts = max(1, BATCH_WORDS * len(docs) // sum(map(len, docs)))
    batches = list(minibatch(docs, n_texts))
    optimizers = {name: Adam(0.001) for name in pipelines}
    taken: Dict[str, List[float]] = {name: [] for name in pipelines}
    for step in range(n_batches + 3):
        batch = batches[step % len(batches)]
        for name, nlp in pipelines.items():
            examples = [Example(nlp.make_doc(doc.text), doc) for doc in batch]
            start = time.perf_counter()
            nlp.update(examples, sgd=optimizers[name])
            taken[name].append((time.perf_counter() - start) / sum(map(len, batch)))
    return {name: Times.of(times[3:]) for name, times in taken.items()}


def main(
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "textcat.json",
    sst2: Annotated[Path, typer.Option(help="The folder of the converted corpus")] = ROOT / "corpus" / "sst2",
    seconds: Annotated[float, typer.Option(help="How long classification is measured")] = 60.0,
    batches: Annotated[int, typer.Option(help="How many batches of training are measured")] = 130,
    quick: Annotated[bool, typer.Option(help="See whether it works: a moment each")] = False,
) -> None:
    """Measure text categorizers from raw text to categories and in training, and keep the figures."""
    run_on_one_thread()
    seconds, batches = (0.1, 1) if quick else (seconds, batches)
    nlp = spacy.blank("en")
    train = [example.reference for example in Corpus(sst2 / "train.spacy")(nlp)]
    dev = [example.reference for example in Corpus(sst2 / "dev.spacy")(nlp)]
    sample = [Example(nlp.make_doc(doc.text), doc) for doc in train[:100]]
    pipelines = {name: build_pipeline(name, sample) for name in models()}
    updates = time_updates(pipelines, train, batches)
    texts, n_words = [doc.text for doc in dev], sum(map(len, dev))
    passes = take_turns({name: partial(classify, nlp, texts) for name, nlp in pipelines.items()}, seconds, turn=0, at_least=3)
    rows, lines = [], []
    for name in pipelines:
        ratios = {"nlp.pipe": passes[SPACY].ratio_to(passes[name]), "nlp.update": updates[SPACY].ratio_to(updates[name])}
        speeds = {"nlp.pipe": passes[name].speed(n_words), "nlp.update": updates[name].speed(1)}
        rows.append({"name": name, "words a second": speeds, "ratios": {SPACY: ratios}})
        lines.append((name, *(f"{speeds[key]['median']:,} ({ratios[key]['medians']:.1f} x)" for key in ratios)))
    srsly.write_json(output, {"benchmark": "textcat", "machine": machine(), "engine": engine(), "rows": rows})
    header = ("words a second, median", "nlp.pipe", "nlp.update")
    typer.echo(format_table(lines, header=header, divider=True, max_col=60, aligns=("l", "r", "r")))


if __name__ == "__main__":
    typer.run(main)
