"""The temperature of a component: what it changes, what it leaves, and that it is saved."""

import json

import numpy
import pytest
import spacy
import srsly
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc

from spacy_rnn.pipeline.temperature import temper_exclusive, temper_independent

TAGGERS = ["rnn_tagger", "rnn_pos_tagger"]
CATEGORIZERS = ["rnn_textcat", "rnn_textcat_multilabel"]
TEXTS = [["They", "book", "a", "small", "room"], ["warm"], ["A", "good", "film", "sleeps"] * 3, []]
SCORES = arrays("float32", (4, 3), elements=st.floats(-200, 200, width=32))
TEMPERATURES = st.floats(0.05, 200)

every = pytest.mark.parametrize("factory", TAGGERS + CATEGORIZERS)
every_head = pytest.mark.parametrize("use_crf", [False, True], ids=["softmax", "crf"])


def softmax(scores):
    shares = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def make_docs(nlp):
    return [Doc(nlp.vocab, words=words) for words in TEXTS]


def annotated(nlp, factory):
    """(labels, probabilities) of each text."""
    found = []
    for doc in nlp.pipe(make_docs(nlp)):
        if "textcat" in factory:
            found.append(([], list(doc.cats.values())))
        else:
            each = doc._.rnn_probs[factory]
            found.append(([token.tag_ or token.pos_ for token in doc], each["probs"]))
    return found


@pytest.fixture(scope="module")
def make_trained(make_nlp):
    """(factory, temperature) -> a trained pipeline."""

    def make(factory, temperature, **settings):
        settings = {"store_probs": True, **settings} if factory in TAGGERS else settings
        nlp, examples = make_nlp(factory, n_updates=8, **settings)
        nlp.get_pipe(factory).temperature = temperature
        return nlp, examples

    return make


@given(SCORES, TEMPERATURES)
def test_a_softmax_at_a_temperature_is_that_of_divided_scores(scores, temperature):
    # Of probabilities below 1e-38 float32 has no more than that.
    scores = scores / 5
    tempered = temper_exclusive(softmax(scores), temperature)
    assert tempered.dtype == numpy.float32
    assert_allclose(tempered, softmax(scores.astype("float64") / temperature), atol=1e-5)


@given(SCORES, TEMPERATURES)
def test_a_sigmoid_at_a_temperature_is_that_of_divided_scores(scores, temperature):
    # Above 16.6, float32 has no number between a sigmoid and 1.
    scores = numpy.clip(scores, -80, 10)
    tempered = temper_independent(1 / (1 + numpy.exp(-scores)), temperature)
    assert tempered.dtype == numpy.float32
    expected = numpy.exp(-numpy.logaddexp(0, -scores.astype("float64") / temperature))
    assert_allclose(tempered, expected, atol=2e-3)


@given(arrays("float32", (6, 4), elements=st.floats(0, 1, width=32)), TEMPERATURES)
def test_the_most_probable_label_stays(shares, temperature):
    shares[:, 0] += numpy.float32(1e-3)
    # Numbers next to each other, which a high temperature makes the same.
    shares[:3, 1] = numpy.nextafter(shares[:3, 0], numpy.float32(2))
    rows = shares / shares.sum(axis=1, keepdims=True)
    assert_array_equal(temper_exclusive(rows, temperature).argmax(axis=1), rows.argmax(axis=1))


@given(arrays("float32", 20, elements=st.floats(0, 1, width=32)), TEMPERATURES)
def test_decisions_at_one_half_stay(probabilities, temperature):
    half = numpy.float32(0.5)
    edges = numpy.asarray([0, 1, half, numpy.nextafter(half, 0), numpy.nextafter(half, 1)], "float32")
    probabilities = numpy.concatenate([probabilities, edges])
    tempered = temper_independent(probabilities, temperature)
    assert_array_equal(tempered >= 0.5, probabilities >= 0.5)
    order = numpy.argsort(probabilities, kind="stable")
    assert (numpy.diff(tempered[order]) >= 0).all()


def test_what_is_saturated_stays_finite():
    tempered = temper_exclusive(numpy.asarray([[0, 1, 0]], "float32"), 2.0)
    assert_allclose(tempered, [[0, 1, 0]], atol=1e-15)
    assert (tempered[0, [0, 2]] > 0).all()
    assert_allclose(temper_independent(numpy.asarray([0, 1], "float32"), 4.0), [0, 0.9846], atol=1e-3)


def test_a_temperature_of_1_changes_no_bit(make_trained):
    rows = softmax(numpy.random.default_rng(0).normal(size=(9, 4)).astype("float32"))
    assert temper_exclusive(rows, 1.0) is rows
    assert temper_independent(rows, 1.0) is rows


@every
def test_probabilities_are_at_the_temperature_and_labels_stay(factory, make_trained):
    nlp, _ = make_trained(factory, 1.0)
    before = annotated(nlp, factory)
    nlp.get_pipe(factory).temperature = 3.0
    for (labels, rows), (others, tempered) in zip(before, annotated(nlp, factory), strict=True):
        assert labels == others
        rows = numpy.asarray(rows, "float64")
        if factory == "rnn_textcat_multilabel":
            expected = rows ** (1 / 3) / (rows ** (1 / 3) + (1 - rows) ** (1 / 3))
        else:
            expected = rows ** (1 / 3) / (rows ** (1 / 3)).sum(axis=-1, keepdims=True)
        assert_allclose(numpy.asarray(tempered).reshape(expected.shape), expected, atol=1e-5)


@pytest.mark.parametrize("factory", TAGGERS)
def test_the_best_path_of_a_crf_stays(factory, make_trained):
    nlp, _ = make_trained(factory, 1.0, use_crf=True)
    before = annotated(nlp, factory)
    nlp.get_pipe(factory).temperature = 3.0
    after = annotated(nlp, factory)
    assert [labels for labels, _ in after] == [labels for labels, _ in before]
    for (_, rows), (_, tempered) in zip(before, after, strict=True):
        if len(rows):
            assert numpy.max(tempered) < numpy.max(rows)
            assert_allclose(numpy.sum(tempered, axis=1), 1, atol=1e-5)


@every
def test_training_is_at_temperature_1(factory, make_trained, gradients):
    nlp, examples = make_trained(factory, 1.0)
    component = nlp.get_pipe(factory)
    before = gradients(component, examples)
    component.temperature = 5.0
    for one, other in zip(before, gradients(component, examples), strict=True):
        assert_array_equal(one, other)


@every
def test_the_temperature_is_saved(factory, make_trained, tmp_path):
    nlp, _ = make_trained(factory, 2.5)
    nlp.to_disk(tmp_path)
    blank = spacy.util.load_model_from_config(nlp.config, auto_fill=False).from_bytes(nlp.to_bytes())
    for loaded in (spacy.load(tmp_path), blank):
        assert loaded.get_pipe(factory).temperature == 2.5
        assert annotated(loaded, factory) == annotated(nlp, factory)


@every
def test_a_component_saved_without_a_temperature_has_1(factory, make_trained, tmp_path):
    nlp, _ = make_trained(factory, 1.0)
    nlp.to_disk(tmp_path)
    path = tmp_path / factory / "cfg"
    srsly.write_json(path, {key: value for key, value in srsly.read_json(path).items() if key != "temperature"})
    assert spacy.load(tmp_path).get_pipe(factory).temperature == 1.0


@every
def test_a_new_start_is_at_temperature_1(factory, make_trained):
    nlp, examples = make_trained(factory, 2.5)
    nlp.initialize(lambda: examples)
    assert nlp.get_pipe(factory).temperature == 1.0


@every
def test_what_is_no_temperature_is_refused(factory, make_trained, tmp_path):
    nlp, _ = make_trained(factory, 1.0)
    component = nlp.get_pipe(factory)
    nlp.to_disk(tmp_path)
    path = tmp_path / factory / "cfg"
    text = path.read_text()
    assert '"temperature":1.0' in text
    for value in (0, -1.0, float("inf"), float("nan"), "2", None, True, 1e-9, 1e9):
        with pytest.raises(ValueError, match="a temperature is a number from 0.001 to 1000"):
            component.temperature = value
        assert component.temperature == 1.0
        path.write_text(text.replace('"temperature":1.0', f'"temperature":{json.dumps(value)}'))
        with pytest.raises(ValueError, match=f"{factory}.cfg"):
            component.from_disk(path.parent, exclude=["vocab"])
        assert component.temperature == 1.0


@every
def test_two_processes_give_the_same(factory, make_trained):
    nlp, _ = make_trained(factory, 2.5)
    one = annotated(nlp, factory)
    for (labels, rows), doc in zip(one, nlp.pipe(make_docs(nlp), batch_size=2, n_process=2), strict=True):
        found = list(doc.cats.values()) if "textcat" in factory else doc._.rnn_probs[factory]["probs"]
        assert_allclose(found, rows, atol=1e-6)
        assert labels == ([] if "textcat" in factory else [token.tag_ or token.pos_ for token in doc])


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.7, 1.0])
def test_decisions_at_a_threshold_stay(threshold, make_trained):
    nlp, examples = make_trained("rnn_textcat_multilabel", 1.0, threshold=threshold)
    component = nlp.get_pipe("rnn_textcat_multilabel")
    before = nlp.evaluate(examples)
    component.temperature = 3.0
    assert (component.cfg["threshold"] == threshold) == (threshold in (0.0, 0.5, 1.0))
    after = nlp.evaluate(examples)
    for name in ("cats_micro_p", "cats_micro_r", "cats_macro_f", "cats_macro_auc"):
        assert after[name] == before[name]
    component.temperature = 1.0
    assert component.cfg["threshold"] == pytest.approx(threshold, abs=1e-12)


def test_the_threshold_of_exclusive_classes_has_no_effect_and_stays(make_trained):
    nlp, _ = make_trained("rnn_textcat", 3.0, threshold=0.3)
    assert nlp.get_pipe("rnn_textcat").cfg["threshold"] == 0.3


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("kind", ["ensemble", "spacy"])
def test_any_model_has_a_temperature(kind, exclusive, make_nlp, component_config):
    factory = "rnn_textcat" if exclusive else "rnn_textcat_multilabel"
    if kind == "ensemble":
        config = component_config(factory, linear_model={"@architectures": "spacy_rnn.NGrams.v1"})
    else:
        bag_of_words = {"@architectures": "spacy.TextCatBOW.v3", "length": 64, "ngram_size": 1, "no_output_layer": False}
        config = {"model": {**bag_of_words, "exclusive_classes": exclusive}}
    nlp, examples = make_nlp(factory, n_updates=8, config=config)
    before = annotated(nlp, factory)
    component = nlp.get_pipe(factory)
    component.temperature = 3.0
    for (_, rows), (_, tempered) in zip(before, annotated(nlp, factory), strict=True):
        rows = numpy.asarray(rows, "float64")
        shares, others = rows ** (1 / 3), (1 - rows) ** (1 / 3)
        # Of a text without tokens spaCy's models say nothing.
        expected = shares / (shares.sum() if exclusive else shares + others) if rows.any() else 0 * rows
        assert_allclose(tempered, expected, atol=1e-5)
    component.update(examples)
    assert component.temperature == 3.0
