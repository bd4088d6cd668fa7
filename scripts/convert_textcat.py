"""Convert labelled texts to spaCy's binary format."""

from pathlib import Path
from typing import Annotated, Dict, Iterator, List, Tuple

import spacy
import typer
from spacy.tokens import DocBin
from text_files import read_text

NAMES = {"train": ["train"], "dev": ["dev", "val"], "test": ["test"]}


def read_lines(path: Path) -> List[str]:
    """Read a text file, plain or `.gz`; lines end at a line feed only, so that other line breaks stay part of a text.

    path (Path): The file.
    RETURNS (List[str]): Its lines without their ends.
    RAISES (ValueError): If the file cannot be read as text.
    """
    lines = read_text(path).split("\n")
    return lines[:-1] if lines and not lines[-1] else lines


def read_tsv(path: Path) -> Iterator[Tuple[str, str]]:
    """Read texts and their labels from a file with a tab between the two.

    path (Path): The file.
    YIELDS (Tuple[str, str]): Text and label.
    RAISES (ValueError): With file and line number, if a line has not two columns.
    """
    for number, line in enumerate(read_lines(path), start=1):
        columns = line.split("\t")
        if len(columns) != 2 or not columns[1].strip():
            raise ValueError(f"{path}, line {number}: expected a text, a tab and a label, got {line!r}")
        yield columns[0], columns[1]


def read_pair(texts: Path, labels: Path) -> Iterator[Tuple[str, str]]:
    """Read texts and their labels from two files with the same number of lines.

    texts (Path): The texts, one a line.
    labels (Path): The labels, one a line.
    YIELDS (Tuple[str, str]): Text and label.
    RAISES (ValueError): If the files differ in length.
    """
    text_lines, label_lines = read_lines(texts), read_lines(labels)
    if len(text_lines) != len(label_lines):
        raise ValueError(f"{texts} has {len(text_lines)} lines, but {labels} has {len(label_lines)}")
    yield from zip(text_lines, label_lines, strict=True)


def read_split(folder: Path, split: str) -> List[Tuple[str, str]]:
    """Find and read a split: `split.tsv`, or `split_text.txt` with `split_labels.txt`; each may end with `.gz`.

    folder (Path): Where the corpus lies.
    split (str): "train", "dev" (in files also "val") or "test".
    RETURNS (List[Tuple[str, str]]): Texts and labels.
    RAISES (FileNotFoundError): If there is no such file.
    """
    for name in NAMES[split]:
        for gz in ("", ".gz"):
            tsv = folder / f"{name}.tsv{gz}"
            if tsv.exists():
                return list(read_tsv(tsv))
            texts, labels = folder / f"{name}_text.txt{gz}", folder / f"{name}_labels.txt{gz}"
            if texts.exists() and labels.exists():
                return list(read_pair(texts, labels))
    raise FileNotFoundError(f"expected {split}.tsv, or {split}_text.txt and {split}_labels.txt, in {folder}")


def read_names(folder: Path) -> Dict[str, str]:
    """Read what the labels are called, from `mapping.txt` (label, tab, name).

    folder (Path): Where the corpus lies.
    RETURNS (Dict[str, str]): Names by label; empty if there is no such file.
    """
    path = folder / "mapping.txt"
    return parse_names(read_lines(path), "\t", str(path)) if path.exists() else {}


def parse_names(pairs: List[str], separator: str, where: str) -> Dict[str, str]:
    """Take pairs of label and name apart.

    pairs (List[str]): The pairs.
    separator (str): What stands between label and name.
    where (str): Where the pairs are from, for the error.
    RETURNS (Dict[str, str]): Names by label.
    RAISES (ValueError): If a pair has no separator.
    """
    wrong = [pair for pair in pairs if separator not in pair]
    if wrong:
        raise ValueError(f"{where}: expected a label, {separator!r} and a name, got {wrong[0]!r}")
    return dict(pair.split(separator, 1) for pair in pairs)


def convert(
    folder: Annotated[Path, typer.Argument(help="Folder with the files of the splits train, dev (or val) and test")],
    output: Annotated[Path, typer.Argument(help="Folder for train.spacy, dev.spacy and test.spacy")],
    lang: Annotated[str, typer.Option(help="Language of the tokenizer")] = "en",
    name: Annotated[List[str], typer.Option(help="What a label is called, e.g. 0=negative; mapping.txt says so too")] = [],  # noqa: B006
) -> None:
    """Convert labelled texts to spaCy's binary format."""
    nlp = spacy.blank(lang)
    output.mkdir(parents=True, exist_ok=True)
    names: Dict[str, str] = {}
    try:
        names.update(read_names(folder), **parse_names(name, "=", "--name"))
        splits = {split: read_split(folder, split) for split in NAMES}
    except (OSError, ValueError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
    classes = sorted({names.get(label, label) for rows in splits.values() for _, label in rows})
    for split, rows in splits.items():
        docs = []
        for text, label in rows:
            doc = nlp.make_doc(text)
            doc.cats = {class_: float(class_ == names.get(label, label)) for class_ in classes}
            docs.append(doc)
        DocBin(docs=docs, attrs=["ORTH", "SPACY"]).to_disk(output / f"{split}.spacy")
        typer.echo(f"{folder}, {split}: {len(docs):,} texts, classes {', '.join(classes)}")


if __name__ == "__main__":
    typer.run(convert)
