"""Read named entities in columns: CoNLL-2003, WNUT-17, GermEval, MultiCoNER and others."""

import re
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Union

from corpora.entity_tags import SCHEMES, TagError, has_ends, is_tag, to_bio
from corpora.text_files import quote, read_lines

# `# key = value`, `# id …` and two of CoNLL-U; others depend on how many columns the file has.
_COMMENT = re.compile(r"#\s*[\w.:-]+\s*=\s|#[ \t]+(id|newdoc|newpar)\b")
_DOCUMENT = "-DOCSTART-"


class Sentence(NamedTuple):
    """A sentence.

    words (List[str]): Its words.
    tags (List[str]): A tag for each in BIO2: "O", or "B-" or "I-" and a type.
    """

    words: List[str]
    tags: List[str]


class _Row(NamedTuple):
    line: int
    text: str
    columns: List[str]


def read_conll(path: Path) -> List[List[Sentence]]:
    """Read a file of one word a line: the first column is the word, after an index if there is one, and the last is its tag.

    Columns are separated by tabs, or by blanks where the line has no tab; other white space is part of a word. Sentences end at
    lines of nothing but white space, documents at lines of -DOCSTART-. Comments are `# key = value`, `# id …`, and lines before a
    sentence that begin with `#` and a blank and have not as many columns as the others.

    path (Path): The file, plain or `.gz`.
    RETURNS (List[List[Sentence]]): The sentences of each document, one document where the file does not mark them.
    RAISES (ValueError): With file and line, if a line is malformed; or if the file has no sentence, or is no text.
    """
    documents = _read_rows(path, read_lines(path))
    sentences = [rows for document in documents for rows in document]
    if not sentences:
        raise ValueError(f"{path}: expected at least one sentence, the file has none")
    if _has_index(sentences):
        documents = [[[row._replace(columns=row.columns[1:]) for row in rows] for rows in document] for document in documents]
    rows = [row for document in documents for sentence in document for row in sentence]
    for row in rows:
        fault = _find_fault(row)
        if fault:
            raise ValueError(f"{path}, line {row.line}: {fault}")
    try:
        ends = has_ends([row.columns[-1] for row in rows])
    except TagError as error:
        row = rows[error.index]
        raise ValueError(f"{path}, line {row.line}: {error}: {quote(row.text)}") from None
    return [[_make_sentence(path, rows, ends) for rows in document] for document in documents]


def _read_rows(path: Path, lines: List[str]) -> List[List[List[_Row]]]:
    documents: List[List[List[_Row]]] = [[[]]]
    n_columns = _count_columns(lines)
    for row in _split_columns(lines):
        if row is None:
            documents[-1].append([])
        elif _DOCUMENT in row.columns[:2]:
            documents.append([[]])
        elif not _is_comment(row, n_columns, begins=not documents[-1][-1]):
            if len(row.columns) < 2:
                raise ValueError(f"{path}, line {row.line}: expected a word and its tag, got {quote(row.text)}")
            n_columns = n_columns or len(row.columns)
            if len(row.columns) != n_columns:
                raise ValueError(
                    f"{path}, line {row.line}: expected {n_columns} columns as in the lines before, "
                    f"got {len(row.columns)}: {quote(row.text)}"
                )
            documents[-1][-1].append(row)
    documents = [[rows for rows in document if rows] for document in documents]
    return [document for document in documents if document]


def _split_columns(lines: List[str]) -> Iterator[Union[_Row, None]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            yield None
            continue
        text = line.rstrip("\t ")
        columns = [column.strip(" ") for column in text.split("\t")] if "\t" in text else re.split(" +", text.strip(" "))
        yield _Row(number, line, columns)


def _count_columns(lines: List[str]) -> int:
    rows = (row for row in _split_columns(lines) if row and not row.text.startswith("#") and _DOCUMENT not in row.columns[:2])
    return next((len(row.columns) for row in rows), 0)


def _is_comment(row: _Row, n_columns: int, begins: bool) -> bool:
    if _COMMENT.match(row.text):
        return True
    return begins and row.text.startswith(("# ", "#\t")) and len(row.columns) != n_columns > 0


def _has_index(sentences: List[List[_Row]]) -> bool:
    """Tell whether the first column counts the words of each sentence, or of the whole file."""
    expected = {0, 1}
    n_rows = 0
    for rows in sentences:
        for i, row in enumerate(rows):
            if len(row.columns) < 3 or not re.fullmatch("[0-9]{1,9}", row.columns[0]):
                return False
            index = int(row.columns[0])
            if index not in (expected if i else expected | {0, 1}):
                return False
            expected = {index + 1}
            n_rows += 1
    return n_rows > 1


def _find_fault(row: _Row) -> Optional[str]:
    word, tag = row.columns[0], row.columns[-1]
    if not word:
        return f"expected a word and its tag, got {quote(row.text)}"
    if not is_tag(tag):
        return f"a tag is O, or B- or I- and a type, got {quote(tag)} ({SCHEMES}): {quote(row.text)}"
    return None


def _make_sentence(path: Path, rows: List[_Row], ends: bool) -> Sentence:
    try:
        tags = to_bio([row.columns[-1] for row in rows], ends)
    except TagError as error:
        row = rows[error.index]
        raise ValueError(f"{path}, line {row.line}: {error}: {quote(row.text)}") from None
    return Sentence([row.columns[0] for row in rows], tags)
