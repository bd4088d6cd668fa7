"""Convert parallel texts to spaCy's binary format."""

from pathlib import Path
from typing import Annotated, Dict, Tuple

import typer
from corpora.command_errors import reported_errors
from corpora.corpus_files import write_corpus
from corpora.tokenizer import make_tokenizer
from spacy.language import Language
from spacy.tokens import DocBin

from spacy_rnn.pipeline.corpus.pair_files import SUFFIXES, Sides, check_sides, find_pairs
from spacy_rnn.pipeline.corpus.parallel import PLACE, build_parallel_corpus

SPLITS: Dict[str, Tuple[str, ...]] = {"train": ("train",), "dev": ("dev", "valid", "val"), "test": ("test",)}


def find_split(folder: Path, names: Tuple[str, ...], sides: Sides) -> Path:
    """Find the pairs of a split.

    folder (Path): The folder of the corpus.
    names (Tuple[str, ...]): What the split may be called.
    sides (Sides): How the names of files of one side end.
    RETURNS (Path): What `spacy_rnn.ParallelCorpus.v1` takes: a file, or what the names of two files have in common.
    RAISES (ValueError): If there is nothing of these names, or more than one; if one of two files is missing.
    """
    found = []
    for path in [folder / f"{name}{suffix}" for name in names for suffix in ("", *SUFFIXES)]:
        try:
            find_pairs(path, sides)
        except FileNotFoundError:
            continue
        found.append(path)
    if len(found) != 1:
        kinds = f".{sides.source} and .{sides.target}, .tsv or .jsonl, each also .gz"
        raise ValueError(
            f"{folder}: expected one pair of files, or one file, called {' or '.join(names)} ({kinds}), but found "
            f"{', '.join(map(str, found)) or 'none'}"
        )
    return found[0]


def make_docs(nlp: Language, path: Path, sides: Sides, lower: bool) -> DocBin:
    """Make the documents of a split.

    nlp (Language): The tokenizer.
    path (Path): Where the pairs are.
    sides (Sides): How the names of files of one side end.
    lower (bool): Whether both sides become lower case.
    RETURNS (DocBin): The sources, with the targets as their outputs.
    RAISES (ValueError): With file and line, if the pairs are not what `spacy_rnn.ParallelCorpus.v1` takes.
    """
    docs = DocBin(attrs=["ORTH", "SPACY"], store_user_data=True)
    for example in build_parallel_corpus(path, *sides, lower)(nlp):
        del example.reference.user_data[PLACE]
        docs.add(example.reference)
    return docs


def convert(
    folder: Annotated[Path, typer.Argument(help="Folder with the files of the splits train, dev (or val) and test")],
    output: Annotated[Path, typer.Argument(help="Folder for train.spacy, dev.spacy and test.spacy")],
    source: Annotated[str, typer.Option(help="How the names of files of sources end, e.g. de")] = "src",
    target: Annotated[str, typer.Option(help="How the names of files of targets end, e.g. en")] = "tgt",
    lower: Annotated[bool, typer.Option("--lower", help="Make both sides lower case")] = False,
    lang: Annotated[str, typer.Option(help="Language of the tokenizer of the sources")] = "xx",
    test: Annotated[str, typer.Option(help="What the test part is called, e.g. test_2016_flickr")] = "test",
) -> None:
    """Convert parallel texts to spaCy's binary format."""
    with reported_errors():
        sides = check_sides(source, target)
        nlp = make_tokenizer(lang)
        names = {**SPLITS, "test": (test,)}
        if not folder.is_dir():
            raise ValueError(f"there is no folder {folder}")
        splits = {split: make_docs(nlp, find_split(folder, names[split], sides), sides, lower) for split in SPLITS}
        write_corpus(output, splits)
    for split, docs in splits.items():
        typer.echo(f"{folder}, {split}: {len(docs):,} pairs")


if __name__ == "__main__":
    typer.run(convert)
