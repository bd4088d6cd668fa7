"""Convert labelled texts to spaCy's binary format."""

from pathlib import Path
from typing import Annotated, Dict, List, Set

import spacy
import typer
from corpora.command_errors import reported_errors
from corpora.corpus_files import write_corpus
from corpora.labelled_texts import LabelledText, add_name, read_names, read_split
from corpora.text_files import quote
from spacy.language import Language
from spacy.tokens import DocBin


def make_tokenizer(lang: str) -> Language:
    """Make a pipeline that only has the tokenizer of a language.

    lang (str): The language's code.
    RETURNS (Language): The pipeline.
    RAISES (ValueError): If spaCy does not know the language, or it needs a package that is not installed.
    """
    try:
        return spacy.blank(lang)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"--lang {lang}: spaCy has no tokenizer for it: {error}") from error


def find_classes(splits: Dict[str, List[LabelledText]], names: Dict[str, str]) -> List[str]:
    """Find the classes of a corpus.

    splits (Dict[str, List[LabelledText]]): The texts of each split.
    names (Dict[str, str]): What labels are called; if there are any, labels are these or are called so already.
    RETURNS (List[str]): The names of the classes.
    RAISES (ValueError): With file and line, if a label has no name, or without names if the training part does not have it.
    """
    known: Set[str] = {*names, *names.values()} or {row.label for row in splits["train"]}
    for row in (row for rows in splits.values() for row in rows):
        if row.label not in known:
            expected = (
                "has no name (--name or mapping.txt)"
                if names
                else "is not in the training part (--name says which labels there are)"
            )
            raise ValueError(f"{row.where}: the label {quote(row.label)} {expected}; expected one of {_list(known)}")
    return sorted({names.get(label, label) for label in known})


def _list(labels: Set[str]) -> str:
    shown = [quote(label) for label in sorted(labels)[:20]]
    return ", ".join(shown) + (f" and {len(labels) - len(shown)} more" if len(labels) > len(shown) else "")


def make_docs(nlp: Language, rows: List[LabelledText], classes: List[str], names: Dict[str, str]) -> DocBin:
    """Make the documents of a split.

    nlp (Language): The tokenizer.
    rows (List[LabelledText]): Texts and labels.
    classes (List[str]): The names of the classes.
    names (Dict[str, str]): What labels are called.
    RETURNS (DocBin): The documents.
    RAISES (ValueError): With file and line, if a text is too long for spaCy.
    """
    docs = DocBin(attrs=["ORTH", "SPACY"])
    for row in rows:
        try:
            doc = nlp.make_doc(row.text)
        except ValueError as error:
            raise ValueError(f"{row.where}: {error}") from error
        doc.cats = {class_: float(class_ == names.get(row.label, row.label)) for class_ in classes}
        docs.add(doc)
    return docs


def convert(
    folder: Annotated[Path, typer.Argument(help="Folder with the files of the splits train, dev (or val) and test")],
    output: Annotated[Path, typer.Argument(help="Folder for train.spacy, dev.spacy and test.spacy")],
    lang: Annotated[str, typer.Option(help="Language of the tokenizer")] = "en",
    name: Annotated[List[str], typer.Option(help="What a label is called, e.g. 0=negative; mapping.txt says so too")] = [],  # noqa: B006
) -> None:
    """Convert labelled texts to spaCy's binary format."""
    with reported_errors():
        nlp = make_tokenizer(lang)
        given: Dict[str, str] = {}
        for pair in name:
            add_name(given, pair, "=", "--name")
        names = {**read_names(folder), **given}
        splits = {split: read_split(folder, split) for split in ("train", "dev", "test")}
        classes = find_classes(splits, names)
        write_corpus(output, {split: make_docs(nlp, rows, classes, names) for split, rows in splits.items()})
    for split, rows in splits.items():
        typer.echo(f"{folder}, {split}: {len(rows):,} texts, classes {', '.join(classes)}")


if __name__ == "__main__":
    typer.run(convert)
