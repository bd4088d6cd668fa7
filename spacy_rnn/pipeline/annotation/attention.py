"""`doc._.rnn_attention`: how much each token counted when a text was classified.

The shares are kept in `doc.user_data`, as all extension attributes of spaCy's are, so `Doc.to_bytes`, `Doc.copy`, `nlp.pipe` with
several processes and `DocBin(store_user_data=True)` keep them."""

from typing import Any, List, Optional, Sequence, Union

import numpy
from spacy.tokens import Doc

EXTENSION = "rnn_attention"
# Where a text has the array. Under such a key spaCy copies it with the text, but not to another text made of its tokens.
_STORED: Any = ("._.", "rnn_attention_array", None, None)


def register_attention() -> None:
    """Set the extension attribute up, unless it is there. Making a component that stores attention does so, too."""
    if not Doc.has_extension(EXTENSION):
        Doc.set_extension(EXTENSION, getter=get_attention, setter=write_attention)


def write_attention(doc: Doc, shares: Optional[Union[Sequence[float], numpy.ndarray]]) -> None:
    """Give a text its attention.

    doc (Doc): A text of n tokens.
    shares (Optional[Union[Sequence[float], numpy.ndarray]]): [n], which sums to 1; None to take it away.
    """
    register_attention()
    doc.user_data.pop(_STORED, None)
    if shares is not None:
        doc.user_data[_STORED] = numpy.asarray(shares, dtype="float32")


def get_attention(doc: Doc) -> Optional[List[float]]:
    """Give the attention of a text as plain data, which `Doc.to_json` takes.

    doc (Doc): A text of n tokens.
    RETURNS (Optional[List[float]]): n shares; None if there is no attention.
    """
    shares = doc.user_data.get(_STORED)
    return None if shares is None else shares.tolist()


def read_attention(doc: Doc) -> numpy.ndarray:
    """Read the attention of a text.

    doc (Doc): A text of n tokens.
    RETURNS (numpy.ndarray): float32 [n], which sums to 1; empty for a text without tokens.
    RAISES (ValueError): If the text has none, or that of other tokens.
    """
    shares: Optional[numpy.ndarray] = doc.user_data.get(_STORED)
    if shares is None:
        raise ValueError(
            f"the text has no doc._.{EXTENSION}: run it through a component rnn_textcat or rnn_textcat_multilabel with pooling = "
            '"attention" and store_attention = true; a DocBin keeps it only with store_user_data=True'
        )
    if len(shares) != len(doc):
        raise ValueError(
            f"doc._.{EXTENSION} is that of {len(shares)} tokens, but the text has {len(doc)}: it was tokenized again after it "
            "had been classified"
        )
    return numpy.asarray(shares)
