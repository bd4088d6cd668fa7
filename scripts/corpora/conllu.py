"""Read and check the sentences of a CoNLL-U file (https://universaldependencies.org/format.html)."""

import re
from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

from corpora.text_files import quote, read_lines
from spacy_rnn.pipeline.tagger import UNIVERSAL_POS

N_COLUMNS = 10
_TEXT = re.compile(r"#\s*text\s*=\s?(.*)")
_NUMBER = re.compile("[0-9]{1,9}")
_RANGE = re.compile("([0-9]{1,9})-([0-9]{1,9})")
_EMPTY_NODE = re.compile("([0-9]{1,9})[.]([1-9][0-9]{0,8})")
_FEATURE = re.compile(r"([^\s=|,]+)=[^\s=|,]+(?:,[^\s=|,]+)*")


class Word(NamedTuple):
    """A word. What is not annotated, "_" in the file, is an empty string here.

    line (int): Its line in the file.
    form (str): The word form.
    lemma (str): The lemma.
    upos (str): The universal part-of-speech tag.
    xpos (str): The treebank's own tag.
    feats (str): The features, name=value pairs separated by |.
    head (Optional[int]): The number of its head, counted from 1; 0 at a root, None if it is not annotated.
    deprel (str): The relation to its head.
    misc (str): What else is said about it.
    """

    line: int
    form: str
    lemma: str
    upos: str
    xpos: str
    feats: str
    head: Optional[int]
    deprel: str
    misc: str


class MultiwordToken(NamedTuple):
    """A token that is written as one and annotated as several words, e.g. French "du" as "de" and "le".

    line (int): Its line in the file.
    first (int): The number of its first word, counted from 1.
    last (int): The number of its last word.
    form (str): How it is written.
    misc (str): What else is said about it.
    """

    line: int
    first: int
    last: int
    form: str
    misc: str


class Sentence(NamedTuple):
    """A sentence.

    line (int): Its first line in the file.
    text (Optional[str]): What `# text` says, if it is there.
    words (List[Word]): Its words. Empty nodes (8.1) are left out.
    tokens (List[MultiwordToken]): Its multiword tokens.
    """

    line: int
    text: Optional[str]
    words: List[Word]
    tokens: List[MultiwordToken]


def read_conllu(path: Path) -> List[Sentence]:
    """Read a CoNLL-U file.

    Lines of nothing but white space end a sentence, comments may stand anywhere in one, and an empty column means "_".

    path (Path): The file, plain or `.gz`.
    RETURNS (List[Sentence]): The sentences.
    RAISES (ValueError): With file and line number, if a line is malformed; or if the file has no sentence, or is no text.
    """
    sentences: List[Sentence] = []
    lines: List[Tuple[int, str]] = []
    for number, line in enumerate([*read_lines(path), ""], start=1):
        if line.strip():
            lines.append((number, line))
        elif lines:
            sentences.append(_read_sentence(path, lines))
            lines = []
    if not sentences:
        raise ValueError(f"{path}: expected at least one sentence, the file has none")
    if all(word.form == "_" for sentence in sentences for word in sentence.words):
        raise ValueError(f"{path}: all word forms (column 2) are _: this treebank is distributed without its words")
    return sentences


def get_misc(misc: str, key: str) -> Optional[str]:
    """Get what the column MISC says about a key.

    misc (str): The column.
    key (str): The key.
    RETURNS (Optional[str]): Its value, or None if the key is not there.
    """
    pairs = (pair.partition("=") for pair in misc.split("|"))
    return next((value.strip() for name, equals, value in pairs if equals and name.strip() == key), None)


def _read_sentence(path: Path, lines: List[Tuple[int, str]]) -> Sentence:
    text: Optional[str] = None
    words: List[Word] = []
    tokens: List[MultiwordToken] = []
    node = 0
    for number, line in lines:
        if line.startswith("#"):
            found = _TEXT.fullmatch(line)
            text = found[1].strip(" \t") if found and text is None else text
            continue
        where = f"{path}, line {number}"
        columns = [column.strip(" ") for column in line.split("\t")]
        while len(columns) > N_COLUMNS and not columns[-1]:
            columns.pop()
        fault = _find_fault(columns)
        if fault:
            raise ValueError(f"{where}: {fault}: {quote(line)}")
        id_ = columns[0]
        if found := _RANGE.fullmatch(id_):
            tokens.append(_read_token(where, number, columns, len(words), tokens))
        elif (found := _EMPTY_NODE.fullmatch(id_)) and int(found[1]) == len(words) and int(found[2]) > node:
            node = int(found[2])
        elif id_ == str(len(words) + 1):
            words.append(_read_word(where, number, columns))
            node = 0
        else:
            raise ValueError(f"{where}: expected word number {len(words) + 1} (column 1), got {quote(id_)}: {quote(line)}")
    if not words:
        what = "comments only" if all(line.startswith("#") for _, line in lines) else "no words"
        raise ValueError(f"{path}, line {lines[0][0]}: expected a sentence, got {what}")
    _check_numbers(path, words, tokens)
    return Sentence(lines[0][0], text, words, tokens)


def _find_fault(columns: List[str]) -> Optional[str]:
    if len(columns) != N_COLUMNS:
        return f"expected {N_COLUMNS} columns separated by tabs, got {len(columns)}"
    return None if columns[1] else "the word form (column 2) is empty"


def _read_token(where: str, line: int, columns: List[str], n_words: int, tokens: List[MultiwordToken]) -> MultiwordToken:
    first, last = map(int, columns[0].split("-"))
    if first != n_words + 1 or last <= first:
        raise ValueError(
            f"{where}: expected word number {n_words + 1} (column 1), or a range from it to a later one, got {columns[0]!r}"
        )
    if tokens and first <= tokens[-1].last:
        raise ValueError(f"{where}: the multiword token {columns[0]} overlaps with the one of line {tokens[-1].line}")
    return MultiwordToken(line, first, last, columns[1], _given(columns[9]))


def _read_word(where: str, line: int, columns: List[str]) -> Word:
    form, lemma, upos, xpos, feats, head, deprel, _, misc = columns[1:]
    # In a lemma "_" is the underscore where the word is one.
    word = Word(
        line,
        form,
        lemma if form == "_" else _given(lemma),
        _given(upos),
        _given(xpos),
        _given(feats),
        int(head) if _NUMBER.fullmatch(head) else None,
        _given(deprel),
        _given(misc),
    )
    if word.upos and word.upos not in UNIVERSAL_POS:
        raise ValueError(f"{where}: {quote(upos)} (column 4) is no universal part-of-speech tag")
    features = [_FEATURE.fullmatch(feature) for feature in word.feats.split("|")] if word.feats else []
    if not all(features) or len({found[1] for found in features if found}) < len(features):
        raise ValueError(f"{where}: features (column 6) are name=value pairs separated by |, each name once, got {quote(feats)}")
    if word.head is None and _given(head):
        raise ValueError(f"{where}: the head (column 7) is a word number or _, got {quote(head)}")
    return word


def _given(column: str) -> str:
    return "" if column == "_" else column


def _check_numbers(path: Path, words: List[Word], tokens: List[MultiwordToken]) -> None:
    if tokens and tokens[-1].last > len(words):
        name = f"{tokens[-1].first}-{tokens[-1].last}"
        raise ValueError(
            f"{path}, line {tokens[-1].line}: the multiword token is {name}, but the sentence has {len(words)} words"
        )
    for word in words:
        if word.head is not None and word.head > len(words):
            raise ValueError(
                f"{path}, line {word.line}: the head (column 7) is {word.head}, but the sentence has {len(words)} words"
            )
    # Words from which the heads are known to lead to a root or to a word without a head.
    ended = {0}
    for i in range(1, len(words) + 1):
        way: List[int] = []
        seen = set()
        node: Optional[int] = i
        while node is not None and node not in ended:
            if node in seen:
                line = words[node - 1].line
                raise ValueError(f"{path}, line {line}: the heads (column 7) of word {node} lead back to it, not to a root")
            seen.add(node)
            way.append(node)
            node = words[node - 1].head
        ended.update(way)
