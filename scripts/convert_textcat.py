"""Convert labelled texts to spaCy's binary format."""

from pathlib import Path
from typing import Annotated, Dict, List, Optional, Set

import typer
from corpora.command_errors import reported_errors, warn
from corpora.corpus_files import write_corpus
from corpora.labelled_texts import read_split
from corpora.labels import LabelledText, add_name, name_labels, read_names
from corpora.text_files import quote
from corpora.tokenizer import make_tokenizer
from spacy.language import Language
from spacy.tokens import DocBin


def check_separator(separator: Optional[str]) -> None:
    """Refuse what cannot stand between the labels in a column.

    separator (Optional[str]): The separator, if there is one.
    RAISES (ValueError): If it is empty, or has a tab or a line break.
    """
    if separator is not None and (not separator or any(sign in separator for sign in "\t\n\r")):
        raise ValueError(
            f"--separator: expected what stands between labels, e.g. '|', and no tab or line break, got {separator!r}"
        )


def find_classes(splits: Dict[str, List[LabelledText]], names: Dict[str, str]) -> List[str]:
    """Find the classes of a corpus.

    splits (Dict[str, List[LabelledText]]): The texts of each split, with the names of their labels.
    names (Dict[str, str]): What labels are called; if there are any, these are all the classes there are.
    RETURNS (List[str]): The names of the classes.
    RAISES (ValueError): With file and line, if a label has no name, or without names if the training part does not have it; or if
        there are no classes.
    """
    classes = set(names.values()) or {label for row in splits["train"] for label in row.cats}
    if not classes:
        raise ValueError(f"{splits['train'][0].where}: expected texts with labels in the training part, but no text has one")
    for row in (row for rows in splits.values() for row in rows):
        for label in row.cats:
            if label not in classes:
                expected = (
                    "has no name (--name or mapping.txt)"
                    if names
                    else "is not in the training part (--name says which labels there are)"
                )
                known = _list({*names, *classes})
                raise ValueError(f"{row.where}: the label {quote(label)} {expected}; expected one of {known}")
    return sorted(classes)


def _list(labels: Set[str]) -> str:
    shown = [quote(label) for label in sorted(labels)[:20]]
    return ", ".join(shown) + (f" and {len(labels) - len(shown)} more" if len(labels) > len(shown) else "")


def find_warnings(splits: Dict[str, List[LabelledText]], classes: List[str]) -> List[str]:
    """Find what a user should know about a corpus that is converted all the same.

    splits (Dict[str, List[LabelledText]]): The texts of each split, with the names of their labels.
    classes (List[str]): The names of the classes.
    RETURNS (List[str]): Messages.
    """
    messages: List[str] = []
    for split, rows in splits.items():
        partial = [row for row in rows if not row.is_complete and len(row.cats) < len(classes)]
        if partial:
            missing = _list(set(classes) - set(partial[0].cats))
            messages.append(
                f"{split}: the cats of {len(partial):,} of {len(rows):,} texts do not have all labels, the first of them "
                f"{partial[0].where}: {missing}. To spaCy these are unknown, neither 0 nor 1. Labels in a list leave none unknown"
            )
    return messages


def make_docs(nlp: Language, rows: List[LabelledText], classes: List[str]) -> DocBin:
    """Make the documents of a split.

    nlp (Language): The tokenizer.
    rows (List[LabelledText]): Texts, with the names of their labels.
    classes (List[str]): The names of the classes.
    RETURNS (DocBin): The documents.
    RAISES (ValueError): With file and line, if a text is too long for spaCy.
    """
    docs = DocBin(attrs=["ORTH", "SPACY"])
    for row in rows:
        try:
            doc = nlp.make_doc(row.text)
        except ValueError as error:
            raise ValueError(f"{row.where}: {error}") from error
        others = dict.fromkeys(classes, 0.0) if row.is_complete else {}
        cats = {**others, **row.cats}
        doc.cats = {class_: cats[class_] for class_ in classes if class_ in cats}
        docs.add(doc)
    return docs


def convert(
    folder: Annotated[Path, typer.Argument(help="Folder with the files of the splits train, dev (or val) and test")],
    output: Annotated[Path, typer.Argument(help="Folder for train.spacy, dev.spacy and test.spacy")],
    lang: Annotated[str, typer.Option(help="Language of the tokenizer")] = "en",
    name: Annotated[List[str], typer.Option(help="What a label is called, e.g. 0=negative; mapping.txt says so too")] = [],  # noqa: B006
    separator: Annotated[
        Optional[str], typer.Option(help="What stands between the labels of a text, if it may have several or none, e.g. '|'")
    ] = None,
) -> None:
    """Convert labelled texts to spaCy's binary format."""
    with reported_errors():
        check_separator(separator)
        nlp = make_tokenizer(lang)
        given: Dict[str, str] = {}
        for pair in name:
            add_name(given, pair, "=", "--name")
        names = {**read_names(folder), **given}
        splits = {
            split: [name_labels(row, names) for row in read_split(folder, split, separator)] for split in ("train", "dev", "test")
        }
        classes = find_classes(splits, names)
        write_corpus(output, {split: make_docs(nlp, rows, classes) for split, rows in splits.items()})
    for message in find_warnings(splits, classes):
        warn(message)
    for split, rows in splits.items():
        typer.echo(f"{folder}, {split}: {len(rows):,} texts, classes {', '.join(classes)}")


if __name__ == "__main__":
    typer.run(convert)
