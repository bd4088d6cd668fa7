"""Scores that spaCy has no function for."""

from typing import Any, Callable, Dict, Iterable

from spacy.scorer import Scorer
from spacy.training import Example


def pos_tagger_score(examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
    """Score `token.pos`.

    examples (Iterable[Example]): Predictions and gold annotation.
    RETURNS (Dict[str, Any]): "pos_acc", the share of annotated tokens that are right.
    """
    return Scorer.score_token_attr(examples, "pos", **kwargs)


def build_pos_tagger_scorer() -> Callable:
    """Give `pos_tagger_score` to a config.

    RETURNS (Callable): The scorer.
    """
    return pos_tagger_score
