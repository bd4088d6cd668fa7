"""Training by `spacy train`, and the figures of rows that are trained so."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Mapping

import srsly


def train_by_command(config: Path, settings: Mapping[str, Any], output: Path, log: Path) -> None:
    """Train a pipeline by `spacy train`.

    config (Path): The config.
    settings (Mapping[str, Any]): What is set differently in it, by dotted names.
    output (Path): Where the pipelines go.
    log (Path): Where what spaCy prints goes.
    RAISES (subprocess.CalledProcessError): If the command fails.
    """
    command = [sys.executable, "-m", "spacy", "train", str(config), "--output", str(output)]
    for name, value in settings.items():
        command += [f"--{name}", str(value) if isinstance(value, (str, Path)) else srsly.json_dumps(value)]
    with log.open("w", encoding="utf-8") as file:
        subprocess.run(command, check=True, stdout=file, stderr=subprocess.STDOUT)


def keep_row(output: Path, name: str, seed: int, row: Dict[str, Any]) -> None:
    """Put a row into a file of figures, in place of one of the same name and seed.

    output (Path): The file, which may not be there yet.
    name (str): The row's name.
    seed (int): Its seed.
    row (Dict[str, Any]): Its figures.
    """
    rows = srsly.read_json(output) if output.exists() else {}
    rows[name if not seed else f"{name}, seed {seed}"] = row
    srsly.write_json(output, dict(sorted(rows.items())))
