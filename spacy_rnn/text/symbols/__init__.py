"""What language models read and write: characters, words, or pieces of words, as numbers."""

from .base import END, N_SPECIAL, SPECIAL_NAMES, START, UNKNOWN, SymbolBatch, SymbolCounter, Symbols, SymbolText

__all__ = [
    "END",
    "N_SPECIAL",
    "SPECIAL_NAMES",
    "START",
    "UNKNOWN",
    "SymbolBatch",
    "SymbolCounter",
    "SymbolText",
    "Symbols",
]
