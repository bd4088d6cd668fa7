"""What a language model says of texts, and how good the texts are that models write."""

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
from .translation import TextScore, TranslationScores, score_translations

__all__ = [
    "Diversity",
    "DocumentScore",
    "DocumentSummary",
    "PositionBits",
    "Samples",
    "TextReading",
    "TextScore",
    "TotalScore",
    "TranslationScores",
    "WorstDocuments",
    "distinct_n",
    "draw_passages",
    "find_reading",
    "find_words",
    "measure_diversity",
    "measure_positions",
    "read_documents",
    "score_documents",
    "score_translations",
    "self_bleu",
    "share_of_new_words",
    "write_samples",
]
