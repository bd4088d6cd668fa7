"""Arrays with a row for each token of a text, which is found again after tokens were merged or split."""

from typing import Any, Mapping, Optional, Tuple

import numpy
from spacy.tokens import Doc, Token


def token_spans(doc: Doc) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Say which characters the tokens of a text have.

    doc (Doc): A text of n tokens.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): int64 [n] each, where they begin and end.
    """
    starts, lengths = doc.to_array(["IDX", "LENGTH"]).reshape(-1, 2).T.astype("int64")
    return starts, starts + lengths


def find_row(stored: Mapping[str, Any], token: Token) -> Optional[int]:
    """Find the row of a token.

    stored (Mapping[str, Any]): "starts" and "ends", what `token_spans` gave when the rows were made.
    token (Token): The token.
    RETURNS (Optional[int]): The row; None if the tokens were others then.
    """
    row = int(numpy.searchsorted(stored["starts"], token.idx))
    if row == len(stored["starts"]) or stored["starts"][row] != token.idx or stored["ends"][row] != token.idx + len(token):
        return None
    return row
