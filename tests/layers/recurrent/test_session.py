"""Recurrent layers that make one time step after another, or read many pieces, with the same weights."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Linear, Ragged, chain, fix_random_seed, ragged2list

from spacy_rnn.layers import RnnSession, build_list2ragged, build_rnn, scan
from spacy_rnn.native import library
from spacy_rnn.recurrence import CELLS, use_engine
from spacy_rnn.streaming import EncoderSession, encode_stream, scan_encoder

B, T, V, WIDTH = 3, 6, 9, 8

STACKS = {
    "one layer": {},
    "deep": {"depth": 3, "dropout": 0.5},
    "residual": {"depth": 2, "residual": True},
    "initial state": {"train_initial_state": True},
}


def make(seed=0, **settings):
    fix_random_seed(seed)
    model = build_rnn(nO=WIDTH, nI=WIDTH, **settings).initialize()
    rng = numpy.random.default_rng(seed)
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, rng.uniform(-0.5, 0.5, node.get_param(name).shape).astype("f"))
    table = rng.standard_normal((V, WIDTH), "float32")
    symbols = rng.integers(0, V, (B, T))
    return model, table, symbols


def batch(rows):
    """Sequences [B, T, width] as one batch."""
    return Ragged(numpy.ascontiguousarray(rows.reshape(-1, rows.shape[2])), numpy.full(len(rows), rows.shape[1], "int32"))


@pytest.fixture(params=["auto", "reference"])
def engine(request):
    with use_engine(request.param):
        yield request.param


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("stack", STACKS)
def test_steps_are_a_scan(name, stack, engine):
    model, table, symbols = make(cell=name, **STACKS[stack])
    Y, final = scan(model, batch(table[symbols]))
    for session, inputs in ((RnnSession(model), table[symbols]), (RnnSession(model, table), symbols)):
        state, outputs = session.start(B), []
        for t in range(T):
            rows, state = session.step(inputs[:, t], state)
            outputs.append(rows)
        assert_allclose(numpy.stack(outputs, axis=1).reshape(-1, WIDTH), Y.data, rtol=0, atol=2e-6)
        for key, array in final.items():
            assert_allclose(state[key], array, rtol=0, atol=2e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("n_ahead", [None, [0, 2, 1]])
@pytest.mark.parametrize("steps", [1, 4])
def test_pieces_of_a_session_are_pieces(bidirectional, n_ahead, steps, engine):
    model, table, symbols = make(bidirectional=bidirectional, depth=2, residual=True)
    if n_ahead is not None and steps == 1:
        n_ahead = [0, 1, 1]
    X = batch(table[symbols[:, :steps]])
    _, state = scan(model, X)
    session = RnnSession(model)
    for start in (None, state):
        (Y, final), (expected, expected_final) = scan(model, X, start, n_ahead, session), scan(model, X, start, n_ahead)
        assert_array_equal(Y.data, expected.data)
        for key, array in expected_final.items():
            assert_array_equal(final[key], array)


@pytest.mark.skipif(library is None, reason="the compiled engine is not built")
def test_weights_are_not_looked_at_again(monkeypatch):
    """What costs as much as a step. Where they have been changed, it is the session's beginning that counts."""
    model, table, symbols = make()
    session = RnnSession(model)
    X = batch(table[symbols[:, :2]])
    expected, _ = scan(model, X)
    for direction in model.layers:
        direction.get_param("R")[:] = numpy.nan
    assert_array_equal(scan(model, X, session=session)[0].data, expected.data)
    assert numpy.isnan(scan(model, X)[0].data).any()


def test_a_stream_in_small_pieces_is_that_in_one():
    fix_random_seed(0)
    encoder = chain(build_list2ragged(), build_rnn(nO=WIDTH, nI=WIDTH, depth=2), ragged2list())
    encoder.initialize()
    rows = numpy.random.default_rng(0).standard_normal((30, WIDTH), "float32")
    (expected,) = encoder.predict([rows])
    assert_allclose(numpy.concatenate(list(encode_stream(encoder, [rows], piece=1, lookahead=0))), expected, rtol=0, atol=2e-6)
    session, states, outputs = EncoderSession(encoder), None, []
    for row in rows:
        (Y,), states = scan_encoder(encoder, [row[None]], states, session=session)
        outputs.append(Y)
    assert_allclose(numpy.concatenate(outputs), expected, rtol=0, atol=2e-6)


def test_what_has_no_session_is_refused():
    with pytest.raises(ValueError, match="made by build_rnn"):
        RnnSession(Linear(3, 3))
    with pytest.raises(ValueError, match="no weights yet"):
        RnnSession(build_rnn(nO=4, nI=4))
    model, table, symbols = make(bidirectional=True)
    with pytest.raises(ValueError, match="backward direction"):
        RnnSession(model).step(table[symbols[:, 0]], RnnSession(model).start(B))
    with pytest.raises(ValueError, match="a table"):
        RnnSession(make()[0], table[:, 1:])


def test_sessions_of_others_are_refused():
    model, table, symbols = make()
    other, _, _ = make()
    with pytest.raises(ValueError, match="another layer"):
        scan(model, batch(table[symbols]), session=RnnSession(other))
    encoders = []
    for _ in range(2):
        encoders.append(chain(build_list2ragged(), build_rnn(nO=WIDTH, nI=WIDTH), ragged2list()))
        encoders[-1].initialize()
    with pytest.raises(ValueError, match="another encoder"):
        scan_encoder(encoders[0], [table], session=EncoderSession(encoders[1]))


@pytest.mark.parametrize("spoil", [lambda state: {"h": state["h"]}, lambda state: {k: a[:, 1:] for k, a in state.items()}])
def test_states_that_do_not_fit_are_refused(spoil):
    model, table, symbols = make()
    session = RnnSession(model)
    with pytest.raises(ValueError, match="state"):
        session.step(table[symbols[:, 0]], spoil(session.start(B)))
