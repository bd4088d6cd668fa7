"""Back-off language models of n-grams: counting, smoothing, asking, and ARPA files. Arrays in, arrays out."""

from .arpa_reader import Arpa, read_arpa
from .arpa_writer import write_arpa
from .counting import DEFAULT_MEMORY, NGramCounter, NGramCounts
from .estimation import estimate
from .model import BackoffModel
from .smoothing import DISCOUNT_FALLBACK, SMOOTHINGS

__all__ = [
    "DEFAULT_MEMORY",
    "DISCOUNT_FALLBACK",
    "SMOOTHINGS",
    "Arpa",
    "BackoffModel",
    "NGramCounter",
    "NGramCounts",
    "estimate",
    "read_arpa",
    "write_arpa",
]
