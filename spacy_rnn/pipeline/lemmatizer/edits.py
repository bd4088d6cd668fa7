"""How a lemma comes from a form: as it is, in other letters of upper or lower case, or written by the network.

Stanza's lemmatizer (Qi et al. 2020) decides the same by a classifier. Here it is the first symbol that the decoder writes.
"""

from typing import Callable, Dict

SHAPES = ("caseless", "lower", "title", "upper", "mixed")


def capitalize(text: str) -> str:
    """Begin with a letter in upper case, and go on in lower case.

    text (str): A string. Unlike in `str.title`, there is one upper-case letter at most, whatever stands between letters.
    RETURNS (str): The string.
    """
    return text[:1].upper() + text[1:].lower()


# Unicode has these for no character of any text: what follows is the whole of it, or the beginning of what is written.
IDENTITY, LOWER, TITLE, AS_WRITTEN, TITLE_WRITTEN, UPPER_WRITTEN = (chr(0xFDD0 + i) for i in range(6))
_OF_FORM: Dict[str, Callable[[str], str]] = {IDENTITY: str, LOWER: str.lower, TITLE: capitalize}
_OF_WRITTEN: Dict[str, Callable[[str], str]] = {AS_WRITTEN: str, TITLE_WRITTEN: capitalize, UPPER_WRITTEN: str.upper}
WRITTEN = tuple(_OF_WRITTEN)
EDITS = (*_OF_FORM, *WRITTEN)


def shape_of(form: str) -> str:
    """Say what letters a form is written in.

    form (str): The form.
    RETURNS (str): One of `SHAPES`.
    """
    lower, upper = form.lower(), form.upper()
    if lower == upper:
        return "caseless"
    if form == lower:
        return "lower"
    if form == capitalize(form):
        return "title"
    return "upper" if form == upper else "mixed"


def read_form(form: str) -> str:
    """Give what the network reads of a form.

    form (str): The form.
    RETURNS (str): The form in lower case, unless upper and lower case stand side by side in it.
    """
    return form if shape_of(form) == "mixed" else form.lower()


def find_edit(form: str, lemma: str) -> str:
    """Say how a lemma comes from a form.

    form (str): The form.
    lemma (str): The lemma.
    RETURNS (str): An edit, followed by what is written, if anything is: what `apply_edit` makes the lemma of.
    """
    for edit, change in _OF_FORM.items():
        if change(form) == lemma:
            return edit
    lower = lemma.lower()
    for edit in (TITLE_WRITTEN, UPPER_WRITTEN):
        if lower != lemma and _OF_WRITTEN[edit](lower) == lemma:
            return edit + lower
    return AS_WRITTEN + lemma


def apply_edit(form: str, edit: str) -> str:
    """Make a lemma.

    form (str): The form.
    edit (str): What `find_edit` gives, or a network has written: where it is none, the form stays as it is.
    RETURNS (str): The lemma.
    """
    if edit[:1] in _OF_FORM:
        return _OF_FORM[edit[:1]](form)
    written = "".join(char for char in edit[1:] if char not in EDITS)
    return _OF_WRITTEN[edit[0]](written) if edit[:1] in _OF_WRITTEN and written else form
