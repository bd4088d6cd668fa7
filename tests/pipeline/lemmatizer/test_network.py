"""Forms as an encoder-decoder reads them, and lemmas as it writes them."""

import random

import numpy
import pytest

from spacy_rnn.pipeline.lemmatizer.dictionary import Key
from spacy_rnn.pipeline.lemmatizer.edits import EDITS, LOWER, SHAPES, UPPER_WRITTEN
from spacy_rnn.text.symbols import END, START, UNKNOWN

NEW = "żжx字öй"


@pytest.fixture
def network(trained):
    return trained.get_pipe("rnn_lemmatizer").network


def key(form, *tags):
    return Key(form, tags or ("NOUN",))


def test_characters_and_features_are_learned(make_lemmatizer):
    words = [("Bats", "NOUN", "bat"), ("sat", "VERB", "sit"), ("Rhö", "PROPN", "Rhö")]
    nlp = make_lemmatizer(words=words)
    network = nlp.get_pipe("rnn_lemmatizer").network
    assert {chr(code) for code in network.symbols.learned} == {*EDITS, *"batsirhö"}
    assert set(network.model.attrs["features"]) == {f"shape={shape}" for shape in SHAPES} | {"0=NOUN", "0=VERB", "0=PROPN"}
    assert network.model.attrs["target"] is network.symbols


def test_what_is_learned_does_not_grow_the_vocabulary(make_lemmatizer):
    nlp = make_lemmatizer(words=[("bats", "NOUN", "bat"), ("Sitters", "NOUN", "Sitter")])
    assert not [string for string in nlp.vocab.strings if any(char in EDITS for char in string)]


def test_features_come_before_characters(network):
    sources = network.encode([key("Boks"), key("KA", "VERB"), key("x1", "nothing")])
    first, features = len(network.symbols), network.model.attrs["features"]
    numbers = numpy.split(sources.numbers, numpy.cumsum(sources.lengths)[:-1])
    named = [[features[number - first] for number in each[each >= first]] for each in numbers]
    assert named == [["shape=title", "0=NOUN"], ["shape=upper", "0=VERB"], ["shape=lower"]]
    assert [network.symbols.decode(each[each < first]) for each in numbers] == ["boks", "ka", "\ufffd\ufffd"]
    assert sources.lengths.dtype == numpy.int32


def test_each_part_of_a_feature_set_counts(make_lemmatizer):
    nlp = make_lemmatizer(words=[("bats", "NOUN", "bat")], tags=["MORPH"])
    component = nlp.get_pipe("rnn_lemmatizer")
    component.network.learn([key("bats", "Case=Nom|Number=Plur"), key("bat", "Case=Acc")], ["bat", "bat"])
    assert {"0=Case=Nom", "0=Number=Plur", "0=Case=Acc"} < set(component.network.model.attrs["features"])
    features = component.network.model.attrs["features"]
    sources = component.network.encode([key("a", "Case=Acc|Number=Plur|Other=X")])
    named = {features[number - len(component.network.symbols)] for number in sources.numbers[:-1]}
    assert named == {"shape=lower", "0=Case=Acc", "0=Number=Plur"}


def test_pairs(network):
    batch = network.encode_pairs([key("BOKS"), key("Boks")], ["BOK", "boks"])
    numbers = numpy.split(batch.targets.targets, numpy.cumsum(batch.targets.lengths)[:-1])
    assert [network.symbols.decode(each) for each in numbers] == [UPPER_WRITTEN + "bok", LOWER]
    assert all(each[-1] == END for each in numbers)
    assert batch.targets.inputs[0] == START


def test_some_characters_are_unknown_in_form_and_lemma_alike(network):
    random.seed(3)
    keys = [key("bokatims")] * 40
    batch = network.encode_pairs(keys, ["bokatim"] * 40, masked=0.5)
    plain = network.encode_pairs(keys[:1], ["bokatim"])
    source, target = plain.sources.numbers, plain.targets.targets
    n_masked = 0
    sources = numpy.split(batch.sources.numbers, numpy.cumsum(batch.sources.lengths)[:-1])
    targets = numpy.split(batch.targets.targets, numpy.cumsum(batch.targets.lengths)[:-1])
    inputs = numpy.split(batch.targets.inputs, numpy.cumsum(batch.targets.lengths)[:-1])
    for read, written, before in zip(sources, targets, inputs, strict=True):
        hidden = set(source[read == UNKNOWN].tolist())
        assert (numpy.where(numpy.isin(source, list(hidden)), UNKNOWN, source) == read).all()
        assert (numpy.where(numpy.isin(target, list(hidden)), UNKNOWN, target) == written).all()
        assert (before[1:] == written[:-1]).all()
        assert len(hidden) <= 3 and max(hidden, default=0) < len(network.symbols)
        n_masked += bool(hidden)
    assert 10 <= n_masked <= 30


def test_new_words_are_written(network, toy_words):
    words = toy_words(200, seed=7)
    found = network.write([key(form, tag) for form, tag, _ in words], 1)
    assert numpy.mean([lemma == word[2] for lemma, word in zip(found, words, strict=True)]) > 0.97


def test_nothing_to_write(network):
    assert network.write([], 1) == []


@pytest.mark.parametrize("width", [1, 3])
def test_a_lemma_does_not_depend_on_the_batch(network, toy_words, width):
    rng = random.Random(0)
    words = [key(form, tag) for form, tag, _ in toy_words(60, seed=8, sizes=(1, 2, 4, 9))]
    # Such as no training has seen: the network may go on and on.
    words += [key("".join(rng.choice("bokatimusż") for _ in range(n)), "VERB") for n in (1, 2, 15, 16, 17, 31, 33, 60, 64) * 2]
    words += [key("s", ""), key("bok" * 20, "X"), key("ż" * 40, "NOUN")]
    words = list(dict.fromkeys(words))
    together = network.write(words, width)
    order = list(range(len(words)))
    rng.shuffle(order)
    assert [together[i] for i in order] == network.write([words[i] for i in order], width)
    assert together == [network.write([word], width)[0] for word in words]


def test_a_search_without_end_leaves_the_form(make_lemmatizer):
    # Weights as they are drawn: few of the forms come to an end in the room that there is.
    network = make_lemmatizer().get_pipe("rnn_lemmatizer").network
    words = [key("b" * n) for n in (1, 3, 30, 64)]
    assert network.write(words, 1) == [network.write([word], 1)[0] for word in words]


@pytest.mark.parametrize("n_unknown", [1, 2])
def test_unknown_characters_are_copied(network, toy_words, n_unknown):
    rng, right = random.Random(n_unknown), []
    for form, tag, lemma in toy_words(150, seed=9):
        replaced = rng.sample("bkotimunl", n_unknown)
        table = str.maketrans(dict(zip(replaced, rng.sample(NEW, n_unknown), strict=True)))
        if tag != "PROPN" and form.translate(table) != form:
            right.append(network.write([key(form.translate(table), tag)], 1)[0] == lemma.translate(table))
    assert len(right) > 30
    assert numpy.mean(right) > 0.8


@pytest.mark.parametrize("form", ["字", "ż", "𒀀", "\u0301", "🙂"])
def test_a_form_of_one_unknown_character_has_no_others(network, form):
    assert set(network.write([key(form, "X")], 1)[0]) <= {form, *"sed"}


def test_without_copying_unknown_characters_are_not_lost(make_lemmatizer, toy_words):
    nlp = make_lemmatizer(60, model={"copy": False})
    network = nlp.get_pipe("rnn_lemmatizer").network
    assert network.write([key("kaboks"), key("KABOK", "VERB")], 1) != ["kaboks", "KABOK"]
    for form in ("kabżks", "字s", "Kaxożmed"):
        assert network.write([key(form)], 1)[0] in (form, form.lower())
