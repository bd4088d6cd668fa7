"""How often a trained tagger gives other tags when it predicts in bfloat16, and how much faster it is.

    python benchmarks/precision.py training/ewt_pos_lstm/model-best corpus/ewt/test.spacy

Timed is the model alone, from texts whose words it has seen to tags, the two precisions in turns. The figures go to
benchmarks/results/precision.json.
"""

import time
from pathlib import Path
from typing import Annotated, Any, Dict, List

import spacy
import srsly
import typer
from _measure import RESULTS, Times, engine, machine, run_on_one_thread
from spacy.tokens import Doc, DocBin

from spacy_rnn.layers import set_precision
from spacy_rnn.pipeline.tagger import RNNTagger

ROUNDS = 20


def predict(pipe: Any, docs: List[Doc], precision: str) -> List[int]:
    """Tag texts.

    pipe (Any): The tagger.
    docs (List[Doc]): The texts.
    precision (str): "float32" or "bfloat16".
    RETURNS (List[int]): The number of the tag of each token.
    """
    set_precision(pipe.model, precision)
    return [int(tag) for tags in pipe.predict(docs) for tag in tags]


def measure(pipe: Any, docs: List[Doc]) -> Dict[str, Any]:
    """Compare the two precisions.

    pipe (Any): The tagger.
    docs (List[Doc]): The texts.
    RETURNS (Dict[str, Any]): Tokens, the share of equal tags in percent, and seconds.
    """
    exact, rounded = (predict(pipe, docs, precision) for precision in ("float32", "bfloat16"))
    seconds: Dict[str, List[float]] = {"float32": [], "bfloat16": []}
    for _ in range(ROUNDS):
        for precision, times in seconds.items():
            set_precision(pipe.model, precision)
            start = time.perf_counter()
            pipe.predict(docs)
            times.append(time.perf_counter() - start)
    equal = sum(one == other for one, other in zip(exact, rounded, strict=True))
    return {
        "tokens": len(exact),
        "other tags": len(exact) - equal,
        "equal tags, percent": round(100 * equal / len(exact), 3),
        "seconds": {precision: vars(Times.of(times)) for precision, times in seconds.items()},
    }


def main(
    pipeline: Annotated[Path, typer.Argument(help="A trained pipeline")],
    corpus: Annotated[Path, typer.Argument(help="A .spacy file; its sentences are tagged, with their own tokens")],
    output: Annotated[Path, typer.Option(help="Where the figures go")] = RESULTS / "precision.json",
) -> None:
    """Compare bfloat16 with float32 in every recurrent tagger of a pipeline."""
    nlp = spacy.load(pipeline)
    texts = [[token.text for token in sent] for doc in DocBin().from_disk(corpus).get_docs(nlp.vocab) for sent in doc.sents]
    docs = [Doc(nlp.vocab, words=words) for words in texts]
    taggers = {name: pipe for name, pipe in nlp.pipeline if isinstance(pipe, RNNTagger)}
    rows = {name: measure(pipe, docs) for name, pipe in taggers.items()}
    srsly.write_json(output, {"machine": machine(), **engine(), "corpus": corpus.name, "rows": rows})
    for name, row in rows.items():
        typer.echo(f"{name}: {row['equal tags, percent']} % of {row['tokens']} tags are equal")


if __name__ == "__main__":
    run_on_one_thread()
    typer.run(main)
