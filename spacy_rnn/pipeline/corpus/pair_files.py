"""The files of a parallel corpus: finding the two sides, and reading them line by line to the end, which is verified."""

from itertools import zip_longest
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Set, Tuple, Union

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..annotation.output import get_output
from .files import list_visible, read_json, read_lines
from .reader import read_doc_bin

# Files that have both sides.
SUFFIXES = (".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz", ".spacy")


class Pair(NamedTuple):
    """A text, and the one that it is to be turned into.

    source (Union[str, Doc]): The text; of spaCy's binary format with its tokens.
    target (str): What it is to be turned into.
    place (str): The file and the line, from 1; in spaCy's binary format the number of the text, from 1.
    """

    source: Union[str, Doc]
    target: str
    place: str


class PairFiles(NamedTuple):
    """Where pairs are.

    source (Path): The file of the sources.
    target (Optional[Path]): That of the targets, line for line; None if both are in one file.
    """

    source: Path
    target: Optional[Path]


class Sides(NamedTuple):
    """What the two sides of a corpus are called.

    source (str): The end of the names of files of sources, without a dot.
    target (str): That of files of targets.
    """

    source: str
    target: str


def check_sides(source: str, target: str) -> Sides:
    """Check what the two sides of a corpus are called.

    source (str): The end of the names of files of sources, with a dot or without.
    target (str): That of files of targets.
    RETURNS (Sides): The sides.
    RAISES (ValueError): If one is no end of a file's name, or that of files that have both sides, or the two are the same.
    """
    sides = Sides(source.removeprefix("."), target.removeprefix("."))
    for name, side in zip(Sides._fields, sides, strict=True):
        if not side or "/" in side or "\\" in side or f".{side}".endswith((*SUFFIXES, ".gz")):
            raise ValueError(f'{name} must be how the names of its files end, e.g. "de", and not as other files do, got {side!r}')
    if sides.source == sides.target:
        raise ValueError(f"source and target must differ, got {source!r} for both")
    return sides


def find_pairs(path: Path, sides: Sides) -> List[PairFiles]:
    """List the files of a parallel corpus.

    path (Path): A folder, a file that has both sides, or what the names of two files have in common.
    sides (Sides): How the names of files of one side end.
    RETURNS (List[PairFiles]): The files, sorted.
    RAISES (FileNotFoundError): If there is nothing of the kind.
    RAISES (ValueError): If one of two files is missing, or there twice; if it is a file of another kind, or a folder without one
        that can be read.
    """
    pair = _find_pair(path, sides)
    if path.is_dir():
        if pair:
            raise ValueError(f"{path} is a folder, and there is {pair.source}: rename one of them, since either could be meant")
        return _list_folder(path, sides)
    if pair:
        return [pair]
    if path.name.endswith(SUFFIXES) and path.is_file():
        return [PairFiles(path, None)]
    looked_for = _list_names(path, sides.source) + _list_names(path, sides.target)
    if not path.exists():
        raise FileNotFoundError(
            f"there is no file or folder {path} to read pairs of texts from, and none of {', '.join(looked_for)}"
        )
    stem = _find_stem(path, sides)
    hint = f". Two files are named by what their names have in common: {stem}" if stem else ""
    raise ValueError(
        f"{path}: pairs are read from files {', '.join(SUFFIXES)}, by the end of their names, or from two files{hint}"
    )


def read_pairs(files: PairFiles, sides: Sides, vocab: Vocab) -> Iterator[Pair]:
    """Read the pairs of one or two files.

    files (PairFiles): The files.
    sides (Sides): What the columns may be called in a first line.
    vocab (Vocab): The vocabulary of texts in spaCy's binary format.
    YIELDS (Pair): The pairs, neither side empty.
    RAISES (ValueError): With the file, and the line where there is one, as `build_parallel_corpus` says. Of two files all lines
        are read before what is wrong with one of them is raised: where their numbers differ, that is what is wrong.
    """
    path = files.source
    if files.target is not None:
        yield from _read_two_files(path, files.target)
        return
    if path.suffix == ".spacy":
        pairs = _read_docs(path, vocab)
    elif path.name.removesuffix(".gz").endswith(".jsonl"):
        pairs = (Pair(first, second, f"{path}, line {i}") for i, [first, second] in read_json(path, ["source", "target"]))
    else:
        pairs = _read_columns(path, sides)
    for pair in pairs:
        text = pair.source if isinstance(pair.source, str) else pair.source.text
        if fault := _find_fault(text, pair.target):
            raise ValueError(f"{pair.place}: {fault}")
        yield pair


def _list_names(path: Path, side: str) -> List[str]:
    return [f"{path}.{side}", f"{path}.{side}.gz"]


def _find_stem(path: Path, sides: Sides) -> Optional[Path]:
    """What the name of a file of one side has in common with that of the other; None if it has no such name."""
    for side in sides:
        for suffix in (f".{side}", f".{side}.gz"):
            stem = path.name.removesuffix(suffix)
            if stem and stem != path.name:
                return path.with_name(stem)
    return None


def _find_pair(path: Path, sides: Sides) -> Optional[PairFiles]:
    """Find the two files whose names begin with a path; None if there is neither."""
    found: List[Optional[Path]] = []
    for side in sides:
        names = [Path(name) for name in _list_names(path, side) if Path(name).is_file()]
        if len(names) > 1:
            raise ValueError(f"expected one file of the {side} side, got {names[0]} and {names[1]}: remove one of them")
        found.append(names[0] if names else None)
    source, target = found
    if source and target:
        return PairFiles(source, target)
    if source or target:
        missing = " nor ".join(_list_names(path, sides.target if source else sides.source))
        raise ValueError(f"{source or target} has no other side: there is neither {missing}")
    return None


def _list_folder(folder: Path, sides: Sides) -> List[PairFiles]:
    found: List[PairFiles] = []
    stems: Set[Path] = set()
    for file in list_visible(folder):
        if file.name.endswith(SUFFIXES):
            found.append(PairFiles(file, None))
        elif stem := _find_stem(file, sides):
            stems.add(stem)
    found.extend(pair for stem in stems if (pair := _find_pair(stem, sides)))
    if not found:
        kinds = f"{', '.join(SUFFIXES)}, or pairs .{sides.source} and .{sides.target}, each also .gz"
        raise ValueError(f"{folder}: the folder has no file to read pairs of texts from: {kinds}")
    return sorted(found, key=lambda files: files.source)


def _read_two_files(source: Path, target: Path) -> Iterator[Pair]:
    counts, fault = [0, 0], ""
    for first, second in zip_longest(read_lines(source), read_lines(target)):
        counts[0] += first is not None
        counts[1] += second is not None
        if fault or first is None or second is None:
            continue
        number, text = first
        if found := _find_fault(text, second[1]):
            fault = f"{source}, line {number} (and {target}): {found}"
        else:
            yield Pair(text, second[1], f"{source}, line {number}")
    if counts[0] != counts[1]:
        more = source if counts[0] > counts[1] else target
        raise ValueError(
            f"{source} has {counts[0]:,} lines, but {target} has {counts[1]:,}: expected each line of one to belong to the same "
            f"line of the other, and {more.name} has {abs(counts[0] - counts[1]):,} more"
        )
    if fault:
        raise ValueError(fault)


def _find_fault(source: str, target: str) -> str:
    """Say what is wrong with a pair; nothing if it is right."""
    empty = [name for name, text in zip(Sides._fields, (source, target), strict=True) if not text or text.isspace()]
    return f"the {' and the '.join(empty)} {'are' if len(empty) > 1 else 'is'} empty: correct or remove the pair" if empty else ""


def _read_columns(path: Path, sides: Sides) -> Iterator[Pair]:
    headers: Tuple[Sides, ...] = (Sides(*Sides._fields), sides)
    for number, line in read_lines(path):
        columns = line.split("\t")
        if len(columns) != 2:
            raise ValueError(
                f"{path}, line {number}: expected two columns, source and target, with a tab between them, got {len(columns)}: "
                f"{line[:100]!r}"
            )
        if number > 1 or tuple(columns) not in headers:
            yield Pair(columns[0], columns[1], f"{path}, line {number}")


def _read_docs(path: Path, vocab: Vocab) -> Iterator[Pair]:
    for number, doc in enumerate(read_doc_bin(path, vocab), 1):
        place = f"{path}, text {number}"
        try:
            output = get_output(doc)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error
        if output is None:
            raise ValueError(
                f"{place}: it has no output: expected texts with one (set_output), in a DocBin with store_user_data=True"
            )
        yield Pair(doc, output.text, place)
