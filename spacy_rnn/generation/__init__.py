"""From a model of the next symbol to sequences: what such a model is, sampling, search and stopping. Knows no network."""

from .interface import LanguageModel, NextSymbol, Scores

__all__ = ["LanguageModel", "NextSymbol", "Scores"]
