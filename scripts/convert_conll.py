"""Convert named entities in columns (CoNLL-2003, WNUT-17 and others) to spaCy's binary format.

spaCy's own `convert --converter ner` ends a sentence at empty lines only, not at lines of whitespace, which WNUT-17 has.
"""

from pathlib import Path
from typing import Annotated, List, NamedTuple, Optional, Union

import typer
from spacy.tokens import Doc, DocBin
from spacy.training import biluo_tags_to_spans, iob_to_biluo
from spacy.vocab import Vocab
from text_files import read_text


class Sentence(NamedTuple):
    """A sentence.

    words (List[str]): Its words.
    tags (List[str]): A tag for each: "O", or "B-" or "I-" and a type.
    """

    words: List[str]
    tags: List[str]


def read_conll(path: Path) -> List[Sentence]:
    """Read a file of one word a line: the first column is the word, the last its tag. Columns are separated by tabs, or by
    whitespace where there is no tab; sentences by lines of nothing but whitespace. Lines of -DOCSTART- are left out.

    path (Path): The file, plain or `.gz`.
    RETURNS (List[Sentence]): The sentences.
    RAISES (ValueError): With file and line number, if a line is malformed; or if the file has no sentence, or is no text.
    """
    sentences: List[Sentence] = []
    words: List[str] = []
    tags: List[str] = []
    for number, line in enumerate([*read_text(path).split("\n"), ""], start=1):
        if not line.strip():
            if words:
                sentences.append(Sentence(words, tags))
            words, tags = [], []
            continue
        columns = line.strip("\n").split("\t") if "\t" in line else line.split()
        word, tag = columns[0].strip(), columns[-1].strip()
        if word == "-DOCSTART-":
            continue
        if len(columns) < 2 or not word:
            raise ValueError(f"{path}, line {number}: expected a word and its tag, got {line!r}")
        if tag != "O" and (tag[:2] not in ("B-", "I-") or not tag[2:]):
            raise ValueError(f"{path}, line {number}: a tag is O, or B- or I- and a type, got {tag!r}: {line!r}")
        words.append(word)
        tags.append(tag)
    if not sentences:
        raise ValueError(f"{path}: expected at least one sentence, the file has none")
    return sentences


def make_doc(vocab: Vocab, sentences: List[Sentence]) -> Doc:
    """Make a document.

    vocab (Vocab): The vocabulary.
    sentences (List[Sentence]): Its sentences.
    RETURNS (Doc): Its words, separated by spaces, with entities and where sentences begin.
    """
    words = [word for sentence in sentences for word in sentence.words]
    sent_starts: List[Optional[Union[bool, int]]] = [i == 0 for sentence in sentences for i in range(len(sentence.words))]
    doc = Doc(vocab, words=words, sent_starts=sent_starts)
    # Of each sentence by itself, because no entity crosses a boundary.
    tags = [tag for sentence in sentences for tag in iob_to_biluo(sentence.tags)]
    doc.ents = biluo_tags_to_spans(doc, tags)
    return doc


def find_file(folder: Path, split: str) -> Path:
    """Find the file of a split.

    folder (Path): Where the corpus lies.
    split (str): "train", "dev" or "test".
    RETURNS (Path): The one file with that word in its name.
    RAISES (FileNotFoundError): If there is none, or more than one.
    """
    found = sorted(path for path in folder.glob(f"*{split}*") if path.is_file())
    if len(found) != 1:
        raise FileNotFoundError(f"expected one file with {split!r} in its name in {folder}, found {len(found)}")
    return found[0]


def convert(
    folder: Annotated[Path, typer.Argument(help="Folder with one file each whose name has train, dev and test in it")],
    output: Annotated[Path, typer.Argument(help="Folder for train.spacy, dev.spacy and test.spacy")],
    n_sents: Annotated[int, typer.Option(help="Sentences a document", min=1)] = 1,
) -> None:
    """Convert named entities in columns to spaCy's binary format."""
    output.mkdir(parents=True, exist_ok=True)
    vocab = Vocab()
    for split in ("train", "dev", "test"):
        try:
            path = find_file(folder, split)
            sentences = read_conll(path)
        except (OSError, ValueError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from None
        docs = [make_doc(vocab, sentences[i : i + n_sents]) for i in range(0, len(sentences), n_sents)]
        DocBin(docs=docs).to_disk(output / f"{split}.spacy")
        n_words, n_entities = sum(len(doc) for doc in docs), sum(len(doc.ents) for doc in docs)
        typer.echo(f"{path}: {n_words:,} words and {n_entities:,} entities in {len(docs):,} documents")


if __name__ == "__main__":
    typer.run(convert)
