"""Paths of labels through sequences of scores: arrays in, arrays out."""

from .constraints import AllowedTransitions, allowed_transitions, check_scheme
from .inference import log_likelihood, marginals, viterbi
from .interface import Crf

__all__ = [
    "AllowedTransitions",
    "Crf",
    "allowed_transitions",
    "check_scheme",
    "log_likelihood",
    "marginals",
    "viterbi",
]
