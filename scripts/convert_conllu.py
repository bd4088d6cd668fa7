"""Convert a treebank in CoNLL-U format to spaCy's binary format."""

from pathlib import Path
from typing import Annotated, Dict, List

import typer
from corpora.command_errors import reported_errors, warn
from corpora.conllu import Sentence, read_conllu
from corpora.conllu_docs import Part, make_doc, make_tree, read_entities
from corpora.conllu_spaces import Spacing, find_spaces
from corpora.corpus_files import write_corpus
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab


def find_conllu(folder: Path, split: str) -> Path:
    """Find the file of a split.

    folder (Path): Where the treebank lies.
    split (str): "train", "dev" or "test".
    RETURNS (Path): The one file `*split.conllu`, or `*split.conllu.gz` if there is none.
    RAISES (FileNotFoundError): If there is none, or more than one.
    """
    for ending in ("conllu", "conllu.gz"):
        found = sorted(path for path in folder.glob(f"*{split}.{ending}") if not path.name.startswith("."))
        if len(found) == 1:
            return found[0]
        if found:
            break
    names = f": {', '.join(path.name for path in found)}" if found else ""
    raise FileNotFoundError(f"expected one file *{split}.conllu or *{split}.conllu.gz in {folder}, found {len(found)}{names}")


def make_docs(path: Path, sentences: List[Sentence], spacings: List[Spacing], n_sents: int, has_tags: bool) -> List[Doc]:
    """Make the documents of a file.

    path (Path): The file.
    sentences (List[Sentence]): Its sentences.
    spacings (List[Spacing]): Where their words are followed by a space.
    n_sents (int): The number of sentences of a document; the last may have fewer.
    has_tags (bool): Whether the treebank has tags of its own (XPOS). If not, the universal tags take their place, as in spaCy.
    RETURNS (List[Doc]): The documents.
    RAISES (ValueError): With file and line, if tags of named entities cannot be read.
    """
    vocab = Vocab()
    entities = read_entities(path, sentences)
    parts = [
        Part(
            words=sentence.words,
            spaces=spacing.spaces,
            tags=[word.xpos if has_tags else word.upos for word in sentence.words],
            entities=entities[i] if entities else None,
            tree=make_tree(sentence.words),
        )
        for i, (sentence, spacing) in enumerate(zip(sentences, spacings, strict=True))
    ]
    return [make_doc(vocab, parts[i : i + n_sents]) for i in range(0, len(parts), n_sents)]


def find_warnings(path: Path, sentences: List[Sentence], spacings: List[Spacing], docs: List[Doc]) -> List[str]:
    """Find what documents do not have as the file has it.

    path (Path): The file.
    sentences (List[Sentence]): Its sentences.
    spacings (List[Spacing]): Where their words are followed by a space.
    docs (List[Doc]): The documents.
    RETURNS (List[str]): A message for each kind.
    """
    roots = [[i for i, word in enumerate(sentence.words) if word.head == 0] for sentence in sentences]
    kept = [
        [i for i in own if make_tree(sentence.words).heads[i] is not None] for own, sentence in zip(roots, sentences, strict=True)
    ]
    faults = {
        "read otherwise than their # text; words and SpaceAfter are kept as annotated": [
            not spacing.agrees for spacing in spacings
        ],
        "have multiword tokens that are written otherwise than their words; the words are kept, so that the text is another": [
            not spacing.keeps_text for spacing in spacings
        ],
        "have roots that are left out: to spaCy a root begins a sentence, so that only the one above the first word is kept": [
            own != left for own, left in zip(roots, kept, strict=True)
        ],
        "have heads without a relation, which are missing to spaCy": [
            any(word.head is not None and not word.deprel for word in sentence.words) for sentence in sentences
        ],
    }
    warnings: List[str] = []
    for what, found in faults.items():
        if any(found):
            line = sentences[found.index(True)].line
            warnings.append(f"{path}: {sum(found):,} of {len(found):,} sentences {what}; the first in line {line}")
    tokens = [token for doc in docs for token in doc]
    heads = [bool(word.deprel and word.head) for sentence in sentences for word in sentence.words]
    lost = {token.doc for token, has_head in zip(tokens, heads, strict=True) if has_head and not token.has_head()}
    if lost:
        warnings.append(
            f"{path}: {len(lost):,} of {len(docs):,} documents have no heads, since those of some sentences do not tell "
            "where they begin; with --n-sents 1 more are kept"
        )
    return warnings


def convert(
    folder: Annotated[Path, typer.Argument(help="Folder with the files *train, *dev and *test.conllu (or .conllu.gz)")],
    output: Annotated[Path, typer.Argument(help="Folder for train.spacy, dev.spacy and test.spacy")],
    n_sents: Annotated[int, typer.Option(help="Sentences a document", min=1)] = 10,
) -> None:
    """Convert a treebank in CoNLL-U format to spaCy's binary format."""
    splits: Dict[str, DocBin] = {}
    reports: List[str] = []
    with reported_errors():
        paths = {split: find_conllu(folder, split) for split in ("train", "dev", "test")}
        treebank = {split: read_conllu(path) for split, path in paths.items()}
        has_tags = any(word.xpos for sentences in treebank.values() for sentence in sentences for word in sentence.words)
        for split, sentences in treebank.items():
            path = paths[split]
            spacings = find_spaces(sentences)
            docs = make_docs(path, sentences, spacings, n_sents, has_tags)
            splits[split] = DocBin(docs=docs, store_user_data=False)
            for message in find_warnings(path, sentences, spacings, docs):
                warn(message)
            reports.append(f"{path}: {sum(len(doc) for doc in docs):,} words in {len(docs):,} documents")
        write_corpus(output, splits)
    for report in reports:
        typer.echo(report)


if __name__ == "__main__":
    typer.run(convert)
