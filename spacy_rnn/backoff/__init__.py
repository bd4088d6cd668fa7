"""Back-off models of n-grams: counting, smoothing, asking, ARPA files; caches, mixtures. Arrays in, arrays out."""

from .arpa_reader import Arpa, read_arpa
from .arpa_writer import write_arpa
from .cache import CacheModel
from .counting import DEFAULT_MEMORY, NGramCounter, NGramCounts
from .estimation import estimate
from .mixture import MixtureModel, fit_weights
from .model import BackoffModel
from .smoothing import DISCOUNT_FALLBACK, SMOOTHINGS

__all__ = [
    "DEFAULT_MEMORY",
    "DISCOUNT_FALLBACK",
    "SMOOTHINGS",
    "Arpa",
    "BackoffModel",
    "CacheModel",
    "MixtureModel",
    "NGramCounter",
    "NGramCounts",
    "estimate",
    "fit_weights",
    "read_arpa",
    "write_arpa",
]
