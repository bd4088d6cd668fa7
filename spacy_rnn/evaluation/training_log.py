"""The learning curve of a training run, as spaCy's `ConsoleLogger` writes it to its `output_file`."""

import math
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Union

import srsly
from spacy.language import Language

KEYS = {"epoch", "step", "losses", "scores", "score"}
HOW_TO = "python -m spacy train … --training.logger.output_file training/mine/log.jsonl"


class TrainingLog(NamedTuple):
    """The evaluations of a training run.

    path (Path): The file.
    steps (List[int]): The step of each.
    losses (Mapping[str, List[float]]): The losses since the one before, by component.
    scores (Mapping[str, List[float]]): Scores on dev, by name, in percent.
    score (List[float]): The weighted score that chose the best pipeline, between 0 and 1.
    fits (bool): Whether one of the evaluations is that of the pipeline, as far as can be told.
    """

    path: Path
    steps: List[int]
    losses: Mapping[str, List[float]]
    scores: Mapping[str, List[float]]
    score: List[float]
    fits: bool


def read_log(path: Union[str, Path], performance: Optional[Mapping[str, Any]] = None) -> TrainingLog:
    """Read a log.

    path (Union[str, Path]): A file with one JSON object a line.
    performance (Optional[Mapping[str, Any]]): What the pipeline's meta data say of its scores on dev, `nlp.meta["performance"]`.
    RETURNS (TrainingLog): The log.
    RAISES (ValueError): If there is no such file, or if it is not such a log.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no log {path}: spaCy writes one with {HOW_TO}")
    rows = _rows(path)
    if not rows:
        raise ValueError(f"{path} is not a log of a training run: expected what spaCy writes with {HOW_TO}")
    return _make_log(path, rows, performance or {})


def find_log(nlp: Language) -> Optional[TrainingLog]:
    """Find the log of the run that trained a pipeline.

    It is the file that the config names, or the newest log in the pipeline's directory or the one above.

    nlp (Language): The pipeline.
    RETURNS (Optional[TrainingLog]): The log; None if there is none.
    """
    named = nlp.config.interpolate()["training"].get("logger", {}).get("output_file")
    candidates = [Path(named)] if named else []
    if nlp.path is not None:
        folders = (nlp.path, nlp.path.resolve().parent)
        found = {path for folder in folders for path in folder.glob("*.jsonl")}
        candidates += sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
    for path in candidates:
        rows = _rows(path) if path.is_file() else []
        if rows:
            return _make_log(path, rows, nlp.meta.get("performance", {}))
    return None


def _make_log(path: Path, rows: List[Dict[str, Any]], performance: Mapping[str, Any]) -> TrainingLog:
    return TrainingLog(
        path,
        [row["step"] for row in rows],
        _columns([row["losses"] for row in rows]),
        _columns([row["scores"] for row in rows]),
        [row["score"] for row in rows],
        any(_is_of(row, performance) for row in rows),
    )


def _rows(path: Path) -> List[Dict[str, Any]]:
    """Read the evaluations; none if the file is something else. A run that goes on may not have finished its last line."""
    try:
        rows = list(srsly.read_jsonl(path, skip=True))
    except (ValueError, OSError):
        return []
    return rows if all(isinstance(row, dict) and set(row) >= KEYS for row in rows) else []


def _columns(rows: List[Mapping[str, float]]) -> Dict[str, List[float]]:
    names = rows[0]
    return {name: [row.get(name, float("nan")) for row in rows] for name in names}


def _is_of(row: Mapping[str, Any], performance: Mapping[str, Any]) -> bool:
    """Tell whether an evaluation is the one in a pipeline's meta data, where scores are not in percent."""
    found = {name: score / 100 for name, score in row["scores"].items()}
    found.update({f"{name}_loss": loss for name, loss in row["losses"].items()})
    known = [(value, performance[name]) for name, value in found.items() if isinstance(performance.get(name), (int, float))]
    return all(math.isclose(value, saved, rel_tol=1e-6, abs_tol=1e-6) for value, saved in known)
