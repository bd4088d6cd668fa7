"""What a language model says of a text, kept with it: `token._.rnn_surprisal` and `doc._.rnn_perplexity`."""

from typing import Any, NamedTuple, Optional

import numpy
from spacy.tokens import Doc, Token

from .rows import find_row

DOC_EXTENSION, TOKEN_EXTENSION = "rnn_perplexity", "rnn_surprisal"
# Where a text has the array. Under such a key spaCy copies it with the text, but not to another text made of its tokens.
_STORED: Any = ("._.", "rnn_surprisal_array", None, None)
UNKNOWN_RULES = ("symbol", "skip", "spread")


class ScoredText(NamedTuple):
    """A text in the eyes of a language model.

    surprisals (numpy.ndarray): float32 [n], minus the binary logarithm of each symbol's probability, in bits, in the order in
        which they are read; the last one is that of the end of the text.
    starts (numpy.ndarray): int32 [n], where each symbol begins in the text, in characters; the end, behind it. If the text is
        read backward they descend, and the end is at 0.
    ends (numpy.ndarray): int32 [n], where it ends.
    counted (numpy.ndarray): bool [n], which of them count in the scores below: what is unknown and the end of the text may not.
    n_unknown (int): How many of them are unknown.
    n_characters (int): How many characters count.
    n_words (int): How many words do.
    """

    surprisals: numpy.ndarray
    starts: numpy.ndarray
    ends: numpy.ndarray
    counted: numpy.ndarray
    n_unknown: int
    n_characters: int
    n_words: int

    @property
    def bits(self) -> float:
        """RETURNS (float): The surprisal of the text, in bits."""
        return float(self.surprisals[self.counted].sum(dtype="float64"))

    @property
    def bits_per_character(self) -> float:
        """RETURNS (float): Bits divided by characters; nan if there are none."""
        return TotalScore().add(self).bits_per_character

    @property
    def bits_per_word(self) -> float:
        """RETURNS (float): Bits divided by words; nan if there are none."""
        return TotalScore().add(self).bits_per_word

    @property
    def perplexity(self) -> float:
        """RETURNS (float): That of a word, 2 to the power of the bits of a word; inf where a number has no room for it."""
        return TotalScore().add(self).perplexity


class TotalScore(NamedTuple):
    """What a language model says of several texts together.

    n_texts (int): How many texts there are.
    n_words (int): How many words count.
    n_characters (int): How many characters do.
    n_unknown (int): How many symbols are unknown.
    bits (float): The surprisal of all, in bits.
    """

    n_texts: int = 0
    n_words: int = 0
    n_characters: int = 0
    n_unknown: int = 0
    bits: float = 0.0

    def add(self, scored: ScoredText) -> "TotalScore":
        """Add a text.

        scored (ScoredText): Its scores.
        RETURNS (TotalScore): The sum.
        """
        return TotalScore(
            self.n_texts + 1,
            self.n_words + scored.n_words,
            self.n_characters + scored.n_characters,
            self.n_unknown + scored.n_unknown,
            self.bits + scored.bits,
        )

    @property
    def bits_per_character(self) -> float:
        """RETURNS (float): Bits divided by characters; nan if there are none."""
        return self.bits / self.n_characters if self.n_characters else float("nan")

    @property
    def bits_per_word(self) -> float:
        """RETURNS (float): Bits divided by words; nan if there are none."""
        return self.bits / self.n_words if self.n_words else float("nan")

    @property
    def perplexity(self) -> float:
        """RETURNS (float): That of a word, 2 to the power of the bits of a word; inf where a number has no room for it."""
        bits = self.bits_per_word
        return 2.0**bits if not bits >= 1024 else float("inf")


def register_surprisal() -> None:
    """Register the extension attributes with spaCy.

    Components that store something by them do it themselves; call it only where there is no such component, to read texts that
    were saved with it. Existing extensions of these names stay."""
    if not Doc.has_extension(DOC_EXTENSION):
        Doc.set_extension(DOC_EXTENSION, default=None)
    if not Token.has_extension(TOKEN_EXTENSION):
        Token.set_extension(TOKEN_EXTENSION, getter=get_surprisal)


def store_surprisals(doc: Doc, surprisals: numpy.ndarray) -> None:
    """Store the surprisals of tokens for `token._.rnn_surprisal`.

    doc (Doc): A text of n tokens.
    surprisals (numpy.ndarray): float32 [n], in bits.
    """
    # Imported here because importing a factory must stay cheap.
    from ...text.spans import token_spans

    starts, ends = token_spans(doc)
    doc.user_data[_STORED] = {"surprisals": surprisals, "starts": starts, "ends": ends}


def get_surprisal(token: Token) -> Optional[float]:
    """Give the surprisal of a token.

    token (Token): The token.
    RETURNS (Optional[float]): In bits; None if none was stored, or the tokens were others then.
    """
    stored = token.doc.user_data.get(_STORED)
    if stored is None:
        return None
    row = find_row(stored, token)
    return None if row is None else float(stored["surprisals"][row])


def sum_by_token(doc: Doc, scored: ScoredText) -> numpy.ndarray:
    """Sum surprisals over the symbols of each token.

    A symbol belongs to the token that its last character is in. The white space after a token is part of it: what is predicted
    there is where the word ends. A model that reads backward predicts it before the word.

    doc (Doc): A text of n tokens.
    scored (ScoredText): The text, scored.
    RETURNS (numpy.ndarray): float32 [n], in bits. The end of the text belongs to no token.
    """
    # Imported here because importing a factory must stay cheap.
    from ...text.spans import token_spans

    if not len(doc):
        return numpy.zeros(0, dtype="float32")
    starts, _ = token_spans(doc)
    owners = numpy.searchsorted(starts, scored.ends[:-1] - 1, side="right") - 1
    return numpy.bincount(owners, scored.surprisals[:-1], minlength=len(doc)).astype("float32")


def score_text(
    doc: Doc,
    text: Any,
    log_probabilities: numpy.ndarray,
    unknown: str,
    unknown_types: int,
    count_end: bool,
    backward: bool = False,
) -> ScoredText:
    """Say what log-probabilities mean for a text.

    doc (Doc): The text.
    text (SymbolText): Its symbols.
    log_probabilities (numpy.ndarray): float32 [n + 1], that of each symbol and of the end, in nats.
    unknown (str): "symbol", "skip" or "spread".
    unknown_types (int): With "spread": among how many unknown symbols the probability of the unknown one is shared.
    count_end (bool): Whether the end of the text counts, as one more character and word.
    backward (bool): Whether the text was read from its last symbol to its first.
    RETURNS (ScoredText): The text, scored.
    """
    # Imported here because importing a factory must stay cheap.
    from ...text.spans import token_spans

    # Rounding may take a probability a little above 1; and nothing is -0.0.
    surprisals = numpy.maximum(0.0 - log_probabilities / numpy.log(2.0), 0.0).astype("float32")
    is_unknown = numpy.append(text.numbers == 0, False)
    length = len(doc[-1]) + doc[-1].idx if len(doc) else 0
    n_characters = max(length, int(text.ends.max(initial=0)))
    place = numpy.int32(0 if backward else n_characters)
    starts, ends = numpy.append(text.starts, place), numpy.append(text.ends, place)
    counted = numpy.ones(len(surprisals), dtype=bool)
    counted[-1] = count_end
    is_word = ~doc.to_array("IS_SPACE").astype(bool)
    n_words = int(is_word.sum())
    if unknown == "skip":
        counted &= ~is_unknown
        n_characters -= int((ends - starts)[is_unknown].sum())
        n_words -= int(numpy.isin(token_spans(doc)[0][is_word], starts[is_unknown]).sum())
    elif unknown == "spread":
        surprisals[is_unknown] += numpy.float32(numpy.log2(unknown_types))
    return ScoredText(surprisals, starts, ends, counted, int(is_unknown.sum()), n_characters + count_end, n_words + count_end)
