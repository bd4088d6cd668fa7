"""Labels of a stream by a conditional random field."""

from itertools import product

import numpy
import pytest
from numpy.testing import assert_array_equal
from thinc.api import Linear, with_array

from spacy_rnn.layers import build_crf, crf_decode, set_labels
from spacy_rnn.streaming import crf_decode_stream

N = 30


def make_crf(n_labels, constraints=None, labels=None):
    model = build_crf(with_array(Linear(n_labels, n_labels)), constraints=constraints)
    model.initialize()
    rng = numpy.random.default_rng(0)
    for name in model.param_names:
        model.set_param(name, rng.normal(scale=2, size=model.get_param(name).shape).astype("float32"))
    if labels:
        set_labels(model, labels)
    return model


def draw_scores(n, n_labels, seed=0):
    return numpy.random.default_rng(seed).normal(size=(n, n_labels)).astype("float32")


def joined(model, scores, piece, lookahead):
    pieces = (scores[i : i + piece] for i in range(0, len(scores), piece))
    return numpy.concatenate([scores[:0, 0].astype("int64"), *crf_decode_stream(model, pieces, lookahead=lookahead)])


@pytest.mark.parametrize("piece", [1, 7, N])
def test_a_look_ahead_to_the_end_gives_the_best_path_through_the_whole(piece):
    model, scores = make_crf(5), draw_scores(N, 5)
    assert_array_equal(joined(model, scores, piece, N), crf_decode(model, [scores])[0])


@pytest.mark.parametrize("piece, lookahead", [(1, 0), (1, 2), (3, 0), (3, 2), (4, 1)])
def test_each_piece_begins_the_best_path_from_the_label_before_it(piece, lookahead):
    """Against all paths tried one by one."""
    model, scores = make_crf(3), draw_scores(11, 3)
    start, transitions, end = (model.get_param(name) for name in ("start", "transitions", "end"))

    def best(rows, last, at_end):
        def score(path):
            first = start[path[0]] if last is None else transitions[last, path[0]]
            steps = sum(transitions[a, b] for a, b in zip(path, path[1:], strict=False))
            return first + steps + sum(row[y] for row, y in zip(rows, path, strict=True)) + (end[path[-1]] if at_end else 0)

        return list(max(product(range(3), repeat=len(rows)), key=score))

    expected, read = [], 0
    while read < len(scores):
        read = min(read + piece, len(scores))
        n = read - lookahead - len(expected)
        if n > 0:
            expected += best(scores[len(expected) : read], expected[-1] if expected else None, False)[:n]
    if len(expected) < len(scores):
        expected += best(scores[len(expected) :], expected[-1] if expected else None, True)
    assert joined(model, scores, piece, lookahead).tolist() == expected


@pytest.mark.parametrize("lookahead", [1, 3, 10])
@pytest.mark.parametrize("piece", [1, 4])
def test_constraints_hold_in_a_stream(piece, lookahead):
    labels = ["O", "B-X", "I-X", "L-X", "U-X"]
    model = make_crf(len(labels), "BILUO", labels)
    followers = {"O": "OBU", "B": "IL", "I": "IL", "L": "OBU", "U": "OBU"}
    for seed in range(10):
        found = [labels[i][0] for i in joined(model, draw_scores(N, len(labels), seed), piece, lookahead)]
        assert len(found) == N
        assert found[0] in "OBU" and found[-1] in "OLU"
        assert all(b in followers[a] for a, b in zip(found, found[1:], strict=False))


def test_labels_come_as_soon_as_the_look_ahead_allows():
    model, scores, read = make_crf(3), draw_scores(N, 3), []
    labels = crf_decode_stream(model, (read.append(i) or scores[i : i + 1] for i in range(N)), lookahead=4)
    for i in range(5):
        assert len(next(labels)) == 1
        assert len(read) == i + 5


@pytest.mark.parametrize("lengths", [[], [0], [0, 0], [1], [0, 1]])
def test_short_streams(lengths):
    model, scores = make_crf(3), draw_scores(1, 3)
    found = list(crf_decode_stream(model, (scores[:n] for n in lengths), lookahead=2))
    assert_array_equal(numpy.concatenate([scores[:0, 0], *found]), crf_decode(model, [scores[: sum(lengths)]])[0])


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="build_crf"):
        list(crf_decode_stream(Linear(3, 3), [draw_scores(3, 3)], lookahead=1))
