"""Paths of labels through sequences of scores: arrays in, arrays out."""

from .constraints import AllowedTransitions, allowed_transitions, check_scheme
from .engines import ENGINES
from .inference import log_likelihood, marginals, viterbi
from .interface import Crf, CrfEngine

__all__ = [
    "ENGINES",
    "AllowedTransitions",
    "Crf",
    "CrfEngine",
    "allowed_transitions",
    "check_scheme",
    "log_likelihood",
    "marginals",
    "viterbi",
]
