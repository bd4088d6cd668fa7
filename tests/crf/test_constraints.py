"""Schemes of labels for spans, against what spans can be written as."""

import itertools

import numpy
import pytest
from spacy.training import iob_utils

from spacy_rnn.crf import Crf, allowed_transitions, check_scheme, viterbi

LABELS = {
    "BIO": ["O", "B-X", "I-X", "B-Y", "I-Y"],
    "BILUO": ["O", "B-X", "I-X", "L-X", "U-X", "B-Y", "I-Y", "L-Y", "U-Y"],
}


def spans_as_labels(scheme, n):
    """All ways to label n tokens, from all sets of spans that do not overlap."""
    if n == 0:
        return {()}
    found = {(*rest, "O") for rest in spans_as_labels(scheme, n - 1)}
    for length in range(1, n + 1):
        for span_type in "XY":
            biluo = ["U"] if length == 1 else ["B", *"I" * (length - 2), "L"]
            span = tuple(f"{prefix}-{span_type}" for prefix in biluo)
            span = span if scheme == "BILUO" else tuple(iob_utils.biluo_to_iob(span))
            found |= {(*rest, *span) for rest in spans_as_labels(scheme, n - length)}
    return found


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("scheme", LABELS)
def test_allowed_are_the_labels_of_spans_and_no_others(scheme, shuffled):
    labels = LABELS[scheme][::-1] if shuffled else LABELS[scheme]
    start, transitions, end = allowed_transitions(labels, scheme)
    assert start.dtype == transitions.dtype == end.dtype == bool
    for n in (1, 2, 3, 4):
        allowed = {
            tuple(labels[i] for i in path)
            for path in itertools.product(range(len(labels)), repeat=n)
            if start[path[0]] and end[path[-1]] and all(transitions[pair] for pair in itertools.pairwise(path))
        }
        assert allowed == spans_as_labels(scheme, n)


@pytest.mark.parametrize("scheme", LABELS)
def test_best_path_is_one_of_spans_whatever_the_scores(scheme):
    labels = LABELS[scheme]
    masks = allowed_transitions(labels, scheme)
    rng = numpy.random.default_rng(0)
    crf = Crf(*(numpy.where(mask, rng.normal(size=mask.shape), -numpy.inf).astype("float32") for mask in masks))
    for n in (1, 2, 3, 4):
        found, _ = viterbi(crf, rng.normal(scale=10, size=(20 * n, len(labels))).astype("float32"), [n] * 20)
        assert {tuple(labels[i] for i in path) for path in found.reshape(-1, n)} <= spans_as_labels(scheme, n)


def test_types_may_have_hyphens():
    _, transitions, _ = allowed_transitions(["B-A-B", "I-A-B", "I-A"], "BIO")
    assert transitions.tolist() == [[True, True, False], [True, True, False], [True, False, True]]


@pytest.mark.parametrize(
    "label, scheme",
    [("", "BIO"), ("X", "BIO"), ("B-", "BIO"), ("L-X", "BIO"), ("-", "BILUO"), ("E-X", "BILUO"), ("BI-X", "BILUO")],
)
def test_labels_of_no_scheme_are_refused(label, scheme):
    with pytest.raises(ValueError, match=f"{label!r} is none of the scheme {scheme}"):
        allowed_transitions(["O", label], scheme)


def test_unknown_schemes_are_refused():
    for function in (check_scheme, lambda scheme: allowed_transitions([], scheme)):
        with pytest.raises(ValueError, match="'BIOES': expected one of BIO, BILUO"):
            function("BIOES")
