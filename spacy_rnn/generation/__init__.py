"""From a model of the next symbol to sequences: what such a model is, sampling, search and stopping. Knows no network."""

from .best import Best, find_best
from .generating import Produced, generate, stream
from .history import History
from .interface import (
    END,
    START,
    UNKNOWN,
    CoversSource,
    FindsBest,
    LanguageModel,
    MakesManySteps,
    ManySteps,
    NextSymbol,
    Scores,
)
from .results import Generation, Hypothesis
from .sampling import Sampling, distribution, draw
from .search import LengthNormalization, beam_search
from .stepwise import score_stepwise
from .stopping import Stopping
from .uniforms import Uniforms

__all__ = [
    "END",
    "START",
    "UNKNOWN",
    "Best",
    "CoversSource",
    "FindsBest",
    "Generation",
    "History",
    "Hypothesis",
    "LanguageModel",
    "LengthNormalization",
    "MakesManySteps",
    "ManySteps",
    "NextSymbol",
    "Produced",
    "Sampling",
    "Scores",
    "Stopping",
    "Uniforms",
    "beam_search",
    "distribution",
    "draw",
    "find_best",
    "generate",
    "score_stepwise",
    "stream",
]
