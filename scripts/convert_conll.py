"""Convert named entities in columns (CoNLL-2003, WNUT-17 and others) to spaCy's binary format.

spaCy's own `convert --converter ner` ends a sentence at empty lines only, not at lines of whitespace, which WNUT-17 has.
"""

import re
from pathlib import Path
from typing import Annotated, Dict, List, Optional, Union

import typer
from corpora.command_errors import reported_errors
from corpora.conll import Sentence, read_conll
from corpora.corpus_files import write_corpus
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

# CoNLL-2003 calls its files eng.train, eng.testa (for development) and eng.testb.
_NAMES = {
    "train": re.compile("train"),
    "dev": re.compile("dev|valid|testa(?![a-z])|(?<![a-z])val(?![a-z])"),
    "test": re.compile("test(?!a(?![a-z]))"),
}


def make_doc(vocab: Vocab, sentences: List[Sentence]) -> Doc:
    """Make a document.

    vocab (Vocab): The vocabulary.
    sentences (List[Sentence]): Its sentences.
    RETURNS (Doc): Its words, separated by spaces, with entities and where sentences begin.
    """
    words = [word for sentence in sentences for word in sentence.words]
    sent_starts: List[Optional[Union[bool, int]]] = [i == 0 for sentence in sentences for i in range(len(sentence.words))]
    tags = [tag for sentence in sentences for tag in sentence.tags]
    return Doc(vocab, words=words, sent_starts=sent_starts, ents=tags)


def find_file(folder: Path, split: str) -> Path:
    """Find the file of a split.

    folder (Path): Where the corpus lies.
    split (str): "train", "dev" or "test".
    RETURNS (Path): The one file with that word in its name; "valid", "val" and "testa" mean "dev".
    RAISES (FileNotFoundError): If there is none, or more than one.
    """
    files = sorted(
        path for path in folder.glob("*") if path.is_file() and not path.name.startswith(".") and path.suffix != ".spacy"
    )
    found = [path for path in files if _NAMES[split].search(path.name.lower())]
    if len(found) != 1:
        names = f": {', '.join(path.name for path in found)}" if found else ""
        expected = "'dev' in its name (or 'valid', 'val' or 'testa')" if split == "dev" else f"{split!r} in its name"
        raise FileNotFoundError(f"expected one file with {expected} in {folder}, found {len(found)}{names}")
    return found[0]


def convert(
    folder: Annotated[Path, typer.Argument(help="Folder with one file each for train, dev (valid, testa) and test (testb)")],
    output: Annotated[Path, typer.Argument(help="Folder for train.spacy, dev.spacy and test.spacy")],
    n_sents: Annotated[int, typer.Option(help="Sentences a document, at most", min=1)] = 1,
) -> None:
    """Convert named entities in columns to spaCy's binary format."""
    splits: Dict[str, DocBin] = {}
    reports: List[str] = []
    with reported_errors():
        for split in _NAMES:
            path = find_file(folder, split)
            vocab = Vocab()
            docs = [
                make_doc(vocab, sentences[i : i + n_sents])
                for sentences in read_conll(path)
                for i in range(0, len(sentences), n_sents)
            ]
            splits[split] = DocBin(docs=docs)
            n_words, n_entities = sum(len(doc) for doc in docs), sum(len(doc.ents) for doc in docs)
            reports.append(f"{path}: {n_words:,} words and {n_entities:,} entities in {len(docs):,} documents")
        write_corpus(output, splits)
    for report in reports:
        typer.echo(report)


if __name__ == "__main__":
    typer.run(convert)
