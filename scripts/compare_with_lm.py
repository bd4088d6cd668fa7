"""Say what a pipeline of language models is, and what it brought to the components that read it."""

from pathlib import Path
from typing import Annotated, Any, Dict, List, Mapping, NamedTuple

import srsly
import typer
from corpora.command_errors import reported_errors


class Comparison(NamedTuple):
    """What was measured on one corpus.

    corpus (str): Its name.
    score (str): spaCy's name of the score.
    without (float): The score of the component that does not read the language models, in percent.
    with_lm (float): That of the one that does.
    """

    corpus: str
    score: str
    without: float
    with_lm: float


def read_score(path: Path, score: str) -> float:
    """Read a score that `spacy evaluate` has written.

    path (Path): The file.
    score (str): The name of the score.
    RETURNS (float): The score, in percent.
    RAISES (ValueError): If the file has no such score.
    RAISES (OSError): If it cannot be read.
    """
    value = srsly.read_json(_require_file(path)).get(score)
    if not isinstance(value, (int, float)):
        raise ValueError(f"{path}: expected the score {score!r}, as `spacy evaluate --output` writes it for such a component")
    return 100 * value


def read_language_models(pipeline: Path) -> Mapping[str, Any]:
    """Read what `python -m spacy rnn train-lm` has noted about a pipeline.

    pipeline (Path): The directory of the pipeline.
    RETURNS (Mapping[str, Any]): Under "name" what its package is called; texts, characters,
        bits a character, seconds and megabytes.
    RAISES (ValueError): If there is nothing about language models.
    RAISES (OSError): If it cannot be read.
    """
    path = _require_file(pipeline / "meta.json")
    meta = srsly.read_json(path)
    if "language_models" not in meta:
        raise ValueError(f"{path}: expected a pipeline that `python -m spacy rnn train-lm` has made, with its language_models")
    return {"name": f"{meta['lang']}_{meta['name']}", **meta["language_models"]}


def format_comparisons(models: Mapping[str, Any], comparisons: List[Comparison]) -> str:
    """Write what was found in Markdown.

    models (Mapping[str, Any]): The language models.
    comparisons (List[Comparison]): What was measured.
    RETURNS (str): A paragraph about the models, and a table of the scores.
    """
    bits: Dict[str, float] = models["bits_per_character"]
    lines = [
        f"{models['name']}: trained on {models['texts']:,} texts, {models['characters']:,} characters, "
        f"in {models['seconds']:,.0f} s; {models['megabytes']:.1f} MB; bits a character of other texts: "
        + ", ".join(f"{name} {value:.3f}" for name, value in bits.items()),
        "",
        "| corpus | score | without | with | difference |",
        "|---|---|---:|---:|---:|",
    ]
    for each in comparisons:
        scores = f"{each.without:.2f} | {each.with_lm:.2f} | {each.with_lm - each.without:+.2f}"
        lines.append(f"| {each.corpus} | {each.score} | {scores} |")
    return "\n".join(lines)


def _require_file(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return path


def compare(
    pipeline: Annotated[Path, typer.Argument(help="Directory of the language models, as `spacy rnn train-lm` writes it")],
    output: Annotated[Path, typer.Argument(help="File for what is printed (.md)")],
    corpus: Annotated[List[str], typer.Option(help="Name of a corpus; may be repeated, as the options below")],
    score: Annotated[List[str], typer.Option(help="Name of its score, e.g. pos_acc")],
    without: Annotated[List[Path], typer.Option(help="Scores without language models, as `spacy evaluate` writes them")],
    with_lm: Annotated[List[Path], typer.Option(help="Scores with them")],
) -> None:
    """Print size and training time of language models, and scores without and with them."""
    with reported_errors():
        if len({len(each) for each in (corpus, score, without, with_lm)}) > 1:
            raise ValueError("expected --corpus, --score, --without and --with-lm equally often, in the same order")
        rows = zip(corpus, score, without, with_lm, strict=True)
        comparisons = [Comparison(name, key, read_score(one, key), read_score(other, key)) for name, key, one, other in rows]
        text = format_comparisons(read_language_models(pipeline), comparisons)
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(f"{text}\n", encoding="utf8")
    typer.echo(text)


if __name__ == "__main__":
    typer.run(compare)
