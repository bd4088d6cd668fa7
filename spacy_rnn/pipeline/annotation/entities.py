"""Entities as a label for each token, in the scheme BILUO: "O", and for each type of entity "B-", "I-", "L-" and "U-"."""

from functools import lru_cache
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.attrs import ORTH
from spacy.tokens import Doc, Span
from spacy.training import Example

OUTSIDE = 0
PREFIXES = "BILU"
BEGIN, IN, LAST, UNIT = range(1, 5)
# Values of Token.ent_iob.
IOB_INSIDE, IOB_OUTSIDE, IOB_BEGIN = 1, 2, 3


class EntityLabels(NamedTuple):
    """The labels of a token.

    names (Tuple[str, ...]): "O", "B-X", "I-X", "L-X", "U-X", and so on for the other types.
    numbers (Dict[str, int]): Their places.
    is_edge (numpy.ndarray): bool [labels], whether a label is that of an entity's first or last token.
    goes_on (numpy.ndarray): bool [labels], whether a label is that of a token that is not an entity's first.
    """

    names: Tuple[str, ...]
    numbers: Dict[str, int]
    is_edge: numpy.ndarray
    goes_on: numpy.ndarray


@lru_cache(maxsize=16)
def entity_labels(types: Tuple[str, ...]) -> EntityLabels:
    """Make the labels for types of entities.

    types (Tuple[str, ...]): The types, e.g. "PERSON".
    RETURNS (EntityLabels): The labels.
    """
    names = ("O", *(f"{prefix}-{entity_type}" for entity_type in types for prefix in PREFIXES))
    is_edge = numpy.asarray([name[0] in "BLU" for name in names])
    goes_on = numpy.asarray([name[0] in "IL" for name in names])
    return EntityLabels(names, {name: i for i, name in enumerate(names)}, is_edge, goes_on)


def span_labels(length: int, type_number: int) -> numpy.ndarray:
    """Give the labels of an entity.

    length (int): How many tokens it has.
    type_number (int): The place of its type.
    RETURNS (numpy.ndarray): int64 [length], the numbers of the labels.
    """
    labels = numpy.full(length, IN)
    labels[[0, -1]] = (BEGIN, LAST) if length > 1 else (UNIT, UNIT)
    return labels + len(PREFIXES) * type_number


def gold_entities(example: Example) -> Sequence[Optional[str]]:
    """Align gold entities with the tokens of the predicted text, as `Example.get_aligned_ner` does.

    example (Example): A predicted text of n tokens, and its annotation.
    RETURNS (Sequence[Optional[str]]): n labels; None where there is no annotation, or where an entity's boundaries are none of
        tokens.
    """
    gold = example.y.to_array([ORTH, "ENT_IOB"]).reshape(-1, 2)
    # Of the same tokens each is aligned with itself, but spaCy takes long to find that out. Bytes compare fastest.
    if gold[:, 0].tobytes() != example.x.to_array([ORTH]).tobytes():
        return example.get_aligned_ner()
    labels: List[Optional[str]] = ["O" if iob == IOB_OUTSIDE else None for iob in gold[:, 1].tolist()]
    for entity in example.y.ents:
        numbers = span_labels(len(entity), 0).tolist()
        labels[entity.start : entity.end] = [f"{PREFIXES[number - 1]}-{entity.label_}" for number in numbers]
    if gold[:, 1].any():
        for i, is_space in enumerate(example.x.to_array(["IS_SPACE"]).tolist()):
            if is_space and labels[i] is None:
                labels[i] = "O"
    return labels


def forbid_spaces(doc: Doc, labels: EntityLabels) -> Optional[numpy.ndarray]:
    """Find which labels tokens may have, since no entity begins or ends with whitespace.

    doc (Doc): A text of n tokens.
    labels (EntityLabels): The labels.
    RETURNS (Optional[numpy.ndarray]): bool [n, labels]; None if all tokens may have any.
    """
    is_space = doc.to_array(["IS_SPACE"]).astype(bool)
    return ~(is_space[:, None] & labels.is_edge) if is_space.any() else None


def possible_labels(doc: Doc, types: Tuple[str, ...], labels: EntityLabels) -> Optional[numpy.ndarray]:
    """Find which labels tokens may have by what is known about a text.

    No entity begins or ends with whitespace, none goes on where a sentence has been set to begin, and entities that have been
    set, or blocked, stay as they are.

    doc (Doc): A text of n tokens.
    types (Tuple[str, ...]): The types of entities.
    labels (EntityLabels): Their labels.
    RETURNS (Optional[numpy.ndarray]): bool [n, labels]; None if all tokens may have any.
    """
    attrs = doc.to_array(["IS_SPACE", "SENT_START", "ENT_IOB"]).reshape(-1, 3)
    is_space, begins_sentence = attrs[:, 0] == 1, attrs[:, 1] == 1
    is_set = is_preset(attrs[:, 2])
    if not (is_space.any() or begins_sentence[1:].any() or is_set.any()):
        return None
    possible = ~(is_space[:, None] & labels.is_edge) & ~(begins_sentence[:, None] & labels.goes_on)
    possible[is_set] = False
    possible[is_set, OUTSIDE] = True
    for entity in doc.ents if is_set.any() else ():
        # Of a type that the labels do not have, all they can say is that there is none of theirs.
        if entity.label_ in types:
            rows = numpy.arange(entity.start, entity.end)
            possible[rows, OUTSIDE] = False
            possible[rows, span_labels(len(entity), types.index(entity.label_))] = True
    return possible


def is_preset(iob: numpy.ndarray) -> numpy.ndarray:
    """Tell which tokens have been set to be part of an entity, or blocked.

    iob (numpy.ndarray): [n], their values of `Token.ent_iob`.
    RETURNS (numpy.ndarray): bool [n].
    """
    return (iob == IOB_BEGIN) | (iob == IOB_INSIDE)


def set_entities(doc: Doc, types: Sequence[str], numbers: numpy.ndarray) -> None:
    """Write entities to a text. Those that have been set, and tokens that have been blocked, stay as they are.

    doc (Doc): A text of n tokens.
    types (Sequence[str]): The types of entities.
    numbers (numpy.ndarray): int64 [n], the numbers of the tokens' labels, well-formed.
    RAISES (ValueError): If there are not as many as tokens, or they are not well-formed.
    """
    if len(numbers) != len(doc):
        raise ValueError(f"expected a label for each of {len(doc)} tokens, got {len(numbers)}")
    prefixes = (numbers - 1) % len(PREFIXES) + 1
    inside = numbers != OUTSIDE
    starts = numpy.flatnonzero(inside & ((prefixes == BEGIN) | (prefixes == UNIT)))
    ends = numpy.flatnonzero(inside & ((prefixes == LAST) | (prefixes == UNIT))) + 1
    iob, entity_types = doc.to_array(["ENT_IOB", "ENT_TYPE"]).reshape(-1, 2).T
    is_set = is_preset(iob)
    entities = list(doc.ents) if is_set.any() else []
    entities += [
        Span(doc, start, end, label=types[(numbers[start] - 1) // len(PREFIXES)])
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        if not is_set[start]
    ]
    blocked = [doc[i : i + 1] for i in numpy.flatnonzero((iob == IOB_BEGIN) & (entity_types == 0)).tolist()]
    doc.set_ents(entities, blocked=blocked, default="outside")
