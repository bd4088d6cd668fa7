"""Which labels may follow each other in schemes that write spans as a label for each token."""

from typing import NamedTuple, Sequence, Tuple

import numpy

# Of each scheme the prefixes; those that begin a span, so that they may follow a whole one; and those that a whole one ends with.
# Every other prefix goes on with a span of its type.
SCHEMES = {
    "BIO": ("BI", "B", "BI"),
    "BILUO": ("BILU", "BU", "LU"),
}
OUTSIDE = "O"


class AllowedTransitions(NamedTuple):
    """What a scheme allows.

    start (numpy.ndarray): bool [L], which labels may be the first.
    transitions (numpy.ndarray): bool [L, L], which labels (columns) may come right after each label (row).
    end (numpy.ndarray): bool [L], which labels may be the last.
    """

    start: numpy.ndarray
    transitions: numpy.ndarray
    end: numpy.ndarray


def allowed_transitions(labels: Sequence[str], scheme: str) -> AllowedTransitions:
    """Find which labels may follow each other.

    In BIO (Tjong Kim Sang & Veenstra 1999, "Representing text chunks", as IOB2) "I-X" comes only after "B-X" or "I-X". In BILUO
    (Ratinov & Roth 2009, "Design challenges and misconceptions in named entity recognition", as BILOU) "I-X" and "L-X" come only
    after "B-X" or "I-X", and nothing else does.

    labels (Sequence[str]): The labels: "O", or a prefix of the scheme, a hyphen, and the type of the span.
    scheme (str): "BIO" or "BILUO".
    RETURNS (AllowedTransitions): Which are allowed as the first, after each other, and as the last.
    RAISES (ValueError): If the scheme is unknown, or a label is not one of it.
    """
    prefixes, first, last = _scheme(scheme)
    parts = [_split(label, scheme, prefixes) for label in labels]
    start = numpy.asarray([prefix == OUTSIDE or prefix in first for prefix, _ in parts], dtype=bool)
    end = numpy.asarray([prefix == OUTSIDE or prefix in last for prefix, _ in parts], dtype=bool)
    transitions = end[:, None] & start[None, :]
    for i, (prefix, span_type) in enumerate(parts):
        for j, (next_prefix, next_type) in enumerate(parts):
            if prefix in "BI" and next_prefix not in (OUTSIDE, *first):
                transitions[i, j] = span_type == next_type
    return AllowedTransitions(start, transitions, end)


def check_scheme(scheme: str) -> str:
    """Refuse a scheme that is not known.

    scheme (str): Its name.
    RETURNS (str): The name.
    RAISES (ValueError): If it is not known.
    """
    _scheme(scheme)
    return scheme


def _scheme(scheme: str) -> Tuple[str, str, str]:
    if scheme not in SCHEMES:
        raise ValueError(f"unknown scheme {scheme!r}: expected one of {', '.join(SCHEMES)}")
    return SCHEMES[scheme]


def _split(label: str, scheme: str, prefixes: str) -> Tuple[str, str]:
    prefix, hyphen, span_type = label.partition("-")
    if label != OUTSIDE and not (len(prefix) == 1 and prefix in prefixes and span_type):
        raise ValueError(
            f"the label {label!r} is none of the scheme {scheme}: expected {OUTSIDE!r}, or one of "
            f"{', '.join(map(repr, (p + '-' for p in prefixes)))} and the type of a span, e.g. '{prefixes[0]}-PERSON'"
        )
    return prefix, span_type
