"""Write the files of a corpus: all of them whole, or none."""

import json
import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Callable, Dict, List

import spacy
from spacy.tokens import DocBin

from spacy_rnn.pipeline.corpus.reader import split_text


def write_corpus(output: Path, splits: Dict[str, DocBin]) -> None:
    """Write a corpus in spaCy's binary format. The files are written beside their places and moved there when all are whole.

    output (Path): The folder, made if it is not there.
    splits (Dict[str, DocBin]): The documents by the name of the split.
    RAISES (OSError): If a file cannot be written. What was there before stays.
    """
    _write_files(output, {f"{split}.spacy": docs.to_disk for split, docs in splits.items()})


def write_texts(output: Path, splits: Dict[str, List[str]], suffix: str) -> None:
    """Write a corpus of plain text, and the test part for `spacy evaluate` too: its tokens are what stands between white space.

    output (Path): The folder, made if it is not there.
    splits (Dict[str, List[str]]): The texts by the name of the split.
    suffix (str): ".txt", for one text each, or ".jsonl".
    RAISES (OSError): If a file cannot be written. What was there before stays.
    """
    files: Dict[str, Callable[[Path], object]] = {}
    for split, texts in splits.items():
        content = texts[0] if suffix == ".txt" else "".join(f"{json.dumps({'text': text})}\n" for text in texts)
        files[f"{split}{suffix}"] = partial(_write_bytes, content.encode("utf-8"))
    vocab = spacy.blank("xx").vocab
    docs = DocBin(attrs=["ORTH", "SPACY"], docs=[split_text(text, vocab) for text in splits["test"]])
    _write_files(output, {**files, "test.spacy": docs.to_disk})


def _write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _write_files(output: Path, files: Dict[str, Callable[[Path], object]]) -> None:
    for name in files:
        if (output / name).is_dir():
            raise IsADirectoryError(f"expected to write the file {output / name}, but there is a folder of that name")
    output.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".unfinished-", dir=output) as folder:
        for name, write in files.items():
            write(Path(folder) / name)
        for name in files:
            os.replace(Path(folder) / name, output / name)
