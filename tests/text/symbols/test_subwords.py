"""Pieces of words as symbols."""

import copy
import json
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_rnn.text.symbols import END, N_SPECIAL, SPECIAL_NAMES, START, UNKNOWN, build_subwords
from spacy_rnn.text.symbols.subwords import METHODS

CORPUS = [
    "The cat sat on the mat, and the cats' mats sat on the cat.",
    "Don't sit; they'll see the naïve <s> 日本語 😀\n\n\tand so on, and so on.",
    "日本語の本。\n日本の本。",
]
# Lone surrogates are no characters in UTF-8.
CHARACTERS = st.characters(exclude_categories=["Cs"]) | st.sampled_from(" \n\t'tscat。\u3000\u180e\x1c")
TEXTS = st.text(CHARACTERS, max_size=60)


def learned(method, size=300):
    symbols = build_subwords(size, method)
    counter = symbols.begin()
    for text in CORPUS * 20:
        counter.add(Doc(Vocab(), words=[text]))
    symbols.end(counter)
    return symbols


@pytest.fixture(scope="module", params=METHODS)
def subwords(request):
    pytest.importorskip("tokenizers")
    return learned(request.param)


def test_all_texts_come_back(subwords):
    @given(TEXTS)
    def check(text):
        numbers, starts, ends = subwords.encode(text)
        assert [x.dtype.name for x in (numbers, starts, ends)] == ["int32"] * 3
        assert (numbers >= N_SPECIAL).all()
        assert (numbers < len(subwords)).all()
        assert subwords.decode(numbers) == text
        assert subwords.find_unknown(text) == []
        # Each character is in a piece, and pieces are in the order of the text.
        assert sorted(starts.tolist()) == starts.tolist()
        covered = {i for start, end in zip(starts.tolist(), ends.tolist(), strict=True) for i in range(start, end)}
        assert covered == set(range(len(text)))

    check()


def test_a_part_has_the_pieces_of_the_whole(subwords):
    @given(TEXTS, st.data())
    def check(text, data):
        text = (data.draw(st.sampled_from(["", *CORPUS])) + text) * data.draw(st.integers(1, 20))
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        whole, part = subwords.encode(text), subwords.encode(text, start, end)
        kept = (whole.starts >= start) & (whole.starts < end)
        for all_, some in zip(whole, part, strict=True):
            assert some.tolist() == all_[kept].tolist()

    check()


def test_pieces_are_learned(subwords):
    assert len(subwords) <= 300
    assert len(subwords.encode("the cats").numbers) < len("the cats")
    assert subwords.decode([START, *subwords.encode("cat").numbers, END]) == "cat"
    assert subwords.decode([UNKNOWN]) == "\ufffd"
    with pytest.raises(ValueError, match="no symbol 300"):
        subwords.decode([300])


def test_special_symbols_in_a_text_are_text(subwords):
    numbers = subwords.encode("a<s></s><unk>").numbers
    assert (numbers >= N_SPECIAL).all()
    assert subwords.decode(numbers) == "a<s></s><unk>"


def test_names(subwords):
    names = subwords.names()
    assert names[:N_SPECIAL] == list(SPECIAL_NAMES)
    assert len(names) == len(set(names)) == len(subwords)
    assert all(name.split() == [name] for name in names)


def test_the_same_corpus_gives_the_same_pieces(subwords):
    assert learned(subwords.settings["method"]).to_data() == subwords.to_data()


def test_half_of_a_surrogate_pair_is_refused(subwords):
    with pytest.raises(ValueError, match="character 3 of the text is half of a surrogate pair"):
        subwords.encode("abc\ud800")


def test_what_is_saved_comes_back(subwords):
    loaded = build_subwords(**subwords.settings)
    loaded.from_data(json.loads(json.dumps(subwords.to_data())))
    assert loaded == subwords
    assert loaded.encode(CORPUS[1]).numbers.tolist() == subwords.encode(CORPUS[1]).numbers.tolist()
    assert loaded.names() == subwords.names()
    assert copy.deepcopy(subwords) == pickle.loads(pickle.dumps(subwords)) == subwords


def test_damaged_data_are_refused(subwords):
    loaded = build_subwords(**subwords.settings)
    saved = json.loads(subwords.learned)
    lower = {**saved, "normalizer": {"type": "Lowercase"}}
    prefix = {**saved, "pre_tokenizer": {**saved["pre_tokenizer"], "add_prefix_space": True}}
    vocab = saved["model"]["vocab"]
    fewer = {"vocab": vocab[:50]} if isinstance(vocab, list) else {"vocab": dict(list(vocab.items())[:50]), "merges": []}
    cut_off = {**saved, "model": {**saved["model"], **fewer}}
    for damaged in (5, "", "{}", subwords.learned[:-9], *map(json.dumps, (lower, prefix, cut_off))):
        with pytest.raises(ValueError, match="subwords are"):
            loaded.from_data({**subwords.to_data(), "learned": damaged})
        assert loaded == build_subwords(**subwords.settings)


def test_nothing_learned():
    pytest.importorskip("tokenizers")
    symbols = build_subwords()
    assert len(symbols) == N_SPECIAL
    with pytest.raises(ValueError, match="have not been learned"):
        symbols.encode("a")
    with pytest.raises(ValueError, match="corpus is empty"):
        symbols.end(symbols.begin())


@pytest.mark.parametrize("settings", [{"size": 259}, {"size": 300.0}, {"method": "wordpiece"}])
def test_bad_settings_are_refused(settings):
    pytest.importorskip("tokenizers")
    with pytest.raises(ValueError, match=next(iter(settings))):
        build_subwords(**settings)


def test_without_the_library_the_extra_is_named():
    code = """
import sys
sys.modules["tokenizers"] = None
from spacy_rnn.text.symbols import build_subwords
build_subwords()
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 1
    assert process.stderr.strip().endswith("ImportError: subwords need the library tokenizers: pip install 'spacy-rnn[subwords]'")
