"""Encoder-decoders: training and search against torch's, on Multi30k from German to English in lower case, on one thread.

    python benchmarks/seq2seq.py MULTI30K

MULTI30K is the folder with train.de.gz, train.en.gz, val.de.gz and val.en.gz. The model reads and writes 4,000 subwords on each
side, as configs/seq2seq.cfg has it (--size for another number; --symbols joint: the same on both sides; words: all words that
occur twice), with embeddings of 128, a bidirectional GRU of 2 × 128 units and one of 256 that decodes, with general attention
after the sweep (Luong et al. 2015), and with additive attention (Bahdanau et al. 2015) and input feeding.

Training: steps on the same batches of 64 pairs, sorted by length: losses, gradients, clipping, and the update by Adam. torch's
model, `_torch_seq2seq.py`, packs its sequences, scores targets without padding, and has the same weights; before anything is
timed, the losses of the first steps are compared. Target symbols count, ends of sentences included.

Search: the model is trained for --epochs readings of the training part, then sentences of the val part are translated with the
same weights, by a beam of 5 and by one of 1 (greedy), in batches of 64 sorted by length: torch's beam holds all hypotheses of a
batch in one tensor and lets sentences go that are done; once more it takes one sentence at a time. Before anything is timed, the
translations are compared. The test part is not read.
"""

import gzip
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy
import spacy
import srsly
import typer
from _measure import RESULTS, check_goal, engine, format_goals, machine, run_on_one_thread, take_turns
from thinc.api import Adam, Model, fix_random_seed
from wasabi import table as format_table

from spacy_rnn.generation import LengthNormalization, Stopping, beam_search
from spacy_rnn.layers import EngineOps
from spacy_rnn.layers.capabilities import Transduces, find
from spacy_rnn.models.encoder_decoder.seq2seq import build_seq2seq
from spacy_rnn.text.symbols import PairBatch, SourceBatch, Symbols, batch_texts, build_subwords, build_words

KINDS: Dict[str, Dict[str, Any]] = {
    "attention after the sweep": {"attention": "general"},
    "input feeding": {"attention": "additive", "input_feeding": True},
}
BATCH, WIDTH, UNITS, SIZE = 64, 128, 256, 4000
# The batches of a timed call: as many targets in each call, of short and of long sentences.
N_BATCHES = 4
RATE = 0.001
# torch clips the norm of all gradients together, Thinc that of each parameter: so neither is to clip here.
CLIP = 1e6
BEAM, MAX_SYMBOLS, ALPHA = 5, 60, 0.6
TURN = 0.5
# Losses agree so far: of the first step, and of the next ones, as the two Adams add their epsilon at different places.
TOLERANCES = (1e-4, 1e-2)
# The share of translations that are the same: two candidates may be as good but for rounding.
EQUAL = 0.98
GOALS = {"training": 1.5, "beam": 6.0}

Call = Callable[[], Any]


class Pair(NamedTuple):
    """A sentence and its translation, as symbols. source, target: int32 [n]."""

    source: numpy.ndarray
    target: numpy.ndarray


class Data(NamedTuple):
    """What is read and written.

    source, target (Symbols): The symbols.
    train, val (List[Pair]): The parts.
    """

    source: Symbols
    target: Symbols
    train: List[Pair]
    val: List[Pair]


def read_lines(path: Path) -> List[str]:
    """Read a side of a part of the corpus.

    path (Path): The file.
    RETURNS (List[str]): Its lines in lower case.
    """
    return gzip.decompress(path.read_bytes()).decode("utf-8").lower().rstrip("\n").split("\n")


def read_data(folder: Path, kind: str, size: int = SIZE) -> Data:
    """Read the corpus, and learn the symbols from its training part.

    folder (Path): The folder of the corpus.
    kind (str): "apart", "joint" or "words".
    size (int): How many subwords are learned.
    RETURNS (Data): The corpus.
    """
    tokenizers = {side: spacy.blank(side).tokenizer for side in ("de", "en")}
    texts = {
        (part, side): [tokenizers[side](line) for line in read_lines(folder / f"{part}.{side}.gz")]
        for part in ("train", "val")
        for side in tokenizers
    }
    symbols: Dict[str, Symbols] = {}
    for own in [("de", "en")] if kind == "joint" else [("de",), ("en",)]:
        learned = build_words(min_count=2) if kind == "words" else build_subwords(size)
        counter = learned.begin()
        for side in own:
            for doc in texts["train", side]:
                counter.add(doc)
        learned.end(counter)
        symbols.update(dict.fromkeys(own, learned))
    parts = (
        [
            Pair(*(symbols[side].encode(doc).numbers for side, doc in zip(("de", "en"), docs, strict=True)))
            for docs in zip(texts[part, "de"], texts[part, "en"], strict=True)
        ]
        for part in ("train", "val")
    )
    return Data(symbols["de"], symbols["en"], *parts)


def cut(pairs: Sequence[Pair]) -> List[PairBatch]:
    """Cut pairs into batches of about the same lengths.

    pairs (Sequence[Pair]): The pairs.
    RETURNS (List[PairBatch]): Batches of `BATCH` pairs, short ones first.
    """
    ordered = sorted(pairs, key=lambda pair: (len(pair.source), len(pair.target)))
    parts = (ordered[first : first + BATCH] for first in range(0, len(ordered), BATCH))
    return [PairBatch(join(part), batch_texts([pair.target for pair in part])) for part in parts]


def join(pairs: Sequence[Pair]) -> SourceBatch:
    """Put sources side by side.

    pairs (Sequence[Pair]): Pairs.
    RETURNS (SourceBatch): Their sources.
    """
    lengths = numpy.asarray([len(pair.source) for pair in pairs], dtype="int32")
    return SourceBatch(numpy.concatenate([pair.source for pair in pairs]), lengths)


def build_model(data: Data, settings: Dict[str, Any]) -> Model:
    """Build a model.

    data (Data): What it reads and writes.
    settings (Dict[str, Any]): Its attention.
    RETURNS (Model): The model, initialized.
    """
    fix_random_seed(0)
    model = build_seq2seq(data.source, data.target, width=WIDTH, hidden_width=UNITS, cell="gru", **settings)
    model.initialize()
    for node in model.walk():
        node.ops = EngineOps()
    return model


def transduces(model: Model) -> Transduces:
    """Say how a model is trained and how it writes.

    model (Model): The model.
    RETURNS (Transduces): What it has declared.
    """
    found = find(model, Transduces)
    assert found is not None
    return found


def our_step(model: Model) -> Callable[[PairBatch], float]:
    """Make a step of training.

    model (Model): The model.
    RETURNS (Callable[[PairBatch], float]): Makes a step on a batch, and gives the mean loss.
    """
    optimizer, begin_update = Adam(RATE, L2=0.0, grad_clip=CLIP), transduces(model).begin_update

    def run(batch: PairBatch) -> float:
        n = len(batch.targets.targets)
        log_probabilities, backprop = begin_update(model, batch, numpy.full(n, 1 / n, dtype="float32"))
        backprop()
        model.finish_update(optimizer)
        return -float(log_probabilities.mean())

    return run


def torch_step(model: Model) -> Callable[[Any], float]:
    """Make the same step with torch, from the weights as they are.

    model (Model): The model.
    RETURNS (Callable[[TorchBatch], float]): Makes a step on a batch, and gives the mean loss.
    """
    import torch
    from _torch_seq2seq import TorchSeq2Seq

    peer = TorchSeq2Seq(model)
    parameters = list(peer.parameters())
    optimizer = torch.optim.Adam(parameters, lr=RATE)

    def run(batch: Any) -> float:
        optimizer.zero_grad()
        loss = -peer(batch) / batch.lengths.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        return float(loss.detach())

    return run


def on_all(step: Callable[[Any], float], batches: Sequence[Any]) -> List[float]:
    """Make a step on each batch.

    step (Callable): A step.
    batches (Sequence[Any]): The batches.
    RETURNS (List[float]): The losses.
    """
    return [step(batch) for batch in batches]


def measure_training(data: Data, seconds: float) -> Dict[str, Any]:
    """Measure steps of training.

    data (Data): The corpus.
    seconds (float): How long each kind of attention is measured.
    RETURNS (Dict[str, Any]): For each kind the number of parameters, target symbols a second, and the ratio.
    RAISES (ValueError): If torch's losses are others.
    """
    from _torch_seq2seq import pad

    everything = cut(data.train)
    # From the middle of each quarter.
    batches = [everything[(2 * i + 1) * len(everything) // (2 * N_BATCHES)] for i in range(N_BATCHES)]
    padded = [pad(batch) for batch in batches]
    n_targets = sum(len(batch.targets.targets) for batch in batches)
    rows = {}
    for kind, settings in KINDS.items():
        model = build_model(data, settings)
        theirs, ours = torch_step(model), our_step(model)
        losses = on_all(ours, batches), on_all(theirs, padded)
        differences = abs(numpy.subtract(*losses)) / losses[0]
        if differences[0] > TOLERANCES[0] or differences.max() > TOLERANCES[1]:
            raise ValueError(f"{kind}: the losses differ, ours and torch's: {losses}")
        calls = {"ours": partial(on_all, ours, batches), "torch": partial(on_all, theirs, padded)}
        times = take_turns(calls, seconds, TURN, 1 if seconds < 1 else 5)
        rows[kind] = {
            "parameters": count_parameters(model),
            "target symbols a second": {name: each.speed(n_targets) for name, each in times.items()},
            "torch's time": times["torch"].ratio_to(times["ours"]),
        }
    return rows


def count_parameters(model: Model) -> int:
    """Count the parameters of a model.

    model (Model): The model.
    RETURNS (int): How many numbers it has.
    """
    return int(sum(node.get_param(name).size for node in model.walk() for name in node.param_names))


def fit(model: Model, data: Data, epochs: float) -> None:
    """Train a model.

    model (Model): The model.
    data (Data): The corpus.
    epochs (float): How often the training part is read.
    """
    step, batches, rng = our_step(model), cut(data.train), numpy.random.default_rng(0)
    left = round(epochs * len(batches))
    while left > 0:
        for i in rng.permutation(len(batches))[:left]:
            step(batches[i])
        left -= len(batches)


def translate(model: Model, batches: Sequence[SourceBatch], width: int) -> List[List[int]]:
    """Translate by this package's beam.

    model (Model): The model.
    batches (Sequence[SourceBatch]): The sentences.
    width (int): The width of the beam.
    RETURNS (List[List[int]]): The symbols of each translation.
    """
    decoder = transduces(model).begin(model)
    settings: Dict[str, Any] = {
        "width": width,
        "normalization": LengthNormalization("wu", ALPHA),
        "stopping": Stopping(MAX_SYMBOLS),
    }
    return [
        hypotheses[0].symbols.tolist()
        for batch in batches
        for hypotheses in beam_search(decoder, [[]] * len(batch.lengths), context=batch, **settings)
    ]


def torch_translate(peer: Any, batches: Sequence[SourceBatch], width: int) -> List[List[int]]:
    """Translate by torch's beam.

    peer (TorchSeq2Seq): The model.
    batches (Sequence[SourceBatch]): The sentences.
    width (int): The width of the beam.
    RETURNS (List[List[int]]): The symbols of each translation.
    """
    from _torch_seq2seq import search

    return [symbols for batch in batches for symbols in search(peer, batch, width, MAX_SYMBOLS, ALPHA)]


def one_by_one(batches: Sequence[SourceBatch]) -> Iterator[SourceBatch]:
    """Take batches apart.

    batches (Sequence[SourceBatch]): The batches.
    RETURNS (Iterator[SourceBatch]): Batches of one sentence.
    """
    for numbers, lengths in batches:
        for part in numpy.split(numbers, numpy.cumsum(lengths)[:-1]):
            yield SourceBatch(part, numpy.asarray([len(part)], dtype="int32"))


def measure_search(data: Data, epochs: float, n_sentences: int, seconds: float) -> Dict[str, Any]:
    """Measure search, with attention after the sweep.

    data (Data): The corpus.
    epochs (float): How often the model reads the training part before.
    n_sentences (int): How many sentences are translated.
    seconds (float): How long each width is measured.
    RETURNS (Dict[str, Any]): For each width the mean length of a translation, sentences a second, and ratios.
    RAISES (ValueError): If torch finds other translations.
    """
    from _torch_seq2seq import TorchSeq2Seq

    model = build_model(data, KINDS["attention after the sweep"])
    fit(model, data, epochs)
    peer = TorchSeq2Seq(model)
    batches = [batch.sources for batch in cut(data.val[:n_sentences])]
    alone, n = list(one_by_one(batches)), sum(len(batch.lengths) for batch in batches)
    rows = {}
    for name, width in ((f"beam of {BEAM}", BEAM), ("greedy", 1)):
        calls: Dict[str, Call] = {
            "ours": partial(translate, model, batches, width),
            "torch": partial(torch_translate, peer, batches, width),
            "ours, one sentence at a time": partial(translate, model, alone, width),
            "torch, one sentence at a time": partial(torch_translate, peer, alone, width),
        }
        found = {contender: call() for contender, call in calls.items()}
        for contender, others in found.items():
            share = sum(map(numpy.array_equal, found["ours"], others)) / n
            if share < EQUAL:
                raise ValueError(f"{name}: {contender}: only {share:.1%} of the translations are the same as ours")
        times = take_turns(calls, seconds, TURN, 1 if seconds < 1 else 5)
        rows[name] = {
            "symbols of a translation": round(sum(map(len, found["ours"])) / n, 1),
            "sentences a second": {contender: each.speed(n) for contender, each in times.items()},
            "times as long as ours": {contender: each.ratio_to(times["ours"]) for contender, each in times.items()},
        }
    return rows


def find_goals(training: Dict[str, Any], search: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Compare what was measured with the goals.

    training (Dict[str, Any]): What `measure_training` has returned.
    search (Dict[str, Any]): What `measure_search` has returned.
    RETURNS (List[Dict[str, Any]]): The goals.
    """
    goals = [
        check_goal(f"training, {kind}", "torch", GOALS["training"], [(kind, r["torch's time"])]) for kind, r in training.items()
    ]
    for name, row in search.items():
        for contender, ratios in row["times as long as ours"].items():
            if name != "greedy" and not contender.startswith("ours"):
                goals.append(check_goal(name, contender, GOALS["beam"], [(name, ratios)]))
    return goals


def main(
    corpus: Annotated[Path, typer.Argument(help="The folder of Multi30k")],
    symbols: Annotated[str, typer.Option(help="apart, joint or words")] = "apart",
    size: Annotated[int, typer.Option(help="How many subwords there are on a side")] = SIZE,
    epochs: Annotated[float, typer.Option(help="How often the training part is read before the search")] = 2.0,
    sentences: Annotated[int, typer.Option(help="How many sentences are translated")] = 256,
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "seq2seq.json",
    seconds: Annotated[float, typer.Option(help="How long each part is measured")] = 60.0,
    quick: Annotated[bool, typer.Option(help="See whether it works: a moment each")] = False,
) -> None:
    """Measure encoder-decoders, and keep the figures."""
    run_on_one_thread()
    if symbols not in ("apart", "joint", "words"):
        raise typer.BadParameter(f"--symbols: expected apart, joint or words, got {symbols}")
    import torch

    torch.set_num_threads(1)
    data = read_data(corpus, symbols, size)
    if quick:
        data, epochs, sentences, seconds = data._replace(train=data.train[::40]), 1.0, 20, 0.1
    training = measure_training(data, seconds)
    search = measure_search(data, epochs, sentences, seconds)
    goals = find_goals(training, search)
    sizes = {"source symbols": len(data.source), "target symbols": len(data.target)}
    figures: Dict[str, Any] = {"symbols": symbols, **sizes, "epochs": epochs, "training": training, "search": search}
    srsly.write_json(output, {"benchmark": "seq2seq", "machine": machine("torch"), "engine": engine(), **figures, "goals": goals})
    rows: List[Tuple[Any, ...]] = []
    for what, kinds in (("target symbols a second", training), ("sentences a second", search)):
        for kind, row in kinds.items():
            rows.extend((kind, what, contender, each["best"], each["median"]) for contender, each in row[what].items())
    typer.echo(format_table(rows, header=("", "", "", "best", "median"), divider=True))
    typer.echo(format_goals(goals))


if __name__ == "__main__":
    typer.run(main)
