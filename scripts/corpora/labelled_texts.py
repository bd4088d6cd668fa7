"""Read labelled texts: two columns separated by a tab, or one file of texts and one of labels, and what the labels are called."""

from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from corpora.text_files import quote, read_lines

# How the columns are called in the first line of a file, if that is a header.
_TEXT_COLUMNS = {"content", "document", "phrase", "review", "sentence", "sentences", "text", "texts", "tweet", "tweets"}
_LABEL_COLUMNS = {"category", "class", "gold_label", "label", "labels", "polarity", "sentiment", "target"}
_NAMES = {"train": ["train"], "dev": ["dev", "val", "valid", "validation"], "test": ["test"]}


class LabelledText(NamedTuple):
    """A text and its label.

    where (str): File and line of the label, for messages.
    text (str): The text.
    label (str): Its label.
    """

    where: str
    text: str
    label: str


def read_split(folder: Path, split: str) -> List[LabelledText]:
    """Find and read a split: `split.tsv`, or `split_text.txt` with `split_labels.txt`; each may end with `.gz`.

    folder (Path): Where the corpus lies.
    split (str): "train", "dev" (in files also "val", "valid" or "validation") or "test".
    RETURNS (List[LabelledText]): Texts and labels.
    RAISES (FileNotFoundError): If there is no such file, or more than one.
    RAISES (ValueError): With file and line, if a file is malformed; or if it has no texts.
    """
    found: List[List[Path]] = []
    for name in _NAMES[split]:
        tsv = _find(folder, f"{name}.tsv")
        texts, labels = _find(folder, f"{name}_text.txt"), _find(folder, f"{name}_labels.txt")
        found += [[tsv]] if tsv else []
        found += [[texts, labels]] if texts and labels else []
    if len(found) != 1:
        names = f": {', '.join(' with '.join(path.name for path in paths) for paths in found)}" if found else ""
        raise FileNotFoundError(
            f"expected one of {split}.tsv, or {split}_text.txt and {split}_labels.txt, in {folder}, found {len(found)}{names}"
        )
    rows = _read_columns(*found[0]) if len(found[0]) == 1 else _read_pair(*found[0])
    rows = _without_header(rows)
    if not rows:
        raise ValueError(f"{found[0][0]}: expected at least one text, the file has none")
    return rows


def _find(folder: Path, name: str) -> Optional[Path]:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.exists()), None)


def _read_columns(path: Path) -> List[LabelledText]:
    lines = read_lines(path)
    while lines and not lines[-1].strip():
        lines.pop()
    rows: List[LabelledText] = []
    for number, line in enumerate(lines, start=1):
        columns = line.split("\t")
        while len(columns) > 2 and not columns[-1].strip():
            columns.pop()
        if len(columns) != 2 or not columns[1].strip():
            raise ValueError(f"{path}, line {number}: expected a text, a tab and a label, got {quote(line)}")
        rows.append(LabelledText(f"{path}, line {number}", columns[0], columns[1].strip()))
    return rows


def _read_pair(texts: Path, labels: Path) -> List[LabelledText]:
    text_lines, label_lines = read_lines(texts), [label.strip() for label in read_lines(labels)]
    while label_lines and not label_lines[-1]:
        label_lines.pop()
    while len(text_lines) > len(label_lines) and not text_lines[-1].strip():
        text_lines.pop()
    if len(text_lines) != len(label_lines):
        raise ValueError(f"{texts} has {len(text_lines)} lines, but {labels} has {len(label_lines)}")
    if "" in label_lines:
        raise ValueError(f"{labels}, line {label_lines.index('') + 1}: expected a label, got an empty line")
    pairs = enumerate(zip(text_lines, label_lines, strict=True), start=1)
    return [LabelledText(f"{labels}, line {number}", text, label) for number, (text, label) in pairs]


def _without_header(rows: List[LabelledText]) -> List[LabelledText]:
    """Leave out the line that says what the columns are.

    rows (List[LabelledText]): All rows of a file.
    RETURNS (List[LabelledText]): Those that are texts and labels.
    RAISES (ValueError): If by its header the file has no labels, or it is not clear whether there is one.
    """
    if not rows:
        return rows
    where, text, label = rows[0].where, rows[0].text.strip().lower(), rows[0].label.lower()
    if text in _TEXT_COLUMNS and label in _LABEL_COLUMNS:
        return rows[1:]
    header = f"{quote(rows[0].text)} and {quote(rows[0].label)} look like the header of a file"
    if label in _TEXT_COLUMNS and (text in _LABEL_COLUMNS or not text or text in ("id", "idx", "index")):
        what = "the labels come first" if text in _LABEL_COLUMNS else "it has no labels"
        raise ValueError(f"{where}: {header} with other columns: expected texts, then labels, but {what}")
    if label in _LABEL_COLUMNS:
        raise ValueError(f"{where}: {header}. Remove the line, or call its first column 'text'")
    return rows


def read_names(folder: Path) -> Dict[str, str]:
    """Read what the labels are called, from `mapping.txt` (label, tab, name).

    folder (Path): Where the corpus lies.
    RETURNS (Dict[str, str]): Names by label; empty if there is no such file.
    RAISES (ValueError): With file and line, if a line has not two columns, or a label has two names.
    """
    path = folder / "mapping.txt"
    names: Dict[str, str] = {}
    for number, line in enumerate(read_lines(path) if path.exists() else [], start=1):
        if line.strip() and not (number == 1 and line.split("\t")[0].strip().lower() in _LABEL_COLUMNS):
            add_name(names, line.rstrip("\t "), "\t", f"{path}, line {number}")
    if path.exists() and not names:
        raise ValueError(f"{path}: expected labels and their names, the file has none")
    return names


def add_name(names: Dict[str, str], pair: str, separator: str, where: str) -> None:
    """Take a label and its name apart.

    names (Dict[str, str]): Names by label, to which it is added.
    pair (str): The label, the separator and the name.
    separator (str): What stands between label and name.
    where (str): Where the pair is from, for messages.
    RAISES (ValueError): If it is no such pair, or the label has another name already.
    """
    label, found, name = pair.partition(separator)
    label, name = label.strip(), name.strip()
    if not (found and label and name) or "\t" in name:
        raise ValueError(f"{where}: expected a label, {separator!r} and a name, got {quote(pair)}")
    if names.setdefault(label, name) != name:
        raise ValueError(f"{where}: the label {label!r} is called {name!r}, but before it was called {names[label]!r}")
