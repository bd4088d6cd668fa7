"""Convert a treebank in CoNLL-U format to spaCy's binary format."""

from pathlib import Path
from typing import Annotated, List, Optional, Tuple

import typer
from spacy.tokens import Doc, DocBin
from spacy.training.converters import conllu_to_docs
from text_files import read_text

from spacy_rnn.pipeline.tagger import UNIVERSAL_POS

N_COLUMNS = 10


def read_conllu(path: Path) -> str:
    """Read a CoNLL-U file and check the form of its lines.

    path (Path): The file, `.conllu` or `.conllu.gz`.
    RETURNS (str): Its text.
    RAISES (ValueError): With file and line number, if a line is malformed; or if the file cannot be read as text.
    """
    text = read_text(path)
    sentence: List[Tuple[int, str]] = []
    n_sentences = 0
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line:
            sentence.append((number, line))
        elif sentence:
            check_sentence(path, sentence)
            n_sentences += 1
            sentence = []
    if not n_sentences:
        raise ValueError(f"{path}: expected at least one sentence, the file has none")
    return text


def check_sentence(path: Path, lines: List[Tuple[int, str]]) -> None:
    """Check the lines of one sentence.

    path (Path): The file they are from.
    lines (List[Tuple[int, str]]): Line numbers and lines.
    RAISES (ValueError): With file and line number, if a line is malformed.
    """
    heads = []
    n_words = 0
    for number, line in lines:
        if line.startswith("#"):
            continue
        columns = line.split("\t")
        fault = find_fault(columns, n_words)
        if fault:
            raise ValueError(f"{path}, line {number}: {fault}: {line!r}")
        if columns[0].isdecimal():
            n_words += 1
            heads.append((number, columns[6]))
    if not n_words:
        raise ValueError(f"{path}, line {lines[0][0]}: expected a sentence, got comments only")
    for number, head in heads:
        if head != "_" and int(head) > n_words:
            raise ValueError(f"{path}, line {number}: the head (column 7) is {head}, but the sentence has {n_words} words")


def find_fault(columns: List[str], n_words: int) -> Optional[str]:
    """Find out what is wrong with a line.

    columns (List[str]): The line's columns.
    n_words (int): How many words of its sentence have been read before.
    RETURNS (Optional[str]): What is wrong, or None.
    """
    if len(columns) != N_COLUMNS:
        return f"expected {N_COLUMNS} columns separated by tabs, got {len(columns)}"
    id_, form, _, upos, _, feats, head = columns[:7]
    if not form:
        return "the word form (column 2) is empty"
    if is_range(id_, n_words):
        return None
    if id_ != str(n_words + 1):
        return f"expected word number {n_words + 1} (column 1), got {id_!r}"
    if upos != "_" and upos not in UNIVERSAL_POS:
        return f"{upos!r} (column 4) is no universal part-of-speech tag"
    if feats != "_" and not all("=" in feature for feature in feats.split("|")):
        return f"features (column 6) are name=value pairs separated by |, got {feats!r}"
    if head != "_" and not head.isdecimal():
        return f"the head (column 7) is a word number or _, got {head!r}"
    return None


def is_range(id_: str, n_words: int) -> bool:
    """Tell whether a line is that of a multiword token (3-4) that begins with the next word, or of an empty node (3.1).

    id_ (str): The line's first column.
    n_words (int): How many words of its sentence have been read before.
    RETURNS (bool): Whether it is.
    """
    start, dash, end = id_.partition("-")
    if dash:
        return start == str(n_words + 1) and end.isdecimal() and int(end) > int(start)
    word, dot, node = id_.partition(".")
    return bool(dot) and word == str(n_words) and node.isdecimal()


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
    n_sents: Annotated[int, typer.Option(help="Sentences a document", min=1)] = 10,
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
