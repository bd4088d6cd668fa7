"""How surprisal depends on how much of a text has been read."""

import random
from typing import Any, Iterable, Iterator, List, NamedTuple, Sequence, Union

import numpy
from spacy.tokens import Doc

from ...pipeline.language_model.component import RNNLanguageModel

# Where one range of positions ends and the next one begins, in characters.
EDGES = (10, 20, 50, 100, 200, 500)
_BATCH = 64


class PositionBits(NamedTuple):
    """The surprisal of texts by position.

    edges (numpy.ndarray): int64 [k], where each range of positions ends, in characters from where reading begins.
    bits (numpy.ndarray): float64 [k], the surprisal of the symbols that begin in each range, in bits.
    characters (numpy.ndarray): int64 [k], how many characters of the texts are in each.
    """

    edges: numpy.ndarray
    bits: numpy.ndarray
    characters: numpy.ndarray

    @property
    def per_character(self) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): float64 [k], bits divided by characters; nan where no text is so long."""
        with numpy.errstate(invalid="ignore"):
            return self.bits / numpy.where(self.characters, self.characters, numpy.nan)

    @property
    def mean(self) -> float:
        """RETURNS (float): Bits divided by characters, of all ranges together; nan without a character."""
        n_characters = self.characters.sum()
        return float(self.bits.sum() / n_characters) if n_characters else float("nan")


def measure_positions(lm: RNNLanguageModel, texts: Sequence[Union[str, Doc]], edges: Sequence[int] = EDGES) -> PositionBits:
    """Measure how surprisal depends on how much of a text has been read. The end of a text is left out.

    Characters are what is counted, whatever the symbols of the model, so that different models can be compared.

    lm (RNNLanguageModel): The language model.
    texts (Sequence[Union[str, Doc]]): The texts.
    edges (Sequence[int]): Where each range of positions ends, in characters, ascending. What comes after the last is left out.
    RETURNS (PositionBits): The surprisals.
    RAISES (ValueError): If the edges are not ascending, or the model has not been trained.
    """
    ends = numpy.asarray(edges, dtype="int64")
    if not len(ends) or (numpy.diff(ends, prepend=0) <= 0).any():
        raise ValueError(f"positions: expected numbers above 0 in ascending order, got {list(edges)}")
    bits, characters = numpy.zeros(len(ends)), numpy.zeros(len(ends), dtype="int64")
    begins = numpy.concatenate([[0], ends[:-1]])
    for i in range(0, len(texts), _BATCH):
        batch = list(texts[i : i + _BATCH])
        scores: Any = lm.score(batch)
        for text, scored in zip(batch, scores, strict=True):
            length = len(text if isinstance(text, str) else text.text)
            n_read = length - scored.ends[:-1] if lm.symbols.backward else scored.starts[:-1]
            ranges = numpy.searchsorted(ends, n_read, side="right")
            bits += numpy.bincount(ranges, scored.surprisals[:-1], minlength=len(ends) + 1)[: len(ends)]
            characters += numpy.clip(length - begins, 0, ends - begins)
    return PositionBits(ends, bits, characters)


def draw_passages(texts: Iterable[str], n: int, length: int = EDGES[-1], seed: int = 0) -> List[str]:
    """Draw passages of texts at random, each as probable as the others.

    texts (Iterable[str]): The texts, which may be more than memory has room for. Longer ones are cut into passages, at white
        space if there is any.
    n (int): How many passages are drawn at most.
    length (int): The greatest length of a passage in characters. What is left at the end of a longer text is none.
    seed (int): What random numbers begin with.
    RETURNS (List[str]): The passages, in their order.
    """
    rng = random.Random(seed)
    drawn: List[Any] = []
    n_seen = 0
    for text in texts:
        for passage in _cut(text, length):
            place = n_seen if n_seen < n else rng.randrange(n_seen + 1)
            if place < n:
                # Vitter 1985, "Random sampling with a reservoir", algorithm R.
                drawn[place : place + 1] = [(n_seen, passage)]
            n_seen += 1
    return [passage for _, passage in sorted(drawn)]


def _cut(text: str, length: int) -> Iterator[str]:
    begin = 0
    while begin == 0 or begin + length <= len(text):
        piece = text[begin : begin + length]
        end = begin + len(piece)
        if end < len(text) and not text[end].isspace():
            # A part of a word would be another word.
            piece = piece[: max((i + 1 for i, character in enumerate(piece) if character.isspace()), default=length)]
        yield piece
        begin += max(len(piece), 1)
