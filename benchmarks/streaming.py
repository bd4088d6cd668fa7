"""Time and memory of tagging one long text at once, in pieces, and as a stream; and what a look ahead is worth.

    python benchmarks/streaming.py training/ewt_pos_lstm/model-best corpus/ewt/test.spacy

- The corpus' words, again and again, as one text of up to a million: annotated by the pipeline, by `tag_in_pieces`, and as a
  stream of words. Each is measured in a process of its own. The time is that of the processor, the shortest of three; memory is
  the peak of the resident set, less what the process held before, the text with its words included.
- The corpus' sentences as one text, read as a stream by pieces and look aheads of several sizes: how many labels differ from
  those that the whole text gets at once, and how many are right.

The figures go to benchmarks/results/streaming.json.
"""

import time
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, Tuple

import spacy
import srsly
import typer
from _measure import MEGABYTE, RESULTS, engine, in_new_process, machine, peak_memory, reset_peak_memory, run_on_one_thread
from spacy.tokens import Doc, DocBin
from wasabi import table as format_table

from spacy_rnn.pipeline.tagger import RNNTagger

Row = Dict[str, Any]

LENGTHS = [10_000, 100_000, 1_000_000]
REPEATS = 3
PIECE, LOOKAHEAD = 1000, 50
PIECES = [1, 10, 100, 1000]
LOOKAHEADS = [0, 2, 5, 10, 20, 50]


def load(pipeline: Path) -> Tuple[Any, Any]:
    """Load a pipeline of one tagger.

    pipeline (Path): Where it is.
    RETURNS (Tuple[Any, Any]): The pipeline, and its tagger.
    """
    nlp = spacy.load(pipeline)
    (tagger,) = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, RNNTagger)]
    return nlp, tagger


def read_words(corpus: Path, attr: str) -> Tuple[List[str], List[str]]:
    """Read a corpus as one text.

    corpus (Path): A .spacy file.
    attr (str): "tag" or "pos".
    RETURNS (Tuple[List[str], List[str]]): Its words and their gold labels.
    """
    docs = list(DocBin().from_disk(corpus).get_docs(spacy.blank("en").vocab))
    return [token.text for doc in docs for token in doc], [getattr(token, f"{attr}_") for doc in docs for token in doc]


def measure_length(pipeline: Path, corpus: Path, n_words: int, how: str) -> Row:
    """Annotate one long text; to be called in a new process.

    pipeline (Path): A pipeline of one tagger.
    corpus (Path): Where the words are from.
    n_words (int): How many there are.
    how (str): "at once", "in pieces" or "stream".
    RETURNS (Row): The shortest time, and the memory of the first call.
    """
    nlp, tagger = load(pipeline)
    words = read_words(corpus, "pos")[0]
    nlp(Doc(nlp.vocab, words=words))
    # The calls that are repeated find a text that has been annotated.
    tagger.cfg["overwrite"] = True
    text = list(islice(cycle(words), n_words))
    doc = Doc(nlp.vocab, words=text)
    calls: Dict[str, Callable[[], Any]] = {
        "at once": lambda: nlp(doc),
        "in pieces": lambda: tagger.tag_in_pieces(doc, piece=PIECE, lookahead=LOOKAHEAD),
        "stream": lambda: sum(1 for _ in tagger.stream(text, piece=PIECE, lookahead=LOOKAHEAD)),
    }
    before = reset_peak_memory()
    seconds = [time_call(calls[how])]
    peak = peak_memory() - before
    seconds += [time_call(calls[how]) for _ in range(REPEATS - 1)]
    return {
        "words": n_words,
        "how": how,
        "minimum s": round(min(seconds), 3),
        "words a second": round(n_words / min(seconds)),
        "peak MB": round(peak / MEGABYTE, 1),
    }


def time_call(call: Callable[[], Any]) -> float:
    """Time a call.

    call (Callable): What to call.
    RETURNS (float): Seconds of the processor.
    """
    start = time.process_time()
    call()
    return time.process_time() - start


def measure_lookaheads(pipeline: Path, corpus: Path) -> List[Row]:
    """Compare streams with the whole text.

    pipeline (Path): A pipeline of one tagger.
    corpus (Path): What is tagged.
    RETURNS (List[Row]): For the whole text, and each size of pieces and look aheads: other labels, right ones, words a second.
    """
    nlp, tagger = load(pipeline)
    attr = tagger.attr.lower()
    words, gold = read_words(corpus, attr)
    whole = [getattr(token, f"{attr}_") for token in nlp(Doc(nlp.vocab, words=words))]

    def compare(piece: Any, lookahead: Any, labels: List[str], seconds: float) -> Row:
        n_equal, n_right = (sum(x == y for x, y in zip(labels, others, strict=True)) for others in (whole, gold))
        return {
            "piece": piece,
            "lookahead": lookahead,
            "other labels, percent": round(100 - 100 * n_equal / len(words), 3),
            "right, percent": round(100 * n_right / len(words), 2),
            "words a second": round(len(words) / seconds) if seconds else None,
        }

    rows = [compare("whole text", None, whole, 0.0)]
    for piece in PIECES:
        for lookahead in LOOKAHEADS:
            start = time.process_time()
            labels = [label for _, label in tagger.stream(words, piece=piece, lookahead=lookahead)]
            rows.append(compare(piece, lookahead, labels, time.process_time() - start))
    return rows


def main(
    pipeline: Annotated[Path, typer.Argument(help="A trained pipeline of one tagger")],
    corpus: Annotated[Path, typer.Argument(help="A .spacy file")],
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "streaming.json",
) -> None:
    """Measure streams and long texts, and keep the figures."""
    lengths = [
        in_new_process(measure_length, pipeline, corpus, n_words, how)
        for n_words in LENGTHS
        for how in ("at once", "in pieces", "stream")
    ]
    lookaheads = measure_lookaheads(pipeline, corpus)
    srsly.write_json(
        output,
        {
            "benchmark": "streaming",
            "machine": machine(),
            **engine(),
            "corpus": corpus.name,
            "components": spacy.load(pipeline).config.interpolate()["components"],
            "lengths": lengths,
            "lookaheads": lookaheads,
        },
    )
    for rows in (lengths, lookaheads):
        typer.echo(format_table([list(row.values()) for row in rows], header=list(rows[0]), divider=True))


if __name__ == "__main__":
    run_on_one_thread()
    typer.run(main)
