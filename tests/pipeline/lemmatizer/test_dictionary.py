"""Forms that were seen in training."""

import pytest
import srsly

from spacy_rnn.pipeline.lemmatizer.dictionary import FormDictionary, Key

SAW = Key("saw", ("NOUN",))


@pytest.fixture
def dictionary():
    found = FormDictionary()
    for key, lemma in [(SAW, "sew"), (SAW, "saw"), (SAW, "saw"), (Key("saw", ("VERB",)), "see"), (Key("left", ("ADJ",)), "left")]:
        found.add(key, lemma)
    found.finish()
    return found


def test_the_most_frequent_lemma_of_a_form_under_its_tags(dictionary):
    assert dictionary.find(SAW) == "saw"
    assert dictionary.find(Key("saw", ("VERB",))) == "see"
    assert dictionary.find(Key("saw", ("",))) is None
    assert dictionary.find(Key("Saw", ("NOUN",))) is None
    assert [dictionary.count(key) for key in (SAW, Key("left", ("ADJ",)), Key("x", ("ADJ",)))] == [3, 1, 0]
    assert len(dictionary) == 3
    assert list(dictionary)[0] == SAW


def test_of_equally_frequent_lemmas_the_first():
    found = FormDictionary()
    for lemma in ("b", "a", "a", "b", "c"):
        found.add(SAW, lemma)
    found.finish()
    assert found.find(SAW) == "b"


def test_it_is_saved_in_plain_data(dictionary):
    other = FormDictionary()
    other.from_data(srsly.msgpack_loads(srsly.msgpack_dumps(dictionary.to_data())), 1)
    assert other.to_data() == dictionary.to_data()
    assert [other.find(key) for key in dictionary] == [dictionary.find(key) for key in dictionary]
    assert other.count(SAW) == 3


@pytest.mark.parametrize(
    "data, words",
    [
        ({"saw": "see"}, ["list", "dict"]),
        (None, ["list", "NoneType"]),
        ([["saw", ["NOUN"], "saw"]], ["entry 0"]),
        ([["saw", ["NOUN"], "saw", 1], "saw"], ["entry 1"]),
        ([["saw", "NOUN", "saw", 1]], ["entry 0"]),
        ([["saw", [1], "saw", 1]], ["entry 0"]),
        ([["saw", ["NOUN"], None, 1]], ["entry 0"]),
        ([["saw", ["NOUN"], "", 1]], ["entry 0"]),
        ([["saw", ["NOUN"], "saw", 0]], ["entry 0"]),
        ([["saw", ["NOUN"], "saw", True]], ["entry 0"]),
        ([["saw", ["NOUN"], "saw", 1.5]], ["entry 0"]),
        ([["saw", ["NOUN", "NN"], "saw", 1]], ["entry 0", "2 tags", "1"]),
        ([["saw", [], "saw", 1]], ["entry 0", "0 tags"]),
        ([["saw", ["NOUN"], "saw", 1], ["saw", ["NOUN"], "see", 1]], ["entry 1", "twice"]),
    ],
)
def test_damaged_data_is_refused_and_changes_nothing(dictionary, data, words):
    before = dictionary.to_data()
    with pytest.raises(ValueError) as error:
        dictionary.from_data(data, 1)
    assert all(word in str(error.value) for word in words), str(error.value)
    assert dictionary.to_data() == before
