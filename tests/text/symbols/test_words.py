"""Words as symbols."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_rnn.text.symbols import END, SPECIAL_NAMES, START, UNKNOWN, Words, build_words

ALPHABET = st.sampled_from("ab \n\u00a0é😀")
TEXTS = st.text(ALPHABET, max_size=30)


def knowing(words, attr="ORTH"):
    symbols = Words(attr=attr)
    symbols.set_learned(words)
    return symbols


def spans(text, symbols, *part):
    """(word, where it begins) of what is in a part."""
    string = text if isinstance(text, str) else text.text
    numbers, starts, ends = symbols.encode(text, *part)
    assert [x.dtype.name for x in (numbers, starts, ends)] == ["int32"] * 3
    return [(string[start:end], start) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


@given(TEXTS, st.data())
def test_a_part_has_the_words_that_begin_in_it(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    symbols = knowing(["a", "ab", "é"])
    whole = spans(text, symbols)
    assert [word for word, _ in whole] == text.split()
    assert spans(text, symbols, start, end) == [(word, at) for word, at in whole if start <= at < end]
    assert spans(text, symbols, start) == [(word, at) for word, at in whole if start <= at]


@given(
    st.lists(st.tuples(st.sampled_from(["a", "ab", "é", "😀b", " ", "\n", "  ", "x y"]), st.booleans()), max_size=12), st.data()
)
def test_the_words_of_a_doc_are_its_tokens_without_white_space(tokens, data):
    doc = Doc(Vocab(), words=[word for word, _ in tokens], spaces=[space for _, space in tokens])
    start = data.draw(st.integers(0, len(doc.text)))
    end = data.draw(st.integers(start, len(doc.text)))
    symbols = knowing(["ab", "a", "x y"])
    whole = [(token.text, token.idx) for token in doc if not token.text.isspace()]
    assert spans(doc, symbols) == whole
    assert spans(doc, symbols, start, end) == [(word, at) for word, at in whole if start <= at < end]
    expected = [{"ab": 3, "a": 4, "x y": 5}.get(word, UNKNOWN) for word, _ in whole]
    assert symbols.encode(doc).numbers.tolist() == expected


@pytest.mark.parametrize("attr, expected", [("ORTH", ["The", "the", "CAN", "cat"]), ("LOWER", ["the", "can", "cat"])])
def test_the_attribute_counts(attr, expected, learn, blank):
    symbols = learn(build_words(attr=attr), ["The the\n CAN", "cat"])
    assert sorted(symbols.learned) == sorted(expected)
    known = [word in expected or word.lower() in expected for word in ("THE", "the")] if attr == "LOWER" else [False, True]
    for text in ("THE the", blank("THE the")):
        assert [number != UNKNOWN for number in symbols.encode(text).numbers.tolist()] == known


def test_norms_are_those_of_the_tokenizer():
    doc = Doc(Vocab(), words=["ca", "n't"])
    doc[0].norm_, doc[1].norm_ = "can", "not"
    symbols = build_words(attr="NORM")
    counter = symbols.begin()
    counter.add(doc)
    symbols.end(counter)
    assert symbols.learned == ["can", "not"]
    assert symbols.encode(doc).numbers.tolist() == [3, 4]


@pytest.mark.parametrize("attr", ["LOWER", "NORM"])
def test_a_vocabulary_without_lower_cases_makes_no_difference(attr, learn):
    doc = Doc(Vocab(), words=["The", "CAT", "\n", "the"])
    symbols = learn(build_words(attr=attr), [doc])
    assert symbols.learned == ["the", "cat"]
    assert symbols.encode(doc).numbers.tolist() == symbols.encode(doc.text).numbers.tolist() == [3, 4, 3]


def test_the_most_frequent_come_first_then_the_alphabet(learn):
    texts = ["b a b", "c a b d"]
    assert learn(build_words(), texts).learned == ["b", "a", "c", "d"]
    assert learn(build_words(size=1), texts).learned == ["b"]
    assert learn(build_words(min_count=2), texts).learned == ["b", "a"]
    assert len(learn(build_words(min_count=2), texts)) == 5


def test_what_is_written_as_unknown_is_unknown(learn):
    doc = Doc(Vocab(), words=["a", "<unk>", "<s>", "b"])
    symbols = learn(build_words(), [doc])
    assert symbols.learned == ["<s>", "a", "b"]
    assert symbols.encode(doc).numbers.tolist() == [4, UNKNOWN, 3, 5]
    assert symbols.find_unknown(doc) == [(2, "<unk>")]
    assert symbols.decode(symbols.encode(doc).numbers) == "a <unk> <s> b"


def test_names_are_distinct_and_without_white_space():
    names = knowing(["a", "x y", "<s>", "\\u003cs>", "é"]).names()
    assert names[:4] == [*SPECIAL_NAMES, "a"]
    assert len(set(names)) == len(names)
    assert all(name.split() == [name] for name in names)


def test_decoding_leaves_out_start_and_end():
    symbols = knowing(["a", "b"])
    assert symbols.decode([START, 3, UNKNOWN, 4, END]) == "a <unk> b"
    with pytest.raises(ValueError, match="no symbol 5"):
        symbols.decode([5])


def test_without_words_all_are_unknown(blank):
    assert build_words().encode(blank("a b")).numbers.tolist() == [UNKNOWN, UNKNOWN]
    assert build_words().encode(blank("")).numbers.tolist() == []


def test_an_empty_corpus_is_refused(learn):
    for texts in ([], [" \n"], ["<unk>"]):
        with pytest.raises(ValueError, match="corpus is empty"):
            learn(build_words(), [Doc(Vocab(), words=[text]) for text in texts])


def test_a_text_without_tokens_is_refused(learn):
    with pytest.raises(ValueError, match="'A text as' has one token only.*tokens = 'whitespace'"):
        learn(build_words(), [Doc(Vocab(), words=["A text as"])])


@pytest.mark.parametrize("settings", [{"size": -1}, {"min_count": 0}, {"attr": "TAG"}, {"attr": "orth"}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        build_words(**settings)
