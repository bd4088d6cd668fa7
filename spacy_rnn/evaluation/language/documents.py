"""Texts in the eyes of a language model, one by one and all together, in bounded memory."""

import heapq
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, Union

import numpy
from spacy.language import Language
from spacy.tokens import Doc

from ...pipeline.annotation.surprisal import ScoredText, TotalScore, sum_by_token
from ...pipeline.corpus.files import UNITS, find_files
from ...pipeline.corpus.reader import TOKENS, PlacedDoc, read_docs
from ...pipeline.language_model.component import RNNLanguageModel

# Texts are scored together until they have so many characters, or are so many.
BATCH_CHARACTERS, BATCH_TEXTS = 1 << 18, 512
_READER = "spacy_rnn.TextCorpus.v1"


class TextReading(NamedTuple):
    """How texts are read.

    unit (str): What a text of a `.txt` file is: a "line", a "paragraph" or the "file".
    tokens (str): What words are: the tokens of the "pipeline", or what stands between "whitespace". Texts in spaCy's binary
        format have theirs.
    """

    unit: str
    tokens: str


class DocumentScore(NamedTuple):
    """What a language model says of a text.

    path (Path): The file that it is in.
    number (int): The line it begins in, or in spaCy's binary format the number of the text, from 1.
    doc (Doc): The text.
    scored (ScoredText): Its scores.
    """

    path: Path
    number: int
    doc: Doc
    scored: ScoredText

    @property
    def place(self) -> str:
        """RETURNS (str): The file's name and the line."""
        return f"{self.path.name}:{self.number}"

    @property
    def surprisals(self) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): float32 [n], that of each token, in bits."""
        return sum_by_token(self.doc, self.scored)


def find_reading(nlp: Language, lm: RNNLanguageModel, unit: Optional[str] = None, tokens: Optional[str] = None) -> TextReading:
    """Find out how texts are to be read: as the model was trained on them, as far as the pipeline's config says so.

    nlp (Language): The pipeline.
    lm (RNNLanguageModel): The language model.
    unit (Optional[str]): What was asked for; by the config, or "line", if None.
    tokens (Optional[str]): What was asked for. If None, of models of words by the config, or "pipeline"; of others "whitespace".
    RETURNS (TextReading): How they are read.
    RAISES (ValueError): If there is no such unit, or no such tokens.
    """
    corpora = nlp.config.interpolate().get("corpora", {})
    blocks = [corpora.get(name, {}) for name in ("train", "dev")]
    found: Dict[str, Any] = next((block for block in blocks if block.get("@readers") == _READER), {})
    unit = unit or found.get("unit", "line")
    if tokens is None:
        tokens = found.get("tokens", "pipeline") if lm.symbols.reads_tokens else "whitespace"
        # Without tokens nothing could be said of words.
        tokens = "whitespace" if tokens == "none" else tokens
    if unit not in UNITS:
        raise ValueError(f"the unit of texts must be one of {', '.join(UNITS)}, got {unit!r}")
    if tokens not in TOKENS[:2]:
        raise ValueError(f"words must be one of {', '.join(TOKENS[:2])}, got {tokens!r}")
    return TextReading(unit, tokens)


def read_text(nlp: Language, reading: TextReading, text: str) -> Union[str, Doc]:
    """Give a text as a language model reads it.

    nlp (Language): The pipeline.
    reading (TextReading): How texts are read.
    text (str): The text.
    RETURNS (Union[str, Doc]): With the tokens of the pipeline, if these are its words.
    """
    return nlp.tokenizer(text) if reading.tokens == "pipeline" else text


def read_documents(nlp: Language, path: Path, reading: TextReading) -> Iterator[PlacedDoc]:
    """Read the texts of files.

    nlp (Language): The pipeline, whose vocabulary and tokenizer are used.
    path (Path): A file `.txt`, `.jsonl`, either of them with `.gz`, or `.spacy`; or a folder of such files.
    reading (TextReading): How they are read.
    YIELDS (PlacedDoc): The texts.
    RAISES (FileNotFoundError): If there is no such file or folder.
    RAISES (ValueError): If one is damaged or no such text, or there is no text at all.
    """
    is_empty = True
    for file in find_files(path):
        for placed in read_docs(file, nlp, *reading):
            is_empty = False
            yield placed
    if is_empty:
        raise ValueError(f"{path}: there is no text in it")


def score_documents(lm: RNNLanguageModel, texts: Iterable[PlacedDoc]) -> Iterator[DocumentScore]:
    """Score texts, as many at a time as memory has room for.

    lm (RNNLanguageModel): The language model.
    texts (Iterable[PlacedDoc]): The texts.
    YIELDS (DocumentScore): The scores of each, in their order.
    RAISES (ValueError): If the model has not been trained.
    """
    for batch in _batch(iter(texts)):
        scores = lm.predict([placed.doc for placed in batch])
        for placed, scored in zip(batch, scores, strict=True):
            yield DocumentScore(placed.path, placed.number, placed.doc, scored)


def _batch(texts: Iterator[PlacedDoc]) -> Iterator[List[PlacedDoc]]:
    batch: List[PlacedDoc] = []
    n_characters = 0
    for placed in texts:
        batch.append(placed)
        n_characters += len(placed.doc.text)
        if n_characters >= BATCH_CHARACTERS or len(batch) == BATCH_TEXTS:
            yield batch
            batch, n_characters = [], 0
    if batch:
        yield batch


class DocumentSummary(NamedTuple):
    """What is kept of a text that was scored: numbers, and its beginning.

    place (str): Where it is.
    total (TotalScore): What the model says of it.
    n_tokens (int): How many tokens it has.
    doc (Doc): The first m tokens.
    surprisals (numpy.ndarray): float32 [m], that of each, in bits.
    """

    place: str
    total: TotalScore
    n_tokens: int
    doc: Doc
    surprisals: numpy.ndarray


class WorstDocuments:
    """Keep the texts that surprise most, by bits a character."""

    def __init__(self, n: int, n_tokens: int) -> None:
        """Keep none yet.

        n (int): How many are kept at most.
        n_tokens (int): How many tokens of each are kept at most.
        """
        self._n, self._n_tokens = n, n_tokens
        self._heap: List[Tuple[float, int, DocumentSummary]] = []
        self._n_seen = 0

    def add(self, document: DocumentScore) -> None:
        """Look at a text.

        document (DocumentScore): The text, scored.
        """
        self._n_seen += 1
        bits = document.scored.bits_per_character
        # Of equally surprising texts the first ones are kept; what has no character that counts comes last.
        rank = (-float("inf") if numpy.isnan(bits) else bits, -self._n_seen)
        if len(self._heap) == self._n and (not self._n or rank < self._heap[0][:2]):
            return
        entry = (*rank, self._summarize(document))
        if len(self._heap) < self._n:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heapreplace(self._heap, entry)

    def _summarize(self, document: DocumentScore) -> DocumentSummary:
        doc = document.doc
        kept = doc if len(doc) <= self._n_tokens else doc[: self._n_tokens].as_doc()
        surprisals = document.surprisals[: len(kept)].copy()
        return DocumentSummary(document.place, TotalScore().add(document.scored), len(doc), kept, surprisals)

    def ranked(self) -> List[DocumentSummary]:
        """RETURNS (List[DocumentSummary]): The texts, the most surprising first."""
        return [document for *_, document in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]


def to_json(document: DocumentScore, with_words: bool) -> Any:
    """Give the scores of a text as JSON has them; what is infinite or of nothing is null.

    document (DocumentScore): The text, scored.
    with_words (bool): Whether the surprisal of each word is told.
    RETURNS (Dict[str, Any]): "file", "line", "text", "words", "characters", "unknown", "bits", "bits_per_character",
        "bits_per_word", "perplexity"; and with words "surprisals", a list of pairs.
    """
    scored = document.scored
    data = {
        "file": str(document.path),
        "line": document.number,
        "text": document.doc.text,
        "words": scored.n_words,
        "characters": scored.n_characters,
        "unknown": scored.n_unknown,
        "bits": _number(scored.bits),
        "bits_per_character": _number(scored.bits_per_character),
        "bits_per_word": _number(scored.bits_per_word),
        "perplexity": _number(scored.perplexity),
    }
    if with_words:
        pairs = zip(document.doc, document.surprisals.tolist(), strict=True)
        data["surprisals"] = [[token.text, _number(bits)] for token, bits in pairs]
    return data


def _number(value: float) -> Optional[float]:
    return round(value, 6) if numpy.isfinite(value) else None
