"""What is predicted of tokens."""

import numpy
import pytest
from numpy.testing import assert_array_equal
from spacy.tokens import Doc

from spacy_rnn.models.pretraining.targets import ByteTargets, build_targets, neighbours
from spacy_rnn.text.symbols import END, START, UNKNOWN

SETTINGS = {"n_characters": 4, "size": 100, "min_count": 1, "attr": "ORTH", "output": "full", "n_samples": 5, "cutoffs": None}


def learned(docs, **settings):
    targets = build_targets("word", **{**SETTINGS, **settings})
    assert list(targets.learn(docs)) == docs
    return targets


@pytest.fixture
def docs(vocab):
    return [Doc(vocab, words=words) for words in (["b", "a", "\n", "B", "b"], [], ["b", "a"], ["c"])]


def test_words_are_numbered_from_the_most_frequent(docs):
    targets = learned(docs)
    assert targets.vocabulary.words == ["b", "a", "\n", "B", "c"]
    assert targets.n_symbols == 8
    assert targets.encode(docs)[:, 0].tolist() == [3, 4, 5, 6, 3, 3, 4, 7]
    (head,) = targets.build_heads(4)
    assert (head.get_dim("nI"), head.get_dim("nV")) == (4, 8)


def test_rare_words_are_unknown(docs, vocab):
    assert learned(docs, size=2).vocabulary.words == ["b", "a"]
    targets = learned(docs, min_count=2)
    assert targets.vocabulary.words == ["b", "a"]
    assert targets.encode([Doc(vocab, words=["c", "a", "zebra"])])[:, 0].tolist() == [UNKNOWN, 4, UNKNOWN]


def test_the_attribute_counts_as_the_word(docs):
    assert learned(docs, attr="LOWER").vocabulary.words == ["b", "a", "\n", "c"]


def test_a_corpus_without_words_is_refused(vocab):
    with pytest.raises(ValueError, match="no words"):
        learned([Doc(vocab)])


def test_bytes_are_those_of_spacy(vocab):
    docs = [Doc(vocab, words=words) for words in (["naïve", "a", "naïve"], [], ["Überraschung", " ", "語"])]
    targets = ByteTargets(5)
    assert list(targets.learn(docs)) == docs
    expected = numpy.concatenate([doc.to_utf8_array(nr_char=5) for doc in docs if len(doc)])
    assert_array_equal(targets.encode(docs), expected)
    assert targets.encode([]).shape == (0, 5)
    assert [head.get_dim("nV") for head in targets.build_heads(4)] == [256] * 5


def test_neighbours_do_not_cross_texts(docs):
    targets = learned(docs)
    lengths = numpy.asarray([len(doc) for doc in docs], dtype="int32")
    following, previous = neighbours(targets.encode(docs), lengths, targets.borders())
    assert following[:, 0].tolist() == [4, 5, 6, 3, END, 4, END, END]
    assert previous[:, 0].tolist() == [START, 3, 4, 5, 6, START, 3, START]


@pytest.mark.parametrize(
    "predict, settings, message",
    [
        ("sentence", {}, "predict must be"),
        ("word", {"size": 0}, "size must be at least 1"),
        ("word", {"min_count": 0}, "min_count must be at least 1"),
        ("characters", {"n_characters": 0}, "n_characters must be at least 1"),
        ("word", {"attr": "WORD"}, "attr must be"),
        ("word", {"output": "hierarchical"}, "output must be"),
        ("word", {"cutoffs": [5]}, "cutoffs are those of"),
        ("word", {"output": "sampled", "n_samples": 0}, "n_samples must be"),
    ],
)
def test_wrong_settings_are_refused(predict, settings, message):
    with pytest.raises(ValueError, match=message):
        build_targets(predict, **{**SETTINGS, **settings})
