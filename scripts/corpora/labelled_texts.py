"""Read labelled texts: two columns separated by a tab, one file of texts and one of labels, or JSON lines."""

from pathlib import Path
from typing import List, NamedTuple, Optional

from corpora.json_lines import read_json_lines
from corpora.labels import LABEL_COLUMNS, LabelledText, collect_cats
from corpora.text_files import quote, read_lines

# How a column of texts is called in the first line of a file, if that is a header.
_TEXT_COLUMNS = {"content", "document", "phrase", "review", "sentence", "sentences", "text", "texts", "tweet", "tweets"}
_NAMES = {"train": ["train"], "dev": ["dev", "val", "valid", "validation"], "test": ["test"]}


class _Row(NamedTuple):
    """A text, and what stands in the column of labels: file and line of the latter, for messages; the two as they are."""

    where: str
    text: str
    label: str


def read_split(folder: Path, split: str, separator: Optional[str] = None) -> List[LabelledText]:
    """Find and read a split: `split.tsv`, `split_text.txt` with `split_labels.txt`, or `split.jsonl`; each may end with `.gz`.

    folder (Path): Where the corpus lies.
    split (str): "train", "dev" (in files also "val", "valid" or "validation") or "test".
    separator (Optional[str]): What stands between the labels of a text in a column, where it may have several or none. If None,
        each has one.
    RETURNS (List[LabelledText]): Texts and labels.
    RAISES (FileNotFoundError): If there is no such file, or more than one.
    RAISES (ValueError): With file and line, if a file is malformed; or if it has no texts; or if JSON lines get a separator.
    """
    paths = _find_split(folder, split)
    is_json = paths[0].name.removesuffix(".gz").endswith(".jsonl")
    if is_json and separator is not None:
        raise ValueError(f"{paths[0]}: --separator is for labels in a column, but in JSON lines they are a list: leave it out")
    texts = read_json_lines(paths[0]) if is_json else _read_rows(paths, separator)
    if not texts:
        raise ValueError(f"{paths[0]}: expected at least one text, the file has none")
    return texts


def _find_split(folder: Path, split: str) -> List[Path]:
    found: List[List[Path]] = []
    for name in _NAMES[split]:
        tables = [_find(folder, f"{name}.{ending}") for ending in ("tsv", "jsonl")]
        texts, labels = _find(folder, f"{name}_text.txt"), _find(folder, f"{name}_labels.txt")
        found += [[table] for table in tables if table]
        found += [[texts, labels]] if texts and labels else []
    if len(found) != 1:
        names = f": {', '.join(' with '.join(path.name for path in paths) for paths in found)}" if found else ""
        raise FileNotFoundError(
            f"expected one of {split}.tsv, {split}.jsonl, or {split}_text.txt and {split}_labels.txt, in {folder}, "
            f"found {len(found)}{names}"
        )
    return found[0]


def _find(folder: Path, name: str) -> Optional[Path]:
    found = [path for path in (folder / name, folder / f"{name}.gz") if path.exists()]
    if len(found) > 1:
        raise FileNotFoundError(f"expected either {found[0].name} or {found[1].name} in {folder}, found both")
    return found[0] if found else None


def _read_rows(paths: List[Path], separator: Optional[str]) -> List[LabelledText]:
    may_lack = separator is not None
    rows = _read_pair(paths[0], paths[1], may_lack) if len(paths) == 2 else _read_columns(paths[0], may_lack)
    texts: List[LabelledText] = []
    for row in _without_header(rows):
        labels = row.label.split(separator) if separator else [row.label]
        cats = collect_cats(row.where, [(label, 1.0) for label in labels] if row.label else [])
        texts.append(LabelledText(row.where, row.text, cats, is_complete=True))
    return texts


def _read_columns(path: Path, may_lack: bool) -> List[_Row]:
    """Read a file of two columns. In a line of a text alone, the tab says that it has no labels, if it may lack them."""
    lines = read_lines(path)
    while lines and not lines[-1].strip():
        lines.pop()
    rows: List[_Row] = []
    for number, line in enumerate(lines, start=1):
        columns = line.split("\t")
        while len(columns) > 2 and not columns[-1].strip():
            columns.pop()
        if len(columns) != 2 or not (columns[1].strip() or (may_lack and line.strip())):
            expected = "labels, or none after the tab" if may_lack else "a label"
            hint = "" if may_lack or len(columns) != 2 else ". If a text may have several labels or none, use --separator"
            raise ValueError(f"{path}, line {number}: expected a text, a tab and {expected}, got {quote(line)}{hint}")
        rows.append(_Row(f"{path}, line {number}", columns[0], columns[1].strip()))
    return rows


def _read_pair(texts: Path, labels: Path, may_lack: bool) -> List[_Row]:
    """Read a file of texts and one of labels, without empty lines at the end of both."""
    text_lines, label_lines = read_lines(texts), [label.strip() for label in read_lines(labels)]
    while label_lines and not label_lines[-1] and not (may_lack and len(label_lines) <= _count_texts(text_lines)):
        label_lines.pop()
    while len(text_lines) > len(label_lines) and not text_lines[-1].strip():
        text_lines.pop()
    if len(text_lines) != len(label_lines):
        raise ValueError(f"{texts} has {len(text_lines)} lines, but {labels} has {len(label_lines)}")
    if "" in label_lines and not may_lack:
        raise ValueError(f"{labels}, line {label_lines.index('') + 1}: expected a label, got an empty line")
    pairs = enumerate(zip(text_lines, label_lines, strict=True), start=1)
    return [_Row(f"{labels}, line {number}", text, label) for number, (text, label) in pairs]


def _count_texts(lines: List[str]) -> int:
    return max((number for number, line in enumerate(lines, start=1) if line.strip()), default=0)


def _without_header(rows: List[_Row]) -> List[_Row]:
    """Leave out the line that says what the columns are.

    rows (List[_Row]): All rows of a file.
    RETURNS (List[_Row]): Those that are texts and labels.
    RAISES (ValueError): If by its header the file has no labels, or it is not clear whether there is one.
    """
    if not rows:
        return rows
    where, text, label = rows[0].where, rows[0].text.strip().lower(), rows[0].label.lower()
    if text in _TEXT_COLUMNS and label in LABEL_COLUMNS:
        return rows[1:]
    header = f"{quote(rows[0].text)} and {quote(rows[0].label)} look like the header of a file"
    if label in _TEXT_COLUMNS and (text in LABEL_COLUMNS or not text or text in ("id", "idx", "index")):
        what = "the labels come first" if text in LABEL_COLUMNS else "it has no labels"
        raise ValueError(f"{where}: {header} with other columns: expected texts, then labels, but {what}")
    if label in LABEL_COLUMNS:
        raise ValueError(f"{where}: {header}. Remove the line, or call its first column 'text'")
    return rows
