from collections import Counter

import numpy
import pytest
import spacy

from spacy_rnn.evaluation.language.positions import draw_passages, measure_positions


@pytest.fixture(scope="module")
def lm(language_models):
    return spacy.load(language_models()).get_pipe("lm")


def test_each_character_counts_in_the_range_that_it_is_in(lm):
    texts = ["A lovely film", "dull", "It was warm and much too long"]
    found = measure_positions(lm, texts, (4, 6, 20, 40))
    bits, characters = numpy.zeros(4), numpy.zeros(4)
    for text, scored in zip(texts, lm.score(texts), strict=True):
        for i in range(len(text)):
            place = 0 if i < 4 else 1 if i < 6 else 2 if i < 20 else 3
            bits[place] += scored.surprisals[i]
            characters[place] += 1
    numpy.testing.assert_allclose(found.bits, bits, rtol=1e-6)
    assert found.characters.tolist() == characters.tolist()
    numpy.testing.assert_allclose(found.per_character, bits / characters, rtol=1e-6)
    assert found.mean == pytest.approx(bits.sum() / characters.sum())


def test_what_comes_after_the_last_range_is_left_out(lm):
    short, long = (measure_positions(lm, [text], (2, 5)) for text in ("A lov", "A lovely film"))
    numpy.testing.assert_allclose(short.bits, long.bits, rtol=1e-6)
    assert long.characters.tolist() == [2, 3]


def test_a_range_without_text_has_no_number(lm):
    found = measure_positions(lm, ["A", ""], (2, 5))
    assert found.characters.tolist() == [1, 0]
    assert numpy.isnan(found.per_character[1]) and not numpy.isnan(found.per_character[0])
    assert numpy.isnan(measure_positions(lm, [], (2, 5)).mean)


@pytest.mark.parametrize("edges", [(), (0, 5), (5, 5), (5, 2)])
def test_ranges_that_are_none_are_refused(lm, edges):
    with pytest.raises(ValueError, match="positions: expected numbers above 0 in ascending order"):
        measure_positions(lm, ["A"], edges)


def test_long_texts_are_cut_into_passages():
    assert draw_passages(["abcdefgh", "ij", "klm"], 10, 3) == ["abc", "def", "ij", "klm"]
    assert draw_passages(["ab cd ef"], 10, 4) == ["ab ", "cd "]
    assert draw_passages(["ab cd", "abcd", ""], 10, 2) == ["ab", " ", "cd", "ab", "cd", ""]
    assert draw_passages([], 10, 3) == []
    assert draw_passages(["abc"], 0, 3) == []


def test_passages_are_drawn_evenly_and_keep_their_order():
    texts = [chr(97 + i) for i in range(10)]
    counts = Counter()
    for seed in range(2000):
        drawn = draw_passages(texts, 3, 5, seed)
        assert len(drawn) == 3 and drawn == sorted(set(drawn))
        counts.update(drawn)
    # Each is drawn 600 times, with a standard deviation of 20.
    assert all(500 < counts[text] < 700 for text in texts)
    assert draw_passages(texts, 3, 5, 1) == draw_passages(iter(texts), 3, 5, 1)
