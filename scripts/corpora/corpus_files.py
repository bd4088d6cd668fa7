"""Write the files of a corpus: all of them whole, or none."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Dict

from spacy.tokens import DocBin


def write_corpus(output: Path, splits: Dict[str, DocBin]) -> None:
    """Write a corpus. The files are written beside their places and moved there when all are whole.

    output (Path): The folder, made if it is not there.
    splits (Dict[str, DocBin]): The documents by the name of the split.
    RAISES (OSError): If a file cannot be written. What was there before stays.
    """
    paths = {split: output / f"{split}.spacy" for split in splits}
    for path in paths.values():
        if path.is_dir():
            raise IsADirectoryError(f"expected to write the file {path}, but there is a folder of that name")
    output.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".unfinished-", dir=output) as folder:
        for split, docs in splits.items():
            docs.to_disk(Path(folder) / paths[split].name)
        for path in paths.values():
            os.replace(Path(folder) / path.name, path)
