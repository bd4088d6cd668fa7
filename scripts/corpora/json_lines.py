"""Read texts and their labels from JSON lines: one object a line, with any number of labels."""

import json
from pathlib import Path
from typing import Any, Dict, List, Tuple

from corpora.labels import LabelledText, collect_cats, require_unicode
from corpora.text_files import quote, read_lines

_EXPECTED = 'expected an object like {"text": "…", "labels": ["…"]} or {"text": "…", "cats": {"…": 0, "…": 1}}'


def read_json_lines(path: Path) -> List[LabelledText]:
    """Read a file of objects with `text` and `labels`, or `text` and `cats`. Other keys do not matter.

    path (Path): The file, plain or `.gz`.
    RETURNS (List[LabelledText]): Texts and labels.
    RAISES (ValueError): With file and line, if a line is no such object.
    """
    lines = read_lines(path)
    while lines and not lines[-1].strip():
        lines.pop()
    return [_read_object(f"{path}, line {number}", line) for number, line in enumerate(lines, start=1)]


def _read_object(where: str, line: str) -> LabelledText:
    found = _parse(where, line)
    if not isinstance(found, dict):
        raise ValueError(f"{where}: {_EXPECTED}, got {quote(line)}")
    text, keys = found.get("text"), [key for key in ("labels", "cats") if key in found]
    if not isinstance(text, str):
        what = f"its text is {quote(json.dumps(text))}" if "text" in found else f"it has no text, but {_list(found)}"
        raise ValueError(f"{where}: {_EXPECTED}, but {what}")
    if len(keys) != 1:
        what = "both labels and cats" if keys else f"neither labels nor cats, but {_list(found)}"
        raise ValueError(f"{where}: {_EXPECTED}, but it has {what}")
    require_unicode(where, text)
    values = _read_labels(where, found["labels"]) if "labels" in found else _read_cats(where, found["cats"])
    return LabelledText(where, text, collect_cats(where, values), is_complete="labels" in found)


def _parse(where: str, line: str) -> Any:
    try:
        return json.loads(line, object_pairs_hook=_require_different_keys)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: {_EXPECTED}, got {quote(line)}: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: {_EXPECTED}, got {quote(line)}: {error}") from error


def _require_different_keys(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {quote(next(key for key in keys if keys.count(key) > 1))} is there twice")
    return found


def _read_labels(where: str, labels: Any) -> List[Tuple[str, float]]:
    if not isinstance(labels, list):
        raise ValueError(f"{where}: expected a list of labels, got {quote(json.dumps(labels))}")
    for label in labels:
        if not isinstance(label, str):
            raise ValueError(f"{where}: expected labels that are strings, got {quote(json.dumps(label))}")
    return [(label, 1.0) for label in labels]


def _read_cats(where: str, cats: Any) -> List[Tuple[str, float]]:
    if not isinstance(cats, dict):
        raise ValueError(f"{where}: expected cats to be an object of labels and 0 or 1, got {quote(json.dumps(cats))}")
    for label, value in cats.items():
        if not isinstance(value, (int, float)) or value not in (0, 1):
            raise ValueError(f"{where}: expected 0 or 1 for the label {quote(label)}, got {quote(json.dumps(value))}")
    return [(label, float(value == 1)) for label, value in cats.items()]


def _list(found: Dict[str, Any]) -> str:
    return ", ".join(quote(key) for key in found) if found else "nothing"
