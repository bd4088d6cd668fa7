"""Gold labels as numbers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_rnn.pipeline.annotation.gold import gold_keys, gold_strings, label_keys

PREDICTED, REFERENCE = Vocab(), Vocab()
# For token.tag any string will do.
VALUES = {"TAG": ["", "NN", "!NN", "A-B"], "POS": ["", "NOUN", "SPACE", "X"]}


def cut(draw, text):
    """A text in words, cut anywhere."""
    words = [text[0]]
    for character in text[1:]:
        if draw(st.booleans()):
            words.append(character)
        else:
            words[-1] += character
    return words


def annotated(words, gold, attr, labels):
    setting = {"tags" if attr == "TAG" else "pos": labels}
    reference = Doc(REFERENCE, words=gold, spaces=[False] * len(gold), **setting)
    return Example(Doc(PREDICTED, words=words, spaces=[False] * len(words)), reference)


@st.composite
def examples(draw, attr, same):
    """Annotated words, and the same words or other ones of the same text, except for capitals and whitespace."""
    gold = cut(draw, draw(st.text("aAb.\n中 ", min_size=1, max_size=12)))
    words = gold
    if not same:
        text = "".join(gold).lower() if draw(st.booleans()) else "".join(gold)
        words = cut(draw, text.replace(" ", "") or text if draw(st.booleans()) else text)
    return annotated(words, gold, attr, [draw(st.sampled_from(VALUES[attr])) for _ in gold])


@pytest.mark.slow
@pytest.mark.parametrize("same", [True, False], ids=["the same tokens", "other tokens"])
@pytest.mark.parametrize("attr", ["TAG", "POS"])
def test_the_alignment_is_that_of_spacy(attr, same):
    @settings(deadline=None, database=None, max_examples=300)
    @given(examples(attr, same))
    def check(example):
        expected = [label or "" for label in example.get_aligned(attr, as_string=True)]
        assert [REFERENCE.strings[int(key)] for key in gold_keys(example, attr)] == expected

    check()


@pytest.mark.parametrize("word", ["İ", "ΑΣ", " ", "NOUN", "ß"])
def test_every_token_is_aligned_with_itself(word):
    example = annotated([word, "a", word], [word, "a", word], "TAG", ["A-B", "", "NN"])
    assert gold_keys(example, "TAG").tolist() == [key or 0 for key in example.get_aligned("TAG")]
    assert [REFERENCE.strings[int(key)] for key in gold_keys(example, "TAG")] == ["A-B", "", "NN"]


def test_tokens_that_changed_are_aligned_anew():
    example = annotated(["can", "not", "go"], ["can", "not", "go"], "TAG", ["NN", "NN", "A-B"])
    assert len(gold_keys(example, "TAG")) == 3
    with example.x.retokenize() as retokenizer:
        retokenizer.merge(example.x[0:2])
    assert gold_keys(example, "TAG").tolist() == list(label_keys(("NN", "A-B")))


def test_strings_are_found_in_the_vocabulary_of_each_example():
    batch = []
    for label in ("only-here", "", "only-there", "only-here"):
        vocab = Vocab()
        batch.append(Example(Doc(PREDICTED, words=["a"]), Doc(vocab, words=["a"], tags=[label])))
    found = gold_strings(batch, "TAG")
    labels = ("", "only-here", "only-there")
    assert found == dict(zip(label_keys(labels), labels, strict=True))


@pytest.mark.parametrize("label", ["", "NN", "NOUN", "!", "ein Etikett 中"])
def test_a_label_has_the_value_that_a_doc_stores(label):
    doc = Doc(Vocab(), words=["a"], tags=[label])
    assert label_keys((label,)) == (doc[0].tag,)
