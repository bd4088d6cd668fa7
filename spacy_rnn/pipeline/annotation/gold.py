"""Labels as the numbers that a Doc stores for them: nothing that is done for each token needs a string."""

from functools import lru_cache
from typing import Dict, Iterable, List, Sequence, Tuple

import numpy
from spacy.attrs import IDS, ORTH
from spacy.strings import get_string_id
from spacy.training import Example

# The label of tokens that are in no span.
OUTSIDE = "O"


@lru_cache(maxsize=16)
def label_keys(labels: Tuple[str, ...]) -> Tuple[int, ...]:
    """Find the values that a Doc stores for labels.

    labels (Tuple[str, ...]): The labels.
    RETURNS (Tuple[int, ...]): Their values, which are the same in all vocabularies.
    """
    return tuple(get_string_id(label) for label in labels)


def gold_keys(example: Example, attr: str, of_spans: bool = False) -> numpy.ndarray:
    """Align the gold values of a token attribute with the tokens of the predicted text.

    example (Example): A predicted text of n tokens, and its annotation.
    attr (str): The attribute, e.g. "TAG".
    of_spans (bool): Whether the values say where spans begin and end. Then those that several tokens share are left out, all but
        "O": which of these tokens is the first or the last one of the span is not known.
    RETURNS (numpy.ndarray): uint64 [n], the values as a Doc stores them; 0 where there is none, or no single one.
    """
    reference = example.y.to_array([IDS[attr], ORTH])
    # Of the same tokens each is aligned with itself, but spaCy takes ten times as long to find that out. Bytes compare fastest.
    if reference[:, 1].tobytes() == example.x.to_array([ORTH]).tobytes():
        return reference[:, 0]
    keys = numpy.asarray([key or 0 for key in example.get_aligned(attr)], dtype="uint64")
    if of_spans:
        keys[_is_shared(example) & (keys != get_string_id(OUTSIDE))] = 0
    return keys


def _is_shared(example: Example) -> numpy.ndarray:
    """Tell which tokens [n] of the predicted text are aligned with a gold token that others are aligned with as well."""
    to_gold, from_gold = example.alignment.x2y, example.alignment.y2x
    shared = numpy.zeros(len(example.x), dtype=bool)
    shared[numpy.repeat(numpy.arange(len(shared)), to_gold.lengths)] = from_gold.lengths[to_gold.data] > 1
    return shared


def gold_strings(examples: Iterable[Example], attr: str) -> Dict[int, str]:
    """Collect the gold values of a token attribute.

    examples (Iterable[Example]): The annotation, each with a vocabulary that may be its own.
    attr (str): The attribute, e.g. "TAG".
    RETURNS (Dict[int, str]): Strings by the values that a Doc stores for them; 0 is that of no annotation.
    """
    strings: Dict[int, str] = {}
    for example in examples:
        for key in set(example.y.to_array([IDS[attr]]).tolist()).difference(strings):
            strings[key] = example.y.vocab.strings[key]
    return strings


def targets(
    keys: Sequence[int], labels: Sequence[str], neg_prefix: str, label_smoothing: float
) -> Tuple[numpy.ndarray, numpy.ndarray, List[int]]:
    """Find the probabilities that gold values stand for.

    keys (Sequence[int]): K values of a token attribute, as a Doc stores them.
    labels (Sequence[str]): The labels a model predicts.
    neg_prefix (str): What stands before a label that is wrong; "" if none does.
    label_smoothing (float): The share of the probability that is spread over the wrong labels, in [0, 0.5).
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray, List[int]]): float32 [K, labels], the probabilities; float32 [K, labels], 1 where
        these are known, 0 elsewhere; and the values that are neither 0 nor those of a label.
    """
    wrong = {get_string_id(neg_prefix + label): i for i, label in enumerate(labels)} if neg_prefix else {}
    right = {get_string_id(label): i for i, label in enumerate(labels) if not (neg_prefix and label.startswith(neg_prefix))}
    truth = numpy.full((len(keys), len(labels)), label_smoothing / max(len(labels) - 1, 1), dtype="float32")
    known = numpy.zeros_like(truth)
    unknown = []
    for row, key in enumerate(keys):
        if key in right:
            truth[row, right[key]] = 1 - label_smoothing
            known[row] = 1
        elif key in wrong:
            truth[row, wrong[key]] = 0
            known[row, wrong[key]] = 1
        elif key != 0:
            unknown.append(key)
    return truth, known, unknown
