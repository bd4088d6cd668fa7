"""Encoders that read a sequence piece by piece."""

import pickle

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.ml.models.tok2vec import MaxoutWindowEncoder
from thinc.api import (
    LayerNorm,
    Linear,
    Model,
    Ragged,
    chain,
    expand_window,
    noop,
    ragged2list,
    residual,
    with_array,
    with_debug,
    with_nvtx_range,
)

from spacy_rnn.layers import (
    Recurrent,
    RowWise,
    build_dropout,
    build_highway,
    build_list2ragged,
    build_rnn,
    build_sequence_dropout,
    declare,
    initial_state,
    scan,
    with_rows,
)
from spacy_rnn.native import library
from spacy_rnn.recurrence import CELLS
from spacy_rnn.streaming import encode_stream, reads_backward, scan_encoder

N = 40
WIDTH = 6


def encoder(*layers):
    return chain(build_list2ragged(), *layers, ragged2list()).initialize()


def rnn(**settings):
    return build_rnn(WIDTH, WIDTH, **settings)


# Forward only, with everything that may stand between recurrent layers.
FORWARD = {
    **{cell: lambda cell=cell: encoder(rnn(cell=cell, depth=2)) for cell in CELLS},
    "residual, learned state": lambda: encoder(rnn(residual=True, train_initial_state=True, depth=2)),
    "two with a norm": lambda: encoder(rnn(), with_array(LayerNorm(WIDTH)), with_array(build_dropout(0.5)), rnn(cell="gru")),
    "regularized": lambda: encoder(
        build_sequence_dropout(0.5), rnn(), with_rows(LayerNorm(WIDTH)), build_highway(rnn()), build_sequence_dropout(0.5)
    ),
    "around": lambda: residual(encoder(rnn())),
    "inside": lambda: encoder(residual(rnn()), with_array(residual(LayerNorm(WIDTH)))),
    "shared": lambda: (lambda layer: encoder(layer, layer))(rnn()),
    "none": noop,
}
BOTH = {
    **{cell: lambda cell=cell: encoder(rnn(cell=cell, bidirectional=True, depth=2)) for cell in CELLS},
    "learned state": lambda: encoder(rnn(bidirectional=True, train_initial_state=True, residual=True, depth=3)),
    "two with a norm": lambda: encoder(
        rnn(bidirectional=True), with_array(LayerNorm(WIDTH)), rnn(cell="gru", bidirectional=True)
    ),
}
forward_only = pytest.mark.parametrize("build", FORWARD.values(), ids=FORWARD.keys())
both_directions = pytest.mark.parametrize("build", BOTH.values(), ids=BOTH.keys())


@pytest.fixture
def rows(make_batch):
    return make_batch([N], WIDTH).data


def joined(model, rows, piece, lookahead, chunk=None):
    chunk = chunk or piece
    chunks = (rows[i : i + chunk] for i in range(0, len(rows), chunk))
    return numpy.concatenate(list(encode_stream(model, chunks, piece=piece, lookahead=lookahead)))


@pytest.mark.parametrize("piece", [1, 7, 1000])
@forward_only
def test_pieces_forward_are_the_whole(build, rows, randomize, piece):
    model = randomize(build())
    (whole,) = model.predict([rows])
    for chunk in (piece, 3):
        assert_allclose(joined(model, rows, piece, 5, chunk), whole, rtol=1e-12, atol=1e-12)


@pytest.mark.skipif(library is None, reason="the compiled engine has not been built")
@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("cell", CELLS)
def test_pieces_forward_are_the_whole_bit_for_bit_on_the_compiled_engine(cell, make_batch, randomize, piece):
    model = randomize(encoder(build_rnn(24, 33, cell=cell, depth=2)), "float32")
    rows = make_batch([300], 33, "float32").data
    assert_array_equal(joined(model, rows, piece, 0), model.predict([rows])[0])


@pytest.mark.parametrize("piece", [1, 7, N])
@both_directions
def test_a_look_ahead_to_the_end_gives_the_whole(build, rows, randomize, piece):
    model = randomize(build())
    assert_allclose(joined(model, rows, piece, N), model.predict([rows])[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("piece, lookahead", [(1, 0), (1, 3), (7, 0), (7, 3), (7, 20), (16, 5)])
def test_every_layer_carries_its_forward_state_and_restarts_its_backward_one(rows, randomize, piece, lookahead):
    """Against directions that are given all rows again: the forward one those of all pieces, the backward one those of one."""
    model = randomize(encoder(rnn(bidirectional=True, depth=3, train_initial_state=True)))
    stack = model.layers[1]
    past = [rows[:0]] * stack.attrs["depth"]
    expected, start = [], 0
    while start < N:
        last = start + piece + lookahead > N
        n = N - start if last else piece
        block = rows[start : start + (n if last else piece + lookahead)]
        for i in range(len(past)):
            ahead, back = stack.layers[2 * i : 2 * i + 2]
            so_far = numpy.concatenate([past[i], block])
            past[i] = so_far[: len(past[i]) + n]
            outputs = [layer.predict(Ragged(X, numpy.asarray([len(X)]))).data for layer, X in ((ahead, so_far), (back, block))]
            block = numpy.hstack([outputs[0][-len(block) :], outputs[1]])
        expected.append(block[:n])
        start += n
    assert_allclose(joined(model, rows, piece, lookahead), numpy.concatenate(expected), rtol=1e-12, atol=1e-12)


@both_directions
def test_the_error_falls_with_the_look_ahead(build, make_batch, randomize):
    model = randomize(build(), scale=0.4)
    rows = make_batch([100], WIDTH).data
    (whole,) = model.predict([rows])
    errors = [numpy.abs(joined(model, rows, 5, lookahead) - whole).max() for lookahead in (0, 5, 15, 40)]
    assert errors[0] > 1e-2
    assert all(later < 0.5 * earlier for earlier, later in zip(errors, errors[1:], strict=False)), errors


@both_directions
def test_streams_do_not_depend_on_their_neighbours(build, make_batch, randomize):
    model = randomize(build())
    streams = [make_batch([n], WIDTH, seed=n).data for n in (9, 0, 30, 12)]
    together, alone, states, own = [[] for _ in streams], [[] for _ in streams], None, [None] * len(streams)
    for i in range(3):
        blocks = [rows[i * len(rows) // 3 : (i + 2) * len(rows) // 3] for rows in streams]
        ahead = [
            len(block) - ((i + 1) * len(rows) // 3 - i * len(rows) // 3) for block, rows in zip(blocks, streams, strict=True)
        ]
        Ys, states = scan_encoder(model, blocks, states, ahead)
        for k, (Y, block, n) in enumerate(zip(Ys, blocks, ahead, strict=True)):
            together[k].append(Y)
            (Y_alone,), own[k] = scan_encoder(model, [block], own[k], [n])
            alone[k].append(Y_alone)
    for one, other, rows in zip(together, alone, streams, strict=True):
        assert len(numpy.concatenate(one)) == len(rows)
        assert_allclose(numpy.concatenate(one), numpy.concatenate(other), rtol=1e-12, atol=1e-12)


def test_a_state_is_plain_arrays_and_goes_on_elsewhere(rows, randomize):
    model = randomize(encoder(rnn(bidirectional=True, depth=2), rnn(cell="gru")))
    _, states = scan_encoder(model, [rows[:20]], None, [4])
    assert [{name: (type(array), array.shape) for name, array in state.items()} for state in states] == [
        {"h": (numpy.ndarray, (4, 1, 3)), "c": (numpy.ndarray, (4, 1, 3))},
        {"h": (numpy.ndarray, (1, 1, 6))},
    ]
    (here,), _ = scan_encoder(model, [rows[16:]], states)
    (there,), _ = scan_encoder(pickle.loads(pickle.dumps(model)), [rows[16:]], pickle.loads(pickle.dumps(states)))
    assert_array_equal(here, there)
    # Running on has not written to it.
    assert_array_equal(scan_encoder(model, [rows[16:]], states)[0][0], here)


def test_a_piece_without_rows_leaves_the_state_as_it_is(rows, randomize):
    model = randomize(encoder(rnn()))
    _, states = scan_encoder(model, [rows])
    (Y,), after = scan_encoder(model, [rows[:0]], states)
    assert Y.shape == (0, WIDTH)
    for name, array in states[0].items():
        assert_array_equal(after[0][name], array)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_streams_without_rows_have_no_output(lengths, rows):
    chunks = (rows[:n] for n in lengths)
    assert list(encode_stream(encoder(rnn(bidirectional=True)), chunks, piece=3, lookahead=2)) == []


def test_a_stream_of_one_row(rows, randomize):
    model = randomize(encoder(rnn(bidirectional=True)))
    (Y,) = encode_stream(model, [rows[:1]], piece=3, lookahead=2)
    assert_allclose(Y, model.predict([rows[:1]])[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bidirectional, n_read", [(True, 8), (False, 5)])
def test_it_reads_no_further_than_it_looks(bidirectional, n_read, rows):
    read = []
    chunks = (read.append(i) or rows[i : i + 1] for i in range(N))
    outputs = encode_stream(encoder(rnn(bidirectional=bidirectional)), chunks, piece=5, lookahead=3)
    assert read == []
    for _ in range(4):
        assert len(next(outputs)) == 5
        assert len(read) == n_read
        n_read += 5


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_state_before_the_look_ahead_is_that_of_the_rows_before_it(bidirectional, make_batch, randomize):
    model = randomize(rnn(bidirectional=bidirectional).initialize())
    X = make_batch([5, 0, 3, 7], WIDTH)
    ahead = numpy.asarray([2, 0, 3, 0])
    before = Ragged(X.data[[0, 1, 2, 8, 9, 10, 11, 12, 13, 14]], X.lengths - ahead)
    Y, state = scan(model, X, None, ahead)
    assert_allclose(Y.data, model.predict(X).data, rtol=1e-12, atol=1e-12)
    for name, array in scan(model, before)[1].items():
        assert_allclose(state[name][0], array[0], rtol=1e-12, atol=1e-12)


def test_the_initial_state_is_what_the_layer_starts_in(make_batch, randomize):
    X = make_batch([2, 3], WIDTH)
    for learned in (False, True):
        model = randomize(rnn(train_initial_state=learned, bidirectional=True, depth=2).initialize())
        state = initial_state(model, 2)
        assert {array.shape for array in state.values()} == {(4, 2, 3)}
        assert learned == any(array.any() for array in state.values())
        assert_allclose(scan(model, X, state)[0].data, model.predict(X).data, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "build",
    [
        lambda: MaxoutWindowEncoder(WIDTH, 1, 3, 2),
        lambda: encoder(rnn(), with_array(chain(expand_window(1), Linear(WIDTH, 3 * WIDTH)))),
        lambda: residual(chain(with_array(expand_window(0)), encoder(rnn()))),
    ],
)
def test_layers_that_cannot_be_cut_are_refused_before_anything_is_read(build, rows):
    model = build()
    for run in (lambda: encode_stream(model, iter([rows]), piece=1, lookahead=0), lambda: scan_encoder(model, [rows])):
        with pytest.raises(ValueError, match="expand_window.*declare.forward, RowWise"):
            run()


@pytest.mark.parametrize(
    "sizes, message",
    [
        ({"piece": 0, "lookahead": 0}, "piece.*at least 1, got 0"),
        ({"piece": 1.5, "lookahead": 0}, "piece.*whole number.*1.5"),
        ({"piece": 1, "lookahead": -1}, "lookahead.*at least 0, got -1"),
        ({"piece": 1, "lookahead": None}, "lookahead.*whole number.*None"),
    ],
)
def test_sizes_out_of_range_are_refused(sizes, message, rows):
    with pytest.raises(ValueError, match=message):
        encode_stream(encoder(rnn()), [rows], **sizes)


@pytest.mark.parametrize(
    "ahead, message",
    [([3, 0], "for each of 1 sequences"), ([N + 1], f"{N}.*{N + 1}"), ([-1], "-1"), ([0.5], "whole number.*0.5")],
)
def test_impossible_look_aheads_are_refused(ahead, message, rows):
    model = rnn(bidirectional=True).initialize()
    with pytest.raises(ValueError, match=message):
        scan(model, Ragged(rows, numpy.asarray([N])), None, ahead)


def test_states_of_other_encoders_and_batches_are_refused(rows):
    model = encoder(rnn(bidirectional=True))
    (before,) = model.predict([rows])
    _, states = scan_encoder(model, [rows, rows])
    with pytest.raises(ValueError, match="expected shape .2, 1, 3.*got .2, 2, 3"):
        scan_encoder(model, [rows], states)
    for wrong in (states * 2, []):
        with pytest.raises(ValueError, match=f"1 recurrent layers.*got {len(wrong)}"):
            scan_encoder(model, [rows, rows], wrong)
    with pytest.raises(ValueError, match="c.*h.*got"):
        scan_encoder(model, [rows, rows], [{"h": states[0]["h"]}])
    assert_array_equal(model.predict([rows])[0], before)


def test_a_container_of_ones_own_passes_on_what_its_layers_carry(rows, randomize):
    def forward(model, X, is_train):
        Y, backprop = model.get_ref("inside")(X, is_train)
        return Ragged(Y.dataXd + X.dataXd @ model.get_param("W"), X.lengths), backprop

    inside = rnn(depth=2).initialize()
    own = Model("own", forward, layers=[inside], params={"W": numpy.ones((WIDTH, WIDTH))}, refs={"inside": inside})
    model = randomize(encoder(build_sequence_dropout(0.5), own, rnn()))
    with pytest.raises(ValueError, match="'own'"):
        joined(model, rows, 7, 0)
    declare(forward, RowWise())
    assert_allclose(joined(model, rows, 7, 0), model.predict([rows])[0], rtol=1e-12, atol=1e-12)


def test_a_recurrent_layer_of_ones_own_carries_its_state(rows):
    """Running sums, which begin with 1."""

    def run(model, X, state, n_ahead, session):
        start = [numpy.ones(WIDTH)] * len(X.lengths) if state is None else state["sum"]
        ends = numpy.cumsum(X.lengths)
        sums = [start[i] + X.data[end - n : end].cumsum(axis=0) for i, (n, end) in enumerate(zip(X.lengths, ends, strict=True))]
        kept = [Y[: len(Y) - n] for Y, n in zip(sums, n_ahead or [0] * len(sums), strict=True)]
        return Ragged(numpy.concatenate(sums), X.lengths), {"sum": [Y[-1] if len(Y) else start[i] for i, Y in enumerate(kept)]}

    def forward(model, X, is_train):
        return run(model, X, None, None, None)[0], None

    declare(forward, Recurrent(run, lambda model, state, n: state, lambda model: False))
    model = encoder(Model("sums", forward), with_array(LayerNorm(WIDTH)))
    assert not reads_backward(model)
    (whole,) = model.predict([rows])
    for piece in (1, 7, 1000):
        assert_allclose(joined(model, rows, piece, 0), whole, rtol=1e-5, atol=1e-5)
    Ys, states = scan_encoder(model, [rows[:9]], None, [4])
    assert_allclose(states[0]["sum"][0], 1 + rows[:5].sum(axis=0))


def test_a_layer_named_as_ours_is_not_taken_for_one(rows):
    model = encoder(Model("rnn", lambda model, X, is_train: (X, None)))
    assert not reads_backward(model)
    with pytest.raises(ValueError, match="'rnn' cannot read a stream"):
        joined(model, rows, 7, 0)


@pytest.mark.parametrize("observe", [with_debug, with_nvtx_range])
def test_observed_encoders_carry_state(observe, rows, randomize):
    model = randomize(encoder(rnn(), build_highway(rnn())))
    (whole,) = model.predict([rows])
    for node in model.walk():
        observe(node)
    assert_allclose(joined(model, rows, 7, 0), whole, rtol=1e-12, atol=1e-12)


def test_reading_a_stream_changes_nothing_for_others(rows, randomize):
    """A layer that is run by another one, too, while a stream is read."""
    layer, found = rnn(), []

    def forward(model, X, is_train):
        found.append((X, layer.predict(X)))
        return X, None

    declare(forward, RowWise())
    model = randomize(encoder(layer, Model("own", forward)))
    found.clear()
    _, states = scan_encoder(model, [rows])
    assert len(states) == 1
    ((X, Y),) = found
    assert_array_equal(Y.data, layer.predict(X).data)
