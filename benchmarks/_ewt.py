"""What the benchmarks read of UD English EWT, converted by the project's step `ewt-convert`."""

from pathlib import Path
from typing import Iterator, List

import spacy
from spacy.tokens import DocBin, Span


def sentence_lengths(path: Path) -> List[int]:
    """Give the number of tokens of every sentence.

    path (Path): A converted part of the corpus.
    RETURNS (List[int]): In the order of the corpus.
    RAISES (FileNotFoundError): If the corpus has not been converted.
    """
    return [len(sentence) for sentence in _sentences(path)]


def sentence_texts(path: Path) -> List[str]:
    """Give every sentence as raw text.

    path (Path): A converted part of the corpus.
    RETURNS (List[str]): In the order of the corpus.
    RAISES (FileNotFoundError): If the corpus has not been converted.
    """
    return [sentence.text for sentence in _sentences(path)]


def check_converted(*paths: Path) -> None:
    """Check that the corpus is there.

    paths (Path): Converted parts of the corpus.
    RAISES (FileNotFoundError): If one is missing.
    """
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing: convert UD English EWT first, by `python -m spacy project assets` and "
                "`python -m spacy project run ewt-convert`, or name the folder of its parts with --ewt"
            )


def _sentences(path: Path) -> Iterator[Span]:
    check_converted(path)
    for doc in DocBin().from_disk(path).get_docs(spacy.blank("en").vocab):
        yield from doc.sents
