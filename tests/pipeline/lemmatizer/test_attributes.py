"""What a lemmatizer reads and writes of tokens."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Token
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_rnn.pipeline.lemmatizer.attributes import WordAttribute, check_tags, read_gold_words, read_words

ATTRIBUTES = ["LEMMA", "NORM", "_.toy_form"]


@pytest.fixture
def vocab():
    return spacy.blank("xx").vocab


def read(doc, name):
    if name == "LEMMA":
        return [token.lemma_ for token in doc]
    return [token.norm_ for token in doc] if name == "NORM" else [token._.toy_form for token in doc]


@pytest.mark.parametrize("tags", [["UPOS"], ["POS", "POS"], ["LEMMA"], "POS", ["pos"]])
def test_only_attributes_that_lemmas_depend_on_are_read(tags):
    with pytest.raises(ValueError, match="'lemmas': tags .*POS, TAG, MORPH, DEP"):
        check_tags(tags, "lemmas")


def test_words_with_all_their_tags(vocab):
    settings = {"pos": ["DET", "NOUN", ""], "tags": ["DT", "NNS", ""], "morphs": ["", "Number=Plur", "_"]}
    doc = Doc(vocab, words=["The", "mice", "x"], deps=["det", "ROOT", "dep"], heads=[1, 1, 1], **settings)
    words = read_words(doc, ["POS", "TAG", "MORPH", "DEP"])
    assert words.rows.shape == (3, 5)
    assert words.key(0) == ("The", ("DET", "DT", "", "det"))
    assert words.key(1) == ("mice", ("NOUN", "NNS", "Number=Plur", "ROOT"))
    assert words.key(2) == ("x", ("", "", "", "dep"))


def test_a_missing_tag_is_none_however_it_is_written(vocab):
    doc = Doc(vocab, words=["x", "y"], tags=["_", "NN"])
    words = read_words(doc, ["TAG"])
    assert [words.key(i).tags for i in range(2)] == [("",), ("NN",)]


@pytest.mark.parametrize("tags", [[], ["POS"], ["POS", "MORPH"]])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_texts_of_any_length(vocab, tags, n):
    words = read_words(Doc(vocab, words=["a"] * n), tags)
    assert words.rows.shape == (n, 1 + len(tags))


def test_gold_tags_of_tokens_that_are_cut_alike():
    predicted = Doc(Vocab(), words=["I", "can", "not", "swim", "today", "!!"], pos=["X"] * 6)
    # Of another vocabulary, which knows tags that the text's does not.
    reference = Doc(Vocab(), words=["I", "cannot", "swim", "to", "day", "!!"], tags=["PRP", "MD", "WB", "TO", "NN", "PCT"])
    words = read_gold_words(Example(predicted, reference), ["TAG"])
    assert [words.key(i).tags[0] for i in range(6)] == ["PRP", "", "", "WB", "", "PCT"]
    assert [words.key(i).form for i in range(6)] == ["I", "can", "not", "swim", "today", "!!"]


@pytest.mark.parametrize("name", ["lemma", "POS", "", "_.", "_.a b", "toy_form", "_.1"])
def test_only_string_attributes_are_written(name):
    with pytest.raises(ValueError, match="'lemmas': attr must be"):
        WordAttribute(name, "lemmas")


def test_an_extension_is_registered_once():
    WordAttribute("_.toy_form", "lemmas")
    assert Token.get_extension("toy_form")[0] is None
    Token.set_extension("toy_other", default="none")
    WordAttribute("_.toy_other", "lemmas")
    assert Token.get_extension("toy_other")[0] == "none"


@pytest.mark.parametrize("settings", [{"method": lambda token: 1}, {"getter": lambda token: "x"}])
def test_an_extension_that_cannot_be_written_is_refused(settings):
    Token.set_extension("toy_fixed", force=True, **settings)
    with pytest.raises(ValueError, match="'lemmas'.*_.toy_fixed.*(method|getter)"):
        WordAttribute("_.toy_fixed", "lemmas")


def test_an_extension_with_a_setter_is_written_by_it(vocab):
    kept = {}
    Token.set_extension(
        "toy_kept", getter=lambda token: kept.get(token.i), setter=lambda token, value: kept.update({token.i: value}), force=True
    )
    doc = Doc(vocab, words=["a", "b"])
    WordAttribute("_.toy_kept", "x").set(doc, hashes(vocab, ["A", ""]), vocab.strings, overwrite=False)
    assert kept == {0: "A"}


def hashes(vocab, values):
    return numpy.asarray([vocab.strings.add(value) if value else 0 for value in values], dtype="uint64")


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_values_are_written(vocab, name):
    attribute, doc = WordAttribute(name, "x"), Doc(vocab, words=["Mice", "ran", "\n", "in"])
    attribute.set(doc, hashes(vocab, ["mouse", "run", "", "NOUN"]), vocab.strings, overwrite=False)
    empty = {"LEMMA": "", "NORM": "\n", "_.toy_form": None}[name]
    assert read(doc, name) == ["mouse", "run", empty, "NOUN"]
    assert attribute.get(doc) == ["mouse", "run", empty or "", "NOUN"]
    attribute.set(Doc(vocab), hashes(vocab, []), vocab.strings, overwrite=True)


@pytest.mark.parametrize("name", ["LEMMA", "_.toy_form"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_there_stays_unless_it_is_overwritten(vocab, name, overwrite):
    attribute, doc = WordAttribute(name, "x"), Doc(vocab, words=["a", "b", "c"])
    attribute.set(doc, hashes(vocab, ["", "old", "old"]), vocab.strings, overwrite=False)
    attribute.set(doc, hashes(vocab, ["new", "new", ""]), vocab.strings, overwrite)
    assert read(doc, name) == ["new", "new" if overwrite else "old", "old"]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_values_are_in_the_string_store_of_the_text(vocab, name):
    doc = Doc(Vocab(), words=["Mice", "ran"])
    WordAttribute(name, "x").set(doc, hashes(vocab, ["mouse", "run"]), vocab.strings, overwrite=True)
    assert read(doc, name) == ["mouse", "run"]
    assert name == "_.toy_form" or "mouse" in doc.vocab.strings
    loaded = Doc(Vocab()).from_bytes(doc.to_bytes())
    assert read(loaded, name) == ["mouse", "run"]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_only_certain_values_are_replaced(vocab, name):
    attribute, doc = WordAttribute(name, "x"), Doc(vocab, words=["a", "b", "c"])
    attribute.set(doc, hashes(vocab, ["one", "two", "three"]), vocab.strings, overwrite=True)
    attribute.replace(doc, hashes(vocab, ["one", "x", "three"]), hashes(vocab, ["1", "2", ""]), vocab.strings)
    assert read(doc, name) == ["1", "two", "three"]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_gold_values_of_tokens_that_are_cut_alike(vocab, name):
    attribute = WordAttribute(name, "x")
    predicted = Doc(vocab, words=["We", "can", "not", "swim", "today", "!"])
    reference = Doc(Vocab(), words=["We", "cannot", "swim", "to", "day", "!"])
    # Two words of the reference that are one token of the text have the same value.
    gold = ["we", "can", "swim", "now", "now", "!"]
    attribute.set(reference, hashes(reference.vocab, gold), reference.vocab.strings, overwrite=True)
    assert attribute.aligned(Example(predicted, reference)) == ["we", "", "", "swim", "", "!"]


def test_a_missing_lemma_is_none(vocab):
    doc = Doc(vocab, words=["a", "b"], lemmas=["a", ""])
    assert WordAttribute("LEMMA", "x").aligned(Example(Doc(vocab, words=["a", "b"]), doc)) == ["a", ""]


def test_no_tokens(vocab):
    assert WordAttribute("LEMMA", "x").aligned(Example(Doc(vocab), Doc(vocab))) == []


def test_a_value_that_is_no_string_is_named(vocab):
    attribute, doc = WordAttribute("_.toy_form", "spelling"), Doc(vocab, words=["a", "b"])
    doc[1]._.toy_form = 7
    with pytest.raises(ValueError, match="'spelling': token._.toy_form .*string.* 7 for 'b'"):
        attribute.get(doc)


@pytest.mark.parametrize("name, key", [("NORM", "norm_acc"), ("_.toy_form", "toy_form_acc")])
def test_scores_are_those_of_spacy_for_lemmas(name, key):
    nlp = spacy.blank("xx")
    attribute = WordAttribute(name, "x")
    predicted, reference = Doc(nlp.vocab, words=["a", "b", "can", "not"]), Doc(Vocab(), words=["a", "b", "cannot"])
    for doc, values in ((predicted, ["A", "X", "C", "N"]), (reference, ["A", "B", "C"])):
        attribute.set(doc, hashes(doc.vocab, values), doc.vocab.strings, overwrite=True)
        for token, value in zip(doc, values, strict=True):
            token.lemma_ = value
    examples = [Example(predicted, reference)]
    expected = spacy.scorer.Scorer.score_token_attr(examples, "lemma")["lemma_acc"]
    assert attribute.score(examples) == {key: pytest.approx(expected)}
    assert 0 < expected < 1


def test_no_gold_values_no_score(vocab):
    attribute = WordAttribute("_.toy_form", "x")
    assert attribute.score([Example(Doc(vocab, words=["a"]), Doc(vocab, words=["a"]))]) == {"toy_form_acc": None}
