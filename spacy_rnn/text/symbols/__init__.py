"""What language models read and write: characters, words, or pieces of words, as numbers."""

from .base import END, N_SPECIAL, SPECIAL_NAMES, START, UNKNOWN, SymbolBatch, SymbolCounter, Symbols, SymbolText, batch_texts
from .characters import Characters, build_characters
from .names import escape_name, unescape_name
from .pairs import PairBatch, SourceBatch
from .subwords import Subwords, build_subwords
from .words import Words, build_words

__all__ = [
    "END",
    "N_SPECIAL",
    "SPECIAL_NAMES",
    "START",
    "UNKNOWN",
    "Characters",
    "PairBatch",
    "SourceBatch",
    "SymbolBatch",
    "SymbolCounter",
    "SymbolText",
    "Subwords",
    "Symbols",
    "Words",
    "build_characters",
    "build_subwords",
    "build_words",
    "escape_name",
    "unescape_name",
    "batch_texts",
]
