"""Arrays with a row for each token of a text, which is found again after tokens were merged or split."""

from typing import Any, Mapping, Optional

import numpy
from spacy.tokens import Token


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
