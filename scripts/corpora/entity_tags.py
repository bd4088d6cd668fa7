"""Read the tags of named entities, whatever the scheme: IO, BIO1 (IOB1), BIO2 (IOB2), BIOES (IOBES) or BILUO (BILOU)."""

import re
from typing import List

SCHEMES = "BIOES's E- and S- and BILUO's L- and U- are read too, of one scheme in a file"
_TAG = re.compile(r"O|[BIESLU]-\S.*", re.DOTALL)
# What closes an entity of several words, and what is one of a single word.
_BIOES, _BILUO = "ES", "LU"


class TagError(ValueError):
    """A tag that cannot follow those before it.

    index (int): Which of the tags.
    message (str): What is wrong.
    """

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


def is_tag(tag: str) -> bool:
    """Tell whether this is a tag of one of the schemes.

    tag (str): The tag.
    RETURNS (bool): Whether it is O, or one of B-, I-, E-, S-, L- and U- with a type.
    """
    return bool(_TAG.fullmatch(tag))


def has_ends(tags: List[str]) -> bool:
    """Find out the scheme of a file: whether its tags say where entities end.

    tags (List[str]): All its tags, each as `is_tag` wants it.
    RETURNS (bool): True for BIOES and BILUO; False for IO, BIO1 and BIO2, which are read alike.
    RAISES (TagError): If there are tags of both BIOES and BILUO.
    """
    first = next((tag for tag in tags if tag[0] in "ESLU"), None)
    if first is None:
        return False
    others = _BILUO if first[0] in _BIOES else _BIOES
    for i, tag in enumerate(tags):
        if tag[0] in others:
            raise TagError(
                i, f"expected the tags of a file to be of one scheme, BIOES or BILUO, got {first!r} before and now {tag!r}"
            )
    return True


def to_bio(tags: List[str], ends: bool) -> List[str]:
    """Read the tags of a sentence.

    tags (List[str]): Its tags, each as `is_tag` wants it.
    ends (bool): Whether the tags say where entities end, see `has_ends`.
    RETURNS (List[str]): The same entities in BIO2, which begins each with B-.
    RAISES (TagError): If an entity is not closed, or not opened, in a scheme in which it must be.
    """
    bio: List[str] = []
    before = "O"
    for i, tag in enumerate(tags):
        prefix, type_ = tag[0], tag[2:]
        continues = before != "O" and prefix in "IEL" and before[2:] == type_
        if ends and before[0] in "BI" and not continues:
            raise TagError(i, f"expected the entity of {before!r} to go on or to end here, got {tag!r}")
        if ends and prefix in "IEL" and not (continues and before[0] in "BI"):
            raise TagError(i, f"expected {tag!r} to go on with an entity, but none was begun")
        bio.append("O" if tag == "O" else f"{'I' if continues else 'B'}-{type_}")
        before = tag
    if ends and before[0] in "BI":
        raise TagError(len(tags) - 1, f"expected the entity to end with its sentence, got {before!r}")
    return bio
