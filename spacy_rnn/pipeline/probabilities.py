"""Probabilities of labels, kept with a text: `token._.rnn_tag_probs`, `token._.rnn_pos_probs` and `doc._.rnn_probs`."""

from typing import Any, Dict, Optional, Sequence

import numpy
from spacy.tokens import Doc, Token

# The attributes of a token, by what is predicted.
TOKEN_EXTENSIONS = {"TAG": "rnn_tag_probs", "POS": "rnn_pos_probs"}
DOC_EXTENSION = "rnn_probs"


def register_extensions() -> None:
    """Let spaCy know the attributes. Components that store probabilities do it by themselves; a call is needed only where there
    is no such component, to read texts that were saved with their probabilities. What has one of these names already stays."""
    if not Doc.has_extension(DOC_EXTENSION):
        Doc.set_extension(DOC_EXTENSION, default=None)
    for attr, getter in (("TAG", get_tag_probs), ("POS", get_pos_probs)):
        if not Token.has_extension(TOKEN_EXTENSIONS[attr]):
            Token.set_extension(TOKEN_EXTENSIONS[attr], getter=getter)


def store_probabilities(doc: Doc, name: str, attr: str, labels: Sequence[str], probabilities: numpy.ndarray) -> None:
    """Keep the probabilities of a text's labels in `doc._.rnn_probs`, which is plain data: it is saved with the text wherever
    spaCy saves user data.

    doc (Doc): A text of n tokens.
    name (str): The name of the component that predicts them; what it has stored before is replaced.
    attr (str): What is predicted, "TAG" or "POS".
    labels (Sequence[str]): The labels.
    probabilities (numpy.ndarray): float32 [n, labels].
    RAISES (ValueError): If there are not as many as tokens and labels.
    """
    if probabilities.shape != (len(doc), len(labels)):
        raise ValueError(f"expected probabilities for {len(doc)} tokens and {len(labels)} labels, got {probabilities.shape}")
    register_extensions()
    starts, lengths = doc.to_array(["IDX", "LENGTH"]).reshape(-1, 2).T.astype("int64")
    stored = {key: value for key, value in (doc._.get(DOC_EXTENSION) or {}).items() if key != name}
    stored[name] = {
        "attr": attr,
        "labels": list(labels),
        # A copy, because rows of one text would keep those of its whole batch.
        "probs": numpy.array(probabilities, dtype="float32"),
        # Tokens may be merged or split later, so rows are found by the characters that they belong to.
        "starts": starts,
        "ends": starts + lengths,
    }
    doc._.set(DOC_EXTENSION, stored)


def get_tag_probs(token: Token) -> Optional[Dict[str, float]]:
    """Give how probable each label was for `token.tag`.

    token (Token): The token.
    RETURNS (Optional[Dict[str, float]]): The probabilities, of the component that was the last to store any; None if there are
        none.
    """
    return _find(token, "TAG")


def get_pos_probs(token: Token) -> Optional[Dict[str, float]]:
    """Give how probable each label was for `token.pos`.

    token (Token): The token.
    RETURNS (Optional[Dict[str, float]]): As `get_tag_probs`.
    """
    return _find(token, "POS")


def _find(token: Token, attr: str) -> Optional[Dict[str, float]]:
    stored = token.doc._.get(DOC_EXTENSION) or {}
    for each in reversed(list(stored.values())):
        if each["attr"] == attr:
            row = _find_row(each, token)
            return None if row is None else dict(zip(each["labels"], each["probs"][row].tolist(), strict=True))
    return None


def _find_row(stored: Dict[str, Any], token: Token) -> Optional[int]:
    """Give the row of a token; None if the tokens were others when the rows were made."""
    row = int(numpy.searchsorted(stored["starts"], token.idx))
    if row == len(stored["starts"]) or stored["starts"][row] != token.idx or stored["ends"][row] != token.idx + len(token):
        return None
    return row
