"""Make a corpus of the standard library of the Python that runs this."""

import re
import sys
import sysconfig
import tokenize
from pathlib import Path
from typing import Annotated, Dict, Iterator, List, Optional, Tuple

import typer
from corpora.command_errors import reported_errors
from corpora.corpus_files import write_texts

LEFT_OUT = {"test", "tests", "idle_test", "__pycache__", "site-packages", "dist-packages"}
# How generators of code say in the head of a file that it is theirs; tables of encodings are the most of them.
_GENERATED = re.compile(r"auto-?generated|automatically generated|(file|list) is generated|generated from '", re.IGNORECASE)
_HEAD = 1000
# Of twenty files in a row one is for development, and one for testing.
_ROUND = 20


def find_modules(library: Path) -> List[Path]:
    """List the modules of a standard library.

    library (Path): Its folder.
    RETURNS (List[Path]): The files, in the order of their names; tests and packages of others are left out.
    """
    files = []
    for path in library.rglob("*.py"):
        parts = path.relative_to(library).parts
        if parts[0].removesuffix(".py") in sys.stdlib_module_names and not LEFT_OUT & set(parts):
            files.append(path)
    # Names as they are written on every system.
    return sorted(files, key=lambda path: path.relative_to(library).as_posix())


def read_modules(library: Path) -> Iterator[Tuple[str, str]]:
    """Read the modules of a standard library that people wrote.

    library (Path): Its folder.
    YIELDS (Tuple[str, str]): The name of each file within the folder, and its text, with line feeds as line ends.
    RAISES (ValueError): If a file is not in the encoding that it names.
    """
    for path in find_modules(library):
        name = path.relative_to(library).as_posix()
        try:
            with tokenize.open(path) as file:
                text = file.read()
        except (SyntaxError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: expected Python in the encoding that it names, UTF-8 if none: {error}") from error
        if text.strip() and not _GENERATED.search(text[:_HEAD]):
            yield name, text


def split_modules(modules: Iterator[Tuple[str, str]]) -> Dict[str, List[str]]:
    """Share out modules: of twenty in a row eighteen for training, one for development and one for testing.

    modules (Iterator[Tuple[str, str]]): Names and texts.
    RETURNS (Dict[str, List[str]]): The texts of each split.
    """
    splits: Dict[str, List[str]] = {"train": [], "dev": [], "test": []}
    for i, (_, text) in enumerate(modules):
        splits[{_ROUND - 2: "dev", _ROUND - 1: "test"}.get(i % _ROUND, "train")].append(text)
    return splits


def make(
    output: Annotated[Path, typer.Argument(help="Folder for train.jsonl, dev.jsonl, test.jsonl and test.spacy")],
    library: Annotated[Optional[Path], typer.Option(help="Folder of another standard library")] = None,
) -> None:
    """Make a corpus of the standard library of the Python that runs this: a text for each module, 90, 5 and 5 % of them."""
    with reported_errors():
        folder = library or Path(sysconfig.get_path("stdlib"))
        splits = split_modules(read_modules(folder))
        if not splits["test"]:
            raise ValueError(f"{folder}: expected a standard library with the text of its modules, but found too few of them")
        write_texts(output, splits, ".jsonl")
    for split, texts in splits.items():
        typer.echo(f"{folder}, {split}: {len(texts):,} modules, {sum(map(len, texts)):,} characters")


if __name__ == "__main__":
    typer.run(make)
