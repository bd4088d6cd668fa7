"""Back-off models of n-grams: counting, smoothing, asking, ARPA files; caches, mixtures. Arrays in, arrays out."""

from .arpa import Arpa, read_arpa, write_arpa
from .cache import CacheModel, check_cache
from .counting import DEFAULT_MEMORY, NGramCounter, NGramCounts
from .estimation import check_prune, estimate
from .mixture import MixtureModel, check_weights, fit_weights
from .model import BackoffModel
from .packing import check_order
from .smoothing import DISCOUNT_FALLBACK, SMOOTHINGS, check_smoothing

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
    "check_cache",
    "check_order",
    "check_prune",
    "check_smoothing",
    "check_weights",
    "estimate",
    "fit_weights",
    "read_arpa",
    "write_arpa",
]
