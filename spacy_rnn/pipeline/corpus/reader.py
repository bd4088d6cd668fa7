"""Plain text as a corpus, for `[corpora]`."""

import random
import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, List, NamedTuple, Optional, Union

from spacy.errors import Errors
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.vocab import Vocab

from .batcher import TEXT_NUMBER
from .files import UNITS, find_files, read_texts

if TYPE_CHECKING:
    from spacy.language import Language

TOKENS = ("pipeline", "whitespace", "none")
_RUN = re.compile(r"\s+|\S+")
# A vocabulary keeps every string that it has seen, as long as there is a text of it.
_TEXTS_OF_A_VOCABULARY = 1000


class PlacedDoc(NamedTuple):
    """A text and where it is.

    doc (Doc): The text.
    path (Path): The file.
    number (int): The line it begins in, from 1; in spaCy's binary format the number of the text, from 1.
    """

    doc: Doc
    path: Path
    number: int


def build_text_corpus(
    path: Optional[Union[str, Path]],
    unit: str = "line",
    tokens: str = "pipeline",
    min_length: int = 0,
    limit: int = 0,
    shuffle: bool = False,
) -> Callable[["Language"], Iterator[Example]]:
    r"""Read plain text, for language models.

    Texts of white space alone are left out. The pipeline's `max_length` does not apply.

    path (Optional[Union[str, Path]]): A file `.txt`, `.jsonl` (a text a line, as "text"), either of them with `.gz`, or `.spacy`;
        or a folder of such files.
    unit (str): What a text of a `.txt` file is: a "line"; a "paragraph", that is lines up to one that is blank; or the "file",
        with all that is in it. In other files each entry is a text.
    tokens (str): Where tokens come from: the tokenizer of the "pipeline"; "whitespace", tokens being what stands between; or
        "none", for characters and subwords: the only token is the text. In `.spacy` files tokens stay as they are, or are joined
        for "none".
    min_length (int): The number of characters below which a text is left out.
    limit (int): The number of texts that are read; 0 for all.
    shuffle (bool): Whether texts come in a new order each time, for streamed corpora (`max_epochs = -1`); all are read first.
    RETURNS (Callable[[Language], Iterator[Example]]): The corpus.
    RAISES (ValueError): spaCy's E913 if there is no path; if an argument is out of its range. When it is read: with the file, and
        the line where there is one, if it is damaged or no such text; if there is no text at all.
    RAISES (FileNotFoundError): When it is read, if there is no such file or folder.
    """
    if path is None:
        raise ValueError(Errors.E913)
    if unit not in UNITS:
        raise ValueError(f"unit must be one of {', '.join(UNITS)}, got {unit!r}")
    if tokens not in TOKENS:
        raise ValueError(f"tokens must be one of {', '.join(TOKENS)}, got {tokens!r}")
    for name, number in (("min_length", min_length), ("limit", limit)):
        if number < 0:
            raise ValueError(f"{name} must not be negative, got {number}")
    folder = Path(path)

    def read_corpus(nlp: "Language") -> Iterator[Example]:
        docs = (placed.doc for file in find_files(folder) for placed in read_docs(file, nlp, unit, tokens))
        kept: Iterable[Doc] = (doc for doc in docs if min_length == 0 or len(doc.text) >= min_length)
        kept = islice(kept, limit) if limit else kept
        if shuffle:
            kept = list(kept)
            random.shuffle(kept)
        number = -1
        for number, doc in enumerate(kept):
            reference = doc.copy()
            reference.user_data[TEXT_NUMBER] = number
            yield Example(doc, reference)
        if number < 0:
            shorter = f" of at least {min_length} characters" if min_length else ""
            raise ValueError(f"{folder}: the corpus is empty: there is no text{shorter} in it")

    return read_corpus


def read_docs(path: Path, nlp: "Language", unit: str, tokens: str) -> Iterator[PlacedDoc]:
    """Read the texts of a file. Those of white space alone are left out.

    path (Path): The file.
    nlp (Language): The pipeline, whose vocabulary and tokenizer are used.
    unit (str): What a text of a `.txt` file is, as in `build_text_corpus`.
    tokens (str): Where tokens come from, as in `build_text_corpus`.
    YIELDS (PlacedDoc): The texts.
    RAISES (ValueError): With the file, and the line where there is one, if it is damaged or no such text.
    """
    joined = _JoinedTexts()
    if path.suffix == ".spacy":
        for number, doc in enumerate(read_doc_bin(path, nlp.vocab), 1):
            if not doc.text.isspace() and len(doc):
                yield PlacedDoc(joined.make_doc(doc.text) if tokens == "none" else doc, path, number)
        return
    for text in read_texts(path, unit):
        if tokens == "none":
            doc = joined.make_doc(text.text)
        elif tokens == "whitespace":
            doc = split_text(text.text, nlp.vocab)
        else:
            # `nlp.make_doc` refuses texts that are longer than `nlp.max_length`.
            doc = nlp.tokenizer(text.text)
        yield PlacedDoc(doc, path, text.line)


def read_doc_bin(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """Read the texts of a file in spaCy's binary format.

    path (Path): The file.
    vocab (Vocab): The vocabulary of the texts.
    YIELDS (Doc): The texts.
    RAISES (ValueError): With the file, if it is damaged.
    """
    try:
        texts = DocBin().from_disk(path)
    except Exception as error:
        raise ValueError(f"{path}: expected texts in spaCy's binary format: {type(error).__name__}: {error}") from error
    docs = texts.get_docs(vocab)
    while True:
        try:
            doc = next(docs, None)
        except Exception as error:
            raise ValueError(f"{path}: a text in it is damaged: {type(error).__name__}: {error}") from error
        if doc is None:
            return
        yield doc


class _JoinedTexts:
    """Makes texts of one token each, which don't become part of the pipeline's vocabulary: it is saved with every pipeline."""

    def __init__(self) -> None:
        self._vocab, self._n_texts = Vocab(), 0

    def make_doc(self, text: str) -> Doc:
        if self._n_texts == _TEXTS_OF_A_VOCABULARY:
            self._vocab, self._n_texts = Vocab(), 0
        self._n_texts += 1
        return Doc(self._vocab, words=[text], spaces=[False])


def split_text(text: str, vocab: Vocab) -> Doc:
    """Make tokens of what stands between white space. White space that is more than the blank after a word is a token.

    text (str): The text.
    vocab (Vocab): The vocabulary of its tokens.
    RETURNS (Doc): The text, unchanged.
    """
    words: List[str] = []
    spaces: List[bool] = []
    for run in _RUN.findall(text):
        if words and run[0] == " " and not spaces[-1] and not words[-1].isspace():
            spaces[-1] = True
            run = run[1:]
        if run:
            words.append(run)
            spaces.append(False)
    return Doc(vocab, words=words, spaces=spaces)
