"""The learned vocabulary and its embedding table."""

import numpy
import pytest
from numpy.testing import assert_array_equal
from thinc.api import chain, list2ragged, set_dropout_rate, tuplify

from spacy_rnn.layers import build_embed, learn_vocabulary

TEXTS = ["b a c a", "", "a b D d", "zebra c"]
# By frequency: a 3; b, c, d 2; zebra 1.
RANKED = ["a", "b", "c", "d", "zebra"]
N_SPECIAL = 4
UNKNOWN = 1


def words_of(model):
    return model.attrs["vocabulary"].words


def row_of(model, doc):
    """Which rows of the table the words of a text get, found by their values."""
    E = model.get_param("E")
    (Y,) = model.predict([doc])
    return [int(numpy.flatnonzero((E == y).all(axis=1))[0]) for y in Y]


@pytest.mark.parametrize(
    "size, attr, expected",
    [
        (100, "LOWER", RANKED),
        (9, "LOWER", RANKED),
        (8, "LOWER", ["a", "b", "c", "d"]),
        (7, "LOWER", ["a", "b", "c"]),
        (5, "LOWER", ["a"]),
        (100, "ORTH", ["a", "b", "c", "D", "d", "zebra"]),
        (8, "ORTH", ["a", "b", "c", "D"]),
    ],
)
def test_most_frequent_words_get_rows_ties_in_alphabetical_order(make_docs, size, attr, expected):
    model = build_embed(3, size=size, attr=attr)
    model.initialize(X=make_docs(*TEXTS))
    assert words_of(model) == expected
    assert model.get_param("E").shape == (size, 3)
    for i, word in enumerate(expected):
        assert row_of(model, make_docs(word)[0]) == [N_SPECIAL + i]


def test_order_of_the_texts_does_not_matter(make_docs):
    vocabularies = []
    for texts in (TEXTS, TEXTS[::-1]):
        model = build_embed(3, size=7)
        model.initialize(X=make_docs(*texts))
        vocabularies.append(words_of(model))
    assert vocabularies[0] == vocabularies[1]


def test_unknown_words_share_a_row(make_docs):
    model = build_embed(3, size=7)
    model.initialize(X=make_docs(*TEXTS))
    assert row_of(model, make_docs("d a zebra unheard A")[0]) == [UNKNOWN, 4, UNKNOWN, UNKNOWN, 4]


def test_all_words_are_unknown_before_any_was_learned(make_docs):
    model = build_embed(3, size=7)
    model.initialize()
    assert row_of(model, make_docs("a b")[0]) == [UNKNOWN, UNKNOWN]


def test_output_is_one_hot_vectors_times_the_table(make_docs, randomize):
    docs = make_docs("a b a", "", "new zebra")
    model = build_embed(3, size=9)
    model.initialize(X=make_docs(*TEXTS))
    randomize(model)
    one_hot = numpy.zeros((5, 9))
    for i, word in enumerate("a b a new zebra".split()):
        one_hot[i, N_SPECIAL + RANKED.index(word) if word in RANKED else UNKNOWN] = 1.0
    Y = model.predict(docs)
    assert [len(rows) for rows in Y] == [3, 0, 2]
    assert_array_equal(numpy.concatenate(Y), one_hot @ model.get_param("E"))


def test_gradient_matches_central_differences(make_docs, randomize, check_parameter_gradients):
    """Also of words that come several times in a text and in several texts."""
    docs = make_docs("a b a a", "", "new a zebra other", "b")
    model = build_embed(3, size=9)
    model.initialize(X=make_docs(*TEXTS))
    randomize(model)
    rng = numpy.random.default_rng(1)
    dY = [rng.normal(size=(len(doc), 3)) for doc in docs]

    def loss():
        return sum((y * dy).sum() for y, dy in zip(model.predict(docs), dY, strict=True))

    model.begin_update(docs)[1](dY)
    check_parameter_gradients(model, loss)


def test_words_that_do_not_occur_get_no_gradient(make_docs):
    model = build_embed(3, size=9)
    model.initialize(X=make_docs(*TEXTS))
    Y, backprop = model.begin_update(make_docs("a zebra"))
    backprop([numpy.ones_like(rows) for rows in Y])
    assert_array_equal(numpy.flatnonzero(model.get_grad("E").any(axis=1)), [4, 8])


@pytest.mark.parametrize("how", ["bytes", "disk"])
def test_vocabulary_is_stored_with_the_model(make_docs, tmp_path, how):
    model = build_embed(3, size=8)
    model.initialize(X=make_docs(*TEXTS))
    fresh = build_embed(3, size=8)
    if how == "bytes":
        fresh.from_bytes(model.to_bytes())
    else:
        model.to_disk(tmp_path / "embed")
        fresh.from_disk(tmp_path / "embed")
    assert words_of(fresh) == words_of(model) == RANKED[:4]
    docs = make_docs("d zebra a Ω", "b")
    for ours, theirs in zip(fresh.predict(docs), model.predict(docs), strict=True):
        assert_array_equal(ours, theirs)


def test_learned_vocabulary_is_that_of_all_texts(make_docs):
    """In every embedding of a model."""
    lower, orth = build_embed(3, size=8), build_embed(3, size=6, attr="ORTH")
    model = tuplify(chain(lower, list2ragged()), orth)
    model.initialize(X=make_docs("only these"))
    learn_vocabulary(model, iter(make_docs(*TEXTS)))
    assert words_of(lower) == RANKED[:4]
    assert words_of(orth) == ["a", "b"]


def test_initializing_again_learns_the_words_of_the_new_texts(make_docs):
    model = build_embed(3, size=8)
    model.initialize(X=make_docs("only these"))
    model.initialize(X=make_docs("other words"))
    assert words_of(model) == ["other", "words"]


def test_rare_words_share_the_row_of_unknown_words(make_docs):
    model = build_embed(3, size=8, min_count=2)
    model.initialize(X=make_docs("often often once"))
    assert words_of(model) == ["often"]


def test_learning_again_replaces_the_vocabulary(make_docs):
    model = build_embed(3, size=8)
    learn_vocabulary(model, make_docs(*TEXTS))
    learn_vocabulary(model, make_docs("other words"))
    assert words_of(model) == ["other", "words"]


def test_new_words_of_an_update_take_free_rows(make_docs):
    model = build_embed(3, size=8)
    model.initialize(X=make_docs("b a a"))
    model.begin_update(make_docs("a new", "newer new newest"))
    assert words_of(model) == ["a", "b", "new", "newer"]
    assert row_of(model, make_docs("newer newest")[0]) == [N_SPECIAL + 3, UNKNOWN]


def test_new_words_are_learned(make_docs):
    model = build_embed(3, size=8)
    model.initialize(X=make_docs("a"))
    (Y,), backprop = model.begin_update(make_docs("new"))
    backprop([numpy.ones_like(Y)])
    assert_array_equal(numpy.flatnonzero(model.get_grad("E").any(axis=1)), [N_SPECIAL + 1])


def test_a_prediction_adds_no_words(make_docs):
    model = build_embed(3, size=8)
    model.initialize(X=make_docs("a"))
    model.predict(make_docs("new"))
    assert words_of(model) == ["a"]


def test_rare_words_stay_unknown_in_updates(make_docs):
    model = build_embed(3, size=8, min_count=2)
    model.initialize(X=make_docs("often often once"))
    model.begin_update(make_docs("often once new"))
    assert words_of(model) == ["often"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"size": 4}, "special entries.*at least 5, got 4"),
        ({"size": 0}, "at least 5, got 0"),
        ({"attr": "COLOUR"}, "attr.*'COLOUR'"),
        ({"width": 0}, "width.*at least 1, got 0"),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_embed(**{"width": 3, **arguments})


@pytest.mark.parametrize("rate", [0.3, 0.9])
def test_word_dropout_makes_words_unknown_in_training(make_docs, rate):
    docs = make_docs("a b " * 500)
    model = build_embed(3, word_dropout=rate)
    model.initialize(X=docs)
    unknown = model.get_param("E")[UNKNOWN]
    assert not (model.predict(docs)[0] == unknown).all(axis=1).any()
    Y, backprop = model.begin_update(docs)
    dropped = (Y[0] == unknown).all(axis=1)
    assert abs(dropped.mean() - rate) < 0.06
    backprop([numpy.ones_like(Y[0])])
    assert_array_equal(model.get_grad("E")[UNKNOWN], dropped.sum())


def test_word_dropout_has_a_rate_of_its_own(make_docs):
    docs = make_docs("a b " * 50)
    model = build_embed(3, word_dropout=0.5)
    model.initialize(X=docs)
    set_dropout_rate(model, 0.0)
    assert (model.begin_update(docs)[0][0] == model.get_param("E")[UNKNOWN]).all(axis=1).any()


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_word_dropout_that_is_no_share_is_refused(rate):
    with pytest.raises(ValueError, match=f"word_dropout must be at least 0 and below 1, got {rate}"):
        build_embed(3, word_dropout=rate)
