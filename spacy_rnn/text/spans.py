"""Where the tokens of a text are."""

from typing import Tuple

import numpy
from spacy.tokens import Doc


def token_spans(doc: Doc) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Say which characters the tokens of a text have.

    doc (Doc): A text of n tokens.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): int64 [n] each, where they begin and end.
    """
    starts, lengths = doc.to_array(["IDX", "LENGTH"]).reshape(-1, 2).T.astype("int64")
    return starts, starts + lengths
