"""Prepare plain text for language models: a training, a development and a test part."""

from pathlib import Path
from typing import Annotated, Dict, List, Optional

import typer
from corpora.command_errors import reported_errors
from corpora.corpus_files import write_texts

from spacy_rnn.pipeline.corpus.files import find_files, read_texts

SPLITS = {"train": ("train",), "dev": ("dev", "valid", "val"), "test": ("test",)}
# Where the development part and the test part begin, in percent.
BORDERS = (90, 95)


def find_splits(source: Path) -> Optional[Dict[str, Path]]:
    """Find the files of a corpus that is split already.

    source (Path): A file or a folder.
    RETURNS (Optional[Dict[str, Path]]): The file of each split; None if it is one file for all.
    RAISES (FileNotFoundError): If there is no such file or folder.
    RAISES (ValueError): If there are neither all splits nor one file.
    """
    files = [path for path in find_files(source) if path.name.endswith((".txt", ".txt.gz"))]
    found: Dict[str, List[Path]] = {
        split: [path for path in files if path.name.removesuffix(".gz").removesuffix(".txt") in names]
        for split, names in SPLITS.items()
    }
    if all(len(paths) == 1 for paths in found.values()):
        return {split: paths[0] for split, paths in found.items()}
    if len(files) == 1:
        return None
    expected = "a file of text, a folder with one, or one each of train, dev and test (.txt or .txt.gz)"
    raise ValueError(f"{source}: expected {expected}, but found {', '.join(map(str, files)) or 'none'}")


def read_text(path: Path) -> str:
    """Read a file as one text.

    path (Path): The file, `.txt` or `.txt.gz`.
    RETURNS (str): The text, line ends as they are.
    RAISES (ValueError): If it is damaged, or has nothing but white space.
    """
    texts = [text.text for text in read_texts(path, "file")]
    if not texts:
        raise ValueError(f"{path}: expected text, but there is nothing but white space in it")
    return texts[0]


def split_in_order(text: str, path: Path) -> Dict[str, str]:
    """Cut a text into its first 90 %, the next 5 % and the last 5 % of characters.

    text (str): The text.
    path (Path): Where it is from.
    RETURNS (Dict[str, str]): The text of each split.
    RAISES (ValueError): If a part would have nothing but white space.
    """
    first, second = (len(text) * percent // 100 for percent in BORDERS)
    parts = {"train": text[:first], "dev": text[first:second], "test": text[second:]}
    for split, part in parts.items():
        if not part or part.isspace():
            raise ValueError(f"{path}: its {len(text)} characters are too few to be split: nothing is left for {split}")
    return parts


def convert(
    source: Annotated[Path, typer.Argument(help="A file of text, a folder with one, or one with the files train, dev and test")],
    output: Annotated[Path, typer.Argument(help="Folder for train.txt, dev.txt, test.txt and test.spacy")],
) -> None:
    """Prepare plain text for language models. One file is cut into 90, 5 and 5 % of its characters, in order."""
    with reported_errors():
        splits = find_splits(source)
        if splits is None:
            path = next(path for path in find_files(source) if path.name.endswith((".txt", ".txt.gz")))
            texts = split_in_order(read_text(path), path)
        else:
            texts = {split: read_text(path) for split, path in splits.items()}
        write_texts(output, {split: [text] for split, text in texts.items()}, ".txt")
    for split, text in texts.items():
        typer.echo(f"{source}, {split}: {len(text):,} characters")


if __name__ == "__main__":
    typer.run(convert)
