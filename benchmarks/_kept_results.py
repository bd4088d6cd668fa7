"""Results that are kept after each run, so that a command that was stopped can go on."""

import os
from pathlib import Path
from typing import Any, Dict, Iterable, Mapping

import srsly
from _measure import machine


def read_results(path: Path) -> Dict[str, Any]:
    """Read what has been measured.

    path (Path): The file.
    RETURNS (Dict[str, Any]): "machines", as from `machine`, and "rows"; both empty if there is no such file.
    """
    return srsly.read_json(path) if path.exists() else {"machines": [], "rows": []}


def add_result(path: Path, row: Mapping[str, Any]) -> None:
    """Write down a result.

    A result of the same seed is replaced. So are those of the same contender with another config, or other settings: a mean over
    both would be of nothing.

    path (Path): The file.
    row (Mapping[str, Any]): The result, with "corpus", "contender", "key" (what tells its config and settings from others) and
        "seed". It gets "machine", the index in "machines" of where it was measured.
    """
    # Read again, because another command may have written to it since.
    results = read_results(path)
    here = machine()
    if here not in results["machines"]:
        results["machines"].append(here)

    def is_replaced(old: Mapping[str, Any]) -> bool:
        same = all(old[name] == row[name] for name in ("corpus", "contender"))
        return same and (old["key"] != row["key"] or old["seed"] == row["seed"])

    results["rows"] = [old for old in results["rows"] if not is_replaced(old)]
    results["rows"].append({**row, "machine": results["machines"].index(here)})
    # A command that is stopped while it writes leaves the file as it was.
    unfinished = path.with_name(f"{path.name}.unfinished")
    srsly.write_json(unfinished, results)
    os.replace(unfinished, path)


def is_measured(wanted: Mapping[str, Any], score: str, rows: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether there is a result already.

    wanted (Mapping[str, Any]): What it has to be of: corpus, contender, key and seed.
    score (str): A score that it has to have.
    rows (Iterable[Mapping[str, Any]]): The results there are.
    RETURNS (bool): Whether it is among them.
    """
    return any(score in row["scores"] and all(row[name] == value for name, value in wanted.items()) for row in rows)
