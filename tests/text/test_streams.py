"""Texts cut into parallel streams."""

import gc
import weakref

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_rnn.text.streams import STREAM_PIECE, StreamPiece, cut_streams, piece_of
from spacy_rnn.text.symbols import END, START, Characters, Words

VOCAB = Vocab()
WORDS = st.lists(st.tuples(st.sampled_from(["a", "bc", "def", " ", "\n\n"]), st.booleans()), max_size=8)
N = st.integers(1, 9)


def make_symbols(kind):
    symbols = kind()
    symbols.set_learned(list(map(ord, "abcde")) if kind is Characters else ["a", "bc"])
    return symbols


def make_docs(texts):
    return [Doc(VOCAB, words=[word for word, _ in text], spaces=[space for _, space in text]) for text in texts]


def from_strings(*texts):
    return [Doc(VOCAB, words=[text], spaces=[False]) if text else Doc(VOCAB) for text in texts]


@pytest.mark.parametrize("kind", [Characters, Words])
def test_every_symbol_is_a_target_once_and_its_input_is_the_one_before(kind):
    symbols = make_symbols(kind)

    @given(st.lists(WORDS, max_size=6), N, N)
    @example([[]], 3, 2)
    @example([[(" ", False), ("a", False)]], 9, 1)
    def check(texts, n_streams, n_symbols):
        docs = make_docs(texts)
        encoded = [symbols.encode(doc).numbers.tolist() for doc in docs]
        streams = cut_streams(docs, n_streams, n_symbols)
        assert len(streams) <= n_streams
        inputs, targets = [], []
        for stream in streams:
            StreamPiece(stream, 0).take(symbols)
            for number in range(stream.n_pieces):
                x, y = StreamPiece(stream, number).take(symbols)
                assert len(x) == len(y) == n_symbols or number == stream.n_pieces - 1 and 0 < len(x) == len(y) <= n_symbols
                inputs += x.tolist()
                targets += y.tolist()
        assert targets == [number for numbers in encoded for number in [*numbers, END]]
        assert inputs == [number for numbers in encoded for number in [START, *numbers]]

    check()


def read_streams(streams, symbols):
    """Inputs and targets of each stream."""
    found = []
    for stream in streams:
        pieces = [StreamPiece(stream, 0).take(symbols)]
        pieces += [StreamPiece(stream, number).take(symbols) for number in range(1, stream.n_pieces)]
        assert all(len(x) == len(y) == stream.n_symbols for x, y in pieces[:-1]) and len(pieces[-1][0]) <= stream.n_symbols
        assert len(StreamPiece(stream, len(pieces)).take(symbols)[0]) == 0
        found.append([sum((part.tolist() for part in parts), []) for parts in zip(*pieces, strict=True)])
    return found


@given(st.lists(st.text("abcd ", max_size=12), max_size=6), N, N)
@example([""], 3, 2)
@example(["a", "", "", "b"], 9, 1)
@example(["abcdefgh"], 2, 3)
def test_streams_that_are_read_backward_are_those_of_the_reversed_texts(texts, n_streams, n_symbols):
    symbols = Characters(backward=True)
    symbols.set_learned(list(map(ord, "abcde")))
    streams = cut_streams(from_strings(*texts), n_streams, n_symbols)
    # Each text from its last symbol, the last text first.
    whole = [symbols.encode(text).numbers.tolist() for text in reversed(texts)]
    inputs = [number for numbers in whole for number in [START, *numbers]]
    targets = [number for numbers in whole for number in [*numbers, END]]
    place = 0
    for x, y in reversed(read_streams(streams, symbols)):
        assert y == targets[place : place + len(y)]
        # Nothing but START comes before a stream without a symbol.
        assert x == inputs[place : place + len(x)]
        place += len(y)
    assert place == len(targets)


@given(st.lists(st.text("abcd ", max_size=12), min_size=1, max_size=6), N)
def test_one_stream_is_the_forward_stream_of_the_reversed_texts(texts, n_symbols):
    backward, forward = Characters(backward=True), make_symbols(Characters)
    backward.set_learned(forward.learned)
    one = cut_streams(from_strings(*texts), 1, n_symbols)
    other = cut_streams(from_strings(*(text[::-1] for text in reversed(texts))), 1, n_symbols)
    assert read_streams(one, backward) == read_streams(other, forward)


def test_a_document_that_crosses_a_border_is_gone_on_with_backward():
    symbols = Characters(backward=True)
    symbols.set_learned(list(map(ord, "abcde")))
    a, b, c, d, e = range(3, 8)
    first, last = read_streams(cut_streams(from_strings("abcde"), 2, 10), symbols)
    assert last == [[START, e], [e, d]]
    assert first == [[d, c, b, a], [c, b, a, END]]


@given(st.lists(st.text("abc ", max_size=30), min_size=1, max_size=6), N)
def test_streams_are_about_equally_long(texts, n_streams):
    streams = cut_streams(from_strings(*texts), n_streams, 1)
    total = sum(len(text) + 1 for text in texts)
    assert len(streams) == min(n_streams, total)
    sizes = [stream.n_pieces for stream in streams]
    assert sum(sizes) == total
    assert max(sizes) - min(sizes) <= 1


def test_a_document_that_crosses_a_border_goes_on():
    symbols = make_symbols(Characters)
    streams = cut_streams(from_strings("abc", "de"), 2, 10)
    a, b, c, d, e = range(3, 8)
    assert [array.tolist() for array in StreamPiece(streams[0], 0).take(symbols)] == [[START, a, b], [a, b, c]]
    assert [array.tolist() for array in StreamPiece(streams[1], 0).take(symbols)] == [[c, START, d, e], [END, d, e, END]]


def test_a_word_belongs_to_the_stream_in_which_it_begins():
    symbols = make_symbols(Words)
    doc = Doc(VOCAB, words=["a", "bcbcbcbcbcbcbc", "a"], spaces=[True, True, False])
    streams = cut_streams([doc], 2, 10)
    assert [array.tolist() for array in StreamPiece(streams[0], 0).take(symbols)] == [[START, 3], [3, 0]]
    assert [array.tolist() for array in StreamPiece(streams[1], 0).take(symbols)] == [[0, 3], [3, END]]


def test_the_word_before_may_be_far_away():
    symbols = make_symbols(Words)
    doc = Doc(VOCAB, words=["a", " " * 5000, "bc"], spaces=[False, False, False])
    last = cut_streams([doc], 3, 10)[-1]
    assert [array.tolist() for array in StreamPiece(last, 0).take(symbols)] == [[3, 4], [4, END]]
    doc = Doc(VOCAB, words=[" " * 5000, "bc"], spaces=[False, False])
    last = cut_streams([doc], 3, 10)[-1]
    assert [array.tolist() for array in StreamPiece(last, 0).take(symbols)] == [[START, 4], [4, END]]


def test_a_stream_may_have_no_symbol_of_a_kind():
    symbols = make_symbols(Words)
    docs = from_strings("defdefdefdef")
    streams = cut_streams(docs, 4, 2)
    assert [stream.n_pieces for stream in streams] == [2] * 4
    sizes = [len(StreamPiece(stream, 0).take(symbols)[0]) for stream in streams]
    assert sizes == [1, 0, 0, 1]
    assert [stream.n_pieces for stream in streams] == [1, 0, 0, 1]


def test_a_piece_gives_the_same_each_time_and_what_is_given_may_be_changed():
    symbols = make_symbols(Characters)
    piece = StreamPiece(cut_streams(from_strings("abcab"), 1, 4)[0], 1)
    inputs, targets = piece.take(symbols)
    expected = inputs.tolist(), targets.tolist()
    inputs[:], targets[:] = 0, 0
    assert tuple(array.tolist() for array in piece.take(symbols)) == expected


def test_several_kinds_of_symbols_take_the_same_stream():
    characters, words = make_symbols(Characters), make_symbols(Words)
    doc = Doc(VOCAB, words=["bc", "a", "bc"], spaces=[True, True, False])
    stream = cut_streams([doc], 1, 2)[0]
    kinds = [characters, words, make_symbols(Characters), *(make_symbols(Words) for _ in range(9))]
    for _ in range(2):
        for symbols in kinds:
            targets = [StreamPiece(stream, number).take(symbols)[1].tolist() for number in range(5)]
            flat = [number for piece in targets for number in piece]
            assert flat == [*symbols.encode(doc).numbers.tolist(), END]
    assert stream.n_pieces == 4


def test_the_number_of_pieces_is_exact_after_the_first():
    words = make_symbols(Words)
    stream = cut_streams([Doc(VOCAB, words=["bc"] * 30)], 1, 7)[0]
    assert stream.n_pieces == 13
    StreamPiece(stream, 0).take(words)
    assert stream.n_pieces == 5
    assert len(StreamPiece(stream, 4).take(words)[0]) == 3
    assert [len(array) for array in StreamPiece(stream, 5).take(words)] == [0, 0]


def test_state_can_be_kept_by_stream():
    one, other = cut_streams(from_strings("abab"), 2, 1)
    states = weakref.WeakKeyDictionary({one: 1, other: 2})
    assert states[StreamPiece(one, 3).stream] == 1
    del one
    gc.collect()
    assert list(states.values()) == [2]


def test_texts_without_a_piece_have_none():
    piece = StreamPiece(cut_streams(from_strings("ab"), 1, 1)[0], 0)
    assert piece_of(Doc(VOCAB, words=["a"])) is None
    assert piece_of(Doc(VOCAB, user_data={STREAM_PIECE: piece})) is piece


def test_no_texts_give_no_streams():
    assert cut_streams([], 3, 2) == []
