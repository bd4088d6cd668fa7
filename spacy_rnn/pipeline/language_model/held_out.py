"""Texts for training and for development: whole texts are kept aside where no others are given."""

import json
import random
from pathlib import Path
from typing import Dict, Iterable, List, NamedTuple, Optional

import spacy

from ..corpus.files import UNITS, find_files
from ..corpus.reader import read_docs

# One text of so many is kept aside.
_ONE_OF = 100


class SplitTexts(NamedTuple):
    """Texts that were read to their verified end.

    train (Path): What is trained on: a file or a folder.
    dev (Path): What is not.
    counts (Dict[str, int]): How many "files" there were, and how many "texts" and "characters" of the training part and
        "dev_texts" and "dev_characters" of the other one.
    """

    train: Path
    dev: Path
    counts: Dict[str, int]


def split_texts(texts: Path, dev: Optional[Path], folder: Path, unit: str, seed: int) -> SplitTexts:
    """Read texts, and keep a hundredth of them aside if there are no others for development.

    texts (Path): A file or a folder, as `spacy_rnn.TextCorpus.v1` reads it.
    dev (Optional[Path]): The same for development, which is used as it is; None to keep texts aside, at least one.
    folder (Path): Where `train.jsonl` and `dev.jsonl` go, if texts are kept aside.
    unit (str): What a text of a `.txt` file is: a "line", a "paragraph" or the "file".
    seed (int): What is kept aside is drawn with it.
    RETURNS (SplitTexts): The texts.
    RAISES (ValueError): With the file, and the line where there is one, if a file is damaged; if there are no texts, or no two of
        which one can be kept aside; if a file is of both kinds; or if the folder is among the texts.
    RAISES (FileNotFoundError): If there is no such file or folder.
    """
    if unit not in UNITS:
        raise ValueError(f"unit must be one of {', '.join(UNITS)}, got {unit!r}")
    files = find_files(texts)
    if dev is not None:
        _check_apart(files, dev)
    elif texts.resolve() in folder.resolve().parents:
        raise ValueError(f"{folder} is in the folder of the texts, where it would be read, too: write to another folder")
    found = _read(texts, files, unit)
    if dev is not None:
        other = _read(dev, find_files(dev), unit)
        return SplitTexts(texts, dev, _count(len(files), found, other))
    if len(found) < 2:
        raise ValueError(
            f"{texts}: expected two texts at least, of which one is kept aside for development, got one: give others as dev, or "
            "cut it by another unit"
        )
    drawn = set(random.Random(seed).sample(range(len(found)), max(1, len(found) // _ONE_OF)))
    parts: Dict[str, List[str]] = {"train": [], "dev": []}
    for number, text in enumerate(found):
        parts["dev" if number in drawn else "train"].append(text)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {part: _write(folder / f"{part}.jsonl", kept) for part, kept in parts.items()}
    return SplitTexts(paths["train"], paths["dev"], _count(len(files), parts["train"], parts["dev"]))


def _check_apart(files: Iterable[Path], dev: Path) -> None:
    """Refuse a file that is to be trained on and scored."""
    others = {file.resolve() for file in find_files(dev)}
    both = next((file for file in files if file.resolve() in others), None)
    if both is not None:
        raise ValueError(f"{both} is among the texts for training and among those for development: keep them apart")


def _read(path: Path, files: Iterable[Path], unit: str) -> List[str]:
    nlp = spacy.blank("xx")
    texts = [placed.doc.text for file in files for placed in read_docs(file, nlp, unit, "none")]
    if not texts:
        raise ValueError(f"{path}: the corpus is empty: there is no text in it")
    return texts


def _write(path: Path, texts: Iterable[str]) -> Path:
    with path.open("w", encoding="ascii") as file:
        for text in texts:
            file.write(json.dumps({"text": text}) + "\n")
    return path


def _count(n_files: int, train: List[str], dev: List[str]) -> Dict[str, int]:
    return {
        "files": n_files,
        "texts": len(train),
        "characters": sum(map(len, train)),
        "dev_texts": len(dev),
        "dev_characters": sum(map(len, dev)),
    }
