"""Parallel text as a corpus, for `[corpora]`: each text with the one that it is to be turned into."""

import random
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, List, Optional, Union

from spacy.errors import Errors
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from ..annotation.output import Output, set_output
from .pair_files import Pair, PairFiles, Sides, check_sides, find_pairs, read_pairs

if TYPE_CHECKING:
    from spacy.language import Language

# Where the place of a pair in its corpus is in `user_data`.
PLACE = "spacy_rnn_place"


def build_parallel_corpus(
    path: Optional[Union[str, Path]],
    source: str = "src",
    target: str = "tgt",
    lower: bool = False,
    limit: int = 0,
    shuffle: bool = False,
) -> Callable[["Language"], Iterator[Example]]:
    """Read pairs of texts, for encoder-decoders.

    The sources go through the tokenizer of the pipeline, whose `max_length` does not apply; the targets are the outputs of the
    references (`spacy_rnn.pipeline.annotation.output`). All pairs are checked before the first one is given, with `limit` too.

    path (Optional[Union[str, Path]]): What the names of two files have in common, e.g. "multi30k/train" for `train.de` and
        `train.en` with the same number of lines, each also `.gz`; or a file `.tsv` (two columns, source and target; a first line
        of their names is left out), `.jsonl` (objects with "source" and "target"), either of them with `.gz`, or `.spacy` (texts
        with outputs); or a folder of such files.
    source (str): The end of the names of files of sources, e.g. "de".
    target (str): The end of the names of files of targets, e.g. "en".
    lower (bool): Whether both sides become lower case. Not for `.spacy`.
    limit (int): The number of pairs that are read; 0 for all.
    shuffle (bool): Whether pairs come in a new order each time, for streamed corpora (`max_epochs = -1`); all are read first.
    RETURNS (Callable[[Language], Iterator[Example]]): The corpus.
    RAISES (ValueError): spaCy's E913 if there is no path; if an argument is out of its range. When it is read: with the file, and
        the line where there is one, if it is damaged, a side is empty, a line has not two columns, or the two files differ in
        their number of lines; if one of two files is missing; if there is no pair at all.
    RAISES (FileNotFoundError): When it is read, if there is no such file or folder.
    """
    if path is None:
        raise ValueError(Errors.E913)
    if limit < 0:
        raise ValueError(f"limit must not be negative, got {limit}")
    sides = check_sides(source, target)
    place = Path(path)

    def read_corpus(nlp: "Language") -> Iterator[Example]:
        files = find_pairs(place, sides)
        # So that a corpus that is streamed is refused before it was learned from for hours.
        if not sum(1 for _ in _read_all(files, sides, nlp.vocab)):
            raise ValueError(f"{place}: the corpus is empty: there is no pair in it")
        pairs: Iterable[Pair] = islice(_read_all(files, sides, nlp.vocab), limit or None)
        if shuffle:
            pairs = list(pairs)
            random.shuffle(pairs)
        for pair in pairs:
            yield _make_example(pair, nlp, lower)

    return read_corpus


def find_place(example: Example) -> str:
    """Say where an example is from, for messages.

    example (Example): The example.
    RETURNS (str): The file and the line, if it was read by `spacy_rnn.ParallelCorpus.v1`; otherwise how its text begins.
    """
    text = example.reference.text
    return str(example.reference.user_data.get(PLACE) or f"the text {text[:50]!r}{'…' if len(text) > 50 else ''}")


def _read_all(files: List[PairFiles], sides: Sides, vocab: Vocab) -> Iterator[Pair]:
    for each in files:
        yield from read_pairs(each, sides, vocab)


def _make_example(pair: Pair, nlp: "Language", lower: bool) -> Example:
    if isinstance(pair.source, Doc):
        if lower:
            raise ValueError(f"{pair.place}: lower = true is for files of text; write texts in lower case to files .spacy")
        reference = pair.source
        words, spaces = [token.text for token in reference], [bool(token.whitespace_) for token in reference]
        doc = Doc(nlp.vocab, words=words, spaces=spaces)
    else:
        # `nlp.make_doc` refuses texts that are longer than `nlp.max_length`.
        doc = nlp.tokenizer(pair.source.lower() if lower else pair.source)
        reference = doc.copy()
        set_output(reference, Output(pair.target.lower() if lower else pair.target))
    reference.user_data[PLACE] = pair.place
    return Example(doc, reference)
