"""A stream of words, or a long text, as texts small enough to be held in memory."""

from collections import deque
from typing import Any, Deque, Iterable, Iterator, List, Tuple, Union

import numpy
from spacy.attrs import IDS
from spacy.tokens import Doc
from spacy.tokens.doc import DOCBIN_ALL_ATTRS
from spacy.vocab import Vocab
from thinc.api import to_numpy

# What an embedding may ask for, but for what points to other tokens, and what a Doc is made from.
_ATTRS = [IDS[attr] for attr in DOCBIN_ALL_ATTRS if attr not in ("HEAD", "ORTH")]


def label_stream(
    tagger: Any, source: Iterable[Union[str, Doc]], vocab: Vocab, piece: int, lookahead: int
) -> Iterator[Tuple[List[str], numpy.ndarray]]:
    """Label a stream.

    tagger (StreamingTagger): The tagger's model.
    source (Iterable[Union[str, Doc]]): Words, or texts that continue one another.
    vocab (Vocab): The vocabulary of the texts that are made of words.
    piece (int): How many tokens are encoded at a time.
    lookahead (int): How many tokens behind these are looked at.
    RETURNS (Iterator[Tuple[List[str], numpy.ndarray]]): Some words at a time, and the numbers of their labels.
    RAISES (ValueError): If a number is out of its range, or the source holds neither words nor texts.
    """
    ahead = tagger.check_sizes(piece, lookahead)
    # Sums of NumPy's small integers overflow.
    piece, lookahead, ahead = int(piece), int(lookahead), int(ahead)
    words: Deque[str] = deque()
    batches = _with_words(read_batches(source, vocab, piece + ahead, piece), words)
    labels = tagger.labels(batches, piece=piece, lookahead=lookahead)
    return (([words.popleft() for _ in range(len(tag_ids))], to_numpy(tag_ids)) for tag_ids in labels)


def _with_words(batches: Iterator[List[Doc]], words: Deque[str]) -> Iterator[List[Doc]]:
    for docs in batches:
        words.extend(token.text for doc in docs for token in doc)
        yield docs


def read_batches(source: Iterable[Union[str, Doc]], vocab: Vocab, first: int, size: int) -> Iterator[List[Doc]]:
    """Read a stream in batches, without reading further than each of them needs.

    source (Iterable[Union[str, Doc]]): Words, or texts that continue one another.
    vocab (Vocab): The vocabulary of the texts that are made of words.
    first (int): The first batch ends with the text, or the part of one, that holds its token of this number.
    size (int): After how many more tokens each of the others does; texts are cut to parts that have no more of them.
    RETURNS (Iterator[List[Doc]]): The batches.
    RAISES (ValueError): If the source is no iterable of words or texts.
    """
    batch: List[Doc] = []
    words: List[str] = []
    missing = first
    for item in _small_items(source, size):
        if isinstance(item, str):
            words.append(item)
            missing -= 1
        else:
            batch += [*_of_words(vocab, words), item]
            words = []
            missing -= len(item)
        if missing <= 0:
            yield batch + _of_words(vocab, words)
            batch, words = [], []
            missing = missing % size or size
    if batch or words:
        yield batch + _of_words(vocab, words)


def split_doc(doc: Doc, size: int) -> Iterator[Doc]:
    """Cut a text, with the annotation of its tokens.

    doc (Doc): The text.
    size (int): How many tokens a part has at most.
    RETURNS (Iterator[Doc]): The parts; the text itself if it is no longer.
    """
    if len(doc) <= size:
        yield doc
        return
    for start in range(0, len(doc), size):
        tokens: Any = doc[start : start + size]
        part = Doc(doc.vocab, words=[token.text for token in tokens], spaces=[bool(token.whitespace_) for token in tokens])
        part.from_array(_ATTRS, tokens.to_array(_ATTRS))
        yield part


def _small_items(source: Iterable[Union[str, Doc]], size: int) -> Iterator[Union[str, Doc]]:
    for item in source:
        if isinstance(item, str):
            # A Doc takes no word of a class of its own, e.g. numpy.str_.
            yield str(item)
        elif isinstance(item, Doc):
            yield from split_doc(item, size)
        else:
            raise ValueError(f"a stream consists of words (str) or of texts (Doc), got {type(item).__name__}: {item!r}")


def _of_words(vocab: Vocab, words: List[str]) -> List[Doc]:
    return [Doc(vocab, words=words)] if words else []
