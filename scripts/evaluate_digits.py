"""Measure what a network trained by `train_digits.py` writes of images by others, and show it on a page."""

import json
from pathlib import Path
from typing import Annotated, Any, Dict, List

import numpy
import typer
from corpora.command_errors import reported_errors
from digits.images import LONGEST, WORDS, Images, Rows, draw_rows, read_images
from digits.network import as_inputs, build_network

from spacy_rnn.pages.files import write_file
from spacy_rnn.pages.written import Group, WrittenImage, render_written
from spacy_rnn.pipeline.seq2seq.vector_to_text import VectorToText, Written

TITLE = "Rows of handwritten digits in words"


def load_network(folder: Path) -> VectorToText:
    """Load a network.

    folder (Path): What `train_digits.py` has written.
    RETURNS (VectorToText): The network.
    RAISES (OSError): If it is not there.
    RAISES (ValueError): If it is damaged.
    """
    path = folder / "training.json"
    try:
        width = json.loads(path.read_text(encoding="utf8"))["width"]
        network = build_network(int(width))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected what scripts/train_digits.py has measured in training: {error}") from error
    return network.from_disk(folder / "model")


def write_texts(network: VectorToText, rows: Rows) -> List[Written]:
    """Write rows in words.

    network (VectorToText): The network.
    rows (Rows): The rows.
    RETURNS (List[Written]): The best text for each.
    """
    return [texts[0] for texts in network.search(as_inputs(rows.images), max_symbols=LONGEST + 1)]


def measure(rows: Rows, written: List[Written]) -> List[Group]:
    """Count right texts, of all rows and by their length.

    rows (Rows): The rows.
    written (List[Written]): What was written for each.
    RETURNS (List[Group]): The counts, those of all rows first.
    """
    is_right = numpy.asarray([one.text == text for one, text in zip(written, rows.texts, strict=True)], dtype=bool)
    lengths = numpy.asarray([len(images) for images in rows.images])
    groups = [Group("rows", len(is_right), int(is_right.sum()))]
    for n in range(1, LONGEST + 1):
        name = f"rows of {n} digit{'s' if n > 1 else ''}"
        groups.append(Group(name, int((lengths == n).sum()), int(is_right[lengths == n].sum())))
    return groups


def single_rows(images: Images) -> Rows:
    """Make a row of each image.

    images (Images): The images.
    RETURNS (Rows): Rows of one digit.
    """
    return Rows([pixels[None] for pixels in images.pixels], [WORDS[digit] for digit in images.digits])


def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder that train_digits.py has written")],
    metrics: Annotated[Path, typer.Argument(help="File for the scores (.json)")],
    page: Annotated[Path, typer.Argument(help="File for the page (.html)")],
    part: Annotated[str, typer.Option(help="dev or test")] = "test",
    n: Annotated[int, typer.Option(help="How many rows are drawn", min=1)] = 5000,
    seed: Annotated[int, typer.Option(help="What the drawing of rows begins with", min=0)] = 0,
) -> None:
    """Measure what a network writes of images by people whose digits it has not seen, and show it on a page."""
    with reported_errors():
        if part not in ("dev", "test"):
            raise ValueError(f"the part must be dev or test, got {part!r}")
        images, network = read_images()[part], load_network(model)
        rows, singles = draw_rows(images, n, numpy.random.default_rng(seed)), single_rows(images)
        written = write_texts(network, rows)
        groups = measure(rows, written)
        each = measure(singles, write_texts(network, singles))[0]._replace(name="each image once, by itself")
        found: Dict[str, Any] = {"part": part, "n": n, "seed": seed}
        found["exact"] = groups[0].n_right / groups[0].n
        found["exact_by_length"] = {str(i): one.n_right / one.n for i, one in enumerate(groups[1:], 1) if one.n}
        found["images"] = each.n_right / each.n
        people = "by people whose digits the network has not seen"
        note = f"{n:,} rows of one to five of the {len(images.digits)} images of {part}, {people}."
        examples = [
            WrittenImage(numpy.concatenate(list(pixels), axis=1), text, one.text, float(numpy.exp(one.log_probability)))
            for pixels, text, one in zip(rows.images, rows.texts, written, strict=True)
        ]
        command = "scripts/evaluate_digits.py"
        write_file(page, render_written(examples, [*groups, each], title=TITLE, note=note, command=command))
        write_file(metrics, json.dumps(found, indent=2) + "\n")
    typer.echo(
        f"{model}, {part}: {100 * found['exact']:.2f} % of {n:,} rows are right, {100 * found['images']:.2f} % of the images"
    )


if __name__ == "__main__":
    typer.run(evaluate)
