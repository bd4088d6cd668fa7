"""What a language model says of texts, and what it writes."""

from .diversity import distinct_n, self_bleu
from .documents import (
    DocumentScore,
    DocumentSummary,
    TextReading,
    TotalScore,
    WorstDocuments,
    find_reading,
    read_documents,
    score_documents,
)
from .positions import PositionBits, draw_passages, measure_positions
from .samples import Diversity, Samples, find_words, measure_diversity, share_of_new_words, write_samples

__all__ = [
    "Diversity",
    "DocumentScore",
    "DocumentSummary",
    "PositionBits",
    "Samples",
    "TextReading",
    "TotalScore",
    "WorstDocuments",
    "distinct_n",
    "draw_passages",
    "find_reading",
    "find_words",
    "measure_diversity",
    "measure_positions",
    "read_documents",
    "score_documents",
    "self_bleu",
    "share_of_new_words",
    "write_samples",
]
