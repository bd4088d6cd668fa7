"""Probabilities of labels, kept with a text: `token._.rnn_tag_probs`, `token._.rnn_pos_probs` and `doc._.rnn_probs`."""

from typing import Any, Dict, Optional, Sequence

import numpy
from spacy.tokens import Doc, Token

from .rows import find_row

# The attributes of a token, by what is predicted.
TOKEN_EXTENSIONS = {"TAG": "rnn_tag_probs", "POS": "rnn_pos_probs"}
DOC_EXTENSION = "rnn_probs"
# Where a text has the arrays. Under such a key spaCy copies them with the text, but not to another text made of its tokens.
_STORED: Any = ("._.", "rnn_probs_arrays", None, None)
_ARRAYS = {"probs": "float32", "starts": "int64", "ends": "int64"}


def register_extensions() -> None:
    """Register the extension attributes of probabilities with spaCy.

    Components that store probabilities do it by themselves; call it only where there is no such component, to read texts that
    were saved with their probabilities. Existing extensions of these names stay."""
    if not Doc.has_extension(DOC_EXTENSION):
        Doc.set_extension(DOC_EXTENSION, getter=get_probs, setter=set_probs)
    for attr, getter in (("TAG", get_tag_probs), ("POS", get_pos_probs)):
        if not Token.has_extension(TOKEN_EXTENSIONS[attr]):
            Token.set_extension(TOKEN_EXTENSIONS[attr], getter=getter)


def store_probabilities(doc: Doc, name: str, attr: str, labels: Sequence[str], probabilities: numpy.ndarray) -> None:
    """Store the probabilities of a text's labels for `doc._.rnn_probs`.

    They are saved with the text wherever spaCy saves user data.

    doc (Doc): A text of n tokens.
    name (str): The name of the component that predicts them; what it has stored before is replaced.
    attr (str): What is predicted, "TAG" or "POS".
    labels (Sequence[str]): The labels.
    probabilities (numpy.ndarray): float32 [n, labels].
    RAISES (ValueError): If there are not as many as tokens and labels.
    """
    # Imported here because importing a factory must stay cheap.
    from ...text.spans import token_spans

    if probabilities.shape != (len(doc), len(labels)):
        raise ValueError(f"expected probabilities for {len(doc)} tokens and {len(labels)} labels, got {probabilities.shape}")
    register_extensions()
    starts, ends = token_spans(doc)
    stored = {key: value for key, value in doc.user_data.get(_STORED, {}).items() if key != name}
    stored[name] = {
        "attr": attr,
        "labels": list(labels),
        # A copy, because rows of one text would keep those of its whole batch.
        "probs": numpy.array(probabilities, dtype="float32"),
        # Tokens may be merged or split later, so rows are found by the characters that they belong to.
        "starts": starts,
        "ends": ends,
    }
    doc.user_data[_STORED] = stored


def get_probs(doc: Doc) -> Optional[Dict[str, Dict[str, Any]]]:
    """Give all probabilities that are kept with a text, as plain data, which `Doc.to_json` takes.

    doc (Doc): A text of n tokens.
    RETURNS (Optional[Dict[str, Dict[str, Any]]]): By the name of the component: "attr", what is predicted, "TAG" or "POS";
        "labels"; "probs", for each token a list of their probabilities; "starts" and "ends", which characters it has. None if
        there are none.
    """
    stored = doc.user_data.get(_STORED)
    if stored is None:
        return None
    return {name: {**each, **{key: each[key].tolist() for key in _ARRAYS}} for name, each in stored.items()}


def set_probs(doc: Doc, values: Optional[Dict[str, Dict[str, Any]]]) -> None:
    """Keep probabilities with a text, as `Doc.from_json` does.

    doc (Doc): A text.
    values (Optional[Dict[str, Dict[str, Any]]]): What `get_probs` gives; None to keep none.
    """
    doc.user_data.pop(_STORED, None)
    if values is not None:
        arrays = {name: {key: numpy.asarray(each[key], dtype) for key, dtype in _ARRAYS.items()} for name, each in values.items()}
        for name, each in values.items():
            # Of no tokens a list says not how many labels there are.
            arrays[name]["probs"] = arrays[name]["probs"].reshape(-1, len(each["labels"]))
        doc.user_data[_STORED] = {name: {**each, **arrays[name]} for name, each in values.items()}


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
    stored = token.doc.user_data.get(_STORED, {})
    for each in reversed(list(stored.values())):
        if each["attr"] == attr:
            row = find_row(each, token)
            return None if row is None else dict(zip(each["labels"], each["probs"][row].tolist(), strict=True))
    return None
