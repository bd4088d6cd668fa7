"""Labels of a text as a corpus has them, and what these are called."""

from pathlib import Path
from typing import Dict, Iterable, NamedTuple, Tuple

from corpora.text_files import quote, read_lines

# How a column of labels is called in the first line of a file, if that is a header.
LABEL_COLUMNS = {"categories", "category", "cats", "class", "classes", "gold_label", "label", "labels", "polarity", "sentiment"}
LABEL_COLUMNS |= {"tags", "target", "targets", "topic", "topics"}


class LabelledText(NamedTuple):
    """A text and its labels.

    where (str): File and line of the labels, for messages.
    text (str): The text.
    cats (Dict[str, float]): 1.0 by label that is true of the text, 0.0 by label that is said not to be.
    is_complete (bool): Whether all other labels are not true of it either. Otherwise nothing is known about them.
    """

    where: str
    text: str
    cats: Dict[str, float]
    is_complete: bool


def collect_cats(where: str, values: Iterable[Tuple[str, float]]) -> Dict[str, float]:
    """Collect what is said about the labels of a text.

    where (str): File and line, for messages.
    values (Iterable[Tuple[str, float]]): Labels, with 1.0 if they are true and 0.0 if not.
    RETURNS (Dict[str, float]): The values by label, without what surrounds the labels.
    RAISES (ValueError): With file and line, if a label is empty, is there twice or cannot be written in UTF-8.
    """
    cats: Dict[str, float] = {}
    for given, value in values:
        label = given.strip()
        if not label:
            raise ValueError(f"{where}: expected labels, got the empty label {quote(given)}")
        if label in cats:
            raise ValueError(f"{where}: expected different labels, got {quote(label)} twice")
        require_unicode(where, label)
        cats[label] = value
    return cats


def require_unicode(where: str, text: str) -> None:
    r"""Refuse half surrogate pairs, which JSON can write (`"\ud83d"`) and UTF-8 cannot.

    where (str): File and line, for messages.
    text (str): The text.
    RAISES (ValueError): With file and line, if the text has one.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{where}: expected Unicode text, got half a surrogate pair in {quote(text)}: {error}") from error


def name_labels(row: LabelledText, names: Dict[str, str]) -> LabelledText:
    """Call the labels of a text by their names.

    row (LabelledText): The text.
    names (Dict[str, str]): Names by label. Labels without one stay as they are.
    RETURNS (LabelledText): The text with the names.
    RAISES (ValueError): With file and line, if two of its labels have the same name.
    """
    cats = collect_cats(row.where, [(names.get(label, label), value) for label, value in row.cats.items()])
    return row._replace(cats=cats)


def read_names(folder: Path) -> Dict[str, str]:
    """Read what the labels are called, from `mapping.txt` (label, tab, name).

    folder (Path): Where the corpus lies.
    RETURNS (Dict[str, str]): Names by label; empty if there is no such file.
    RAISES (ValueError): With file and line, if a line has not two columns, or a label has two names.
    """
    path = folder / "mapping.txt"
    names: Dict[str, str] = {}
    for number, line in enumerate(read_lines(path) if path.exists() else [], start=1):
        if line.strip() and not (number == 1 and line.split("\t")[0].strip().lower() in LABEL_COLUMNS):
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
