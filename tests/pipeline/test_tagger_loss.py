"""What the taggers learn from: the loss and its gradient."""

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Adam, SequenceCategoricalCrossentropy

LABELS = ["NOUN", "VERB", "ADJ", "X"]
NOTHING, WRONG = st.just(""), st.sampled_from([f"!{label}" for label in LABELS])


@pytest.fixture(scope="module")
def make_tagger(component_config):
    """(label_smoothing) -> a tagger of four labels, not initialized."""

    def make(label_smoothing=0.0, labels=LABELS):
        config = {**component_config("rnn_tagger"), "label_smoothing": label_smoothing}
        component = spacy.blank("xx").add_pipe("rnn_tagger", config=config)
        for label in labels:
            component.add_label(label)
        return component

    return make


def annotated(texts):
    """Examples of a vocabulary of their own, with one label for each token, "" for none."""
    vocab = Vocab()
    docs = [[Doc(vocab, words=["a"] * len(labels), tags=tags) for tags in (None, labels)] for labels in texts]
    return [Example(predicted, reference) for predicted, reference in docs]


def probabilities(texts):
    generator = numpy.random.default_rng(0)
    scores = [generator.random((len(labels), len(LABELS)), dtype="float32") for labels in texts]
    return [doc_scores / doc_scores.sum(axis=1, keepdims=True) for doc_scores in scores]


def loss_of_thinc(texts, scores, label_smoothing):
    """The oracle. It cannot smooth where there is a negative label, so those of a batch are left to a second call."""
    right = [[None if label == "" or label[0] == "!" else label for label in labels] for labels in texts]
    wrong = [[label if label != "" and label[0] == "!" else None for label in labels] for labels in texts]
    smooth = SequenceCategoricalCrossentropy(names=LABELS, normalize=False, label_smoothing=label_smoothing)
    negative = SequenceCategoricalCrossentropy(names=LABELS, normalize=False, neg_prefix="!")
    parts = [smooth(scores, right), negative(scores, wrong)]
    return parts[0][1] + parts[1][1], [a + b for a, b in zip(parts[0][0], parts[1][0], strict=True)]


@pytest.mark.parametrize("label_smoothing", [0.0, 0.05, 0.45])
def test_it_is_the_loss_of_thinc(label_smoothing, make_tagger):
    tagger = make_tagger(label_smoothing)

    @settings(deadline=None, database=None, max_examples=150)
    @given(st.lists(st.lists(st.sampled_from(LABELS) | NOTHING | WRONG, max_size=8), min_size=1, max_size=5))
    def check(texts):
        scores = probabilities(texts)
        before = [array.copy() for array in scores]
        loss, d_scores = tagger.get_loss(annotated(texts), scores)
        expected_loss, expected = loss_of_thinc(texts, scores, label_smoothing)
        assert isinstance(loss, float)
        assert loss == pytest.approx(float(expected_loss), rel=1e-5, abs=1e-6)
        for found, array in zip(d_scores, expected, strict=True):
            assert found.dtype == "float32"
            numpy.testing.assert_allclose(found, array, atol=1e-6)
        assert all((a == b).all() for a, b in zip(before, scores, strict=True))

    check()


def test_an_empty_batch_has_no_loss(make_tagger):
    assert make_tagger().get_loss([], []) == (0.0, [])


def test_labels_need_a_wrong_one_to_be_smoothed(make_tagger):
    with pytest.raises(ValueError, match="label_smoothing 0.1"):
        make_tagger(0.1, ["NOUN"]).get_loss(annotated([["NOUN"]]), [numpy.ones((1, 1), dtype="f")])


def test_an_unseen_label_of_another_vocabulary_is_named(make_tagger):
    texts = [["NOUN", "never-seen"], ["!unheard-of"]]
    with pytest.raises(ValueError, match="!unheard-of, never-seen"):
        make_tagger().get_loss(annotated(texts), probabilities(texts))


@pytest.mark.parametrize("label", ["", "NOUN", "!NOUN"])
def test_scores_that_are_no_number_are_refused(label, make_tagger):
    scores = probabilities([["NOUN", label]])
    scores[0][1, 2] = numpy.nan
    with pytest.raises(ValueError, match="NaN"):
        make_tagger().get_loss(annotated([["NOUN", label]]), scores)


@pytest.mark.parametrize("score", [-0.1, 1.1, numpy.inf])
def test_scores_that_are_no_probability_are_refused(score, make_tagger):
    scores = probabilities([["NOUN", ""]])
    scores[0][1, 2] = score
    with pytest.raises(ValueError, match="between 0 and 1"):
        make_tagger().get_loss(annotated([["NOUN", ""]]), scores)


@pytest.mark.parametrize("shapes", [[(1, 4), (2, 4)], [(2, 4), (1, 3)], [(2, 4)]], ids=str)
def test_scores_of_other_tokens_or_labels_are_refused(shapes, make_tagger):
    with pytest.raises(ValueError):
        make_tagger().get_loss(annotated([["NOUN", "X"], ["X"]]), [numpy.zeros(shape, dtype="f") for shape in shapes])


@pytest.mark.parametrize("factory", ["rnn_tagger", "rnn_pos_tagger"])
def test_a_model_that_breaks_down_is_not_updated(factory, make_nlp, parameters):
    nlp, examples = make_nlp(factory, n_updates=1)
    model = nlp.get_pipe(factory).model
    model.get_ref("output_layer").get_param("b")[1] = numpy.nan
    before = parameters(model)
    with pytest.raises(ValueError, match="NaN"):
        nlp.update(examples, sgd=Adam(0.1))
    for a, b in zip(before, parameters(model), strict=True):
        numpy.testing.assert_array_equal(a, b)
