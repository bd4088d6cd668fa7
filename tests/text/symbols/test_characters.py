"""Characters as symbols."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_rnn.text.symbols import END, N_SPECIAL, SPECIAL_NAMES, START, UNKNOWN, Characters, build_characters

# All of Unicode, lone surrogates included.
TEXTS = st.text(st.characters(), max_size=40)


def knowing(text, backward=False):
    characters = Characters(backward=backward)
    characters.set_learned(sorted(set(map(ord, text))))
    return characters


@given(TEXTS)
def test_known_texts_come_back(text):
    characters = knowing(text)
    numbers, starts, ends = characters.encode(text)
    assert numbers.dtype == starts.dtype == ends.dtype == numpy.int32
    assert starts.tolist() == list(range(len(text)))
    assert ends.tolist() == list(range(1, len(text) + 1))
    assert (numbers >= N_SPECIAL).all()
    assert (numbers < len(characters)).all()
    assert characters.decode(numbers) == text
    assert characters.decode(numbers.tolist()) == text


@given(TEXTS, TEXTS)
def test_unknown_characters_are_found_where_they_are(known, text):
    characters = knowing(known)
    expected = [(i, char) for i, char in enumerate(text) if char not in known]
    assert characters.find_unknown(text) == expected
    decoded = characters.decode(characters.encode(text).numbers)
    assert decoded == "".join(char if char in known else "\ufffd" for char in text)


@given(TEXTS, st.data())
def test_a_part_has_the_symbols_of_the_whole(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    characters = knowing(text[::2])
    whole, part = characters.encode(text), characters.encode(text, start, end)
    for all_, some in zip(whole, part, strict=True):
        assert some.tolist() == all_[start:end].tolist()
    assert characters.encode(text, start).numbers.tolist() == whole.numbers[start:].tolist()


@given(TEXTS, TEXTS, st.data())
def test_backward_characters_are_those_of_the_reversed_text(known, text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    backward, forward = knowing(known, backward=True), knowing(known)
    numbers, starts, ends = backward.encode(text, start, end)
    assert numbers.dtype == starts.dtype == ends.dtype == numpy.int32
    assert numbers.tolist() == forward.encode(text[start:end][::-1]).numbers.tolist()
    assert starts.tolist() == list(range(start, end))[::-1]
    assert ends.tolist() == [i + 1 for i in starts]
    assert backward.decode(numbers) == forward.decode(forward.encode(text, start, end).numbers)
    assert backward.find_unknown(text) == forward.find_unknown(text)


def test_the_direction_is_a_setting_that_old_files_lack(learn):
    forward, backward = learn(build_characters(), ["ab"]), learn(build_characters(backward=True), ["ab"])
    assert forward != backward and forward.names() == backward.names()
    assert forward.settings == {"size": 0, "min_count": 1}
    # As it was saved before symbols had a direction.
    saved = {"unit": "character", "settings": {"size": 0, "min_count": 1}, "learned": [97, 98]}
    loaded = build_characters()
    loaded.from_data(saved)
    assert loaded == forward
    for built, data in ((build_characters(backward=True), saved), (build_characters(), backward.to_data())):
        with pytest.raises(ValueError, match="settings .*'backward': True"):
            built.from_data(data)


def test_the_most_frequent_come_first_then_the_order_of_unicode(learn):
    characters = learn(build_characters(), ["b b😀", "cab"])
    assert characters.learned == [ord("b"), ord(" "), ord("a"), ord("c"), 0x1F600]
    assert characters.names() == [*SPECIAL_NAMES, "b", "\\u0020", "a", "c", "😀"]
    assert len(characters) == 8
    assert characters.encode("ab😀z").numbers.tolist() == [5, 3, 7, UNKNOWN]


def test_size_and_min_count(learn):
    assert learn(build_characters(size=2), ["aaabbc"]).learned == [ord("a"), ord("b")]
    assert learn(build_characters(min_count=2), ["aaabbc"]).learned == [ord("a"), ord("b")]
    assert learn(build_characters(min_count=2, size=1), ["aaabbc"]).learned == [ord("a")]


def test_counts_of_long_and_many_texts_add_up(learn):
    long = "".join(map(chr, range(0x20, 0x3000))) * 200
    characters = learn(build_characters(min_count=201), [Doc(Vocab(), words=[long], spaces=[False]), *["xyzzy"] * 3])
    assert bytes(characters.learned).decode() == "yzx"


def test_texts_may_be_docs(blank):
    characters = knowing("a b")
    assert characters.encode(blank("a  b ")).numbers.tolist() == characters.encode("a  b ").numbers.tolist()


def test_learning_again_replaces_what_was_known(learn):
    characters = learn(build_characters(), ["abc"])
    assert learn(characters, ["x"]).learned == [ord("x")]


def test_start_and_end_are_left_out():
    characters = knowing("ab")
    assert characters.decode([START, 3, UNKNOWN, 4, END]) == "a\ufffdb"
    assert characters.decode([]) == ""


@pytest.mark.parametrize("number", [-1, 5, 2**31])
def test_there_is_no_such_symbol(number):
    with pytest.raises(ValueError, match=f"no symbol {number}"):
        knowing("ab").decode([3, number])


@pytest.mark.parametrize("numbers", [[1.5], [[3]], ["a"]])
def test_what_is_no_symbol(numbers):
    with pytest.raises(ValueError, match="integers"):
        knowing("ab").decode(numbers)


def test_an_empty_corpus_is_refused(learn):
    with pytest.raises(ValueError, match="corpus is empty"):
        learn(build_characters(), [])
    with pytest.raises(ValueError, match="corpus is empty"):
        learn(build_characters(), [""])
    with pytest.raises(ValueError, match="no character of the corpus occurs 3 times"):
        learn(build_characters(min_count=3), ["ab"])


@pytest.mark.parametrize("settings", [{"size": -1}, {"min_count": 0}, {"size": 1.5}, {"min_count": True}, {"backward": 1}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        build_characters(**settings)
