"""Convert a treebank in CoNLL-U format to spaCy's binary format."""

import gzip
from pathlib import Path
from typing import Annotated

import typer
from spacy.tokens import Doc, DocBin
from spacy.training.converters import conllu_to_docs

N_COLUMNS = 10


def read_conllu(path: Path) -> str:
    """Read a CoNLL-U file and check the form of its lines.

    path (Path): The file, `.conllu` or `.conllu.gz`.
    RETURNS (str): Its text.
    RAISES (ValueError): With file and line number, if a line is malformed.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="\n") as file_:
        text = file_.read().replace("\r\n", "\n")
    expected = 1
    for number, line in enumerate(text.split("\n"), start=1):
        if not line:
            expected = 1
        elif not line.startswith("#"):
            expected = _check_line(f"{path}, line {number}", line, expected)
    return text


def _check_line(where: str, line: str, expected: int) -> int:
    """Check one line; give back the number the next word must have."""
    columns = line.split("\t")
    if len(columns) != N_COLUMNS:
        raise ValueError(f"{where}: expected {N_COLUMNS} columns separated by tabs, got {len(columns)}: {line!r}")
    id_, form, head = columns[0], columns[1], columns[6]
    if not form:
        raise ValueError(f"{where}: the word form (column 2) is empty: {line!r}")
    if _is_range(id_):
        return expected
    if id_ != str(expected):
        raise ValueError(f"{where}: expected word number {expected} (column 1), got {id_!r}: {line!r}")
    if head != "_" and not head.isdecimal():
        raise ValueError(f"{where}: the head (column 7) is a word number or _, got {head!r}: {line!r}")
    return expected + 1


def _is_range(id_: str) -> bool:
    """Tell whether a line is that of a multiword token (3-4) or of an empty node (3.1)."""
    for separator in "-.":
        start, found, end = id_.partition(separator)
        if found:
            return start.isdecimal() and end.isdecimal()
    return False


def find_conllu(folder: Path, split: str) -> Path:
    """Find the file of a split.

    folder (Path): Where the treebank lies.
    split (str): "train", "dev" or "test".
    RETURNS (Path): The one file `*split.conllu` or `*split.conllu.gz`.
    RAISES (FileNotFoundError): If there is none, or more than one.
    """
    found = sorted(folder.glob(f"*{split}.conllu")) or sorted(folder.glob(f"*{split}.conllu.gz"))
    if len(found) != 1:
        raise FileNotFoundError(f"expected one file *{split}.conllu or *{split}.conllu.gz in {folder}, found {len(found)}")
    return found[0]


def with_boundaries(doc: Doc) -> Doc:
    """Make sure that a sentence is one: spaCy takes it from the heads, and a treebank without heads would fall into words.

    doc (Doc): One sentence.
    RETURNS (Doc): The sentence with its heads, or if it has none with the annotation of words and where it starts.
    """
    if any(token.dep_ not in ("", "_") for token in doc):
        return doc
    return Doc(
        doc.vocab,
        words=[token.text for token in doc],
        spaces=[bool(token.whitespace_) for token in doc],
        tags=[token.tag_ for token in doc],
        pos=[token.pos_ for token in doc],
        lemmas=[token.lemma_.strip("_") for token in doc],
        morphs=[str(token.morph) for token in doc],
        sent_starts=[token.i == 0 for token in doc],
    )


def convert(
    folder: Annotated[Path, typer.Argument(help="Folder with the files *train, *dev and *test.conllu (or .conllu.gz)")],
    output: Annotated[Path, typer.Argument(help="Folder for train.spacy, dev.spacy and test.spacy")],
    n_sents: Annotated[int, typer.Option(help="Sentences a document")] = 10,
) -> None:
    """Convert a treebank in CoNLL-U format to spaCy's binary format."""
    output.mkdir(parents=True, exist_ok=True)
    for split in ("train", "dev", "test"):
        try:
            path = find_conllu(folder, split)
            text = read_conllu(path)
        except (OSError, ValueError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from None
        sentences = [with_boundaries(doc) for doc in conllu_to_docs(text, n_sents=1, no_print=True)]
        docs = [Doc.from_docs(sentences[i : i + n_sents]) for i in range(0, len(sentences), n_sents)]
        DocBin(docs=docs, store_user_data=False).to_disk(output / f"{split}.spacy")
        typer.echo(f"{path}: {sum(len(doc) for doc in docs):,} words in {len(docs):,} documents")


if __name__ == "__main__":
    typer.run(convert)
